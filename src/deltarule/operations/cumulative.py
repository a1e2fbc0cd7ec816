"""Sums and products that run along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Product,
    Sum,
    array_function,
    equal,
    function,
    letters,
    where,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError
from deltarule.kernels import products as kernels
from deltarule.operations.arithmetic import where as choose
from deltarule.operations.axes import axis_position
from deltarule.operations.elementwise import converted
from deltarule.operations.products import prod
from deltarule.operations.reductions import spread


def _cumulative_sum(x: np.ndarray, axis: int, include_initial: bool, reverse: bool) -> np.ndarray:
    """Running sums; in reverse those of the gradient, without the first where there was an initial 0."""
    rows = np.moveaxis(x, axis, 0)
    if reverse:
        total = np.cumsum(rows[::-1], axis=0)[::-1][1 if include_initial else 0 :]
    else:
        initial = np.zeros((1 if include_initial else 0, *rows.shape[1:]), rows.dtype)
        total = np.concatenate([initial, np.cumsum(rows, axis=0)])
    return np.moveaxis(total, 0, axis)


def _cumulative_sum_source(x: Shape, axis: int, include_initial: bool, reverse: bool) -> str:
    if include_initial:
        return f"cumulative_sum({{0}}, {axis}, include_initial=True, reverse={reverse})"
    if reverse:
        return f"np.flip(np.cumsum(np.flip({{0}}, {axis}), axis={axis}), {axis})"
    return f"np.cumsum({{0}}, axis={axis})"


def _running_shape(x: Shape, axis: int, include_initial: bool, reverse: bool = False) -> Shape:
    longer = include_initial * (-1 if reverse else 1)
    return (*x[:axis], x[axis] + longer, *x[axis + 1 :])


define_array_function(
    "cumulative_sum",
    _cumulative_sum,
    r"\operatorname{{cumulative\_sum}}_{{{axis}, \text{{initial }} {include_initial}, "
    r"\text{{reverse }} {reverse}}}\left({0}\right)",
    shape=_running_shape,
    source=_cumulative_sum_source,
    helper=_cumulative_sum,
)


def _counts(j: Index, t: Index, include_initial: bool, reverse: bool) -> Expression:
    """[element j counts for result t]"""
    if reverse:
        return function("greater" if include_initial else "greater_equal", j, t)
    return function("less" if include_initial else "less_equal", j, t)


class _CumulativeSum(Operation):
    """With `reverse` sums run from the end. With `include_initial` too, a result leaves its own element
    out and the first is dropped: that is the transpose of sums with an initial 0, hence its gradient."""

    name = "cumulative_sum"
    inputs = ("x",)
    reads = ()

    def shape(self, x: Shape, *, axis: int, include_initial: bool, reverse: bool) -> Shape:
        extent = x[axis] + (include_initial if not reverse else -int(include_initial))
        return (*x[:axis], extent, *x[axis + 1 :])

    def forward(self, x: Array, *, axis: int, include_initial: bool, reverse: bool) -> Array:
        return kernels.cumulative_sum(x, axis, include_initial, reverse)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        options = {**node.parameters, "reverse": not node.parameters["reverse"]}
        return (apply(CUMULATIVE_SUM, upstream, **options),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        options = {**node.parameters, "reverse": not node.parameters["reverse"]}
        return (kernels.cumulative_sum(upstream, **options),)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        options = call.parameters
        axis = options["axis"]
        here = letters(call.shapes["x"])
        result = Index("t", call.shapes["y"][axis])
        there = [result if position == axis else index for position, index in enumerate(here)]
        counts = _counts(here[axis], result, options["include_initial"], options["reverse"])
        back = {**options, "reverse": not options["reverse"]}
        return Formula(
            form(
                Equation(y.at(there), Sum(counts * x.at(here), here[axis])),
                Equation(y, array_function("cumulative_sum", x, **options)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(here), Sum(counts * grad.at(there), result)),
                    Equation(grad_x, array_function("cumulative_sum", grad, **back)),
                )
            },
        )


CUMULATIVE_SUM = register(_CumulativeSum)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Sums that run along an axis.

    y[t] = Σ_{j ≤ t} x[j];  ∂L/∂x[j] = Σ_{t ≥ j} ∂L/∂y[t]: the gradient runs backwards

    axis             the axis; may be left out if there is only one
    dtype            element type to add up in; else x's own
    include_initial  begin with the empty sum 0: one element more along the axis
    returns          x's shape, or with include_initial one longer along the axis

    Raises ArgumentError if the axis is left out and x has not exactly one, ShapeError if there is none such.

    >>> import deltarule as dr
    >>> dr.cumulative_sum(dr.tensor([1.0, 2.0, 3.0]), include_initial=True)
    tensor([0., 1., 3., 6.], dtype=float32)
    """
    x = as_tensor(x) if dtype is None else converted(x, np.dtype(dtype))
    axis = _running_axis("cumulative_sum", axis, x)
    return apply(CUMULATIVE_SUM, x, axis=axis, include_initial=bool(include_initial), reverse=False)


def _running_axis(who: str, axis: int | None, x: Tensor) -> int:
    if axis is None and x.ndim != 1:
        raise ArgumentError(
            who, f"axis is needed, since x has {x.ndim} axes (x {x.shape})", "Name it: axis=0."
        )
    return axis_position(who, 0 if axis is None else axis, x.ndim)


