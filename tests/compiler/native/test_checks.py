"""A step that ends where something is not finite, before anything outside is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.autodiff.derived import checked
from deltarule.autodiff.finite import NotFinite, require_finite

# The last is divided between threads.
SHAPES = [(1,), (3,), (70,), (90, 4001)]


def adding(shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """(compiled step, what it adds to, the counter of its calls): total ← total + x if x is finite."""
    total, optimizer_weight = dr.zeros(shape), dr.tensor([1.0], requires_grad=True)
    optimizer = dr.optim.Adam([optimizer_weight], lr=0.5)

    def step(x: Any) -> Any:
        value = x * 2.0
        loss = dr.sum(optimizer_weight * optimizer_weight)
        loss.backward()
        checked(require_finite, loss, value)
        total.assign(total + value)
        optimizer.step()
        optimizer.zero_grad()
        return dr.sum(value)

    return dr.compile(step), total, optimizer.state


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nothing_is_written_after_what_is_not_finite(shape: tuple[int, ...], bad: float) -> None:
    step, total, state = adding(shape)
    one = np.ones(shape, np.float32)
    for _ in range(3):
        step(one)
    assert step.replays == 1
    (slots,) = state.values()
    before = {name: np.array(value) for name, value in slots.items()}
    for position in {0, one.size // 2, one.size - 1}:
        spoiled = one.copy()
        spoiled.flat[position] = bad
        with pytest.raises(NotFinite):
            step(spoiled)
        np.testing.assert_array_equal(total.numpy(), np.full(shape, 6.0))
        for name, value in slots.items():
            np.testing.assert_array_equal(value, before[name])
    # The largest numbers are finite, although their sum is not.
    step(np.full(shape, 1e38, np.float32))
    step(one)
    assert slots["step"] == 5
    assert np.isfinite(total.numpy()).all()
    assert step.replays == 3
