"""Graph: the record behind a result, as plain data that any reader can walk.

    graph = dr.Graph(loss)
    for step in graph.steps:
        print(step.operation, step.inputs, step.outputs)

A Graph computes nothing but, on request, the gradient of every value in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deltarule.autodiff.backward import backpropagate, nodes_below, require_graph, seed_for
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group
from deltarule.autodiff.tensor import Array, Tensor


@dataclass(frozen=True)
class Value:
    """One value of a computation: an input, a constant or the result of a step.

    number         its place in the order of computation
    kind           "input" (needs a gradient), "constant", or "result"
    name           the tensor's own name, or "" (results are known by their step)
    array          its elements, read-only
    """

    number: int
    kind: str
    name: str
    array: Array


@dataclass(frozen=True)
class Step:
    """One recorded operation, its inputs and outputs by the numbers of their values."""

    operation: str
    scope: str
    parameters: dict[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    is_group: bool


class Graph:
    """The recorded computation of one or several results.

    values   every value in the order of computation
    steps    every operation in the order of computation
    nodes    the record itself

    Raises GraphError if a part of the graph was freed by a backward pass.

    >>> import deltarule as dr
    >>> x = dr.tensor([1.0, 2.0], requires_grad=True)
    >>> x.name = "x"
    >>> graph = dr.Graph(dr.square(x * 2.0).sum())
    >>> print(graph)
    v2 (2,) = multiply(x, 2)
    v3 (2,) = square(v2)
    v4 () = sum(v3)
    >>> graph.gradients()[graph.number_of(x)]
    array([ 8., 16.], dtype=float32)
    """

    def __init__(self, *results: Tensor):
        for result in results:
            require_graph(result, "Graph")
        self.results = results
        self.nodes: list[Node] = nodes_below(results)
        self.values: list[Value] = []
        self.steps: list[Step] = []
        self._numbers: dict[Any, int] = {}
        for node in self.nodes:
            inputs = tuple(self._number_of(tensor) for tensor in node.inputs)
            outputs = tuple(self._add((node, i), "result", "", value) for i, value in enumerate(node.values))
            is_group = isinstance(node.operation, Group) and not getattr(
                node.operation, "is_primitive", False
            )
            self.steps.append(
                Step(node.operation.name, node.scope, dict(node.parameters), inputs, outputs, is_group)
            )
        for result in results:
            self._number_of(result)

    def _number_of(self, tensor: Tensor) -> int:
        key = tensor if tensor.node is None else (tensor.node, tensor.output_index)
        if key not in self._numbers:
            kind = "input" if tensor.requires_grad else "constant"
            return self._add(key, kind, tensor.name, tensor.data)
        return self._numbers[key]

    def _add(self, key: Any, kind: str, name: str, array: Array) -> int:
        number = self._numbers[key] = len(self.values)
        view = array.view()
        view.flags.writeable = False
        self.values.append(Value(number, kind, name, view))
        return number

    def number_of(self, tensor: Tensor) -> int:
        """The number of a tensor's value. Raises KeyError if the result does not depend on it."""
        return self._numbers[tensor if tensor.node is None else (tensor.node, tensor.output_index)]

    def gradients(self, upstream: Sequence[Any] | None = None) -> list[Array | None]:
        """∂L/∂value for every value, in their order; None where no gradient arrives.

        upstream   gradient of each result; may be left out for single elements
        """
        given = [None] * len(self.results) if upstream is None else list(upstream)
        seeds = [seed_for(result, seed, "Graph") for result, seed in zip(self.results, given, strict=True)]
        arrived: list[Array | None] = [None] * len(self.values)

        def observe(node: Node, incoming: Sequence[Any], outgoing: Sequence[Any]) -> None:
            for index, gradient in enumerate(incoming):
                arrived[self._numbers[(node, index)]] = gradient

        leaves = backpropagate(self.results, seeds, observer=observe)
        for tensor, gradient in leaves.items():
            if tensor.node is None:
                arrived[self._numbers[tensor]] = gradient
        return arrived

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        lines = []
        for step in self.steps:
            inputs = ", ".join(self._label(number) for number in step.inputs)
            outputs = ", ".join(f"v{number} {self.values[number].array.shape}" for number in step.outputs)
            place = f"   # {step.scope}" if step.scope else ""
            lines.append(f"{outputs} = {step.operation}({inputs}){place}")
        return "\n".join(lines)

    def _label(self, number: int) -> str:
        value = self.values[number]
        if value.kind == "constant" and value.array.size == 1:
            return f"{value.array.item():g}" if value.array.dtype.kind == "f" else str(value.array.item())
        return value.name or f"v{number}"
