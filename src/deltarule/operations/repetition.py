"""Copies of an array side by side, and of its slices one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import Equation, Expression, Sum, Symbol, array_function, letters
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.formula.shape_rules import stated
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations.axes import axis_position, whole_number
from deltarule.operations.broadcast import broadcast_to
from deltarule.operations.gathering import take
from deltarule.operations.shape import flatten, reshape


def _sum_tiles(x: Any, repetitions: Shape, shape: Shape) -> Any:
    """The sum of all tiles of x, each of this shape."""
    y = np.zeros(shape)
    for place in np.ndindex(*repetitions):
        tile = [slice(p * n, (p + 1) * n) for p, n in zip(place, shape, strict=True)]
        y += x[tuple(tile)]
    return y


def _sum_repeats(x: Any, repeats: int, axis: int) -> Any:
    """The sum of each run of `repeats` elements along the axis."""
    shape = (*x.shape[:axis], x.shape[axis] // repeats, repeats, *x.shape[axis + 1 :])
    return np.sum(x.reshape(shape), axis=axis + 1)


def _tiled_shape(x: Shape, repetitions: Shape) -> Shape:
    ndim = max(len(x), len(repetitions))
    extents, counts = (1,) * (ndim - len(x)) + x, (1,) * (ndim - len(repetitions)) + tuple(repetitions)
    return tuple(extent * count for extent, count in zip(extents, counts, strict=True))


define_array_function(
    "tile",
    lambda x, repetitions: np.tile(x, repetitions),
    r"\operatorname{{tile}}_{{{repetitions}}}\left({0}\right)",
    shape=_tiled_shape,
    source="np.tile({0}, {repetitions})",
)
define_array_function(
    "sum_tiles", _sum_tiles, r"\operatorname{{sum\_tiles}}_{{{repetitions}}}\left({0}\right)", shape=stated
)
define_array_function(
    "repeat",
    np.repeat,
    r"\operatorname{{repeat}}_{{{repeats};\, {axis}}}\left({0}\right)",
    shape=lambda x, repeats, axis: (*x[:axis], x[axis] * repeats, *x[axis + 1 :]),
    source="np.repeat({0}, {repeats}, axis={axis})",
)
define_array_function(
    "sum_repeats",
    _sum_repeats,
    r"\operatorname{{sum\_repeats}}_{{{repeats};\, {axis}}}\left({0}\right)",
    shape=lambda x, repeats, axis: (*x[:axis], x[axis] // repeats, *x[axis + 1 :]),
)


class _Tile(Group):
    name = "tile"
    inputs = ("x",)
    reads = ()

    def shape(self, x: Shape, *, repetitions: tuple[int, ...]) -> Shape:
        return tuple(extent * times for extent, times in zip(x, repetitions, strict=True))

    def open(self, x: Tensor, *, repetitions: tuple[int, ...]) -> Tensor:
        apart = reshape(x, tuple(size for extent in x.shape for size in (1, extent)))
        pairs = zip(x.shape, repetitions, strict=True)
        spread = broadcast_to(apart, tuple(size for extent, times in pairs for size in (times, extent)))
        return reshape(spread, self.shape(x.shape, repetitions=repetitions))

    def forward(self, x: Array, *, repetitions: tuple[int, ...]) -> Array:
        return np.tile(x, repetitions)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        pairs = list(zip(node.inputs[0].shape, node.parameters["repetitions"], strict=True))
        apart = upstream.reshape(tuple(size for extent, times in pairs for size in (times, extent)))
        return (np.asarray(np.add.reduce(apart, axis=tuple(range(0, 2 * len(pairs), 2)))),)

    def formula(self, call: Call) -> Formula:
        x, y, grad_x, grad = call.symbol("x"), call.symbol("y"), call.gradient("x"), call.upstream()
        repetitions, shape = call.parameters["repetitions"], call.shapes["x"]
        outside, inside = letters(call.shapes["y"]), letters(shape)
        repeated = [place for place, times in enumerate(repetitions) if times != 1]
        tiles = dict(
            zip(repeated, letters([repetitions[place] for place in repeated], start=len(shape)), strict=True)
        )
        source = [index % shape[place] if place in tiles else index for place, index in enumerate(outside)]
        target = [
            tiles[place] * shape[place] + index if place in tiles else index
            for place, index in enumerate(inside)
        ]
        return Formula(
            form(
                Equation(y.at(outside), x.at(source)),
                Equation(y, array_function("tile", x, repetitions=repetitions)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(inside), Sum(grad.at(target), *tiles.values())),
                    Equation(grad_x, array_function("sum_tiles", grad, repetitions=repetitions, shape=shape)),
                )
            },
        )


TILE = register(_Tile)


def tile(x: Any, repetitions: Any, /) -> Tensor:
    """Copies of x side by side along every axis.

    y[i, j] = x[i mod rows, j mod columns];  grad_x: the sum over the copies

    repetitions  an integer for each axis, matched from the last; more of them than axes add leading axes

    Raises ArgumentError for a negative number, DTypeError for one that is no integer.

    >>> import deltarule as dr
    >>> dr.tile(dr.tensor([1, 2]), (2, 2))
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    x = as_tensor(x)
    given = repetitions if isinstance(repetitions, (tuple, list)) else (repetitions,)
    times = tuple(_count("tile", "a repetition", each) for each in given)
    times = (1,) * (x.ndim - len(times)) + times
    if len(times) > x.ndim:
        x = reshape(x, (1,) * (len(times) - x.ndim) + x.shape)
    return apply(TILE, x, repetitions=times)


