"""Other shapes and orders of axes for the same elements: views wherever memory allows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Number,
    Symbol,
    array_function,
    letters,
)
from deltarule.autodiff.formula.formula import Call, Form, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations.axes import axis_position, axis_positions, whole_number
from deltarule.operations.axis_order import moveaxis, permute, permute_dims, swapaxes
from deltarule.operations.broadcast import broadcast_to

__all__ = [
    "expand",
    "expand_dims",
    "flatten",
    "moveaxis",
    "permute",
    "permute_dims",
    "reshape",
    "squeeze",
    "swapaxes",
    "unsqueeze",
]


class _Reshape(Operation):
    name = "reshape"
    inputs = ("x",)
    reads = ()
    view = True

    def shape(self, x: Shape, *, shape: Shape, copy: bool = False) -> Shape:
        if math.prod(x) != math.prod(shape):
            raise ShapeError(
                "reshape",
                f"shape {shape} has {math.prod(shape)} elements, x has {math.prod(x)} (x {x})",
                "Use -1 for one size that follows from the others.",
            )
        return shape

    def forward(self, x: Array, *, shape: Shape, copy: bool = False) -> Array:
        return np.array(x.reshape(shape)) if copy else x.reshape(shape)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (apply(RESHAPE, upstream, shape=node.inputs[0].shape),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (upstream.reshape(node.inputs[0].shape),)

    def formula(self, call: Call) -> Formula:
        x, y, grad_x, grad = call.symbol("x"), call.symbol("y"), call.gradient("x"), call.upstream()
        small, large = call.shapes["x"], call.shapes["y"]
        return Formula(
            _reshape_form(y, large, x, small),
            {"x": _reshape_form(grad_x, small, grad, large)},
        )


def _reshape_form(target: Symbol, shape: Shape, source: Symbol, source_shape: Shape) -> Form:
    """target = source in another shape: an index form block by block, where sizes' products agree."""
    indices = letters(shape)
    own: list[Expression] = [Number(0)] * len(source_shape)
    for axes, source_axes in _blocks(shape, source_shape):
        extents = [source_shape[axis] for axis in source_axes]
        position = _flat([indices[axis] for axis in axes])
        for place, axis in enumerate(source_axes):
            stride = math.prod(extents[place + 1 :])
            part = position if stride == 1 else position // stride
            own[axis] = part if place == 0 else part % extents[place]
    empty = 0 in shape
    return form(
        Equation(target.at(indices), Number(0) if empty else source.at(own)),
        Equation(target, array_function("reshape", source, shape=shape)),
    )


def _blocks(first: Shape, second: Shape) -> list[tuple[list[int], list[int]]]:
    """Runs of axes of both shapes that hold equally many elements; axes of length 1 are left out."""
    if 0 in first:
        return []
    one = [axis for axis, extent in enumerate(first) if extent != 1]
    other = [axis for axis, extent in enumerate(second) if extent != 1]
    blocks = []
    while one:
        left, right = [one.pop(0)], [other.pop(0)]
        while (held := math.prod(first[a] for a in left)) != (wanted := math.prod(second[a] for a in right)):
            if held < wanted:
                left.append(one.pop(0))
            else:
                right.append(other.pop(0))
        blocks.append((left, right))
    return blocks


def _flat(indices: Sequence[Index]) -> Expression:
    """Position in row-major order of an element with these indices."""
    position: Expression = indices[0]
    for index in indices[1:]:
        position = position * index.extent + index
    return position


RESHAPE = register(_Reshape)


def reshape(x: Any, /, *sizes: Any, shape: Any = None, copy: bool | None = None) -> Tensor:
    """The same elements, in row-major order, in another shape.

    y[p] = x[i, j]  with  p = i · columns + j     (and so on for more axes)

    shape    sizes, as a tuple or one after another; one of them may be -1 and follows from the rest
    copy     None shares memory where possible; True always copies; False raises ArgumentError where
             a copy would be needed

    Raises ShapeError if the numbers of elements differ. Gradient: the upstream in x's shape.

    >>> import deltarule as dr
    >>> dr.reshape(dr.tensor([1.0, 2.0, 3.0, 4.0]), (2, -1)).shape
    (2, 2)
    """
    x = as_tensor(x)
    wanted = _completed("reshape", x, _sizes("reshape", sizes if shape is None else (shape,)))
    if copy:
        return apply(RESHAPE, x, shape=wanted, copy=True)
    y = apply(RESHAPE, x, shape=wanted)
    if copy is False and x.size and not np.may_share_memory(y._array, x._array):
        raise ArgumentError(
            "reshape",
            f"copy=False, but {x.shape} to {wanted} needs a copy of this memory layout",
            "Leave copy out.",
        )
    return y


