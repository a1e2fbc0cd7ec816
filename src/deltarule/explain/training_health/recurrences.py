"""The recurrences of a recorded pass, each as its cell with all that the cell saw: inputs, states, weights.

A sequence that ran as one operation is known by its outputs alone. With its states put back in order, the
cell that it is made of can be opened at all time steps at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import nodes_below
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import apply
from deltarule.autodiff.recording import enable_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.operations.recurrence.groups import CellGroup, RecurrentGroup, SequenceGroup

# The activations inside a cell, in the order in which its open form computes them.
GATES = {
    "rnn_cell": ("hidden",),
    "gru_cell": ("reset_gate", "update_gate", "candidate"),
    "lstm_cell": ("forget_gate", "input_gate", "candidate", "output_gate", "cell"),
}
KINDS = {"rnn_cell": "RNN", "gru_cell": "GRU", "lstm_cell": "LSTM"}
_SQUASHING = frozenset(("sigmoid", "tanh", "relu"))
_MOST_ROWS = 8


@dataclass(frozen=True)
class Recurrence:
    """One layer in one direction over a sequence, in float64, on a few samples of full length.

    layer, scope   module, and the name under which it was recorded ("lstm", "lstm.l1_reverse")
    order          of its first step in the record
    cell           operation of one step
    options        of the cell
    inputs         (time, rows, features), in the order in which the steps were computed
    states         for each state (time, rows, hidden): as it was before the step
    weights        weight_ih, weight_hh, bias_ih, bias_hh
    """

    layer: str
    scope: str
    sublayer: int
    reverse: bool
    order: int
    cell: CellGroup
    options: dict[str, Any]
    inputs: Array
    states: tuple[Array, ...]
    weights: tuple[Array, ...]

    @property
    def kind(self) -> str:
        """ "RNN", "GRU" or "LSTM"."""
        return KINDS[self.cell.name]

    def step(self, inputs: Array, states: Sequence[Array]) -> Node:
        """The record of the cell on some rows."""
        with enable_grad():
            arguments = (inputs, *states, *self.weights)
            count = 1 + len(states)
            tensors = [Tensor(each, requires_grad=0 < place < count) for place, each in enumerate(arguments)]
            result = apply(self.cell, *tensors, **self.options)
        return (result[0] if isinstance(result, tuple) else result).node

    def back(self, node: Node, upstream: Sequence[Array]) -> tuple[Array, ...]:
        """∂L/∂(states before a step) from ∂L/∂(states after it)."""
        answers = self.cell.backward_kernel(node, *upstream)
        return tuple(np.asarray(each) for each in answers[1 : 1 + len(self.states)])

    def gates(self) -> list[tuple[str, Node]]:
        """(name, record) of each activation inside the cell, over all steps and samples at once."""
        rows = [each.reshape(-1, each.shape[-1]) for each in (self.inputs, *self.states)]
        with enable_grad():
            tensors = [Tensor(each, requires_grad=True) for each in rows]
            opened = self.cell.open(*tensors, *(Tensor(each) for each in self.weights), **self.options)
        ends = list(opened) if isinstance(opened, tuple) else [opened]
        found = [node for node in nodes_below(ends) if node.operation.name in _SQUASHING]
        found.sort(key=lambda node: node.order)
        return list(zip(GATES[self.cell.name], found, strict=True))


def recurrences(nodes: Sequence[Node]) -> list[Recurrence]:
    """Every recurrence among recorded nodes: whole sequences, and cells that were called step by step."""
    found = []
    # Steps on other numbers of samples, as where sequences that have ended are left out, do not fit together.
    steps: dict[tuple[str, int, int], list[Node]] = {}
    for node in nodes:
        operation = node.operation
        if isinstance(operation, SequenceGroup):
            found.append(_of_sequence(node, operation))
        elif isinstance(operation, CellGroup):
            weights = node.inputs[1 + len(operation.states)]
            rows = min(len(node.values[0]), _MOST_ROWS)
            steps.setdefault((node.scope, id(weights), rows), []).append(node)
    found += [_of_cells(each) for each in steps.values()]
    return sorted(found, key=lambda each: each.order)


def _of_sequence(node: Node, operation: SequenceGroup) -> Recurrence:
    count = len(operation.states)
    inputs, *initial = (tensor._array for tensor in node.inputs[: 1 + count])
    weights = tuple(tensor._array.astype(np.float64) for tensor in node.inputs[1 + count : 5 + count])
    output = node.values[0]
    reverse = bool(node.parameters["reverse"])
    rows, steps = np.arange(min(len(inputs), _MOST_ROWS)), np.arange(inputs.shape[1])
    if len(node.inputs) > 5 + count:
        mask = node.inputs[5 + count]._array.astype(bool)
        lengths = mask.sum(axis=1)
        rows = np.flatnonzero(lengths == lengths.max())[:_MOST_ROWS]
        steps = np.flatnonzero(mask[rows[0]])
        rows = rows[(mask[rows] == mask[rows[0]]).all(axis=1)]
    steps = steps[::-1] if reverse else steps
    x = inputs[rows][:, steps].swapaxes(0, 1).astype(np.float64)
    after = output[rows][:, steps].swapaxes(0, 1).astype(np.float64)
    before = tuple(each[rows].astype(np.float64) for each in initial)
    hidden = np.concatenate([before[0][None], after[:-1]])
    cell = operation.cell
    assert isinstance(cell, CellGroup)
    options = {name: value for name, value in node.parameters.items() if name != "reverse"}
    layer, sublayer = _place(node.scope)
    made = Recurrence(
        layer, node.scope, sublayer, reverse, node.order, cell, options, x, (hidden, *before[1:]), weights
    )
    if count == 1:
        return made
    return Recurrence(**{**vars(made), "states": (hidden, _cells(made, hidden, before[1]))})


def _cells(made: Recurrence, hidden: Array, initial: Array) -> Array:
    """The cell states before each step: the kernel keeps them to itself, so they are computed again."""
    before, cell = [], initial
    for inputs, state in zip(made.inputs, hidden, strict=True):
        before.append(cell)
        cell = np.asarray(made.step(inputs, (state, cell)).values[1])
    return np.stack(before)


def _of_cells(nodes: list[Node]) -> Recurrence:
    operation = nodes[0].operation
    assert isinstance(operation, CellGroup)
    count = len(operation.states)
    parts = [
        np.stack([node.inputs[place]._array[:_MOST_ROWS] for node in nodes]).astype(np.float64)
        for place in range(1 + count)
    ]
    weights = tuple(each._array.astype(np.float64) for each in nodes[0].inputs[1 + count :])
    first = nodes[0]
    return Recurrence(
        first.scope,
        first.scope,
        0,
        False,
        first.order,
        operation,
        dict(first.parameters),
        parts[0],
        tuple(parts[1:]),
        weights,
    )


def _place(scope: str) -> tuple[str, int]:
    """The module and the layer inside it that a scope names.

    >>> _place("encoder.l1_reverse"), _place("encoder"), _place("l0")
    (('encoder', 1), ('encoder', 0), ('', 0))
    """
    found = re.fullmatch(r"(?:(.*)\.)?l(\d+)(?:_reverse)?", scope)
    return (found[1] or "", int(found[2])) if found else (scope, 0)


def is_recurrent(node: Node) -> bool:
    """Whether a node is a recurrence or one step of it."""
    return isinstance(node.operation, RecurrentGroup)