def _count(who: str, name: str, value: Any) -> int:
    count = whole_number(who, name, value)
    if count < 0:
        raise ArgumentError(who, f"{name} expected 0 or more, got {count}")
    return count


class _Repeat(Group):
    name = "repeat"
    inputs = ("x",)
    reads = ()

    def shape(self, x: Shape, *, repeats: int, axis: int) -> Shape:
        return x[:axis] + (x[axis] * repeats,) + x[axis + 1 :]

    def open(self, x: Tensor, *, repeats: int, axis: int) -> Tensor:
        return take(x, Tensor(np.repeat(np.arange(x.shape[axis]), repeats)), axis=axis)

    def forward(self, x: Array, *, repeats: int, axis: int) -> Array:
        return np.repeat(x, repeats, axis)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        shape, repeats, axis = node.inputs[0].shape, node.parameters["repeats"], node.parameters["axis"]
        apart = upstream.reshape(shape[: axis + 1] + (repeats,) + shape[axis + 1 :])
        return (np.add.reduce(apart, axis=axis + 1),)

    def formula(self, call: Call) -> Formula:
        x, y, grad_x, grad = call.symbol("x"), call.symbol("y"), call.gradient("x"), call.upstream()
        repeats, axis = call.parameters["repeats"], call.parameters["axis"]
        outside, inside = letters(call.shapes["y"]), letters(call.shapes["x"])
        (copy,) = letters((repeats,), start=len(inside))
        source: list[Expression] = list(outside)
        source[axis] = outside[axis] // repeats
        target: list[Expression] = list(inside)
        target[axis] = inside[axis] * repeats + copy
        return Formula(
            form(
                Equation(y.at(outside), x.at(source)),
                Equation(y, array_function("repeat", x, repeats=repeats, axis=axis)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(inside), Sum(grad.at(target), copy)),
                    Equation(grad_x, _summed_repeats(grad, call.shapes["x"], repeats, axis)),
                )
            },
        )


def _summed_repeats(grad: Symbol, shape: Shape, repeats: int, axis: int) -> Expression:
    if not repeats:
        return array_function("zeros", shape=shape)
    return array_function("sum_repeats", grad, repeats=repeats, axis=axis)


REPEAT = register(_Repeat)


def repeat(x: Any, /, repeats: Any, axis: int | None = None) -> Tensor:
    """Every element, or slice along an axis, several times in a row: NumPy's repeat (PyTorch's repeat tiles).

    y[i, j] = x[i, j // repeats]   (axis 1);  grad_x: the sum over the copies

    repeats  an integer, or a list or array with one for each slice
    axis     None repeats the elements of x, flattened

    Raises ArgumentError for negative repeats, ShapeError if the axis does not exist or repeats are not as
    many as slices, DTypeError for repeats that are no integers.

    >>> import deltarule as dr
    >>> dr.repeat(dr.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    >>> dr.repeat(dr.tensor([1, 2]), [1, 3])
    tensor([1, 2, 2, 2])
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = flatten(x), 0
    position = axis_position("repeat", axis, x.ndim)
    if not isinstance(repeats, (list, tuple)) and not getattr(repeats, "ndim", 0):
        return apply(REPEAT, x, repeats=_count("repeat", "repeats", repeats), axis=position)
    counts = [_count("repeat", "repeats", each) for each in repeats]
    if len(counts) == 1:
        return apply(REPEAT, x, repeats=counts[0], axis=position)
    if len(counts) != x.shape[position]:
        raise ShapeError(
            "repeat",
            f"{len(counts)} repeats for axis {position} of size {x.shape[position]} (x {x.shape})",
            "Give one number, or one for each slice.",
        )
    return take(x, Tensor(np.repeat(np.arange(len(counts)), counts)), axis=position)
