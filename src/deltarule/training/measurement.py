"""Measurement: the metrics of a model over data again and again, as after each epoch of its training."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.nn.module import Module
from deltarule.training.compiled_calls import CompiledCalls
from deltarule.training.evaluation import Loader, measure, require_loader, score
from deltarule.training.running_metrics import Metrics
from deltarule.training.snapshot import Snapshot


class Measurement:
    """What `evaluate` does, compiled once that pays.

    calls   the compiled step, or None
    """

    def __init__(self, model: Module, loss: Any, compile: bool):
        self.model, self.loss = model, loss
        self.calls: CompiledCalls | None = None
        if compile:
            size = sum(each.size for each in model.parameters())
            self.calls = CompiledCalls(self.step, self._snapshot, self._snapshot, size)

    def over(self, loader: Loader, metrics: Metrics) -> None:
        """Fills metrics from every batch of a loader, in evaluation mode."""
        require_loader(loader, "evaluate")
        measure(self.model, loader, self.step if self.calls is None else self.calls, metrics)

    def step(self, batch: Tensor, wanted: Tensor, state: Any, carries: bool) -> tuple[Tensor, float, Any]:
        """(output, loss, state): everything that is compiled."""
        return score(self.model, self.loss, batch, wanted, state, carries)

    def _snapshot(self) -> Snapshot:
        return Snapshot(self.model)
