"""Products of elements, and sums and products that run along an axis."""

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
from deltarule.kernels import products as kernels
from deltarule.kernels.reductions import kept
from deltarule.operations.arithmetic import multiply
from deltarule.operations.arithmetic import where as choose
from deltarule.operations.elementwise import converted
from deltarule.operations.reducing import Reducing, ReductionIndices, reduced_axes
from deltarule.operations.reductions import spread


def _product_of_others(x: np.ndarray, axis: int) -> np.ndarray:
    """At each place the product of all other elements along the axis."""
    y = np.ones(x.shape)
    rows, results = np.moveaxis(x, axis, 0), np.moveaxis(y, axis, 0)
    for i in range(len(rows)):
        results[i] = np.prod(np.delete(rows, i, axis=0), axis=0)
    return y


define_array_function(
    "product_of_others",
    _product_of_others,
    r"\operatorname{{product\_of\_others}}_{{{axis}}}\left({0}\right)",
)


def _products_without_two(grad: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """Σ over i ≠ k of grad_i times the product of all x but x_i and x_k, at each k."""
    total = np.zeros(x.shape)
    rows, upstream, results = (np.moveaxis(each, axis, 0) for each in (x, grad, total))
    for k in range(len(rows)):
        for i in range(len(rows)):
            if i != k:
                results[k] += upstream[i] * np.prod(np.delete(rows, [i, k], axis=0), axis=0)
    return total


define_array_function(
    "products_without_two",
    _products_without_two,
    r"\operatorname{{products\_without\_two}}_{{{axis}}}\left({0}, {1}\right)",
    shape=lambda grad, x, axis: x,
)


class _Prod(Reducing, Operation):
    name = "prod"
    reads = ("x",)

    def forward(self, x: Array, *, axis: tuple[int], keepdims: bool) -> Array:
        return np.multiply.reduce(x, axis=axis, keepdims=keepdims)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        x, axis = node.inputs[0], node.parameters["axis"]
        others = product_of_others(x, axis[0])
        return (multiply(spread(upstream, x.shape, axis, keepdims=node.parameters["keepdims"]), others),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        x, axis = node.inputs[0]._array, node.parameters["axis"]
        gradient = kernels.product_of_others(x, axis[0])
        gradient *= kept(upstream, x.shape, axis)
        return (gradient,)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        at = ReductionIndices(call)
        (axis,) = call.parameters["axis"]
        others = _others(x, at.inside, axis)
        return Formula(
            form(
                Equation(y.at(at.left), Product(x.at(at.inside), *at.summed)),
                Equation(y, at.whole("prod", x)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(at.inside), grad.at(at.source) * others),
                    Equation(grad_x, at.kept(grad) * array_function("product_of_others", x, axis=axis)),
                )
            },
        )


def _others(x: Any, inside: Sequence[Index], axis: int, *also_left_out: Index) -> Expression:
    """Π of the elements along the axis but the one at `inside` (and the ones that are left out too)."""
    running = Index("r", inside[axis].extent)
    at = list(inside)
    at[axis] = running
    factor: Expression = x.at(at)
    for left_out in (inside[axis], *also_left_out):
        factor = where(equal(running, left_out), 1.0, factor)
    return Product(factor, running)


class _ProductOfOthers(Group):
    name = "product_of_others"
    inputs = ("x",)
    reads = ("x",)

    def shape(self, x: Shape, *, axis: int) -> Shape:
        return x

    def open(self, x: Tensor, *, axis: int) -> Tensor:
        # One copy of x along the axis for each result, in which that element is replaced by 1.
        extent = x.shape[axis]
        copies = spread(x, (*x.shape[:axis], extent, *x.shape[axis:]), axis)
        own = np.eye(extent, dtype=bool).reshape(extent, extent, *[1] * (x.ndim - axis - 1))
        return prod(choose(Tensor(own), 1.0, copies), axis + 1)

    def forward(self, x: Array, *, axis: int) -> Array:
        return kernels.product_of_others(x, axis)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        axis = call.parameters["axis"]
        here = letters(call.shapes["x"])
        result = Index("s", here[axis].extent)
        at_result = [result if position == axis else index for position, index in enumerate(here)]
        summand = (
            function("not_equal", result, here[axis]) * grad.at(at_result) * _others(x, here, axis, result)
        )
        return Formula(
            form(
                Equation(y.at(here), _others(x, here, axis)),
                Equation(y, array_function("product_of_others", x, axis=axis)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(here), Sum(summand, result)),
                    Equation(grad_x, array_function("products_without_two", grad, x, axis=axis)),
                )
            },
        )


PROD = register(_Prod)
PRODUCT_OF_OTHERS = register(_ProductOfOthers)


def product_of_others(x: Tensor, axis: int) -> Tensor:
    """At each place along an axis, the product of all the other elements: the gradient of `prod`.

    y[i] = Π_{j ≠ i} x[j]

    Correct where elements are 0, which dividing the whole product by x[i] would not be.
    """
    return apply(PRODUCT_OF_OTHERS, x, axis=axis)


def prod(x: Any, /, axis: Any = None, *, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """Product of the elements along axes; over several axes, one after the other.

    y[i] = Π_j x[i, j];  ∂L/∂x[i, j] = ∂L/∂y[i] · Π_{k ≠ j} x[i, k]

    axis      axis, tuple of axes, or None for all of them
    dtype     element type to multiply in; else x's own, and for small integers and booleans int64
    keepdims  keep the reduced axes, with length 1
    returns   x's shape without these axes; the product of no elements is 1

    The gradient is right where elements are 0 too. Raises ShapeError for an axis that x does not have.

    >>> import deltarule as dr
    >>> dr.prod(dr.tensor([2.0, 3.0, 4.0])).item()
    24.0
    """
    x = as_tensor(x) if dtype is None else converted(x, np.dtype(dtype))
    for position in reversed(reduced_axes("prod", axis, x.shape)):
        x = apply(PROD, x, axis=(position,), keepdims=bool(keepdims))
    return x
