"""The part of a matrix on one side of a diagonal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Function,
    array_function,
    function,
    less_equal,
    letters,
    where,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.operations.axes import whole_number


def _source(name: str) -> Callable[..., str]:
    return lambda x, k: f"np.{name}({{0}}, {k})" if k else f"np.{name}({{0}})"


define_array_function(
    "tril", np.tril, r"\operatorname{{tril}}_{{{k}}}\left({0}\right)", source=_source("tril")
)
define_array_function(
    "triu", np.triu, r"\operatorname{{triu}}_{{{k}}}\left({0}\right)", source=_source("triu")
)


class _Triangle(Operation):
    """Elements on one side of a diagonal, zeros on the other."""

    inputs = ("x",)
    reads = ()
    keep: ClassVar[Callable[..., Array]]
    side: ClassVar[Callable[..., Function]]

    def shape(self, x: Shape, *, k: int) -> Shape:
        if len(x) < 2:
            raise ShapeError(self.name, f"expected a matrix or a stack of them, got shape {x}")
        return x

    def forward(self, x: Array, *, k: int) -> Array:
        return type(self).keep(x, k)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (apply(self, upstream, k=node.parameters["k"]),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (type(self).keep(upstream, node.parameters["k"]),)

    def formula(self, call: Call) -> Formula:
        x, y, grad_x, grad = call.symbol("x"), call.symbol("y"), call.gradient("x"), call.upstream()
        k, indices = call.parameters["k"], letters(call.shapes["x"])
        row, column = indices[-2:]
        kept = type(self).side(column, row + k if k > 0 else row - -k if k else row)
        return Formula(
            form(
                Equation(y.at(indices), where(kept, x.at(indices), 0.0)),
                Equation(y, array_function(self.name, x, k=k)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(indices), where(kept, grad.at(indices), 0.0)),
                    Equation(grad_x, array_function(self.name, grad, k=k)),
                )
            },
        )


def _not_below(column: Expression, row: Expression) -> Function:
    return function("greater_equal", column, row)


class _Lower(_Triangle):
    name = "tril"
    keep = staticmethod(np.tril)
    side = staticmethod(less_equal)


class _Upper(_Triangle):
    name = "triu"
    keep = staticmethod(np.triu)
    side = staticmethod(_not_below)


TRIL = register(_Lower)
TRIU = register(_Upper)


def tril(x: Any, /, *, k: int = 0) -> Tensor:
    """The lower triangle of a matrix, or of each of a stack, with zeros above it.

    y[i, j] = x[i, j] if j ≤ i + k else 0

    k  the last diagonal that is kept: 0 the main one, negative below it

    Raises ShapeError for fewer than two axes.

    >>> import deltarule as dr
    >>> dr.tril(dr.ones((2, 2)))
    tensor([[1., 0.],
            [1., 1.]], dtype=float32)
    """
    return apply(TRIL, as_tensor(x), k=whole_number("tril", "k", k))


def triu(x: Any, /, *, k: int = 0) -> Tensor:
    """The upper triangle of a matrix, or of each of a stack, with zeros below it.

    y[i, j] = x[i, j] if j ≥ i + k else 0

    k  the first diagonal that is kept: 0 the main one, 1 the one above it (a causal mask's complement)

    Raises ShapeError for fewer than two axes.

    >>> import deltarule as dr
    >>> dr.triu(dr.ones((2, 2)), k=1)
    tensor([[0., 1.],
            [0., 0.]], dtype=float32)
    """
    return apply(TRIU, as_tensor(x), k=whole_number("triu", "k", k))
