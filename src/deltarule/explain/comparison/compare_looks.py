"""What is written down while one of the compared networks trains: losses, and gradients layer by layer.

A callback of the training: the gradients are taken from a batch of its own, on which nothing is learned, and
everything is put back afterwards (random state and running statistics included), so that the training is the
same with it and without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import gradients
from deltarule.autodiff.recording import enable_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import GraphError
from deltarule.explain.through_time.flow import flow
from deltarule.nn.recurrent_base import Recurrent
from deltarule.training.callbacks import Callback, Event
from deltarule.training.evaluation import as_input, forward, model_dtype
from deltarule.training.snapshot import Snapshot

# Rows of the batch that gradients are taken from, and of those whose way through time is followed.
ROWS, FOLLOWED = 64, 8


@dataclass(frozen=True)
class TimeGradients:
    """‖∂L/∂h[k]‖ of one recurrent layer.

    layer   its name
    norms   one for each step k, over the batch
    rate    factor by which ∂h[t]/∂h[k] shrinks or grows with each step, fitted; None where it is 0
    """

    layer: str
    norms: tuple[float, ...]
    rate: float | None


@dataclass(frozen=True)
class GradientLook:
    """Gradients at one step of the training.

    step    updates that were done before
    norms   layer -> norm of ∂L/∂parameters, all of the layer together, in the order of the layers
    time    of recurrent layers, the gradient on its way back through time
    """

    step: int
    norms: dict[str, float]
    time: tuple[TimeGradients, ...]


class Looks(Callback):
    """Writes down the loss of each batch, and gradients at some steps.

    steps    numbers of updates after which gradients are looked at
    inputs, targets   the batch for these

    losses   one for each batch
    looks    list of GradientLook
    """

    def __init__(self, steps: set[int], inputs: Any, targets: Any):
        self.steps = steps
        self.inputs, self.targets = inputs[:ROWS], targets[:ROWS]
        self.losses: list[float] = []
        self.looks: list[GradientLook] = []

    def on_fit_begin(self, event: Event) -> None:
        """The first look."""
        self._look(event)

    def on_batch_end(self, event: Event) -> None:
        """Keeps the loss, and looks where it was asked for."""
        self.losses.append(float(event.loss))
        if event.step in self.steps and self.looks[-1].step != event.step:
            self._look(event)

    def _look(self, event: Event) -> None:
        model = event.trainer.model
        kept, mode = Snapshot(model), model.training
        model.train()
        try:
            with np.errstate(all="ignore"):
                self.looks.append(GradientLook(event.step, self._norms(event), self._through_time(event)))
        finally:
            model.train(mode)
            kept.restore()

    def _norms(self, event: Event) -> dict[str, float]:
        named = [(name, each) for name, each in event.trainer.model.named_parameters() if each.requires_grad]
        found = gradients(self._loss(event, len(self.inputs)), [each for _, each in named])
        squares: dict[str, float] = {}
        for (name, _), gradient in zip(named, found, strict=True):
            layer = name.rpartition(".")[0] or name
            size = 0.0 if gradient is None else _square(gradient._array)
            squares[layer] = squares.get(layer, 0.0) + size
        return {layer: float(np.sqrt(square)) for layer, square in squares.items()}

    def _through_time(self, event: Event) -> tuple[TimeGradients, ...]:
        model = event.trainer.model
        if not any(isinstance(each, Recurrent) for each in model.modules()):
            return ()
        try:
            found = flow(self._loss(event, FOLLOWED), names=dict(model.named_parameters()))
        except GraphError:
            # A recurrent layer that the loss does not reach.
            return ()
        layers = []
        for layer in found.layers:
            norms = tuple(float(each) for each in layer.state_gradients["hidden"])
            rate = layer.jacobians.main.rate
            layers.append(TimeGradients(layer.name, norms, None if rate is None else rate.per_step))
        return tuple(layers)

    def _loss(self, event: Event, rows: int) -> Tensor:
        trainer = event.trainer
        dtype = model_dtype(trainer.model)
        with enable_grad():
            output, _ = forward(trainer.model, as_input(self.inputs[:rows], dtype))
            return trainer.loss(output, as_input(self.targets[:rows], dtype))


def _square(gradient: Array) -> float:
    return float(np.sum(np.square(gradient, dtype=np.float64)))
