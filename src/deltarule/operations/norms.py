"""Lengths of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import Equation, Expression, Sum, function, nonzero
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError
from deltarule.kernels.reductions import kept
from deltarule.operations.arithmetic import abs, divide, multiply, pow, sign, square, where
from deltarule.operations.comparisons import equal as is_equal
from deltarule.operations.elementwise import promote
from deltarule.operations.extremes import max
from deltarule.operations.functions import sqrt
from deltarule.operations.reducing import Reducing, ReductionIndices, reduced_axes
from deltarule.operations.reductions import spread, sum

Axes = tuple[int, ...]


class _EuclideanNorm(Reducing, Group):
    """√(Σ x²), with gradient 0 at the zero vector, where it has a kink."""

    name = "euclidean_norm"
    reads = ("x", "y")

    def open(self, x: Tensor, *, axis: Axes, keepdims: bool) -> Tensor:
        return sqrt(sum(square(x), axis, keepdims=keepdims))

    def forward(self, x: Array, *, axis: Axes, keepdims: bool) -> Array:
        return np.sqrt(np.add.reduce(x * x, axis=axis, keepdims=keepdims))

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        x, y = node.inputs[0], node.output()
        zero = is_equal(y, 0.0)
        scale = where(zero, 0.0, divide(upstream, where(zero, 1.0, y)))
        return (
            multiply(
                x, spread(scale, x.shape, node.parameters["axis"], keepdims=node.parameters["keepdims"])
            ),
        )

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        x, y = node.inputs[0]._array, node.values[0]
        scale = np.divide(upstream, y, out=np.zeros_like(upstream), where=y != 0)
        return (x * kept(scale, x.shape, node.parameters["axis"]),)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        at = ReductionIndices(call)
        squares = Sum(function("square", x.at(at.inside)), *at.summed)
        return Formula(
            form(
                Equation(y.at(at.left), function("sqrt", squares)),
                Equation(y, function("sqrt", at.whole("sum", function("square", x)))),
            ),
            {
                "x": form(
                    Equation(
                        grad_x.at(at.inside),
                        grad.at(at.source) * x.at(at.inside) / nonzero(y.at(at.source)),
                    ),
                    Equation(grad_x, at.kept(grad / nonzero(y)) * x),
                )
            },
        )


class _PowerNorm(Reducing, Group):
    """(Σ |x|^p)^(1/p)."""

    name = "power_norm"
    reads = ("x", "y")

    def open(self, x: Tensor, *, axis: Axes, keepdims: bool, order: float) -> Tensor:
        return pow(sum(pow(abs(x), order), axis, keepdims=keepdims), 1.0 / order)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        x, y, axis, order = node.inputs[0], node.output(), node.parameters["axis"], node.parameters["order"]
        keepdims = node.parameters["keepdims"]
        zero = is_equal(y, 0.0)
        length = spread(where(zero, 1.0, y), x.shape, axis, keepdims=keepdims)
        received = spread(where(zero, 0.0, upstream), x.shape, axis, keepdims=keepdims)
        return (multiply(received, multiply(sign(x), pow(divide(abs(x), length), order - 1.0))),)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        order = call.parameters["order"]
        at = ReductionIndices(call)

        def power(element: Expression) -> Expression:
            return function("abs", element) ** order

        def slope(element: Expression, length: Expression) -> Expression:
            return function("sign", element) * (function("abs", element) / length) ** (order - 1)

        return Formula(
            form(
                Equation(y.at(at.left), Sum(power(x.at(at.inside)), *at.summed) ** (1 / order)),
                Equation(y, at.whole("sum", power(x)) ** (1 / order)),
            ),
            {
                "x": form(
                    Equation(
                        grad_x.at(at.inside),
                        grad.at(at.source) * slope(x.at(at.inside), nonzero(y.at(at.source))),
                    ),
                    Equation(grad_x, at.kept(grad) * slope(x, at.kept(nonzero(y)))),
                )
            },
        )


EUCLIDEAN_NORM = register(_EuclideanNorm)
POWER_NORM = register(_PowerNorm)


def vector_norm(x: Any, /, axis: Any = None, *, keepdims: bool = False, ord: float = 2) -> Tensor:
    """Length of the vectors along axes.

    y[i] = (Σ_j |x[i, j]|^p)^(1/p);  for p = 2: √(Σ_j x[i, j]²),  ∂L/∂x[i, j] = ∂L/∂y[i] · x[i, j] / y[i]

    axis      axis, tuple of axes, or None for all of them: the length of all elements together
    keepdims  keep the reduced axes, with length 1
    ord       p: 2 (Euclid), 1 (sum of magnitudes), any number above 1, or infinity (largest magnitude)
    returns   x's shape without these axes; integers give the default float

    The gradient at the zero vector is 0. Raises ArgumentError for an ord below 1, ShapeError for an
    axis that x does not have, or (largest magnitude) one without elements.

    >>> import deltarule as dr
    >>> dr.vector_norm(dr.tensor([3.0, 4.0])).item()
    5.0
    """
    (x,) = promote((x,), True, "vector_norm")
    if not ord >= 1:
        raise ArgumentError(
            "vector_norm", f"ord expected a number >= 1 or inf, got {ord}", "Use 2, 1 or inf."
        )
    axes = reduced_axes("vector_norm", axis, x.shape)
    if ord == 2:
        return apply(EUCLIDEAN_NORM, x, axis=axes, keepdims=bool(keepdims))
    if ord == 1:
        return sum(abs(x), axes, keepdims=keepdims)
    if ord == math.inf:
        return max(abs(x), axes, keepdims=keepdims)
    return apply(POWER_NORM, x, axis=axes, keepdims=bool(keepdims), order=float(ord))
