"""What is written down while one of the compared networks trains: losses, and gradients layer by layer.

A callback of the training: the gradients are taken from a batch of its own, on which nothing is learned, and
everything is put back afterwards (random state and running statistics included), so that the training is the
same with it and without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import gradients, nodes_below
from deltarule.autodiff.recording import enable_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import GraphError
from deltarule.explain.through_time.flow import flow
from deltarule.nn.module import Module
from deltarule.nn.recurrent_base import Recurrent
from deltarule.nn.recurrent_cells import RecurrentCell
from deltarule.training.callbacks import Callback, Event
from deltarule.training.evaluation import as_input, forward, model_dtype
from deltarule.training.snapshot import Snapshot

# Rows of the batch that gradients are taken from, and of those whose way through time is followed.
ROWS, FOLLOWED = 64, 8


@dataclass(frozen=True)
class TimeGradients:
    """The gradient on its way back through one recurrent layer, whose state s is h, or h and c of an LSTM.

    layer   its name
    norms   ‖∂L/∂h[k]‖ at each step k, over the batch
    lags    numbers of steps t − k
    left    ‖∂s[t]/∂s[k]‖ over these lags, for one sample: what is left of a gradient
    rate    factor by which that shrinks or grows with each step, fitted; None where there is one step alone
    """

    layer: str
    norms: tuple[float, ...]
    lags: tuple[int, ...]
    left: tuple[float, ...]
    rate: float | None


@dataclass(frozen=True)
class GradientLook:
    """Gradients at one step of the training.

    step    updates that were done before
    norms   layer -> norm of ∂L/∂parameters, all of the layer together, in the order in which they are used.
            Layers of vectors alone, such as normalisation, are left out where others have matrices: so
            networks with them and without them have the same layers beside each other
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
        loss = self._loss(event, len(self.inputs))
        named = _in_order_of_use(loss, event.trainer.model)
        found = gradients(loss, [each for _, each in named])
        squares: dict[str, float] = {}
        with_matrices = set()
        for (name, parameter), gradient in zip(named, found, strict=True):
            layer = name.rpartition(".")[0] or name
            size = 0.0 if gradient is None else _square(gradient._array)
            squares[layer] = squares.get(layer, 0.0) + size
            if parameter.ndim > 1:
                with_matrices.add(layer)
        shown = with_matrices or squares.keys()
        return {layer: float(np.sqrt(square)) for layer, square in squares.items() if layer in shown}

    def _through_time(self, event: Event) -> tuple[TimeGradients, ...]:
        model = event.trainer.model
        if not any(isinstance(each, (Recurrent, RecurrentCell)) for each in model.modules()):
            return ()
        try:
            found = flow(self._loss(event, FOLLOWED), names=dict(model.named_parameters()))
        except GraphError:
            # A recurrent layer that the loss does not reach.
            return ()
        layers = []
        for layer in found.layers:
            main = layer.jacobians.main
            layers.append(
                TimeGradients(
                    layer.name,
                    tuple(float(each) for each in layer.state_gradients["hidden"]),
                    tuple(int(each) for each in main.lags),
                    tuple(float(each) for each in main.norms),
                    None if main.rate is None else main.rate.per_step,
                )
            )
        return tuple(layers)

    def _loss(self, event: Event, rows: int) -> Tensor:
        trainer = event.trainer
        dtype = model_dtype(trainer.model)
        with enable_grad():
            output, _ = forward(trainer.model, as_input(self.inputs[:rows], dtype))
            return trainer.loss(output, as_input(self.targets[:rows], dtype))


def _in_order_of_use(loss: Tensor, model: Module) -> list[tuple[str, Tensor]]:
    """The parameters that learn, by name: in the order of the computation, the unused ones last."""
    place: dict[Tensor, int] = {}
    for node in nodes_below([loss]):
        for tensor in node.inputs:
            place.setdefault(tensor, len(place))
    named = [(name, each) for name, each in model.named_parameters() if each.requires_grad]
    return sorted(named, key=lambda pair: place.get(pair[1], len(place)))


def _square(gradient: Array) -> float:
    return float(np.sum(np.square(gradient, dtype=np.float64)))
