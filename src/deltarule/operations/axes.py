"""Axes as users write them (negative, alone or several, None for all) into checked positions."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from deltarule.errors import DTypeError, ShapeError


def axis_position(who: str, axis: Any, ndim: int) -> int:
    """One axis as a position from 0. Raises ShapeError where the array has no such axis."""
    try:
        position = operator.index(axis)
    except TypeError:
        raise DTypeError(who, f"axis expected an integer, got {axis!r}") from None
    if not -ndim <= position < ndim:
        allowed = f"Axes run from {-ndim} to {ndim - 1}." if ndim else "A 0-dimensional array has no axes."
        raise ShapeError(who, f"axis {position} does not exist in an array of {ndim} axes", allowed)
    return position + ndim if position < 0 else position


def axis_positions(who: str, axes: Any, ndim: int) -> tuple[int, ...]:
    """One axis or several as positions, in the given order; None gives all of them.

    Raises ShapeError where an axis does not exist or is named twice.
    """
    if axes is None:
        return tuple(range(ndim))
    given: Sequence[Any] = axes if isinstance(axes, (tuple, list)) else (axes,)
    positions = tuple(axis_position(who, axis, ndim) for axis in given)
    if len(set(positions)) != len(positions):
        raise ShapeError(who, f"axes {tuple(given)} name an axis twice", "Name each axis once.")
    return positions


def whole_number(who: str, name: str, value: Any) -> int:
    """An option as an integer, or a DTypeError that names it."""
    try:
        return operator.index(value)
    except TypeError:
        raise DTypeError(who, f"{name} expected an integer, got {value!r}") from None
