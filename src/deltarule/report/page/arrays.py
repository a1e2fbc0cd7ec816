"""Arrays as a page holds them: whole where there is room, else statistics, a thumbnail, largest elements."""

from __future__ import annotations

import base64
import math
from itertools import pairwise
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array

# Elements up to which an array stands in full precision, as plain numbers.
FEW = 64
# float32 elements that all larger arrays of a page may hold together (4 bytes each, a third more as text).
ROOM = 600_000
# Numbers in all thumbnails together, and rows and columns of one.
_THUMBS = 300_000
_LARGE_THUMB, _SMALL_THUMB = 32, 8
_LARGEST = 8


class PageArrays:
    """Writes the arrays of one page. Small ones are served first, so sizes must be told beforehand.

    sizes   of all arrays that the page would like to hold
    """

    def __init__(self, sizes: list[int]):
        self._limit, held = FEW, 0
        for size in sorted(size for size in sizes if size > FEW):
            held += size
            if held > ROOM:
                break
            self._limit = size
        # Of several arrays of the limit's size some may find no room.
        self._room = ROOM
        thumbs = sum(size > self._limit for size in sizes)
        side = math.isqrt(_THUMBS // max(thumbs, 1))
        self._thumb_side = min(max(side, _SMALL_THUMB), _LARGE_THUMB)

    def written(self, array: Array | None) -> dict[str, Any] | None:
        """One array as plain data, None for None."""
        if array is None:
            return None
        array = np.asarray(array)
        record: dict[str, Any] = {
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "stats": _stats(array),
        }
        if array.size <= FEW:
            record["values"] = _plain(array)
        elif array.size <= self._limit and array.size <= self._room:
            self._room -= array.size
            data = np.ascontiguousarray(array, dtype="<f4").tobytes()
            record["data"] = base64.b64encode(data).decode()
        else:
            record["thumb"] = _thumb(array, self._thumb_side)
            record["some"] = _largest(array)
        return record


def _plain(array: Array) -> Any:
    """Nested lists; what JSON has no number for as text."""
    if array.ndim:
        return [_plain(each) for each in array]
    value = array.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return int(value) if isinstance(value, bool) else value


def _stats(array: Array) -> dict[str, float | str | None]:
    """Of the finite elements; "nan" where there are none, None where there is nothing at all."""
    numbers = array.astype(np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return dict.fromkeys(("min", "max", "mean", "std", "norm", "zeros"), "nan" if numbers.size else None)
    return {
        "min": float(finite.min()),
        "max": float(finite.max()),
        "mean": float(finite.mean()),
        "std": float(finite.std()),
        "norm": float(np.linalg.norm(finite)),
        "zeros": int(np.count_nonzero(numbers == 0)),
    }


def _thumb(array: Array, side: int) -> dict[str, Any]:
    """The array as a matrix, each cell the element of largest size in its part.

    side   rows and columns at most
    """
    matrix = np.nan_to_num(array.astype(np.float64).reshape(array.shape[0] if array.ndim > 1 else 1, -1))
    for axis in (0, 1):
        parts = min(side, matrix.shape[axis])
        edges = np.linspace(0, matrix.shape[axis], parts + 1).astype(int)
        pieces = [matrix.take(range(start, stop), axis) for start, stop in pairwise(edges)]
        lines = []
        for piece in pieces:
            high, low = piece.max(axis), piece.min(axis)
            lines.append(np.where(high >= -low, high, low))
        matrix = np.stack(lines, axis)
    data = np.ascontiguousarray(matrix, dtype="<f4").tobytes()
    return {"rows": matrix.shape[0], "cols": matrix.shape[1], "data": base64.b64encode(data).decode()}


def _largest(array: Array) -> list[list[Any]]:
    flat = np.abs(np.nan_to_num(array.astype(np.float64))).ravel()
    chosen = np.argpartition(flat, -_LARGEST)[-_LARGEST:]
    ordered = chosen[np.argsort(-flat[chosen], kind="stable")]
    return [
        [[int(each) for each in np.unravel_index(at, array.shape)], float(array.flat[at])] for at in ordered
    ]