def _sizes(who: str, sizes: Sequence[Any]) -> Shape:
    """Sizes given one after another, or together in a tuple."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    return tuple(whole_number(who, "a size", size) for size in sizes)


def _completed(who: str, x: Tensor, shape: Shape) -> Shape:
    """The shape with its -1 worked out."""
    if not shape or min(shape) >= 0:
        return shape
    if min(shape) < -1 or shape.count(-1) > 1:
        raise ShapeError(
            who,
            f"shape expected sizes from 0 on and at most one -1, got {shape}",
            "Only one size can be worked out.",
        )
    known = -math.prod(shape)
    if known == 0 or x.size % known:
        raise ShapeError(
            who,
            f"shape {shape} leaves no whole number for -1: x has {x.size} elements (x {x.shape})",
            "The given sizes must divide the number of elements.",
        )
    return tuple(x.size // known if size == -1 else size for size in shape)


def flatten(x: Any, /, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merges the axes from start_dim to end_dim (included) into one, as PyTorch's flatten.

    Raises ShapeError if an axis does not exist or end_dim comes before start_dim.

    >>> import deltarule as dr
    >>> dr.flatten(dr.zeros((2, 3, 4)), start_dim=1).shape
    (2, 12)
    """
    x = as_tensor(x)
    if not x.ndim:
        return reshape(x, (1,))
    first = axis_position("flatten", start_dim, x.ndim)
    last = axis_position("flatten", end_dim, x.ndim)
    if last < first:
        raise ShapeError("flatten", f"end_dim {end_dim} comes before start_dim {start_dim}", "Exchange them.")
    shape = x.shape
    return apply(RESHAPE, x, shape=(*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def expand_dims(x: Any, /, axis: Any = 0) -> Tensor:
    """New axes of length 1; `axis` (one, or a tuple) is where they are in the result.

    y[i, 0, j] = x[i, j]   for axis 1

    Raises ShapeError if the result has no such axis.

    >>> import deltarule as dr
    >>> dr.expand_dims(dr.zeros((2, 3)), axis=-1).shape
    (2, 3, 1)
    """
    x = as_tensor(x)
    added = len(axis) if isinstance(axis, (tuple, list)) else 1
    positions = set(axis_positions("expand_dims", axis, x.ndim + added))
    own = iter(x.shape)
    return reshape(x, tuple(1 if place in positions else next(own) for place in range(x.ndim + added)))


def unsqueeze(x: Any, /, dim: Any) -> Tensor:
    """A new axis of length 1 at `dim`: PyTorch's name of `expand_dims`.

    >>> import deltarule as dr
    >>> dr.unsqueeze(dr.zeros((2, 3)), 1).shape
    (2, 1, 3)
    """
    return expand_dims(x, dim)


def squeeze(x: Any, /, axis: Any = None) -> Tensor:
    """Removes axes of length 1: the given one or several, or all of them.

    y[i, j] = x[i, 0, j]   for axis 1

    Raises ShapeError if a given axis does not exist or is longer than 1.

    >>> import deltarule as dr
    >>> dr.squeeze(dr.zeros((2, 1, 3)), axis=1).shape
    (2, 3)
    """
    x = as_tensor(x)
    if axis is None:
        return reshape(x, tuple(extent for extent in x.shape if extent != 1))
    positions = axis_positions("squeeze", axis, x.ndim)
    for position in positions:
        if x.shape[position] != 1:
            raise ShapeError(
                "squeeze",
                f"axis {position} expected length 1, got {x.shape[position]} (x {x.shape})",
                "Only axes of length 1 can go; index or reduce the others.",
            )
    return reshape(x, tuple(extent for place, extent in enumerate(x.shape) if place not in positions))


def expand(x: Any, /, *sizes: Any) -> Tensor:
    """Spreads axes of length 1 and adds leading axes, without copying, as PyTorch's expand.

    sizes  as a tuple or one after another; -1 keeps an existing axis as it is

    Raises ShapeError where an axis is neither equal nor 1, or -1 stands for a new axis.

    >>> import deltarule as dr
    >>> dr.expand(dr.zeros((3, 1)), -1, 4).shape
    (3, 4)
    """
    x = as_tensor(x)
    wanted = _sizes("expand", sizes)
    skipped = len(wanted) - x.ndim
    if skipped < 0 or -1 in wanted[:skipped]:
        raise ShapeError(
            "expand",
            f"cannot spread shape {x.shape} to {wanted}",
            "-1 keeps an axis that x has; leading new axes need a size.",
        )
    own = (0,) * skipped + x.shape
    return broadcast_to(x, tuple(o if size == -1 else size for o, size in zip(own, wanted, strict=True)))
