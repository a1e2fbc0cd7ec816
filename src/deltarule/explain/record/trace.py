"""Trace: the record behind a loss at every granularity, with the gradient of every value in it.

The top level is what was recorded. A group (a sigmoid, a linear layer, a whole LSTM) is re-run open, which
gives the steps inside it, and so on down to primitives: a tree of steps. A value keeps its number at every
level: what a group reads and gives is what its inner steps read and give.

Source of the backward pass through the open form: the same engine, started with the gradient that
arrived at the closed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.autodiff.backward import nodes_below, require_graph, seed_for
from deltarule.autodiff.node import Node, recorded_so_far
from deltarule.autodiff.operation import Group, Operation
from deltarule.autodiff.recording import enable_grad, name_scope
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import DeltaruleError, GraphError
from deltarule.explain.derivations.way_back import WayBack, same_gradients, same_values, walk_back
from deltarule.nn.module import Parameter

# Steps that a trace holds in all; further groups stay closed. A page of that many takes a few seconds and
# megabytes.
MOST_STEPS = 1000
# Elements that opening one group may compute: beyond it memory, not insight, is what one gets.
MOST_ELEMENTS = 20_000_000
# Recurrent layers over whole sequences, and one step of each.
SEQUENCES = frozenset(("rnn", "gru", "lstm"))
CELLS = frozenset(("rnn_cell", "gru_cell", "lstm_cell"))


@dataclass(eq=False)
class Value:
    """One array of the computation.

    number     its place, counted from 0
    kind       "parameter", "input" (a leaf), "constant" (a number without gradient), or "result"
    label      the user's own name: that of the tensor, or the parameter's name in its model; or ""
    scope      dotted name of the layer that made it or first read it
    array      its elements
    gradient   ∂L/∂value, None where none arrives
    made_by    number of the step that it is a result of, None for leaves
    used_by    (step, position among its inputs), in the order of computation, of every level
    parent     the opened group that it is inside of, None at the top
    """

    number: int
    kind: str
    label: str
    scope: str
    array: Array
    gradient: Array | None = None
    made_by: int | None = None
    used_by: list[tuple[int, int]] = field(default_factory=list)
    parent: int | None = None


@dataclass(eq=False)
class Step:
    """One operation.

    number          its place among all steps of the trace
    inputs          numbers of the values that it reads; outputs: of those that it gives
    upstream        gradient of each output, None where none arrives
    contributions   what it adds to the gradient of each input, None where nothing
    parent          the opened group that it is inside of, None at the top
    children        the steps that it consists of, where it was opened
    node            the record
    """

    number: int
    operation: str
    scope: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    parameters: dict[str, Any]
    node: Node = field(repr=False)
    parent: int | None = None
    upstream: tuple[Array | None, ...] = ()
    contributions: tuple[Array | None, ...] = ()
    children: list[int] = field(default_factory=list)


class Trace:
    """Everything that was computed on the way to a loss, and everything that came back.

    loss         a recorded tensor of one element, or any with its `upstream` gradient
    upstream     ∂L/∂loss where the loss has several elements
    names        name -> tensor: names of users for values, such as `dict(model.named_parameters())`
    most_steps   how many steps it may hold; groups are opened, outer ones first, until then. 0 opens none

    values, steps   by their numbers
    times           of the cells of opened recurrent layers: number of the step -> its place in time

    Raises GraphError for a tensor without a graph, or whose graph was freed.

    >>> import deltarule as dr
    >>> x, y, z = (dr.tensor(each, requires_grad=True) for each in (-2.0, 5.0, -4.0))
    >>> trace = Trace((x + y) * z, names={"x": x, "y": y, "z": z})
    >>> [(value.label, value.array.item(), value.gradient.item()) for value in trace.values]
    [('x', -2.0, -4.0), ('y', 5.0, -4.0), ('', 3.0, -4.0), ('z', -4.0, 3.0), ('', -12.0, 1.0)]
    """

    def __init__(
        self,
        loss: Tensor,
        *,
        upstream: Any = None,
        names: dict[str, Tensor] | None = None,
        most_steps: int = MOST_STEPS,
    ):
        if not isinstance(loss, Tensor):
            raise GraphError(
                "explain",
                f"expected a tensor that was computed from others, got {type(loss).__name__}",
                "Give it the loss.",
            )
        require_graph(loss, "explain")
        if loss.node is None:
            raise GraphError(
                "explain", "this tensor is a leaf: nothing was computed", "Give it a loss computed from it."
            )
        self.values: list[Value] = []
        self.steps: list[Step] = []
        self._numbers: dict[Any, int] = {}
        self._labels = {id(tensor): name for name, tensor in (names or {}).items()}
        self._result_labels = {_key(tensor): name for name, tensor in (names or {}).items()}
        # Keeps the tensors alive whose identities are keys.
        self._held: list[Any] = [names]
        self._most_steps = most_steps
        nodes = nodes_below([loss])
        self.top = self._add_steps(nodes, None)
        self._write_back(walk_back([loss], [seed_for(loss, upstream, "explain")], -1), nodes, self.top)
        self.loss = self._numbers[_key(loss)]
        self._open_groups()
        self.times: dict[int, int] = {}
        for step in self.steps:
            self._count_times(step)

    # ---- building

    def _add_steps(self, nodes: Sequence[Node], parent: int | None) -> list[int]:
        added = []
        for node in nodes:
            number = len(self.steps)
            names = node.operation.input_names(len(node.inputs))
            inputs = tuple(
                self._value_of(tensor, node, name, parent)
                for tensor, name in zip(node.inputs, names, strict=True)
            )
            outputs = tuple(self._output(node, index, number, parent) for index in range(len(node.values)))
            step = Step(
                number, node.operation.name, node.scope, inputs, outputs, node.parameters, node, parent
            )
            for position, value in enumerate(inputs):
                self.values[value].used_by.append((number, position))
            self.steps.append(step)
            added.append(number)
        return added

    def _value_of(self, tensor: Tensor, node: Node, input_name: str, parent: int | None) -> int:
        key = _key(tensor)
        if key not in self._numbers:
            self._held.append(tensor)
            label = self._labels.get(id(tensor), tensor.name) or ""
            if isinstance(tensor, Parameter):
                kind = "parameter"
                label = label or (f"{node.scope}.{input_name}" if node.scope else input_name)
            elif tensor.ndim == 0 and not tensor.requires_grad and not label:
                kind = "constant"
            else:
                kind = "input"
            value = Value(len(self.values), kind, label, node.scope, tensor._array, parent=parent)
            self._numbers[key] = value.number
            self.values.append(value)
        return self._numbers[key]

    def _output(self, node: Node, index: int, step: int, parent: int | None) -> int:
        key = (node, index)
        if key in self._numbers:
            # What the opened group gives: known already, and made by the group as a whole.
            return self._numbers[key]
        label = self._result_labels.get(key, "")
        value = Value(
            len(self.values), "result", label, node.scope, node.values[index], made_by=step, parent=parent
        )
        self._numbers[key] = value.number
        self.values.append(value)
        return value.number

    def _write_back(self, way: WayBack, nodes: Sequence[Node], steps: Sequence[int]) -> None:
        """Writes down what arrived at each step and what it handed on."""
        step_of = dict(zip(nodes, steps, strict=True))
        for node, (incoming, outgoing) in way.visits.items():
            step = self.steps[step_of[node]]
            step.upstream = incoming
            step.contributions = tuple(
                gradient if gradient is not None and tensor.requires_grad else None
                for gradient, tensor in zip(outgoing, node.inputs, strict=True)
            )
            for number, gradient in zip(step.outputs, incoming, strict=True):
                if self.values[number].gradient is None:
                    self.values[number].gradient = gradient
        for tensor, gradient in way.leaves.items():
            number = self._numbers.get(_key(tensor))
            if number is not None and self.values[number].gradient is None:
                self.values[number].gradient = gradient

    def _open_groups(self) -> None:
        """Opens groups level by level, until the trace is full."""
        waiting = list(self.top)
        while waiting:
            inner: list[int] = []
            for number in waiting:
                inner += self._open(self.steps[number])
            waiting = inner

    def _open(self, step: Step) -> list[int]:
        node = step.node
        operation = node.operation
        is_group = isinstance(operation, Group) and not getattr(operation, "is_primitive", False)
        if not (is_group or operation.reopens):
            return []
        # Of what has no formula only the inside can be explained, so that is there in any case.
        room = self._most_steps - len(self.steps) if states_formula(operation) else MOST_STEPS
        if room <= 0:
            return []
        if all(gradient is None for gradient in step.upstream):
            return []
        if max(array.size for array in self._arrays(step)) > MOST_ELEMENTS:
            return []
        start = recorded_so_far()
        stand_ins = [Tensor(tensor._array, requires_grad=tensor.requires_grad) for tensor in node.inputs]
        try:
            # What overflows here has done so before, in the user's sight.
            with enable_grad(), name_scope(step.scope), np.errstate(all="ignore"):
                if operation.reopens:
                    outputs = list(operation.reopen(node, stand_ins))
                else:
                    opened = operation.open(*stand_ins, **node.parameters)  # type: ignore[attr-defined]
                    outputs = list(opened) if isinstance(opened, tuple) else [opened]
        except DeltaruleError:
            return []
        nodes = nodes_below([each for each in outputs if each.requires_grad], start)
        if not nodes or len(nodes) > room or not same_values(outputs, node.values):
            return []
        seeds = {
            output: Tensor(gradient)
            for output, gradient in zip(outputs, step.upstream, strict=True)
            if gradient is not None and output.requires_grad
        }
        way = walk_back(list(seeds), list(seeds.values()), start)
        if not operation.reopens and not same_gradients(stand_ins, way, step.contributions):
            return []
        self._held.append((stand_ins, outputs))
        for stand_in, number in zip(stand_ins, step.inputs, strict=True):
            self._numbers[stand_in] = number
        for output, number in zip(outputs, step.outputs, strict=True):
            self._numbers.setdefault(_key(output), number)
        step.children = self._add_steps(nodes, step.number)
        self._write_back(way, nodes, step.children)
        return step.children

    def _arrays(self, step: Step) -> Iterator[Array]:
        for number in (*step.inputs, *step.outputs):
            yield self.values[number].array

    def _count_times(self, step: Step) -> None:
        cells = [number for number in step.children if self.steps[number].operation in CELLS]
        if step.operation in SEQUENCES:
            places = reversed(range(len(cells))) if step.parameters.get("reverse") else range(len(cells))
            self.times.update(zip(cells, places, strict=True))

    # ---- reading

    def frontier(self, is_open: Callable[[Step], bool] = lambda step: False) -> list[Step]:
        """The steps that one sees with some groups open, in the order of computation."""
        return list(self._seen(self.top, is_open))

    def _seen(self, numbers: Iterable[int], is_open: Callable[[Step], bool]) -> Iterator[Step]:
        for number in numbers:
            step = self.steps[number]
            if step.children and is_open(step):
                yield from self._seen(step.children, is_open)
            else:
                yield step

    def uses(self, value: Value, steps: Iterable[Step]) -> list[tuple[Step, int]]:
        """(step, position) of each use of a value by these steps."""
        seen = {step.number for step in steps}
        return [(self.steps[number], position) for number, position in value.used_by if number in seen]

    def number_of(self, tensor: Tensor) -> int:
        """The number of a tensor's value. Raises KeyError if the loss does not depend on it."""
        return self._numbers[_key(tensor)]

    def named(self, name: str) -> Value:
        """The value with this label. Raises KeyError if there is none."""
        for value in self.values:
            if value.label == name:
                return value
        raise KeyError(name)


def states_formula(operation: Operation) -> bool:
    """Whether an operation has a formula; checkpoints and groups without one are known by their inside."""
    return type(operation).formula is not Operation.formula and not operation.reopens


def _key(tensor: Tensor) -> Any:
    return tensor if tensor.node is None else (tensor.node, tensor.output_index)
