"""Average pooling to a given output size: products with matrices that take means of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Sum,
    Symbol,
    array_function,
    less,
    less_equal,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations.elementwise import promote
from deltarule.operations.linear_algebra import matmul
from deltarule.operations.window_options import Sizes, integer, require_axes


def averaging_matrix(count: int, extent: int, dtype: Any) -> Array:
    """(count, extent): row p holds 1/length at the elements ⌊p·extent/count⌋ to ⌈(p+1)·extent/count⌉ − 1."""
    place, part = np.arange(extent), np.arange(count)[:, None]
    begin, end = part * extent // count, -(-(part + 1) * extent // count)
    return (((begin <= place) & (place < end)) / (end - begin)).astype(dtype)


def _averaging(count: int, extent: int) -> Any:
    """A matrix whose row p takes the mean of the p-th of `count` parts of `extent` elements."""
    matrix = np.zeros((count, extent))
    for part in range(count):
        begin, end = part * extent // count, -(-(part + 1) * extent // count)
        matrix[part, begin:end] = 1 / (end - begin)
    return matrix


define_array_function(
    "averaging",
    _averaging,
    r"\operatorname{{averaging}}_{{{count} \times {extent}}}",
    shape=lambda count, extent: (count, extent),
)


class _AdaptiveAvgPool(Group):
    inputs = ("x",)
    reads = ()
    rank: ClassVar[int]

    def shape(self, x: Shape, *, output_size: Sizes) -> Shape:
        require_axes(self.name, "x", x, self.rank)
        if 0 in x[2:]:
            raise ShapeError(self.name, f"x expected at least one element to take the mean of, got shape {x}")
        return (*x[:2], *output_size)

    def open(self, x: Tensor, *, output_size: Sizes) -> Tensor:
        *left, right = self._matrices(x.shape, output_size, x.dtype)
        y = matmul(x, Tensor(right.T))
        return matmul(Tensor(left[0]), y) if left else y

    def forward(self, x: Array, *, output_size: Sizes) -> Array:
        if output_size == (1,) * self.rank:
            return np.add.reduce(x, axis=tuple(range(2, x.ndim)), keepdims=True) * (1.0 / _count(x.shape))
        *left, right = self._matrices(x.shape, output_size, x.dtype)
        y = x @ right.T
        return left[0] @ y if left else y

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        shape = node.inputs[0].shape
        if node.parameters["output_size"] == (1,) * self.rank:
            return (np.broadcast_to(upstream * (1.0 / _count(shape)), shape),)
        *left, right = self._matrices(shape, node.parameters["output_size"], upstream.dtype)
        gradient = upstream @ right
        return (left[0].T @ gradient if left else gradient,)

    def _matrices(self, x: Shape, output_size: Sizes, dtype: Any) -> list[Array]:
        return [
            averaging_matrix(count, extent, dtype) for count, extent in zip(output_size, x[2:], strict=True)
        ]

    def formula(self, call: Call) -> Formula:
        x, y, upstream, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        extents, counts = call.shapes["x"][2:], call.shapes["y"][2:]
        first = [Index("n", call.shapes["x"][0]), Index("c", call.shapes["x"][1])]
        positions = [Index(name, count) for name, count in zip("pq", counts, strict=False)]
        elements = [Index(name, extent) for name, extent in zip("ij", extents, strict=False)]
        names = ("rows", "columns") if self.rank == 2 else ("columns",)
        matrices = [Symbol(name, 2) for name in names]
        index_lines, matrix_lines = [], []
        for matrix, position, element in zip(matrices, positions, elements, strict=True):
            count, extent = position.extent, element.extent
            begin, end = extent * position // count, (extent * position + (extent + count - 1)) // count
            inside = less_equal(begin, element) * less(element, end)
            index_lines.append(Equation(matrix[position, element], inside / (end - begin)))
            matrix_lines.append(Equation(matrix, array_function("averaging", count=count, extent=extent)))
        weights: Expression = matrices[0][positions[0], elements[0]]
        for matrix, position, element in zip(matrices[1:], positions[1:], elements[1:], strict=True):
            weights = weights * matrix[position, element]
        right = matrices[-1]
        value, gradient = x @ right.T, upstream @ right
        if self.rank == 2:
            value, gradient = matrices[0] @ value, matrices[0].T @ gradient
        return Formula(
            form(
                (
                    *index_lines,
                    Equation(y.at([*first, *positions]), Sum(weights * x.at([*first, *elements]), *elements)),
                ),
                (*matrix_lines, Equation(y, value)),
            ),
            {
                "x": form(
                    Equation(
                        grad_x.at([*first, *elements]),
                        Sum(weights * upstream.at([*first, *positions]), *positions),
                    ),
                    Equation(grad_x, gradient),
                )
            },
        )


def _count(x: Shape) -> int:
    return int(np.prod(x[2:]))


class _AdaptiveAvgPool1d(_AdaptiveAvgPool):
    name, rank = "adaptive_avg_pool1d", 1


class _AdaptiveAvgPool2d(_AdaptiveAvgPool):
    name, rank = "adaptive_avg_pool2d", 2


ADAPTIVE_AVG_POOL = {1: register(_AdaptiveAvgPool1d), 2: register(_AdaptiveAvgPool2d)}


def adaptive_avg_pool(rank: int, x: Any, output_size: Any) -> Tensor:
    """Checks the output size and applies the record of this rank."""
    operation = ADAPTIVE_AVG_POOL[rank]
    (x,) = promote((x,), True, operation.name)
    require_axes(operation.name, "x", x.shape, rank)
    wanted = list(output_size) if isinstance(output_size, Sequence) else [output_size] * rank
    if len(wanted) != rank:
        raise ArgumentError(
            operation.name, f"output_size expected one integer or {rank} of them, got {output_size!r}"
        )
    sizes = tuple(
        extent if each is None else integer(operation.name, "output_size", each, 1)
        for each, extent in zip(wanted, x.shape[2:], strict=True)
    )
    return apply(operation, x, output_size=sizes)
