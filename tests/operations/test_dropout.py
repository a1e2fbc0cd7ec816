"""Dropout draws its mask from the seeded generator, keeps the expected value, and is off in evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.autodiff.backward import gradients
from deltarule.autodiff.checkpoint import checkpoint
from deltarule.autodiff.conversion import tensor
from deltarule.operations.dropout import dropout, dropout2d
from deltarule.operations.random import manual_seed


def test_drops_the_share_that_was_asked_for_and_scales_the_rest() -> None:
    manual_seed(1)
    y = dropout(np.ones(100_000), 0.3).numpy()
    assert set(np.unique(y)) == {0.0, 1 / 0.7}
    assert abs(np.mean(y == 0) - 0.3) < 0.01
    assert abs(y.mean() - 1) < 0.01


def test_whole_channels_are_dropped_together() -> None:
    manual_seed(2)
    y = dropout2d(np.ones((20, 30, 3, 3)), 0.5).numpy()
    assert np.all(y == y[:, :, :1, :1])
    assert 0.4 < np.mean(y[:, :, 0, 0] == 0) < 0.6


def test_the_gradient_uses_the_same_mask() -> None:
    x = tensor(np.ones((4, 5)), requires_grad=True)
    y = dropout(x, 0.5)
    (found,) = gradients([y], [x], [np.full((4, 5), 3.0)])
    assert found is not None
    np.testing.assert_array_equal(found.numpy(), 3.0 * y.numpy())


def test_the_record_holds_the_mask() -> None:
    x = tensor(np.arange(1.0, 7.0), requires_grad=True)
    y = dropout(x, 0.5)
    assert y.node is not None
    again = y.node.operation.forward(*(each.numpy() for each in y.node.inputs), **y.node.parameters)
    np.testing.assert_array_equal(again, y.numpy())


@pytest.mark.parametrize(("p", "training"), [(0.5, False), (0.0, True)])
def test_nothing_to_drop_returns_x_itself(p: float, training: bool) -> None:
    x = tensor([1.0, 2.0])
    assert dropout(x, p, training) is x
    assert dropout2d(tensor([[1.0]]), p, training).item() == 1.0


def test_dropping_everything_gives_zeros_and_no_nan() -> None:
    assert dropout(tensor([1.0, np.finfo(np.float32).max]), 1.0).tolist() == [0.0, 0.0]


def test_same_seed_same_mask() -> None:
    def draw(seed: int) -> list[float]:
        manual_seed(seed)
        return dropout(np.ones(64), 0.5).tolist()

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)


def test_float32_stays_float32() -> None:
    assert dropout(tensor([1.0, 2.0]), 0.5).dtype == np.float32


def test_a_checkpoint_draws_the_same_mask_again() -> None:
    manual_seed(5)
    x = tensor(np.ones(50), requires_grad=True)
    y = checkpoint(lambda x: dropout(x, 0.5) * x)(x)
    (found,) = gradients([y], [x], [np.ones(50)])
    assert found is not None
    np.testing.assert_array_equal(found.numpy(), 2 * y.numpy())
