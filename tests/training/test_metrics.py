"""Metrics against numbers worked out by hand, and against scikit-learn where it is installed."""

import math

import numpy as np
import pytest

from deltarule.errors import ArgumentError, DTypeError, OutOfBoundsError, ShapeError
from deltarule.training import metrics

TARGETS = np.array([0, 0, 1, 1, 1, 2])
PREDICTIONS = np.array([0, 1, 1, 1, 2, 2])


def test_accuracy_is_the_share_that_is_right():
    assert metrics.accuracy(TARGETS, PREDICTIONS) == pytest.approx(4 / 6)
    assert metrics.accuracy([1.0, 2.0], [1, 2]) == 1.0


def test_confusion_matrix_has_a_row_per_true_class():
    expected = [[1, 1, 0], [0, 2, 1], [0, 0, 1]]
    assert metrics.confusion_matrix(TARGETS, PREDICTIONS).tolist() == expected
    wider = metrics.confusion_matrix(TARGETS, PREDICTIONS, classes=4)
    assert wider.shape == (4, 4)
    assert wider.sum() == 6


def test_f1_by_hand():
    # Per class: 2·1/(2+1), 2·2/(3+3), 2·1/(1+2).
    each = [2 / 3, 4 / 6, 2 / 3]
    assert metrics.f1(TARGETS, PREDICTIONS) == pytest.approx(np.mean(each))
    assert metrics.f1(TARGETS, PREDICTIONS, average="micro") == pytest.approx(4 / 6)
    assert metrics.f1([0, 1, 1, 1], [0, 0, 1, 1], average="binary") == pytest.approx(0.8)
    assert metrics.f1([0, 1, 1, 1], [0, 0, 1, 1], average="binary", positive=0) == pytest.approx(2 / 3)
    # Class 1 never appears: it does not pull the mean down. Class 0 is predicted but never right.
    assert metrics.f1([2, 2], [2, 0]) == pytest.approx((2 / 3 + 0) / 2)
    assert metrics.f1([0, 0], [0, 0], average="binary") == 0.0


def test_top_k_counts_ties_by_index():
    scores = [[0.1, 0.5, 0.4], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]]
    assert metrics.top_k_accuracy([1, 1, 0], scores, k=1) == pytest.approx(1 / 3)
    assert metrics.top_k_accuracy([1, 1, 0], scores, k=2) == 1.0
    assert metrics.top_k_accuracy([1, 1, 1], scores, k=2) == pytest.approx(2 / 3)
    assert metrics.top_k_accuracy([2, 2, 2], scores, k=3) == 1.0


def test_regression_by_hand():
    targets, predictions = [3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]
    assert metrics.mae(targets, predictions) == pytest.approx(0.5)
    assert metrics.mse(targets, predictions) == pytest.approx(0.375)
    assert metrics.rmse(targets, predictions) == pytest.approx(math.sqrt(0.375))
    assert metrics.r2(targets, predictions) == pytest.approx(0.9486081370449679)


def test_r2_of_several_outputs_and_constant_targets():
    targets = np.array([[0.5, 1.0], [-1.0, 1.0], [7.0, -6.0]])
    predictions = np.array([[0.0, 2.0], [-1.0, 2.0], [8.0, -5.0]])
    assert metrics.r2(targets, predictions) == pytest.approx(0.9368005266622779)
    assert metrics.r2([1.0, 1.0], [1.0, 1.0]) == 1.0
    assert metrics.r2([1.0, 1.0], [1.0, 2.0]) == 0.0
    assert math.isnan(metrics.r2([1.0], [1.0]))


def test_perplexity():
    assert metrics.perplexity(math.log(10)) == pytest.approx(10)
    assert metrics.perplexity(1e6) == math.inf


def test_against_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    random = np.random.default_rng(1)
    targets, predictions = random.integers(0, 5, 200), random.integers(0, 6, 200)
    assert metrics.accuracy(targets, predictions) == pytest.approx(
        sklearn.accuracy_score(targets, predictions)
    )
    for average in ("macro", "micro"):
        ours = metrics.f1(targets, predictions, average=average)
        assert ours == pytest.approx(sklearn.f1_score(targets, predictions, average=average))
    np.testing.assert_array_equal(
        metrics.confusion_matrix(targets, predictions), sklearn.confusion_matrix(targets, predictions)
    )
    scores = random.normal(size=(200, 6))
    ours = metrics.top_k_accuracy(targets, scores, k=2)
    assert ours == pytest.approx(sklearn.top_k_accuracy_score(targets, scores, k=2, labels=range(6)))
    numbers, guesses = random.normal(size=(50, 3)), random.normal(size=(50, 3))
    assert metrics.r2(numbers, guesses) == pytest.approx(sklearn.r2_score(numbers, guesses))


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("validation_accuracy", "higher"),
        ("train_f1", "higher"),
        ("r2", "higher"),
        ("test_top_5_accuracy", "higher"),
        ("validation_loss", "lower"),
        ("train_perplexity", "lower"),
        ("mae", "lower"),
    ],
)
def test_direction_of_names(name, better):
    assert metrics.higher_is_better(name) == (better == "higher")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.accuracy([0, 1], [0]), ShapeError, r"accuracy: expected class indices .* \(2,\)"),
        (lambda: metrics.accuracy([], []), ShapeError, "accuracy: expected class indices"),
        (lambda: metrics.accuracy([0.5], [0]), DTypeError, "accuracy: expected class indices, got float64"),
        (lambda: metrics.confusion_matrix([0, 3], [0, 1], 3), OutOfBoundsError, "classes 0 to 2, got 3"),
        (lambda: metrics.confusion_matrix([0, -1], [0, 1]), OutOfBoundsError, "classes 0 to 1, got -1"),
        (lambda: metrics.f1([0], [0], average="mean"), ArgumentError, "f1: average expects 'macro'"),
        (lambda: metrics.top_k_accuracy([0], [[1.0, 2.0]], k=3), ArgumentError, "k expects 1 to 2"),
        (lambda: metrics.top_k_accuracy([2], [[1.0, 2.0]], k=1), OutOfBoundsError, "classes 0 to 1"),
        (lambda: metrics.top_k_accuracy([0, 1], [[1.0, 2.0]]), ShapeError, r"scores \(n, classes\)"),
        (lambda: metrics.mse([1.0, 2.0], [[1.0], [2.0]]), ShapeError, r"mse: .* \(2,\) and \(2, 1\)"),
        (lambda: metrics.r2(1.0, 1.0), ShapeError, "r2: expected targets and predictions"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
