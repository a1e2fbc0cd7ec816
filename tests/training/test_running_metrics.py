"""Metrics added up over batches equal the metrics of all rows at once."""

import json
import math

import numpy as np
import pytest

from deltarule.errors import ArgumentError, OutOfBoundsError, ShapeError
from deltarule.training import metrics, running_metrics
from deltarule.training.running_metrics import (
    ClassificationMetrics,
    LanguageMetrics,
    Metrics,
    RegressionMetrics,
    metrics_for,
)

RANDOM = np.random.default_rng(5)


def fed(record: Metrics, output, targets, sizes, losses=None) -> Metrics:
    """A record after batches of these sizes; half way it goes through JSON and back."""
    first = 0
    for number, size in enumerate(sizes):
        rows = slice(first, first + size)
        record.update(output[rows], targets[rows], 0.5 if losses is None else losses[number])
        first += size
        if number == len(sizes) // 2:
            state = json.loads(json.dumps(record.state_dict()))
            record.load_state_dict(state)
    assert first == len(output)
    return record


@pytest.mark.parametrize("sizes", [[30], [1] * 30, [7, 7, 7, 7, 2]])
def test_classification_equals_all_rows_at_once(sizes):
    output, targets = RANDOM.normal(size=(30, 4)), RANDOM.integers(0, 4, 30)
    record = fed(ClassificationMetrics(top_k=(1, 3)), output, targets, sizes)
    results, predictions = record.results(), output.argmax(axis=1)
    assert results["accuracy"] == metrics.accuracy(targets, predictions)
    assert results["top_1_accuracy"] == results["accuracy"]
    assert results["top_3_accuracy"] == metrics.top_k_accuracy(targets, output, 3)
    assert results["f1"] == pytest.approx(metrics.f1(targets, predictions))
    np.testing.assert_array_equal(record.confusion, metrics.confusion_matrix(targets, predictions, 4))


def test_the_loss_is_weighted_by_rows():
    record = fed(Metrics(), np.zeros((4, 2)), np.zeros(4, int), [3, 1], losses=[1.0, 5.0])
    assert record.results() == {"loss": 2.0}
    assert math.isnan(Metrics().results()["loss"])


def test_classification_of_two_by_one_logit():
    output = np.array([[-1.0], [2.0], [3.0], [-4.0]])
    for targets in (np.array([0, 1, 0, 0]), np.array([[0.0], [1.0], [0.0], [0.0]])):
        record = fed(ClassificationMetrics(), output, targets, [2, 2])
        assert record.results()["accuracy"] == 0.75
        assert record.confusion.tolist() == [[2, 1], [0, 1]]


def test_classification_by_probabilities():
    targets = np.array([[0.9, 0.1], [0.2, 0.8]])
    record = fed(ClassificationMetrics(), np.array([[1.0, 0.0], [1.0, 0.0]]), targets, [1, 1])
    assert record.results()["accuracy"] == 0.5


def test_many_rows_are_counted_in_between(monkeypatch):
    monkeypatch.setattr(running_metrics, "_ROWS_TO_COUNT", 5)
    output, targets = RANDOM.normal(size=(33, 3)), RANDOM.integers(0, 3, 33)
    record = fed(ClassificationMetrics(), output, targets, [1] * 33)
    assert record.results()["accuracy"] == metrics.accuracy(targets, output.argmax(axis=1))
    assert record._waiting == 0


def test_no_confusion_matrix_of_very_many_classes(monkeypatch):
    monkeypatch.setattr(running_metrics, "CONFUSION_LIMIT", 3)
    output, targets = RANDOM.normal(size=(8, 4)), RANDOM.integers(0, 4, 8)
    record = fed(ClassificationMetrics(), output, targets, [8])
    assert record.confusion is None
    assert record.results()["f1"] == pytest.approx(metrics.f1(targets, output.argmax(axis=1)))


@pytest.mark.parametrize("sizes", [[40], [1] * 40, [16, 16, 8]])
def test_regression_equals_all_rows_at_once(sizes):
    # Far from 0, where a sum of squares minus a squared sum would cancel.
    targets = RANDOM.normal(size=(40, 2)) + 1e6
    output = targets + RANDOM.normal(size=(40, 2)) * 0.3
    results = fed(RegressionMetrics(), output, targets, sizes).results()
    assert results["mae"] == pytest.approx(metrics.mae(targets, output))
    assert results["rmse"] == pytest.approx(metrics.rmse(targets, output))
    assert results["r2"] == pytest.approx(metrics.r2(targets, output))


def test_regression_in_other_units():
    record = RegressionMetrics(transform=lambda values: values * 10)
    record.update(np.array([1.0, 2.0]), np.array([2.0, 2.0]), 0.5)
    assert record.results()["mae"] == 5.0
    assert record.results()["loss"] == 0.5


def test_language():
    output = np.zeros((2, 3, 5))
    output[0, :, 1] = 1.0
    targets = np.array([[1, 1, 0], [0, 2, 0]])
    results = fed(LanguageMetrics(), output, targets, [1, 1], losses=[1.0, 3.0]).results()
    assert results["loss"] == 2.0
    assert results["perplexity"] == pytest.approx(math.exp(2))
    assert results["bits_per_token"] == pytest.approx(2 / math.log(2))
    assert results["accuracy"] == pytest.approx(4 / 6)


def test_records_by_task():
    assert [type(metrics_for(task)) for task in ("classification", "regression", "text")] == [
        ClassificationMetrics,
        RegressionMetrics,
        LanguageMetrics,
    ]
    with pytest.raises(ArgumentError, match="task expects 'classification', 'regression', 'text', got 'x'"):
        metrics_for("x")


@pytest.mark.parametrize(
    ("record", "output", "targets", "message"),
    [
        (
            ClassificationMetrics(),
            np.zeros((2, 3, 4)),
            np.zeros(2, int),
            r"expected an output of shape \(n, classes\)",
        ),
        (RegressionMetrics(), np.zeros((2, 2)), np.zeros(2), r"same shape, got \(2, 2\) and \(2,\)"),
        (
            LanguageMetrics(),
            np.zeros((2, 4)),
            np.zeros((2, 3), int),
            r"of shape \(2, 3, 'tokens'\), got \(2, 4\)",
        ),
    ],
)
def test_errors(record, output, targets, message):
    with pytest.raises(ShapeError, match=message):
        record.update(output, targets, 0.0)


def test_rows_that_a_loss_ignores_count_nowhere():
    output = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]])
    ignoring, without = ClassificationMetrics(top_k=(1,)), ClassificationMetrics(top_k=(1,))
    ignoring.update(output, np.array([0, -100, 1]), 0.5)
    without.update(output[[0, 2]], np.array([0, 1]), 0.5)
    assert ignoring.results() == without.results()
    assert ignoring.confusion.tolist() == without.confusion.tolist()


def test_a_class_that_the_output_lacks():
    with pytest.raises(OutOfBoundsError, match="expected classes 0 to 1, got 2"):
        ClassificationMetrics().update(np.zeros((2, 2)), np.array([0, 2]), 0.0)
