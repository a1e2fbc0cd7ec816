"""Channels-first and channels-last memory of arrays whose shape is (batch, channels, *spatial).

Convolution and pooling compute on channels-last memory and answer such views, so a chain copies nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.processor import FLOATS
from deltarule.kernels.native.team import thread_count, threads
from deltarule.kernels.native.transposition import Transpose

Array = NDArray[Any]

# Elements from which a second thread repays being started, and from which native code is faster than NumPy's.
_WORTH_A_TEAM = 60_000
_WORTH_A_CALL = 1_500


@cache
def _transpose(kind: str) -> Callable[..., None]:
    return entry(Transpose(FLOATS[kind]))


@lru_cache(64)
def _orders(rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Axes in the order of channels-last memory, and back."""
    return (0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))


def plane(sizes: tuple[int, ...], fill: int = 1) -> tuple[int, int]:
    """Sizes of one or two spatial axes as those of two: a line is an image one pixel high."""
    return (sizes[0], sizes[1]) if len(sizes) == 2 else (fill, sizes[0])


def channels_last(x: Array) -> Array:
    """x as a contiguous (batch, *spatial, channels) array: a view where its memory lies so, else a copy."""
    moved = x.transpose(_orders(x.ndim)[0])
    if moved.flags.c_contiguous:
        return moved
    if x.size > _WORTH_A_CALL and x.flags.c_contiguous and x.dtype.char in FLOATS:
        return _exchanged(x, x.shape[0], x.shape[1], prod(x.shape[2:]), moved.shape)
    return np.ascontiguousarray(moved)


def channels_first_view(x: Array) -> Array:
    """A (batch, *spatial, channels) array as the view (batch, channels, *spatial)."""
    return x.transpose(_orders(x.ndim)[1])


def contiguous(x: Array) -> Array:
    """The elements in the order of the axes: x itself where they lie so, else a copy."""
    if x.flags.c_contiguous:
        return x
    is_native = x.size > _WORTH_A_CALL and x.ndim > 2 and x.dtype.char in FLOATS
    if is_native and x.transpose(_orders(x.ndim)[0]).flags.c_contiguous:
        return _exchanged(x, x.shape[0], prod(x.shape[2:]), x.shape[1], x.shape)
    return np.ascontiguousarray(x)


def _exchanged(x: Array, batch: int, rows: int, columns: int, shape: tuple[int, ...]) -> Array:
    out = np.empty(shape, x.dtype)
    team = threads() if out.size > _WORTH_A_TEAM and thread_count() > 1 else 1
    # The routine reads addresses alone, so a view whose memory is contiguous may be given as it is.
    _transpose(x.dtype.char)(team, x, out, batch, rows, columns, rows * columns)
    return out
