"""Arrays of indices as users give them: checked, and counted from 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import derived
from deltarule.autodiff.operation import Shape
from deltarule.autodiff.recording import recording
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import DTypeError, OutOfBoundsError, ShapeError
from deltarule.operations.broadcast import broadcast_to


def index_tensor(who: str, indices: Any, size: int, axis: int) -> Tensor:
    """Index arrays as a tensor of integers from 0 to size - 1; negative ones count from the end.

    Raises DTypeError for other types, OutOfBoundsError with the axis, the index and the size.
    """
    indices = as_tensor(indices)
    if indices.dtype.kind not in "iu":
        if indices.size:
            raise DTypeError(
                who,
                f"indices expected integers, got {indices.dtype}",
                "Convert them with .astype(dr.int64), or use x[mask] for a boolean mask.",
            )
        return Tensor(np.zeros(indices.shape, dtype=np.int64))
    if recording.tracer is None:
        lowest = _lowest_index(indices._array, who=who, size=size, axis=axis)
        if lowest >= 0 and indices.dtype != np.uint64:
            return indices
    return derived(_counted_from_0, indices, who=who, size=size, axis=axis)


def _lowest_index(indices: Array, *, who: str, size: int, axis: int) -> int:
    """The lowest index, 0 if there is none, once all are known to be inside the axis."""
    if not indices.size:
        return 0
    lowest, highest = int(indices.min()), int(indices.max())
    if highest >= size or lowest < -size:
        wrong = highest if highest >= size else lowest
        where = np.unravel_index(int(np.argmax(indices == wrong)), indices.shape)
        at = f" (at {tuple(int(place) for place in where)} of the indices)" if indices.ndim else ""
        raise OutOfBoundsError(
            who,
            f"index {wrong} is outside axis {axis} of size {size}{at}",
            f"Indices run from {-size} to {size - 1}." if size else "The axis is empty.",
        )
    return lowest


def _counted_from_0(indices: Array, *, who: str, size: int, axis: int) -> Array:
    lowest = _lowest_index(indices, who=who, size=size, axis=axis)
    if lowest >= 0:
        return indices.astype(np.int64) if indices.dtype == np.uint64 else indices
    wide = indices.astype(np.int64)
    return np.where(wide < 0, wide + size, wide)


def spread_updates(who: str, updates: Tensor, shape: Shape) -> Tensor:
    """Updates in the shape that there is one index for each of, or a ShapeError."""
    if updates.shape == shape:
        return updates
    try:
        return broadcast_to(updates, shape)
    except ShapeError:
        raise ShapeError(
            who, f"updates expected shape {shape}, got {updates.shape}", "There is one update for each index."
        ) from None
