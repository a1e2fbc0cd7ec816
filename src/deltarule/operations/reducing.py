"""What all reductions share: their axes, their shape rule and the indices of their formulas.

No operation lives here; they are in `reductions.py`, `extremes.py`, `products.py` and others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Expression,
    Index,
    Number,
    array_function,
    letters,
)
from deltarule.autodiff.formula.formula import Call
from deltarule.autodiff.operation import Shape
from deltarule.operations.axes import axis_positions


def reduced_axes(who: str, axis: Any, x: Shape) -> tuple[int, ...]:
    """The axes to reduce over as positions in rising order; None gives all of them."""
    return tuple(sorted(axis_positions(who, axis, len(x))))


def reduced_shape(x: Shape, axis: Sequence[int], keepdims: bool) -> Shape:
    """Shape after a reduction over these (normalised) axes."""
    if len(axis) == len(x):
        return (1,) * len(x) if keepdims else ()
    if keepdims:
        return tuple(1 if position in axis else extent for position, extent in enumerate(x))
    return tuple(extent for position, extent in enumerate(x) if position not in axis)


def reduced_count(x: Shape, axis: Sequence[int]) -> int:
    """How many elements go into each result."""
    count = 1
    for position in axis:
        count *= x[position]
    return count


class Reducing:
    """Mix-in of operations with one input x, reduced over `axis` with or without `keepdims`."""

    inputs = ("x",)

    def shape(self, x: Shape, *, axis: tuple[int, ...], keepdims: bool, **options: Any) -> Shape:
        """The shape of x without the axes, or with length 1 there."""
        return reduced_shape(x, axis, keepdims)


class ReductionIndices:
    """The indices of a reduction's formula.

    inside   one index for each axis of x
    summed   those of the reduced axes
    left     indices of the result, to define it: x's indices that stay
    source   indices of the result, to read it beside an element of x
    count    number of elements that go into each result
    """

    def __init__(self, call: Call):
        self._shape = call.shapes["x"]
        self._axis = call.parameters["axis"]
        self._keepdims = call.parameters["keepdims"]
        self.inside = letters(self._shape)
        self.summed = tuple(self.inside[position] for position in self._axis)
        self.left: list[Index] = []
        self.source: list[Expression] = []
        for position, index in enumerate(self.inside):
            if position not in self._axis:
                self.left.append(index)
                self.source.append(index)
            elif self._keepdims:
                self.left.append(Index(f"{index.name}'", 1))
                self.source.append(Number(0))
        self.count = reduced_count(self._shape, self._axis)

    def whole(self, name: str, x: Expression) -> ArrayFunction:
        """Matrix form of this reduction of x by a function such as "sum"."""
        return array_function(name, x, axis=self._axis, keepdims=self._keepdims)

    def kept(self, result: Expression) -> Expression:
        """Matrix form of a result that broadcasts to x: its reduced axes are back, with length 1."""
        leading = tuple(self._axis) == tuple(range(len(self._axis)))
        if self._keepdims or leading:
            return result
        return array_function("reshape", result, shape=reduced_shape(self._shape, self._axis, True))

    def spread(self, result: Expression) -> Expression:
        """Matrix form of a result repeated along its reduced axes: x's shape again."""
        return array_function("broadcast_to", self.kept(result), shape=self._shape)
