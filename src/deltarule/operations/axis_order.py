"""The axes of an array in another order: always a view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import Equation, Expression, Symbol, array_function, letters
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.operations.axes import axis_position, axis_positions

define_array_function(
    "permute",
    np.transpose,
    r"\operatorname{{permute}}_{{{axes}}}\left({0}\right)",
    shape=lambda x, axes: tuple(x[axis] for axis in axes),
    source=lambda x, axes: f"{{0}}.transpose{tuple(axes)}" if len(axes) > 1 else "{0}",
)


class _Permute(Operation):
    name = "permute_dims"
    inputs = ("x",)
    reads = ()
    view = True

    def shape(self, x: Shape, *, axes: tuple[int, ...]) -> Shape:
        if len(axes) != len(x) or sorted(axes) != list(range(len(x))):
            raise ShapeError(
                "permute_dims",
                f"axes expected each of the {len(x)} axes of x once, got {axes} (x {x})",
                f"For example {tuple(reversed(range(len(x))))}.",
            )
        return tuple(x[axis] for axis in axes)

    def forward(self, x: Array, *, axes: tuple[int, ...]) -> Array:
        return x.transpose(axes)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (apply(PERMUTE_DIMS, upstream, axes=_inverse(node.parameters["axes"])),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (upstream.transpose(_inverse(node.parameters["axes"])),)

    def formula(self, call: Call) -> Formula:
        x, y, grad_x, grad = call.symbol("x"), call.symbol("y"), call.gradient("x"), call.upstream()
        axes = call.parameters["axes"]
        indices = letters(call.shapes["x"])
        moved = [indices[axis] for axis in axes]
        return Formula(
            form(Equation(y.at(moved), x.at(indices)), Equation(y, _permuted(x, axes))),
            {
                "x": form(
                    Equation(grad_x.at(indices), grad.at(moved)),
                    Equation(grad_x, _permuted(grad, _inverse(axes))),
                )
            },
        )


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axes.index(place) for place in range(len(axes)))


def _permuted(array: Symbol, axes: tuple[int, ...]) -> Expression:
    count = len(axes)
    swaps_last_two = count >= 2 and axes == (*range(count - 2), count - 1, count - 2)
    return array.T if swaps_last_two else array_function("permute", array, axes=axes)


PERMUTE_DIMS = register(_Permute)


def permute_dims(x: Any, /, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in another order, without copying: output axis k is x's axis axes[k].

    y[j, k, i] = x[i, j, k]   for axes (1, 2, 0)

    axes  each axis once; None reverses them, which transposes a matrix

    Raises ShapeError if an axis is missing, named twice or does not exist.

    >>> import deltarule as dr
    >>> dr.permute_dims(dr.zeros((2, 3, 4)), (1, 2, 0)).shape
    (3, 4, 2)
    """
    x = as_tensor(x)
    order = tuple(reversed(range(x.ndim))) if axes is None else axis_positions("permute_dims", axes, x.ndim)
    return apply(PERMUTE_DIMS, x, axes=order)


def permute(x: Any, /, *dims: Any) -> Tensor:
    """PyTorch's name of `permute_dims`; the axes as a tuple or one after another.

    >>> import deltarule as dr
    >>> dr.permute(dr.zeros((2, 3, 4)), 2, 0, 1).shape
    (4, 2, 3)
    """
    return permute_dims(x, dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims)


def swapaxes(x: Any, /, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged. Raises ShapeError if one does not exist.

    >>> import deltarule as dr
    >>> dr.swapaxes(dr.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    x = as_tensor(x)
    first, second = axis_position("swapaxes", axis1, x.ndim), axis_position("swapaxes", axis2, x.ndim)
    order = list(range(x.ndim))
    order[first], order[second] = second, first
    return apply(PERMUTE_DIMS, x, axes=tuple(order))


def moveaxis(x: Any, source: Any, destination: Any, /) -> Tensor:
    """Axes moved to other places; the rest keep their order.

    source, destination  an axis, or equally many of them

    Raises ShapeError if they are not equally many, repeated, or do not exist.

    >>> import deltarule as dr
    >>> dr.moveaxis(dr.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = as_tensor(x)
    leaving = axis_positions("moveaxis", source, x.ndim)
    arriving = axis_positions("moveaxis", destination, x.ndim)
    if len(leaving) != len(arriving):
        raise ShapeError(
            "moveaxis", f"{len(leaving)} axes to move, {len(arriving)} places for them", "Give equally many."
        )
    place_of = dict(zip(arriving, leaving, strict=True))
    staying = iter(axis for axis in range(x.ndim) if axis not in leaving)
    order = tuple(place_of[place] if place in place_of else next(staying) for place in range(x.ndim))
    return apply(PERMUTE_DIMS, x, axes=order)
