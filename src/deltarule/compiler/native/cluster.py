"""Cluster: element-wise steps that become one loop, or the epilogue of a product.

Steps join a cluster while they work on the same box of elements; what only they read is never stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from deltarule.compiler.native.plan import Shape, View
from deltarule.compiler.program import Instruction, Value
from deltarule.kernels.native.code import Code
from deltarule.kernels.native.epilogue import Epilogue
from deltarule.kernels.native.loop_nest import Body, Operand

# What a step reads: a value of the program, or memory that is there anyway (a number of the frame).
Source = Value | View


@dataclass(eq=False)
class Result:
    """One result of a step: its value, the axes it is summed over, and where it must go, if anywhere."""

    value: Value
    axes: tuple[int, ...] = ()
    target: View | None = None
    reduction: str = "sum"


@dataclass(eq=False)
class Item:
    """One element-wise step: results = function(code, vectors of the sources)."""

    domain: Shape
    sources: list[Source]
    results: list[Result]
    function: Callable[[Code, list[Any]], Sequence[Any]]
    text: str
    instruction: Instruction | None = None

    @property
    def axes(self) -> tuple[int, ...]:
        """Axes that its reduced results are reduced over, if it has any."""
        return next((result.axes for result in self.results if result.axes), ())


class Producer:
    """A product or convolution whose result is the first thing that a cluster has.

    It fills its result tile by tile, as a matrix of rows and columns, and does the cluster's steps to each
    tile.

    value        what it makes
    label        layer and operation, for reading
    keeps_sums   whether sums wait in the result's memory before the cluster's steps are done
    """

    value: Value
    label: str
    keeps_sums: bool = False

    def reads(self) -> list[View]:
        """The operands."""
        raise NotImplementedError(f"{type(self).__name__}: reads")

    def order(self, rank: int) -> tuple[int, ...]:
        """The axes of the result as they lie in memory; the last one is the matrix's columns."""
        return tuple(range(rank))

    def call(
        self, out: View, epilogue: Epilogue | None, views: list[View], results: list[View]
    ) -> tuple[Any, list[Any], list[int], int]:
        """(routine, arguments, which of them are written, operations)."""
        raise NotImplementedError(f"{type(self).__name__}: call")


@dataclass(eq=False)
class Cluster:
    """Steps over one box, in order."""

    domain: Shape
    product: Producer | None = None
    items: list[Item] = field(default_factory=list)
    made: dict[Value, tuple[int, int]] = field(default_factory=dict)
    instructions: set[int] = field(default_factory=set)

    def add(self, item: Item) -> None:
        for position, result in enumerate(item.results):
            self.made[result.value] = (len(self.items), position)
        self.items.append(item)
        self.instructions.add(id(item))
        if item.instruction is not None:
            self.instructions.add(id(item.instruction))

    def produces(self, value: Value) -> bool:
        return value in self.made or (self.product is not None and self.product.value is value)

    def offers(self, value: Value) -> bool:
        """Whether a step inside may read the value: it is made here, and not reduced."""
        if self.product is not None and self.product.value is value:
            return True
        place = self.made.get(value)
        return place is not None and not self.items[place[0]].results[place[1]].axes

    @property
    def axes(self) -> tuple[int, ...]:
        return next((item.axes for item in self.items if item.axes), ())

    def sources(self) -> list[Source]:
        """What comes from outside, each once."""
        found: list[Source] = []
        for item in self.items:
            for source in item.sources:
                if (isinstance(source, View) or not self.produces(source)) and source not in found:
                    found.append(source)
        return found

    def body(self, sources: list[Source], stored: list[Value]) -> Body:
        """The function from the vectors of the sources (after the product's) to those that are stored."""
        items, product = list(self.items), self.product
        names: dict[int, str] = {} if product is None else {id(product.value): "product"}
        names |= {id(source): f"x{i}" for i, source in enumerate(sources)}
        lines = []
        for item in items:
            read = ", ".join(names[id(source)] for source in item.sources)
            for result in item.results:
                names[id(result.value)] = f"v{len(names)}"
            made = ", ".join(names[id(result.value)] for result in item.results)
            lines.append(f"{made} = {item.text}({read})")
        lines.append(", ".join(names[id(value)] for value in stored))

        def function(code: Code, vectors: list[Any]) -> list[Any]:
            rest = list(vectors)
            held: dict[int, Any] = {}
            if product is not None:
                held[id(product.value)] = rest.pop(0)
            held |= {id(source): vector for source, vector in zip(sources, rest, strict=True)}
            for item in items:
                answers = item.function(code, [held[id(source)] for source in item.sources])
                for result, answer in zip(item.results, answers, strict=True):
                    held[id(result.value)] = answer
            return [held[id(value)] for value in stored]

        return Body("; ".join(lines), function)


def rows_and_columns(
    shape: Shape, strides: tuple[int, ...], order: tuple[int, ...]
) -> tuple[int, int] | None:
    """(stride of rows, stride of columns) of an operand over a box seen as a matrix; None if there are none.

    order   of the axes; the last one is that of the columns
    """
    if not shape:
        return 0, 0
    shape = tuple(shape[axis] for axis in order)
    strides = tuple(strides[axis] for axis in order)
    axes = [axis for axis in range(len(shape) - 1) if shape[axis] != 1]
    for outer, inner in pairwise(axes):
        if strides[outer] != strides[inner] * shape[inner]:
            return None
    row = strides[axes[-1]] if axes else 0
    return row, strides[-1] if shape[-1] != 1 else 0


def operand(view: View, shape: Shape) -> Operand:
    """How a view lies over a box."""
    return Operand(view.dtype, view.broadcast(shape))
