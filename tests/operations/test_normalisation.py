"""The running statistics of batch normalisation, and precision far from zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.recording import no_grad
from deltarule.errors import InPlaceError
from deltarule.operations.normalisation import batch_norm, layer_norm
from deltarule.operations.reductions import sum

X = np.random.default_rng(0).normal(2.0, 3.0, (6, 3, 4))


def _followed(momentum: float) -> tuple[Any, Any]:
    old_mean, old_variance = np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0])
    mean, variance = X.mean(axis=(0, 2)), X.var(axis=(0, 2), ddof=1)
    return (
        (1 - momentum) * old_mean + momentum * mean,
        (1 - momentum) * old_variance + momentum * variance,
    )


@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("wrap", [tensor, lambda array: array])
def test_running_statistics_follow_the_batch_in_place(momentum: float, wrap: Any) -> None:
    mean, variance = wrap(np.array([1.0, 2.0, 3.0])), wrap(np.array([1.0, 4.0, 9.0]))
    batch_norm(X, mean, variance, training=True, momentum=momentum)
    expected_mean, expected_variance = _followed(momentum)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-12)
    np.testing.assert_allclose(variance, expected_variance, rtol=1e-12)


def test_evaluation_leaves_the_running_statistics_alone() -> None:
    mean, variance = np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0])
    batch_norm(X, mean, variance)
    assert (mean.tolist(), variance.tolist()) == ([1.0, 2.0, 3.0], [1.0, 4.0, 9.0])


def test_running_statistics_keep_their_type() -> None:
    mean, variance = tensor(np.zeros(3, np.float32)), tensor(np.ones(3, np.float32))
    assert batch_norm(X, mean, variance, training=True).dtype == np.float64
    assert mean.dtype == variance.dtype == np.float32


def test_training_without_recording_gives_the_same() -> None:
    x = tensor(X, requires_grad=True)
    with no_grad():
        plain = batch_norm(x, None, None, training=True)
    assert not plain.requires_grad
    np.testing.assert_array_equal(plain.numpy(), batch_norm(x, None, None, training=True).numpy())


def test_statistics_that_move_before_backward_are_noticed() -> None:
    x, mean, variance = tensor(X, requires_grad=True), tensor(np.zeros(3)), tensor(np.ones(3))
    loss = sum(batch_norm(x, mean, variance))
    batch_norm(X, mean, variance, training=True)
    with pytest.raises(InPlaceError, match="running_mean of batch_norm_evaluation was written into"):
        loss.backward()


def test_a_large_mean_does_not_drown_the_variance() -> None:
    x = np.array([[1.0, 2.0, 3.0, 4.0]], np.float32) + 10_000
    expected = np.array([[-1.5, -0.5, 0.5, 1.5]]) / np.sqrt(1.25)
    np.testing.assert_allclose(layer_norm(x, 4, eps=0.0).numpy(), expected, rtol=1e-5)
