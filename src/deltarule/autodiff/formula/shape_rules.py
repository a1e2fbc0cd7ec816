"""Shapes of whole-array functions from the shapes of their arguments; what the rows of functions.py name.

A rule is called as rule(*shapes, **options) with the options of the function that it belongs to.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

Shape = tuple[int, ...]


def same(x: Shape, *others: Shape, **options: Any) -> Shape:
    """The shape of the first argument."""
    return x


def stated(*shapes: Shape, shape: Shape, **options: Any) -> Shape:
    """The shape that the option `shape` names; one extent may be -1."""
    if -1 not in shape:
        return tuple(shape)
    known = -prod(shape)
    return tuple(prod(shapes[0]) // known if extent == -1 else extent for extent in shape)


def reduced(
    x: Shape, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, **options: Any
) -> Shape:
    """Without the axes that are reduced, or with 1 in their places."""
    axes = reduced_axes(x, axis)
    if keepdims:
        return tuple(1 if place in axes else extent for place, extent in enumerate(x))
    return tuple(extent for place, extent in enumerate(x) if place not in axes)


def reduced_axes(x: Shape, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The axes that an option `axis` names, each counted from 0."""
    if axis is None:
        return tuple(range(len(x)))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return tuple(sorted(place % len(x) for place in axes))


def product(a: Shape, b: Shape) -> Shape:
    """Of a matrix product, with the rules of np.matmul for vectors and stacks."""
    if len(a) == 1 or len(b) == 1:
        rows = a[:-1] if len(a) > 1 else ()
        columns = b[:-2] + b[-1:] if len(b) > 1 else ()
        return rows + columns
    return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])


def joined(*shapes: Shape, axis: int, **options: Any) -> Shape:
    """Side by side along an axis."""
    result = list(shapes[0])
    result[axis] = sum(shape[axis] for shape in shapes)
    return tuple(result)


def swapped(x: Shape, **options: Any) -> Shape:
    """With the first two axes in each other's place."""
    return (x[1], x[0], *x[2:])
