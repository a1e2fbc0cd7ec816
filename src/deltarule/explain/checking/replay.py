"""A recorded computation again: on other leaves, with groups opened, or backwards by other local rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.backward import nodes_below
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, record
from deltarule.autodiff.recording import enable_grad, no_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.operations.elementwise import Elementwise

# What a node hands on: the gradient of each input from those of its outputs.
Rule = Callable[[Node, Sequence[Array]], Sequence[Array | None]]


def replay(
    outputs: Sequence[Tensor], leaves: Mapping[Tensor, Tensor], *, opened: bool = False
) -> list[Tensor]:
    """The outputs computed again with other leaves in place of their own.

    leaves   tensor without a node -> what stands for it; others stay
    opened   whether every group that is not one element-wise row is replaced by what it is composed of

    Numbers are float64 throughout: a conversion to a smaller type on the way is left out.
    """
    made: dict[tuple[Node, int], Tensor] = {}
    with enable_grad():
        for node in nodes_below(outputs):
            inputs = [
                leaves.get(tensor, tensor)
                if tensor.node is None
                else made.get((tensor.node, tensor.output_index), tensor)
                for tensor in node.inputs
            ]
            results = _again(node, inputs, opened)
            for index, result in enumerate(results):
                made[node, index] = result
    return [
        leaves.get(each, each) if each.node is None else made[each.node, each.output_index]
        for each in outputs
    ]


def _again(node: Node, inputs: Sequence[Tensor], opened: bool) -> Sequence[Tensor]:
    operation, parameters = node.operation, node.parameters
    if operation.name == "astype" and node.values[0].dtype.kind == "f":
        return inputs
    if opened and isinstance(operation, Group) and not isinstance(operation, Elementwise):
        result = operation.open(*inputs, **parameters)
    else:
        operation.shape(*(tensor.shape for tensor in inputs), **parameters)
        arrays = [tensor._array for tensor in inputs]
        result = record(operation, tuple(inputs), parameters, operation.forward(*arrays, **parameters))
    return result if isinstance(result, tuple) else (result,)


def fully_opened(outputs: Sequence[Tensor]) -> list[Tensor]:
    """The outputs computed again from primitive operations and element-wise rows alone."""
    while any(
        isinstance(node.operation, Group) and not isinstance(node.operation, Elementwise)
        for node in nodes_below(outputs)
    ):
        opened = replay(outputs, {}, opened=True)
        if len(nodes_below(opened)) == len(nodes_below(outputs)):
            return opened
        outputs = opened
    return list(outputs)


def engine_rule(node: Node, arriving: Sequence[Array]) -> Sequence[Array | None]:
    """The operation's own gradient."""
    with no_grad():
        return node.operation.backward_kernel(node, *arriving)


class Pass:
    """A backward pass over a record that can be repeated with a few nodes following other rules.

    arriving   node -> the gradients of its outputs, in the right pass
    """

    def __init__(self, outputs: Sequence[Tensor], upstream: Sequence[Array]):
        self.nodes = nodes_below(outputs)
        self.outputs, self.upstream = outputs, upstream
        self.arriving: dict[Node, list[Array]] = {}
        self.handed: dict[Node, Sequence[Array | None]] = {}
        self.right = self.run({}, keep=True)

    def run(
        self,
        rules: Mapping[Node, Rule],
        dropped: tuple[Node, int] | None = None,
        *,
        keep: bool = False,
    ) -> dict[Tensor, Array]:
        """Leaf -> gradient.

        rules     nodes that follow another rule
        dropped   (node, input) whose contribution is left out
        """
        sums: dict[Any, Array] = {}
        for output, gradient in zip(self.outputs, self.upstream, strict=True):
            _add(sums, output, np.asarray(gradient))
        # Above the first node with another rule everything is as in the right pass.
        touched = {*rules, *([dropped[0]] if dropped else ())}
        highest = max((node.order for node in touched), default=-1)
        for node in reversed(self.nodes):
            arriving = [sums.get((node, index)) for index in range(len(node.values))]
            if all(each is None for each in arriving):
                continue
            filled = [
                np.zeros_like(value) if each is None else each
                for each, value in zip(arriving, node.values, strict=True)
            ]
            if not keep and node.order > highest and node in self.handed:
                outgoing = self.handed[node]
            else:
                outgoing = rules.get(node, engine_rule)(node, filled)
            if keep:
                self.arriving[node], self.handed[node] = filled, outgoing
            for position, gradient in enumerate(outgoing):
                if gradient is not None and node.needs(position) and dropped != (node, position):
                    _add(sums, node.inputs[position], gradient)
        return {key: value for key, value in sums.items() if isinstance(key, Tensor)}


def _add(sums: dict[Any, Array], tensor: Tensor, gradient: Array) -> None:
    key = tensor if tensor.node is None else (tensor.node, tensor.output_index)
    earlier = sums.get(key)
    sums[key] = gradient if earlier is None else earlier + gradient
