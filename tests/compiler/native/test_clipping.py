"""Gradients clipped by their joint norm inside of a native step: batches that are clipped, others not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import nn


def steps(limit: float) -> Any:
    dr.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))
    optimizer = dr.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        loss = dr.cross_entropy(model(x), y)
        loss.backward()
        norm = dr.optim.clip_grad_norm_(model.parameters(), limit)
        optimizer.step()
        optimizer.zero_grad()
        return loss, norm

    return step


@pytest.mark.parametrize("limit", [0.05, 0.6, 100.0])
def test_clipping_by_norm(limit: float) -> None:
    eager, compiled = steps(limit), dr.compile(steps(limit))
    generator = np.random.default_rng(0)
    norms = []
    for count in range(6):
        x = dr.tensor((generator.normal(size=(4, 6)) * (0.1 if count % 2 else 3.0)).astype(np.float32))
        y = dr.tensor(generator.integers(0, 3, 4))
        expected, found = eager(x, y), compiled(x, y)
        assert found[0].item() == pytest.approx(expected[0].item(), rel=1e-5)
        assert found[1] == pytest.approx(expected[1], rel=1e-5)
        norms.append(found[1])
    assert compiled.replays == 4
    native = compiled._entries[0].execute
    assert all(call.routine is not None for call in native.calls)
    assert limit != 0.6 or min(norms) < limit < max(norms)
