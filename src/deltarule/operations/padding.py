"""Padding: elements added before and after along each axis."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Number,
    array_function,
    less,
    less_equal,
    letters,
    where,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations.axes import whole_number
from deltarule.operations.gathering import take
from deltarule.operations.slicing import KeyText, slice_view

Widths = tuple[tuple[int, int], ...]
MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def _source(x: Shape, width: Widths, value: float) -> str:
    if not width:
        return "{0}"
    return "np.pad({0}, {width}, constant_values={value})" if value else "np.pad({0}, {width})"


define_array_function(
    "pad",
    lambda x, width, value: np.pad(x, width, constant_values=value) if width else x,
    r"\operatorname{{pad}}_{{{width}}}^{{{value}}}\left({0}\right)",
    shape=lambda x, width, value: tuple(n + b + a for n, (b, a) in zip(x, width, strict=True)),
    source=_source,
)


class _Pad(Operation):
    name = "pad"
    inputs = ("x",)
    reads = ()

    def shape(self, x: Shape, *, width: Widths, value: float) -> Shape:
        return tuple(extent + before + after for extent, (before, after) in zip(x, width, strict=True))

    def forward(self, x: Array, *, width: Widths, value: float) -> Array:
        shape = self.shape(x.shape, width=width, value=value)
        y = np.full(shape, value, dtype=x.dtype) if value else np.zeros(shape, dtype=x.dtype)
        y[_inside(x.shape, width)] = x
        return y

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (slice_view(upstream, _inside(node.inputs[0].shape, node.parameters["width"])),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (upstream[_inside(node.inputs[0].shape, node.parameters["width"])],)

    def formula(self, call: Call) -> Formula:
        x, y, grad_x, grad = call.symbol("x"), call.symbol("y"), call.gradient("x"), call.upstream()
        width, value, small = call.parameters["width"], call.parameters["value"], call.shapes["x"]
        outside, inside = letters(call.shapes["y"]), letters(small)
        source: list[Expression] = [
            index - before if before else index for index, (before, _) in zip(outside, width, strict=True)
        ]
        target: list[Expression] = [
            index + before if before else index for index, (before, _) in zip(inside, width, strict=True)
        ]
        return Formula(
            form(
                Equation(
                    y.at(outside),
                    Number(value) if 0 in small else _padded(call, outside, x.at(source, value)),
                ),
                Equation(y, array_function("pad", x, width=width, value=value)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(inside), grad.at(target)),
                    Equation(grad_x, array_function("slice", grad, key=KeyText(_inside(small, width)))),
                )
            },
        )


def _padded(call: Call, outside: Sequence[Index], element: Expression) -> Expression:
    """The element of x where there is one, else the constant."""
    conditions: list[Expression] = []
    for index, extent, (before, after) in zip(
        outside, call.shapes["x"], call.parameters["width"], strict=True
    ):
        if before:
            conditions.append(less_equal(before, index))
        if after:
            conditions.append(less(index, before + extent))
    if not conditions:
        return element
    return where(functools.reduce(operator.mul, conditions), element, call.parameters["value"])


def _inside(shape: Shape, width: Widths) -> tuple[slice, ...]:
    """The part of the padded array that x is."""
    return tuple(slice(before, before + extent, 1) for extent, (before, _) in zip(shape, width, strict=True))


PAD = register(_Pad)


def pad(x: Any, /, pad_width: Any, mode: str = "constant", constant_values: Any = 0.0) -> Tensor:
    """Adds elements before and after x along its axes, as NumPy's pad.

    y[i] = x[i − before] where that exists; beyond, by mode (for x = 1 2 3, two on either side):

    constant    constant_values       0 0 | 1 2 3 | 0 0
    edge        the last element      1 1 | 1 2 3 | 3 3
    reflect     mirrored, edge once   3 2 | 1 2 3 | 2 1
    symmetric   mirrored, edge twice  2 1 | 1 2 3 | 3 2
    wrap        from the other end    2 3 | 1 2 3 | 1 2

    pad_width   ((before, after), ...) for each axis; one pair, or one number, for all of them
                (PyTorch's pad lists numbers from the last axis instead)

    Every padded copy of an element sends its gradient back to it; the constant gets none.
    Raises ShapeError where widths do not fit the axes, or an empty axis has nothing to copy;
    ArgumentError for negative widths and unknown modes.

    >>> import deltarule as dr
    >>> dr.pad(dr.tensor([1, 2, 3]), (2, 1), mode="edge")
    tensor([1, 1, 1, 2, 3, 3])
    """
    x = as_tensor(x)
    width = _widths(pad_width, x.ndim)
    if mode == "constant":
        value = np.asarray(constant_values)
        if value.size != 1:
            raise ArgumentError("pad", f"constant_values expected one number, got shape {value.shape}")
        return apply(PAD, x, width=width, value=value.item())
    if mode not in MODES:
        raise ArgumentError("pad", f"mode expected one of {', '.join(MODES)}, got {mode!r}")
    for axis, (before, after) in enumerate(width):
        if before or after:
            if not x.shape[axis]:
                raise ShapeError("pad", f"axis {axis} is empty: {mode} has nothing to copy (x {x.shape})")
            positions = np.pad(np.arange(x.shape[axis]), (before, after), mode=mode)
            x = take(x, Tensor(positions), axis=axis)
    return x


def _widths(pad_width: Any, ndim: int) -> Widths:
    """Every way to write widths as one pair for each axis."""
    given = np.asarray(pad_width)
    if given.dtype.kind not in "iu":
        whole_number("pad", "pad_width", pad_width)
    try:
        pairs = np.broadcast_to(given, (ndim, 2)).tolist()
    except ValueError:
        raise ShapeError(
            "pad",
            f"pad_width of shape {given.shape} does not fit {ndim} axes",
            "Give one (before, after) for each axis, one for all, or one number.",
        ) from None
    if given.size and given.min() < 0:
        raise ArgumentError(
            "pad", f"pad_width expected 0 or more, got {int(given.min())}", "Use slices to cut."
        )
    return tuple((before, after) for before, after in pairs)
