"""Takes a loss apart by the time step at which it enters recurrent layers, and sends each part back alone.

The gradient that reaches a recurrent layer without having passed another one enters at a time step t: that of
the output it was read from. The last state belongs to the last step that each sequence has. By linearity
every gradient further back is a sum over these entries, and a backward pass in which each gradient has one
more axis in front, that of the entries, keeps the terms apart. Within a step it evaluates the cell's
formula for all entries at once; what lies between recurrent layers runs its own gradient rule for each.
Source: Werbos 1990, "Backpropagation through time", for the sum over time; Pascanu, Mikolov & Bengio 2013,
eq. 3 to 5, for its terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.node import Node
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.explain.through_time.recurrent_layers import (
    Record,
    RecurrentCall,
    RecurrentLayer,
    recurrent_layers,
)
from deltarule.explain.through_time.recurrent_step import RecurrentStep, StepInputs, float64


@dataclass(frozen=True)
class Entry:
    """A time step at which the loss enters: `step` of the layers that have so many `steps`."""

    steps: int
    step: int


@dataclass(eq=False)
class StepBack:
    """One step of a layer on the way back, for some of the entries.

    layer, time    which step of which layer
    entries        which of the entries of this pass: a range of the axis in front
    gradients      of each state after the step, (entries, batch, hidden)
    environment    all that the cell's formula computes on the way back
    """

    layer: RecurrentLayer
    time: int
    entries: slice
    gradients: Sequence[Array]
    environment: dict[str, Any]


Visitor = Callable[[StepBack], None]


class LossSteps:
    """The backward pass of a loss, apart for each entry.

    layers    the recurrent layers; entries: in the order of time
    """

    def __init__(self, loss: Tensor, seed: Tensor, names: Any = None):
        self.record = Record(loss)
        self.layers: list[RecurrentLayer] = recurrent_layers(self.record, names)
        self._calls: dict[Node, tuple[RecurrentLayer, RecurrentCall]] = {
            call.node: (layer, call) for layer in self.layers for call in layer.calls
        }
        self.steps = {layer: RecurrentStep(layer) for layer in self.layers}
        self.inputs = {
            call: StepInputs(call, self.steps[layer]) for layer in self.layers for call in layer.calls
        }
        self._leading = self._leading_nodes()
        self._seeds = self._entering(loss, seed)
        self.entries = self._found_entries()

    # ---- where the loss enters

    def _leading_nodes(self) -> set[Node]:
        """Nodes that a recurrent step lies below of, or that are one."""
        leading: set[Node] = set()
        for node in self.record.nodes:
            if node in self._calls or any(self._leads(tensor, leading) for tensor in node.inputs):
                leading.add(node)
        return leading

    def _leads(self, tensor: Tensor, leading: set[Node]) -> bool:
        key = self.record.key(tensor)
        return isinstance(key, tuple) and key[0] in leading

    def _entering(self, loss: Tensor, seed: Tensor) -> dict[Node, list[Array | None]]:
        """What arrives at the outputs of each recurrent operation without having passed another one."""
        arrived: dict[Any, Array] = {self.record.key(loss): seed._array}
        found: dict[Node, list[Array | None]] = {}
        for node in reversed(self.record.nodes):
            upstream = [arrived.pop((node, index), None) for index in range(len(node.values))]
            if node in self._calls:
                found[node] = [None if each is None or not each.any() else float64(each) for each in upstream]
            elif node in self._leading and any(each is not None for each in upstream):
                for tensor, gradient in self._handed_on(node, upstream):
                    key = self.record.key(tensor)
                    arrived[key] = arrived[key] + gradient if key in arrived else gradient
        return found

    def _handed_on(self, node: Node, upstream: Sequence[Array | None]) -> list[tuple[Tensor, Array]]:
        """What a node that is no recurrent step hands on to the inputs that lead to one."""
        node.require_intact()
        given = [
            np.zeros_like(value) if each is None else each
            for each, value in zip(upstream, node.values, strict=True)
        ]
        gradients = node.operation.backward_kernel(node, *given)
        return [
            (tensor, gradient)
            for tensor, gradient in zip(node.inputs, gradients, strict=True)
            if gradient is not None and tensor.requires_grad and self._leads(tensor, self._leading)
        ]

    def _found_entries(self) -> list[Entry]:
        """All steps of all layers that the loss enters directly; layers of equal length share theirs."""
        lengths: list[int] = []
        for layer in self.layers:
            enters = any(each is not None for call in layer.calls for each in self._seeds[call.node])
            if enters and layer.steps not in lengths:
                lengths.append(layer.steps)
        return [Entry(length, step) for length in lengths for step in range(length)]

    # ---- sending entries back

    def run(self, entries: Sequence[int], visit: Visitor) -> None:
        """Sends some entries back, by their numbers, and shows each recurrent step to the visitor.

        Steps that none of them reaches are left out.
        """
        arrived: dict[Any, Array] = {}
        for node in reversed(self.record.nodes):
            if node not in self._leading:
                continue
            upstream = [arrived.pop((node, index), None) for index in range(len(node.values))]
            if node in self._calls:
                layer, call = self._calls[node]
                handed = self._through_call(layer, call, entries, upstream, visit)
                for tensor, gradient in handed:
                    self._add(arrived, tensor, gradient)
            elif any(each is not None for each in upstream):
                self._through_node(node, len(entries), upstream, arrived)

    def _add(self, arrived: dict[Any, Array], tensor: Tensor, gradient: Array) -> None:
        key = self.record.key(tensor)
        if key in arrived:
            arrived[key] += gradient
        else:
            arrived[key] = gradient

    def _through_node(
        self, node: Node, count: int, upstream: Sequence[Array | None], arrived: dict[Any, Array]
    ) -> None:
        """What lies between recurrent steps: its own gradient rule, once for each entry."""
        scattered = node.operation.scatters
        for entry in range(count):
            given = [
                None if each is None else each[entry].astype(value.dtype)
                for each, value in zip(upstream, node.values, strict=True)
            ]
            if not any(each is not None and each.any() for each in given):
                continue
            if scattered and given[0] is not None:
                # A slice of a sequence touches its own step alone.
                node.operation.scatter(node, given[0], self._total(arrived, node.inputs[0], count)[entry])
                continue
            for tensor, gradient in self._handed_on(node, given):
                self._total(arrived, tensor, count)[entry] += gradient

    def _total(self, arrived: dict[Any, Array], tensor: Tensor, count: int) -> Array:
        key = self.record.key(tensor)
        if key not in arrived:
            arrived[key] = np.zeros((count, *tensor.shape))
        return arrived[key]

    def _through_call(
        self,
        layer: RecurrentLayer,
        call: RecurrentCall,
        entries: Sequence[int],
        upstream: Sequence[Array | None],
        visit: Visitor,
    ) -> list[tuple[Tensor, Array]]:
        """All steps of one operation, from the last computed to the first."""
        step, inputs = self.steps[layer], self.inputs[call]
        batch, hidden = call.input(step.states[0]).shape
        arriving = self._arriving(layer, call, entries, upstream)
        if arriving is None:
            return []
        states = [np.zeros((len(entries), batch, hidden)) for _ in step.states]
        x = call.node.inputs[0]
        to_x = self._leads(x, self._leading)
        grad_x = np.zeros((len(entries), *x.shape)) if to_x else None
        for position in call.positions()[::-1]:
            seen = inputs.seen(position)
            for state, more in zip(states, arriving(position, seen), strict=True):
                if more is not None:
                    state += more
            reached = np.flatnonzero(np.logical_or.reduce([each.any(axis=(1, 2)) for each in states]))
            if not len(reached):
                continue
            live = slice(int(reached[0]), int(reached[-1]) + 1)
            gradients = [each[live] for each in states]
            through = gradients if seen is None else [each * seen for each in gradients]
            environment = step.back(inputs.values(position), through, to_x=to_x)
            visit(StepBack(layer, call.first + position, live, gradients, environment))
            for state, name in zip(states, step.states, strict=True):
                kept = 0.0 if seen is None else state[live] * ~seen
                state[live] = environment[f"grad_{name}"] + kept
            if grad_x is not None:
                (grad_x[:, :, position] if call.is_sequence else grad_x)[live] += environment["grad_x"]
        handed = [
            (call.input(name), state)
            for name, state in zip(step.states, states, strict=True)
            if self._leads(call.input(name), self._leading)
        ]
        return handed if grad_x is None else [*handed, (x, grad_x)]

    def _arriving(
        self,
        layer: RecurrentLayer,
        call: RecurrentCall,
        entries: Sequence[int],
        upstream: Sequence[Array | None],
    ) -> Callable[[int, Array | None], Sequence[Array | None]] | None:
        """A function of (position, who has this step) -> what arrives there at each state from outside.

        None if nothing arrives anywhere.
        """
        seeds = self._seeds[call.node]
        entering = {
            self.entries[number].step - call.first: place
            for place, number in enumerate(entries)
            if self.entries[number].steps == layer.steps
        }
        entering = {position: place for position, place in entering.items() if 0 <= position < call.steps}
        seeded = any(each is not None for each in seeds) and entering
        if not seeded and all(each is None for each in upstream):
            return None
        count = len(entries)
        states = len(self.steps[layer].states)
        output, last = (upstream[0], upstream[1:]) if call.is_sequence else (None, upstream)
        output_seed, last_seeds = (seeds[0], seeds[1:]) if call.is_sequence else (None, seeds)
        last_positions = call.last_positions()
        final = call.positions()[-1]

        def arriving(position: int, seen: Array | None) -> Sequence[Array | None]:
            found: list[Array | None] = [None] * states
            if position == final:
                # What was kept through masked steps at the end arrives at the last one computed.
                for state in range(states):
                    total = None if last[state] is None else np.array(last[state])
                    seed = last_seeds[state]
                    for at, place in entering.items():
                        rows = last_positions == at
                        if seed is not None and rows.any():
                            total = np.zeros((count, *seed.shape)) if total is None else total
                            total[place, rows] += seed[rows]
                    found[state] = total
            if output is not None:
                found[0] = _sum(found[0], _where(output[:, :, position], seen))
            if output_seed is not None and position in entering:
                seeded = np.zeros((count, *output_seed.shape[::2]))
                seeded[entering[position]] = output_seed[:, position]
                found[0] = _sum(found[0], _where(seeded, seen))
            return found

        return arriving


def _sum(total: Array | None, more: Array) -> Array:
    return more if total is None else total + more


def _where(gradient: Array, seen: Array | None) -> Array:
    """A masked step gives an output of 0, whatever its state."""
    return gradient if seen is None else gradient * seen
