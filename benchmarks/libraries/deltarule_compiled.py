"""The rows in deltarule with dr.compile: forward, backward and update are one compiled step."""

from __future__ import annotations

from typing import Any

import deltarule as dr
from benchmarks.libraries import deltarule
from benchmarks.rows.row import Row


class Training(deltarule.Training):
    """Forward, backward, update."""

    def __init__(self, row: Row):
        super().__init__(row)

        def step(x: Any, y: Any) -> Any:
            loss = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            # Gradients that nobody can see after the step need no memory.
            self.optimizer.zero_grad()
            return loss

        self.compiled = dr.compile(step)

    def step(self, count: int) -> Any:
        x, y = self.batches[count % len(self.batches)]
        return self.compiled(x, y)


class Inference(deltarule.Inference):
    """Forward, without a record."""

    def __init__(self, row: Row):
        super().__init__(row)

        def forward(x: Any) -> Any:
            with dr.no_grad():
                return self.model(x)

        self.compiled = dr.compile(forward)

    def step(self, count: int) -> Any:
        return self.compiled(self.batches[count % len(self.batches)])


def prepare(row: Row) -> Training | Inference:
    return Training(row) if row.training else Inference(row)