def _cumulative_prod(x: np.ndarray, axis: int, include_initial: bool) -> np.ndarray:
    """Running products; the first is the empty one, 1, if that is asked for."""
    rows = np.moveaxis(x, axis, 0)
    initial = np.ones((1 if include_initial else 0, *rows.shape[1:]), rows.dtype)
    return np.moveaxis(np.concatenate([initial, np.cumprod(rows, axis=0)]), 0, axis)


def _cumulative_prod_gradient(
    grad: np.ndarray, x: np.ndarray, axis: int, include_initial: bool
) -> np.ndarray:
    """At each element the sum, over the running products that it is in, of upstream times the others."""
    rows, upstream = np.moveaxis(x, axis, 0), np.moveaxis(grad, axis, 0)
    total = np.zeros(rows.shape)
    for t in range(len(upstream)):
        stop = t if include_initial else t + 1
        for j in range(stop):
            total[j] += upstream[t] * np.prod(np.delete(rows[:stop], j, axis=0), axis=0)
    return np.moveaxis(total, 0, axis)


def _cumulative_prod_source(x: Shape, axis: int, include_initial: bool) -> str:
    if include_initial:
        return f"cumulative_prod({{0}}, {axis}, include_initial=True)"
    return f"np.cumprod({{0}}, axis={axis})"


define_array_function(
    "cumulative_prod",
    _cumulative_prod,
    r"\operatorname{{cumulative\_prod}}_{{{axis}, \text{{initial }} {include_initial}}}\left({0}\right)",
    shape=_running_shape,
    source=_cumulative_prod_source,
    helper=_cumulative_prod,
)
define_array_function(
    "cumulative_prod_gradient",
    _cumulative_prod_gradient,
    r"\operatorname{{cumulative\_prod\_gradient}}_{{{axis}, \text{{initial }} {include_initial}}}"
    r"\left({0}, {1}\right)",
    shape=lambda grad, x, **options: x,
)


class _CumulativeProd(Group):
    name = "cumulative_prod"
    inputs = ("x",)
    reads = ("x", "y")

    def shape(self, x: Shape, *, axis: int, include_initial: bool) -> Shape:
        return (*x[:axis], x[axis] + include_initial, *x[axis + 1 :])

    def open(self, x: Tensor, *, axis: int, include_initial: bool) -> Tensor:
        # One copy of x for each result, in which the elements that do not count are replaced by 1.
        extent = x.shape[axis]
        results = extent + include_initial
        copies = spread(x, (*x.shape[:axis], results, *x.shape[axis:]), axis)
        counts = np.tri(results, extent, -1 if include_initial else 0, dtype=bool)
        counts = counts.reshape(results, extent, *[1] * (x.ndim - axis - 1))
        return prod(choose(Tensor(counts), copies, 1.0), axis + 1)

    def forward(self, x: Array, *, axis: int, include_initial: bool) -> Array:
        return kernels.cumulative_prod(x, axis, include_initial)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        x = node.inputs[0]._array
        if not x.all():
            # Dividing y by an element that is 0 is impossible: the opened form multiplies instead.
            return super().backward_kernel(node, upstream)
        options = node.parameters
        running = kernels.cumulative_sum(upstream * node.values[0], **options, reverse=True)
        return (running / x,)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        axis, initial = call.parameters["axis"], call.parameters["include_initial"]
        here = letters(call.shapes["x"])
        result, running = Index("t", call.shapes["y"][axis]), Index("r", here[axis].extent)
        there = [result if position == axis else index for position, index in enumerate(here)]
        at_running = [running if position == axis else index for position, index in enumerate(here)]
        factor = where(_counts(running, result, initial, False), x.at(at_running), 1.0)
        others = Product(where(equal(running, here[axis]), 1.0, factor), running)
        counts = _counts(here[axis], result, initial, False)
        return Formula(
            form(
                Equation(y.at(there), Product(factor, running)),
                Equation(y, array_function("cumulative_prod", x, **call.parameters)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(here), Sum(counts * grad.at(there) * others, result)),
                    Equation(grad_x, array_function("cumulative_prod_gradient", grad, x, **call.parameters)),
                )
            },
        )


CUMULATIVE_PROD = register(_CumulativeProd)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Products that run along an axis.

    y[t] = Π_{j ≤ t} x[j];  ∂L/∂x[j] = Σ_{t ≥ j} ∂L/∂y[t] · Π_{k ≤ t, k ≠ j} x[k]

    axis             the axis; may be left out if there is only one
    dtype            element type to multiply in; else x's own
    include_initial  begin with the empty product 1: one element more along the axis
    returns          x's shape, or with include_initial one longer along the axis

    The gradient is right where elements are 0 too. Raises ArgumentError if the axis is left out and
    x has not exactly one, ShapeError if there is none such.

    >>> import deltarule as dr
    >>> dr.cumulative_prod(dr.tensor([1.0, 2.0, 3.0]))
    tensor([1., 2., 6.], dtype=float32)
    """
    x = as_tensor(x) if dtype is None else converted(x, np.dtype(dtype))
    axis = _running_axis("cumulative_prod", axis, x)
    return apply(CUMULATIVE_PROD, x, axis=axis, include_initial=bool(include_initial))
