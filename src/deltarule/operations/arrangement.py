"""Elements moved along axes: flip and roll. Copies are in `repetition.py`, triangles in `triangles.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    array_function,
    function,
    letters,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.operations.axes import axis_position, axis_positions, whole_number
from deltarule.operations.repetition import repeat, tile
from deltarule.operations.shape import flatten, reshape
from deltarule.operations.triangles import tril, triu

__all__ = ["flip", "repeat", "roll", "tile", "tril", "triu"]


define_array_function(
    "flip",
    np.flip,
    r"\operatorname{{flip}}_{{{axis}}}\left({0}\right)",
    source="np.flip({0}, axis={axis})",
)
define_array_function(
    "roll",
    np.roll,
    r"\operatorname{{roll}}_{{{shift};\, {axis}}}\left({0}\right)",
    source="np.roll({0}, {shift}, axis={axis})",
)


class _Flip(Operation):
    name = "flip"
    inputs = ("x",)
    reads = ()
    view = True

    def shape(self, x: Shape, *, axis: tuple[int, ...]) -> Shape:
        return x

    def forward(self, x: Array, *, axis: tuple[int, ...]) -> Array:
        return np.flip(x, axis)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (flip(upstream, axis=node.parameters["axis"]),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (np.flip(upstream, node.parameters["axis"]),)

    def formula(self, call: Call) -> Formula:
        x, y, grad_x, grad = call.symbol("x"), call.symbol("y"), call.gradient("x"), call.upstream()
        axis, indices = call.parameters["axis"], letters(call.shapes["x"])
        mirrored = [
            function("subtract", index.extent - 1, index) if place in axis else index
            for place, index in enumerate(indices)
        ]
        return Formula(
            form(Equation(y.at(indices), x.at(mirrored)), Equation(y, array_function("flip", x, axis=axis))),
            {
                "x": form(
                    Equation(grad_x.at(indices), grad.at(mirrored)),
                    Equation(grad_x, array_function("flip", grad, axis=axis)),
                )
            },
        )


FLIP = register(_Flip)


def flip(x: Any, /, axis: Any = None) -> Tensor:
    """The elements in reverse order along an axis, several, or (None) all; a view.

    y[i] = x[n − 1 − i]

    Raises ShapeError if an axis does not exist or is named twice. Gradient: the upstream, flipped back.

    >>> import deltarule as dr
    >>> dr.flip(dr.tensor([1, 2, 3]))
    tensor([3, 2, 1])
    """
    x = as_tensor(x)
    return apply(FLIP, x, axis=axis_positions("flip", axis, x.ndim))


class _Roll(Operation):
    name = "roll"
    inputs = ("x",)
    reads = ()

    def shape(self, x: Shape, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> Shape:
        return x

    def forward(self, x: Array, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> Array:
        return np.roll(x, shift, axis)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        back = tuple(-each for each in node.parameters["shift"])
        return (apply(ROLL, upstream, shift=back, axis=node.parameters["axis"]),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (np.roll(upstream, [-each for each in node.parameters["shift"]], node.parameters["axis"]),)

    def formula(self, call: Call) -> Formula:
        x, y, grad_x, grad = call.symbol("x"), call.symbol("y"), call.gradient("x"), call.upstream()
        shift, axis = call.parameters["shift"], call.parameters["axis"]
        back, indices = tuple(-each for each in shift), letters(call.shapes["x"])
        return Formula(
            form(
                Equation(y.at(indices), x.at(_rolled(indices, shift, axis))),
                Equation(y, array_function("roll", x, shift=shift, axis=axis)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(indices), grad.at(_rolled(indices, back, axis))),
                    Equation(grad_x, array_function("roll", grad, shift=back, axis=axis)),
                )
            },
        )


def _rolled(indices: Sequence[Index], shift: tuple[int, ...], axis: tuple[int, ...]) -> list[Expression]:
    """Where the elements at these places came from: (i − shift) mod n."""
    own: list[Expression] = list(indices)
    for steps, place in zip(shift, axis, strict=True):
        own[place] = (indices[place] - steps if steps >= 0 else indices[place] + -steps) % indices[
            place
        ].extent
    return own


ROLL = register(_Roll)


def roll(x: Any, /, shift: Any, axis: Any = None) -> Tensor:
    """The elements moved on by `shift` places; those that leave at the end come in at the start.

    y[i] = x[(i − shift) mod n]

    shift  an integer, or one for each of several axes; negative moves towards the start
    axis   None moves through all elements in row-major order

    Raises ShapeError if an axis does not exist or shifts and axes are not equally many.

    >>> import deltarule as dr
    >>> dr.roll(dr.tensor([1, 2, 3, 4]), 1)
    tensor([4, 1, 2, 3])
    """
    x = as_tensor(x)
    if axis is None:
        return reshape(roll(flatten(x), shift, 0), x.shape)
    shifts = [
        whole_number("roll", "shift", each)
        for each in (shift if isinstance(shift, (tuple, list)) else (shift,))
    ]
    axes = [
        axis_position("roll", each, x.ndim) for each in (axis if isinstance(axis, (tuple, list)) else (axis,))
    ]
    if len(shifts) == 1:
        shifts = shifts * len(axes)
    elif len(axes) == 1:
        axes = axes * len(shifts)
    if len(shifts) != len(axes):
        raise ShapeError(
            "roll", f"{len(shifts)} shifts for {len(axes)} axes", "Give one shift for each axis."
        )
    total: dict[int, int] = {}
    for steps, place in zip(shifts, axes, strict=True):
        total[place] = total.get(place, 0) + steps
    return apply(ROLL, x, shift=tuple(total.values()), axis=tuple(total))
