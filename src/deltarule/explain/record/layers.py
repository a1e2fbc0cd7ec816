"""Layers: which steps belong together, counted where weights enter, and where their error terms stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from deltarule.explain.record.trace import CELLS, SEQUENCES, Step, Trace, Value

# Operations whose result is a pre-activation: linear in their input, with weights.
AFFINE = frozenset(
    ("linear", "matmul", "einsum", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "bilinear")
)
# Operations that begin a layer of their own besides: their result is no pre-activation.
OTHERS = SEQUENCES | CELLS | {"embedding", "self_attention"}


class Layers:
    """The layers among steps that stand side by side.

    of_step   number of a step -> number of its layer, that of the last one begun before it; 0 before all
    deltas    number of a pre-activation -> number of its layer
    count     how many layers there are

    >>> import deltarule as dr
    >>> model = dr.nn.Sequential(dr.nn.Linear(2, 3), dr.nn.Tanh(), dr.nn.Linear(3, 1))
    >>> trace = Trace(model(dr.zeros((1, 2))).sum())
    >>> layers = Layers(trace, trace.frontier())
    >>> [(step.operation, layers.of_step[step.number]) for step in trace.frontier()]
    [('linear', 1), ('tanh', 1), ('linear', 2), ('sum', 2)]
    """

    def __init__(self, trace: Trace, steps: Sequence[Step]):
        self._trace, self._steps = trace, steps
        self.of_step: dict[int, int] = {}
        self.deltas: dict[int, int] = {}
        begun = [step for step in steps if self._begins(step)]
        self.count = 0
        # What belongs together though it is recorded apart: the same weights at several times, as a cell in
        # a loop of the user's has, and terms of one sum, as W x and U h of W x + U h + b.
        known: dict[Any, int] = {}
        for step in begun:
            keys: list[Any] = [tuple(value.number for value in self._weights(step))]
            if step.operation in AFFINE:
                keys.append(self._pre_activation(step))
            layer = next((known[key] for key in keys if key in known), 0)
            if not layer:
                layer = self.count = self.count + 1
            known.update(dict.fromkeys(keys, layer))
            self.of_step[step.number] = layer
        last = 0
        for step in steps:
            if step.number in self.of_step:
                last = max(last, self.of_step[step.number])
            else:
                makers = [self.of_step.get(each, 0) for each in self._makers(step)]
                self.of_step[step.number] = max(makers, default=last)
        for step in begun:
            layer = self.of_step[step.number]
            if step.operation in AFFINE and layer not in self.deltas.values():
                target = self._pre_activation(step)
                if target != trace.loss:
                    self.deltas[target] = layer

    def _makers(self, step: Step) -> Iterable[int]:
        for number in step.inputs:
            maker = self._trace.values[number].made_by
            if maker is not None:
                yield maker

    def _weights(self, step: Step) -> list[Value]:
        values = [self._trace.values[number] for number in step.inputs]
        return [
            value
            for value in values
            if value.made_by is None and value.gradient is not None and value.array.ndim > 0
        ]

    def _begins(self, step: Step) -> bool:
        if step.operation not in AFFINE and step.operation not in OTHERS:
            return False
        weights = self._weights(step)
        if not weights:
            return False
        # Of a product of two leaves, both wanted, neither is a layer's weight: x @ y.
        return (
            step.operation != "matmul"
            or len(weights) == 1
            or any(each.kind == "parameter" for each in weights)
        )

    def _pre_activation(self, step: Step) -> int:
        """The sum that the affine step ends in: W x + b, or W x + U h, written out."""
        number = step.outputs[0]
        while True:
            uses = self._trace.uses(self._trace.values[number], self._steps)
            if len(uses) != 1 or uses[0][0].operation != "add" or number == self._trace.loss:
                return number
            user, position = uses[0]
            other = self._trace.values[user.inputs[1 - position]]
            maker = None if other.made_by is None else self._trace.steps[other.made_by]
            if not (maker is None or maker.operation in AFFINE):
                return number
            number = user.outputs[0]
