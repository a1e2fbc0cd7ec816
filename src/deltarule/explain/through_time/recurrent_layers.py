"""Finds recurrent layers in a record: which operations are steps of which layer, and in what order.

A layer is one run of a cell over a sequence: a whole sequence in one operation (`rnn`, `gru`, `lstm`), the
same in several parts (a state carried on, segments of a checkpoint), or one operation a step (`rnn_cell`, ...
in a loop of one's own). Calls with the same weights that start anew, on another sequence or on the output of
the first, are another layer. What a checkpoint forgot is recorded again.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.autodiff.backward import nodes_below
from deltarule.autodiff.node import Node, recorded_so_far
from deltarule.autodiff.recording import enable_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError
from deltarule.operations.recurrence.groups import CellGroup, RecurrentGroup, SequenceGroup

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def key_of(tensor: Tensor) -> Any:
    """What a value is known by: its leaf, or the node and the place among its outputs."""
    return tensor if tensor.node is None else (tensor.node, tensor.output_index)


class Record:
    """The nodes below a loss, with checkpoints recorded anew.

    nodes   in an order in which inputs come before users
    """

    def __init__(self, loss: Tensor):
        self._stands_for: dict[Any, Tensor] = {}
        self.nodes: list[Node] = list(self._opened(nodes_below([loss])))

    def _opened(self, nodes: Sequence[Node]) -> Iterator[Node]:
        for node in nodes:
            if not node.operation.reopens:
                yield node
                continue
            start = recorded_so_far()
            with enable_grad():
                outputs = node.operation.reopen(node, node.inputs)
            for index, output in enumerate(outputs):
                self._stands_for[node, index] = output
            yield from self._opened(nodes_below([each for each in outputs if each.requires_grad], start))

    def key(self, tensor: Tensor) -> Any:
        """What a value is known by; a checkpoint's output is the value that was recorded anew."""
        key = key_of(tensor)
        while key in self._stands_for:
            key = key_of(self._stands_for[key])
        return key


@dataclass(eq=False)
class RecurrentCall:
    """One recorded operation that is one or several steps of a layer.

    node     the record; cell: the operation of a single step
    first    the layer's step that its position 0 is
    steps    how many steps it makes
    """

    node: Node
    cell: CellGroup
    steps: int
    first: int = 0

    @property
    def is_sequence(self) -> bool:
        return isinstance(self.node.operation, SequenceGroup)

    @property
    def reverse(self) -> bool:
        return bool(self.node.parameters.get("reverse", False))

    @property
    def parameters(self) -> dict[str, Any]:
        """The options of a single step."""
        return {name: value for name, value in self.node.parameters.items() if name != "reverse"}

    def input(self, name: str) -> Tensor:
        """An input by the name that the cell has for it."""
        return self.node.inputs[self.cell.inputs.index(name)]

    @property
    def initial_states(self) -> list[Tensor]:
        """The states that it starts from."""
        return [self.input(name) for name in self.cell.states]

    @property
    def last_states(self) -> Sequence[Array]:
        """The same states after its last step."""
        return self.node.values[1:] if self.is_sequence else self.node.values

    @property
    def mask(self) -> Array | None:
        """(batch, steps) of booleans, or None."""
        count = len(self.cell.inputs)
        return self.node.inputs[count]._array if len(self.node.inputs) > count else None

    def positions(self) -> Sequence[int]:
        """Its positions in time, in the order of computation."""
        return range(self.steps)[::-1] if self.reverse else range(self.steps)

    def last_positions(self) -> Array:
        """(batch,) where each sequence makes its last step, and so where its last state comes from."""
        batch = self.node.inputs[0].shape[0]
        order = np.array(self.positions())
        if self.mask is None:
            return np.full(batch, order[-1])
        seen = self.mask[:, order[::-1]]
        return np.where(seen.any(axis=1), order[::-1][np.argmax(seen, axis=1)], order[-1])


@dataclass(eq=False)
class RecurrentLayer:
    """All steps of one layer in one direction.

    calls   in the order of computation
    steps   of all calls together; those of a reverse layer are computed from the last to the first
    """

    name: str
    calls: list[RecurrentCall] = field(default_factory=list)
    steps: int = 0

    @property
    def cell(self) -> CellGroup:
        return self.calls[0].cell

    @property
    def operation(self) -> str:
        return self.cell.name.removesuffix("_cell")

    @property
    def reverse(self) -> bool:
        return self.calls[0].reverse

    @property
    def hidden(self) -> int:
        return self.calls[0].input("weight_hh").shape[1]

    @property
    def batch(self) -> int:
        return self.calls[0].node.inputs[0].shape[0]

    @property
    def dtype(self) -> Any:
        return self.calls[0].input("weight_hh").dtype

    def weight(self, name: str) -> Tensor:
        return self.calls[0].input(name)


