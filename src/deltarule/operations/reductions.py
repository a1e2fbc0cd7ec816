"""Sums and what is made of them: mean, variance, standard deviation; and `spread`, a sum's gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import Equation, Sum, Symbol, function, nonzero
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.kernels import reductions as kernels
from deltarule.operations.arithmetic import divide, multiply, square, subtract, where
from deltarule.operations.comparisons import equal as is_equal
from deltarule.operations.elementwise import converted, promote
from deltarule.operations.functions import sqrt
from deltarule.operations.reducing import (
    Reducing,
    ReductionIndices,
    reduced_axes,
    reduced_count,
    reduced_shape,
)

Axes = tuple[int, ...]
_NAN = float("nan")


class _Sum(Reducing, Operation):
    name = "sum"
    reads = ()

    def forward(self, x: Array, *, axis: Axes, keepdims: bool) -> Array:
        return kernels.add_up(x, axis, keepdims)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (apply(SPREAD, upstream, shape=node.inputs[0].shape, **node.parameters),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (kernels.spread(upstream, node.inputs[0].shape, node.parameters["axis"]),)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        at = ReductionIndices(call)
        return Formula(
            form(Equation(y.at(at.left), Sum(x.at(at.inside), *at.summed)), Equation(y, at.whole("sum", x))),
            {
                "x": form(
                    Equation(grad_x.at(at.inside), grad.at(at.source)), Equation(grad_x, at.spread(grad))
                )
            },
        )


class _Spread(Operation):
    name = "spread"
    inputs = ("x",)
    reads = ()
    view = True

    def shape(self, x: Shape, *, shape: Shape, axis: Axes, keepdims: bool) -> Shape:
        expected = reduced_shape(shape, axis, keepdims)
        if x != expected:
            raise ShapeError(
                "spread",
                f"expected shape {expected} to spread along axes {axis} to {shape}, got {x}",
                "It must be the shape of a sum over these axes.",
            )
        return shape

    def forward(self, x: Array, *, shape: Shape, axis: Axes, keepdims: bool) -> Array:
        return kernels.spread(x, shape, axis)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        axis, keepdims = node.parameters["axis"], node.parameters["keepdims"]
        return (apply(SUM, upstream, axis=axis, keepdims=keepdims),)

    def formula(self, call: Call) -> Formula:
        # The same indices as a sum of y to x.
        at = ReductionIndices(Call({"x": call.shapes["y"]}, call.parameters))
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        return Formula(
            form(Equation(y.at(at.inside), x.at(at.source)), Equation(y, at.spread(x))),
            {
                "x": form(
                    Equation(grad_x.at(at.left), Sum(grad.at(at.inside), *at.summed)),
                    Equation(grad_x, at.whole("sum", grad)),
                )
            },
        )


SUM = register(_Sum)
SPREAD = register(_Spread)


def sum(x: Any, /, axis: Any = None, *, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """Sum of the elements along axes.

    y[i] = Σ_j x[i, j];  ∂L/∂x[i, j] = ∂L/∂y[i]: every summand gets the gradient unchanged

    axis      axis, tuple of axes, or None for all of them; negative ones count from the last
    dtype     element type to add up in; else x's own, and for small integers and booleans int64
    keepdims  keep the summed axes, with length 1
    returns   x's shape without the summed axes; the sum of no elements is 0

    Raises ShapeError for an axis that x does not have.

    >>> import deltarule as dr
    >>> dr.sum(dr.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    tensor([4., 6.], dtype=float32)
    """
    x = as_tensor(x) if dtype is None else converted(x, np.dtype(dtype))
    return apply(SUM, x, axis=reduced_axes("sum", axis, x.shape), keepdims=bool(keepdims))


def spread(x: Any, shape: Sequence[int], axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """Repeats a reduction's result along the axes that it was reduced over: the gradient of `sum`.

    y[i, j] = x[i]

    shape     the shape before the reduction
    axis      the reduced axes; None for all of them
    keepdims  whether x has kept them, with length 1

    Raises ShapeError where x is not the shape of such a reduction's result.

    >>> import deltarule as dr
    >>> from deltarule.operations.reductions import spread
    >>> spread(dr.tensor([1.0, 2.0]), (2, 3), axis=1)
    tensor([[1., 1., 1.],
            [2., 2., 2.]], dtype=float32)
    """
    target = tuple(int(extent) for extent in shape)
    axes = reduced_axes("spread", axis, target)
    return apply(SPREAD, as_tensor(x), shape=target, axis=axes, keepdims=bool(keepdims))


def _divisor(x: Shape, axis: Axes, correction: float = 0) -> float:
    """N - correction, or NaN where that leaves nothing to divide by."""
    count = reduced_count(x, axis) - correction
    return float(count) if count > 0 else _NAN


class _Mean(Reducing, Group):
    name = "mean"
    reads = ()

    def open(self, x: Tensor, *, axis: Axes, keepdims: bool) -> Tensor:
        return divide(sum(x, axis, keepdims=keepdims), _divisor(x.shape, axis))

    def forward(self, x: Array, *, axis: Axes, keepdims: bool) -> Array:
        return kernels.mean(x, axis, keepdims, _divisor(x.shape, axis))

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        shape, axis = node.inputs[0].shape, node.parameters["axis"]
        return (kernels.spread(upstream / _divisor(shape, axis), shape, axis),)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        at = ReductionIndices(call)
        return Formula(
            form(
                Equation(y.at(at.left), Sum(x.at(at.inside), *at.summed) / at.count),
                Equation(y, at.whole("sum", x) / at.count),
            ),
            {
                "x": form(
                    Equation(grad_x.at(at.inside), grad.at(at.source) / at.count),
                    Equation(grad_x, at.spread(grad / at.count)),
                )
            },
        )


MEAN = register(_Mean)


def mean(x: Any, /, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """Arithmetic mean of the elements along axes.

    y[i] = (1/N) Σ_j x[i, j];  ∂L/∂x[i, j] = ∂L/∂y[i] / N

    axis      axis, tuple of axes, or None for all of them
    keepdims  keep the reduced axes, with length 1
    returns   x's shape without these axes; integers give the default float, no elements give NaN

    Raises ShapeError for an axis that x does not have.

    >>> import deltarule as dr
    >>> dr.mean(dr.tensor([1.0, 2.0, 6.0])).item()
    3.0
    """
    (x,) = promote((x,), True, "mean")
    return apply(MEAN, x, axis=reduced_axes("mean", axis, x.shape), keepdims=bool(keepdims))


def _deviation(x: Tensor, axis: Axes) -> Tensor:
    return subtract(x, mean(x, axis, keepdims=True))


class _Variance(Reducing, Group):
    name = "var"
    reads = ("x",)
    saves = True

    def open(self, x: Tensor, *, axis: Axes, correction: float, keepdims: bool) -> Tensor:
        total = sum(square(_deviation(x, axis)), axis, keepdims=keepdims)
        return divide(total, _divisor(x.shape, axis, correction))

    def forward(self, x: Array, *, axis: Axes, correction: float, keepdims: bool) -> Any:
        divisor = _divisor(x.shape, axis, correction)
        return kernels.variance(x, axis, keepdims, _divisor(x.shape, axis), divisor)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        # The deviations add up to 0, so that nothing comes back through the mean.
        x, axis = node.inputs[0], node.parameters["axis"]
        scale = multiply(upstream, 2.0 / _divisor(x.shape, axis, node.parameters["correction"]))
        spread_scale = spread(scale, x.shape, axis, keepdims=node.parameters["keepdims"])
        return (multiply(spread_scale, _deviation(x, axis)),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        axis = node.parameters["axis"]
        divisor = _divisor(node.inputs[0].shape, axis, node.parameters["correction"])
        return (kernels.variance_gradient(node.saved, upstream, axis, divisor),)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        at = ReductionIndices(call)
        average = Symbol("mean", y.ndim)
        divisor = at.count - call.parameters["correction"]
        deviation = x.at(at.inside) - average.at(at.source)
        whole_deviation = x - at.kept(average)
        return Formula(
            form(
                (
                    Equation(average.at(at.left), Sum(x.at(at.inside), *at.summed) / at.count),
                    Equation(y.at(at.left), Sum(function("square", deviation), *at.summed) / divisor),
                ),
                (
                    Equation(average, at.whole("sum", x) / at.count),
                    Equation(y, at.whole("sum", function("square", whole_deviation)) / divisor),
                ),
            ),
            {
                "x": form(
                    Equation(grad_x.at(at.inside), 2 * grad.at(at.source) * deviation / divisor),
                    Equation(grad_x, 2 * at.kept(grad) * whole_deviation / divisor),
                )
            },
        )


class _StandardDeviation(Reducing, Group):
    name = "std"
    reads = ("x", "y")
    saves = True

    def open(self, x: Tensor, *, axis: Axes, correction: float, keepdims: bool) -> Tensor:
        return sqrt(apply(VAR, x, axis=axis, correction=correction, keepdims=keepdims))

    def forward(self, x: Array, *, axis: Axes, correction: float, keepdims: bool) -> Any:
        variance, deviation = VAR.forward(x, axis=axis, correction=correction, keepdims=keepdims)
        return np.sqrt(variance), deviation

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        x, y, axis = node.inputs[0], node.output(), node.parameters["axis"]
        flat = is_equal(y, 0.0)
        divisor = _divisor(x.shape, axis, node.parameters["correction"])
        scale = where(flat, 0.0, divide(upstream, multiply(where(flat, 1.0, y), divisor)))
        spread_scale = spread(scale, x.shape, axis, keepdims=node.parameters["keepdims"])
        return (multiply(spread_scale, _deviation(x, axis)),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        axis = node.parameters["axis"]
        divisor = _divisor(node.inputs[0].shape, axis, node.parameters["correction"])
        return (kernels.deviation_gradient(node.saved, node.values[0], upstream, axis, divisor),)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        at = ReductionIndices(call)
        average = Symbol("mean", y.ndim)
        divisor = at.count - call.parameters["correction"]
        deviation = x.at(at.inside) - average.at(at.source)
        whole_deviation = x - at.kept(average)
        squares = Sum(function("square", deviation), *at.summed)
        whole_squares = at.whole("sum", function("square", whole_deviation))
        return Formula(
            form(
                (
                    Equation(average.at(at.left), Sum(x.at(at.inside), *at.summed) / at.count),
                    Equation(y.at(at.left), function("sqrt", squares / divisor)),
                ),
                (
                    Equation(average, at.whole("sum", x) / at.count),
                    Equation(y, function("sqrt", whole_squares / divisor)),
                ),
            ),
            {
                "x": form(
                    Equation(
                        grad_x.at(at.inside),
                        grad.at(at.source) * deviation / (divisor * nonzero(y.at(at.source))),
                    ),
                    Equation(grad_x, at.kept(grad / (divisor * nonzero(y))) * whole_deviation),
                )
            },
        )


VAR = register(_Variance)
STD = register(_StandardDeviation)


def var(x: Any, /, axis: Any = None, *, correction: float = 0, keepdims: bool = False) -> Tensor:
    """Variance of the elements along axes: the mean squared deviation from the mean.

    μ[i] = (1/N) Σ_j x[i, j];  y[i] = Σ_j (x[i, j] - μ[i])² / (N - correction)
    ∂L/∂x[i, j] = ∂L/∂y[i] · 2 (x[i, j] - μ[i]) / (N - correction)

    axis        axis, tuple of axes, or None for all of them
    correction  0 (the default, as in the Array API) divides by N; 1 by N - 1, the unbiased estimate
                (PyTorch's default)
    keepdims    keep the reduced axes, with length 1
    returns     x's shape without these axes; NaN where N - correction is not positive

    Raises ShapeError for an axis that x does not have, ArgumentError for a negative correction.
    Source: computed in two passes; Chan, Golub & LeVeque 1983.

    >>> import deltarule as dr
    >>> dr.var(dr.tensor([1.0, 2.0, 3.0, 6.0])).item()
    3.5
    """
    (x,) = promote((x,), True, "var")
    return apply(VAR, x, **_moment_options("var", axis, correction, keepdims, x.shape))


def std(x: Any, /, axis: Any = None, *, correction: float = 0, keepdims: bool = False) -> Tensor:
    """Standard deviation of the elements along axes: the square root of the variance.

    y[i] = √(Σ_j (x[i, j] - μ[i])² / (N - correction))
    ∂L/∂x[i, j] = ∂L/∂y[i] · (x[i, j] - μ[i]) / ((N - correction) y[i])

    Options, shapes and errors are those of `var`. Where all elements are equal (y = 0) the gradient
    is 0; PyTorch gives NaN there.

    >>> import deltarule as dr
    >>> dr.std(dr.tensor([1.0, 3.0])).item()
    1.0
    """
    (x,) = promote((x,), True, "std")
    return apply(STD, x, **_moment_options("std", axis, correction, keepdims, x.shape))


def _moment_options(who: str, axis: Any, correction: float, keepdims: bool, shape: Shape) -> dict[str, Any]:
    if not correction >= 0:
        raise ArgumentError(who, f"correction expected a number >= 0, got {correction}", "Use 0 or 1.")
    return {"axis": reduced_axes(who, axis, shape), "correction": correction, "keepdims": bool(keepdims)}


class _CountNonzero(Operation):
    name = "count_nonzero"
    inputs = ("x",)
    reads = ()

    def shape(self, x: Shape, *, axis: Any = None, keepdims: bool = False) -> Shape:
        return reduced_shape(x, reduced_axes("count_nonzero", axis, x), keepdims)

    def forward(self, x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
        axes = reduced_axes("count_nonzero", axis, x.shape)
        return np.count_nonzero(x, axis=axes, keepdims=keepdims)

    def formula(self, call: Call) -> Formula:
        axes = reduced_axes("count_nonzero", call.parameters.get("axis"), call.shapes["x"])
        keepdims = call.parameters.get("keepdims", False)
        at = ReductionIndices(Call(call.shapes, {"axis": axes, "keepdims": keepdims}))
        x, y = call.symbol("x"), call.symbol("y")
        return Formula(
            form(
                Equation(y.at(at.left), Sum(function("not_equal", x.at(at.inside), 0), *at.summed)),
                Equation(y, at.whole("sum", function("not_equal", x, 0))),
            ),
            {},
        )


COUNT_NONZERO = register(_CountNonzero)


def count_nonzero(x: Any, /, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """How many elements along axes are not zero (for booleans: are true). Integers, no gradient.

    y[i] = Σ_j [x[i, j] ≠ 0]

    Raises ShapeError for an axis that x does not have.

    >>> import deltarule as dr
    >>> dr.count_nonzero(dr.tensor([0.0, 2.0, 3.0])).item()
    2
    """
    return apply(COUNT_NONZERO, as_tensor(x), axis=axis, keepdims=bool(keepdims))
