"""Units of activation functions: how many are saturated, dead, or always on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from deltarule.autodiff.node import Node
from deltarule.autodiff.tensor import Array
from deltarule.explain.training_health.recurrences import Recurrence

# Squashing functions: their largest derivative, at 0.
_SQUASHING = {"sigmoid": 0.25, "tanh": 1.0}
# Functions that are flat for negative inputs: the derivative up to which they count as flat.
_FLAT = {"relu": 0.0, "gelu": 0.01, "gelu_tanh": 0.01, "silu": 0.01}
ACTIVATIONS = frozenset((*_SQUASHING, *_FLAT, "leaky_relu", "elu", "softplus"))
# Share of the largest derivative below which an element is saturated.
_SATURATED = 0.05
_CHANNELS_FIRST = 4


@dataclass(frozen=True)
class UnitVitals:
    """The units of one activation function, over the probe batch.

    layer         module that called it
    operation     "relu", "leaky_relu", "sigmoid", "tanh", "gelu", ...; inside a recurrent layer one record
                  for each gate: operation "sigmoid", gate "forget_gate"
    gate          name of the gate of a recurrent layer; "" else
    before        layer whose output it takes: the weights to look at; "" where it is not a layer's
    depth         its place among the activations in the order of computation, from 0
    units         number of units (features; channels for images)
    saturated     share of elements whose derivative is below 0.05 of its largest value: |tanh| > 0.975,
                  sigmoid outside (0.0127, 0.9873); 0 for functions that do not saturate
    dead          share of units whose derivative is 0 on the whole probe: ReLUs without a positive input;
                  GELU and SiLU where it stays below 0.01; 0 for all others
    always_on     share of units that take positive inputs alone on the whole probe: linear there
    mean, std     of its values
    input_mean, input_std   of what it takes
    derivative    root mean square of its local derivative
    output        whether it makes the model's output: saturation is then an answer that is sure
    """

    layer: str
    operation: str
    gate: str
    before: str
    depth: int
    units: int
    saturated: float
    dead: float
    always_on: float
    mean: float
    std: float
    input_mean: float
    input_std: float
    derivative: float
    output: bool = False


@dataclass
class _Activation:
    """One activation function of the network, with the rows (rows, units) of all of its calls."""

    layer: str
    operation: str
    gate: str
    before: str
    output: bool
    inputs: list[Array] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)
    slopes: list[Array] = field(default_factory=list)

    def add(self, node: Node, axis: int) -> None:
        """Takes in what a node computed."""
        slope = node.operation.backward_kernel(node, np.ones_like(node.values[0]))[0]
        for rows, array in (
            (self.inputs, node.inputs[0]._array),
            (self.values, node.values[0]),
            (self.slopes, np.asarray(slope)),
        ):
            rows.append(_units_last(array, axis).astype(np.float64))


def unit_vitals(
    nodes: Sequence[Node],
    recurrences: Sequence[Recurrence],
    layer_before: Callable[[Node], str],
    output: Node | None,
    channels_first: Callable[[str], bool],
) -> tuple[UnitVitals, ...]:
    """The activations among nodes and inside recurrences, in the order of computation.

    layer_before     node -> layer whose output it takes
    output           the node that makes the model's output
    channels_first   layer -> whether its units lie along axis 1
    """
    found: dict[tuple[str, str, str, str], _Activation] = {}
    for order, node, scope, gate, before in _all(nodes, recurrences, layer_before):
        name = node.operation.name
        key = (scope, name, gate, before)
        if key not in found:
            found[key] = _Activation(scope, name, gate, before, node is output and order >= 0)
        first = node.values[0].ndim == _CHANNELS_FIRST or (
            node.values[0].ndim == 3 and not gate and channels_first(before)
        )
        found[key].add(node, 1 if first else -1)
    return tuple(_measured(each, depth) for depth, each in enumerate(found.values()))


def _all(
    nodes: Sequence[Node], recurrences: Sequence[Recurrence], layer_before: Callable[[Node], str]
) -> list[tuple[int, Node, str, str, str]]:
    single = [
        (node.order, node, node.scope, "", layer_before(node))
        for node in nodes
        if node.operation.name in ACTIVATIONS
    ]
    inside = [
        (each.order, node, each.scope, gate, each.layer)
        for each in recurrences
        if _finite(each)
        for gate, node in each.gates()
    ]
    return sorted([*single, *inside], key=lambda each: each[0])


def _finite(recurrence: Recurrence) -> bool:
    return all(bool(np.isfinite(each).all()) for each in (*recurrence.states, *recurrence.weights))


def _units_last(array: Array, axis: int) -> Array:
    if array.ndim < 2:
        return array.reshape(1, -1)
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def _measured(each: _Activation, depth: int) -> UnitVitals:
    inputs, values = np.concatenate(each.inputs), np.concatenate(each.values)
    slopes = np.abs(np.concatenate(each.slopes))
    saturated = dead = 0.0
    if not slopes.size:
        nan = float("nan")
        return UnitVitals(
            each.layer, each.operation, each.gate, each.before, depth, values.shape[-1],
            *(0.0, 0.0, 0.0, nan, nan, nan, nan, nan), each.output,
        )  # fmt: skip
    if each.operation in _SQUASHING:
        saturated = float(np.mean(slopes < _SATURATED * _SQUASHING[each.operation]))
    if each.operation in _FLAT:
        dead = float(np.mean((slopes <= _FLAT[each.operation]).all(axis=0)))
    always = float(np.mean((inputs > 0).all(axis=0))) if each.operation not in _SQUASHING else 0.0
    return UnitVitals(
        each.layer,
        each.operation,
        each.gate,
        each.before,
        depth,
        values.shape[-1],
        saturated,
        dead,
        always,
        float(values.mean()),
        float(values.std()),
        float(inputs.mean()),
        float(inputs.std()),
        float(np.sqrt(np.mean(slopes * slopes))),
        each.output,
    )


def nearest(node: Node, owner: Callable[[object], str | None]) -> str:
    """The layer whose parameter is met first going up from a node's first input; "" where there is none."""
    current: Node | None = node
    while current is not None:
        below = None
        for tensor in current.inputs:
            name = owner(tensor)
            if name is not None and current is not node:
                return name
            if below is None and tensor.node is not None:
                below = tensor.node
        current = below
    return ""