def recurrent_layers(record: Record, names: Mapping[str, Tensor] | None = None) -> list[RecurrentLayer]:
    """The recurrent layers of a record, in the order of computation."""
    layers: list[RecurrentLayer] = []
    alike: dict[Any, list[RecurrentLayer]] = {}
    # Value -> layers whose states it comes from.
    origins: dict[Any, frozenset[RecurrentLayer]] = {}

    def origins_of(tensors: Iterable[Tensor]) -> frozenset[RecurrentLayer]:
        return frozenset[RecurrentLayer]().union(*(origins.get(record.key(each), ()) for each in tensors))

    for node in record.nodes:
        operation = node.operation
        if isinstance(operation, RecurrentGroup):
            cell = operation.cell if isinstance(operation, SequenceGroup) else operation
            assert isinstance(cell, CellGroup)
            call = RecurrentCall(node, cell, node.inputs[0].shape[1] if operation.looped else 1)
            before = origins_of(call.initial_states)
            candidates = alike.setdefault(_kind_of(call, record), [])
            layer = next((each for each in candidates[::-1] if each in before or _ends_in(each, call)), None)
            if layer is None:
                layer = RecurrentLayer(_name(call, names))
                layers.append(layer)
                candidates.append(layer)
            layer.calls.append(call)
            layer.steps += call.steps
            found = before | {layer}
        else:
            found = origins_of(node.inputs)
        if found:
            origins.update(((node, index), found) for index in range(len(node.values)))
    for layer in layers:
        first = 0
        # The first call of a reverse layer holds the last steps in time.
        for call in layer.calls[::-1] if layer.reverse else layer.calls:
            call.first = first
            first += call.steps
    _tell_apart(layers)
    return layers


def _kind_of(call: RecurrentCall, record: Record) -> Hashable:
    """What the calls of one layer have in common: weights, options, direction, samples."""
    biases = [call.input(name) for name in ("bias_ih", "bias_hh")]
    return (
        *(record.key(call.input(name)) for name in ("weight_ih", "weight_hh")),
        # A cell without biases makes new ones of zeros for each call.
        *(record.key(each) if each.requires_grad else each._array.tobytes() for each in biases),
        call.cell.name,
        *call.parameters.items(),
        call.reverse,
        call.node.inputs[0].shape[0],
    )


def _ends_in(layer: RecurrentLayer, call: RecurrentCall) -> bool:
    """Whether a call starts from the states that a layer ended with, as after a truncation in time."""
    pairs = zip(call.initial_states, layer.calls[-1].last_states, strict=True)
    return all(np.array_equal(state._array, value) for state, value in pairs)


def _name(call: RecurrentCall, names: Mapping[str, Tensor] | None) -> str:
    """The layer's name: that of the module that ran it, or of its weight, or its operation."""
    if call.node.scope:
        return call.node.scope
    weight = call.input("weight_hh")
    given = next((name for name, tensor in (names or {}).items() if tensor is weight), weight.name)
    parts = given.rpartition(".")
    suffix = parts[2].removeprefix("weight_hh").strip("_")
    return ".".join(each for each in (parts[0], suffix) if each) or call.cell.name.removesuffix("_cell")


def _tell_apart(layers: Sequence[RecurrentLayer]) -> None:
    seen: dict[str, int] = {}
    for layer in layers:
        seen[layer.name] = count = seen.get(layer.name, 0) + 1
        if count > 1:
            layer.name = f"{layer.name} ({count})"


def chosen_layers(
    layers: Sequence[RecurrentLayer], wanted: Sequence[int | str] | None, who: str
) -> list[RecurrentLayer]:
    """Those layers that were asked for by number or name; all for None. Raises ArgumentError for others."""
    if wanted is None:
        return list(layers)
    by_name: dict[Any, RecurrentLayer] = {layer.name: layer for layer in layers}
    by_name.update(enumerate(layers))
    wanted = list(wanted) if isinstance(wanted, Collection) and not isinstance(wanted, str) else [wanted]
    if not wanted:
        raise ArgumentError(who, "layers expected numbers or names, got none", "Leave it out for all layers.")
    for each in wanted:
        if isinstance(each, bool) or not isinstance(each, int | str | np.integer) or each not in by_name:
            there = ", ".join(f"{number}: {layer.name}" for number, layer in enumerate(layers))
            raise ArgumentError(
                who, f"layers expected some of {there}; got {each!r}", "Give numbers or names."
            )
    return [layer for layer in layers if any(by_name[each] is layer for each in wanted)]
