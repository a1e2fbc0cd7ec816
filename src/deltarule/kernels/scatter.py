"""Sums of elements that share a position: the gradient of every kind of indexing. Plain arrays.

Sums of whole rows are native code where it serves, else NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native import embeddings as native

Array = NDArray[Any]

# Rows shorter than this are added element by element, longer ones are sorted and added in runs.
# 2,048 rows into 65: 8 wide 0.04 against 0.05 ms; 128 wide 0.35 ms, where np.add.at on rows takes 1.6 ms.
SHORT_ROW = 12


def sum_rows(count: int, positions: Array, updates: Array) -> Array:
    """y[p] = Σ of updates[m] over all m with positions[m] = p, for p below count.

    positions  (m,) integers from 0 to count - 1
    updates    (m, width)
    returns    (count, width)
    """
    found = native.sum_rows(count, positions, updates)
    return plain_sum_rows(count, positions, updates) if found is None else found


def take_rows(table: Array, positions: Array) -> Array:
    """table[positions], for positions that are known to be in range."""
    found = native.take_rows(table, positions)
    return np.take(table, positions, axis=0) if found is None else found


def plain_sum_rows(count: int, positions: Array, updates: Array) -> Array:
    """The twin of sum_rows in NumPy."""
    width = updates.shape[1]
    y = np.zeros((count, width), dtype=updates.dtype)
    if not updates.size:
        return y
    positions = positions.astype(np.int64, copy=False)
    if width == 1:
        np.add.at(y.reshape(-1), positions, updates.reshape(-1))
    elif width < SHORT_ROW:
        elements = (positions * width)[:, None] + np.arange(width)
        np.add.at(y.reshape(-1), elements.reshape(-1), updates.reshape(-1))
    else:
        # NumPy sorts 16-bit integers by radix, in linear time.
        order = np.argsort(positions.astype(np.uint16) if count <= 65536 else positions, kind="stable")
        arranged = positions[order]
        starts = np.flatnonzero(np.concatenate(([True], arranged[1:] != arranged[:-1])))
        y[arranged[starts]] = np.add.reduceat(np.take(updates, order, axis=0), starts, axis=0)
    return y


def sum_at(
    shape: tuple[int, ...], indices: Sequence[Array], updates: Array, axes: tuple[int, ...], place: int
) -> Array:
    """The adjoint of gathering: zeros of `shape` to which updates are added at the index arrays.

    indices  one array for each of `axes`; they broadcast to one shape
    updates  the other axes of `shape`, with the indices' common shape inserted at `place`
    """
    common = np.broadcast_shapes(*(each.shape for each in indices))
    depth = len(common)
    front = np.moveaxis(updates, range(place, place + depth), range(depth))
    indexed = tuple(shape[axis] for axis in axes)
    others = tuple(extent for axis, extent in enumerate(shape) if axis not in axes)
    positions = np.zeros(common, dtype=np.int64)
    for each, extent in zip(indices, indexed, strict=True):
        positions *= extent
        positions += each.astype(np.int64, copy=False)
    rows = front.reshape(positions.size, math.prod(others))
    summed = sum_rows(math.prod(indexed), positions.reshape(-1), rows)
    return np.moveaxis(summed.reshape(indexed + others), range(len(axes)), axes)


def sum_along_axis(shape: tuple[int, ...], indices: Array, updates: Array, axis: int) -> Array:
    """The adjoint of take_along_axis: y[i, indices[i, j]] += updates[i, j] into zeros of `shape`.

    indices, updates  of one shape, which is `shape` but for the axis
    """
    outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    extent, taken = shape[axis], indices.shape[axis]
    y = np.zeros(shape, dtype=updates.dtype)
    rows = np.arange(outer, dtype=np.int64).reshape(outer, 1, 1) * extent
    positions = (rows + indices.reshape(outer, taken, inner)) * inner + np.arange(inner)
    np.add.at(y.reshape(-1), positions.reshape(-1).astype(np.int64, copy=False), updates.reshape(-1))
    return y
