"""Arrays of indices as users give them: checked, and counted from 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.operation import Shape
from deltarule.autodiff.tensor import Tensor
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
    array = indices._array
    if not array.size:
        return indices
    lowest, highest = int(array.min()), int(array.max())
    if highest >= size or lowest < -size:
        wrong = highest if highest >= size else lowest
        where = np.unravel_index(int(np.argmax(array == wrong)), array.shape)
        at = f" (at {tuple(int(place) for place in where)} of the indices)" if array.ndim else ""
        raise OutOfBoundsError(
            who,
            f"index {wrong} is outside axis {axis} of size {size}{at}",
            f"Indices run from {-size} to {size - 1}." if size else "The axis is empty.",
        )
    if array.dtype == np.uint64:
        return Tensor(array.astype(np.int64))
    if lowest >= 0:
        return indices
    wide = array.astype(np.int64)
    return Tensor(np.where(wide < 0, wide + size, wide))


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
