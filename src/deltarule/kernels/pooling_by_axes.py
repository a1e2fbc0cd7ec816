"""Largest and mean element of sliding windows, and where their gradients go. Plain arrays.

Values are computed axis by axis (a window of 3×3 costs 3 + 3 passes, not 9), each pass a whole-array
operation on a strided view.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.windows import Sizes, framed, offset_slices, window_span

Array = NDArray[Any]


@lru_cache(maxsize=1024)
def _axis_slices(axis: int, count: int, size: int, step: int, gap: int) -> list[tuple[Any, ...]]:
    """For each kernel offset along one spatial axis, the index of the elements that it meets."""
    before = (slice(None),) * (2 + axis)
    return [(*before, *where) for _, where in offset_slices((count,), (size,), (step,), (gap,))]


def _reduced(
    ufunc: np.ufunc, x: Array, positions: Sizes, kernel_size: Sizes, stride: Sizes, dilation: Sizes
) -> Array:
    """Each window's elements combined by the ufunc, one spatial axis after the other."""
    for axis, window in enumerate(zip(positions, kernel_size, stride, dilation, strict=True)):
        first, *others = _axis_slices(axis, *window)
        total = x[first].copy()
        for where in others:
            ufunc(total, x[where], out=total)
        x = total
    return x


def max_pool(
    x: Array, positions: Sizes, kernel_size: Sizes, stride: Sizes, before: Sizes, dilation: Sizes
) -> Array:
    """y[n, c, p] = max_k x[n, c, p·stride + k·dilation − before], with −∞ outside x."""
    x = framed(x, before, window_span(positions, kernel_size, stride, dilation), -np.inf)
    return _reduced(np.maximum, x, positions, kernel_size, stride, dilation)


def max_pool_gradient(
    x: Array,
    y: Array,
    upstream: Array,
    kernel_size: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
) -> Array:
    """Adds each upstream element to where its window's first largest element came from."""
    positions = y.shape[2:]
    span = window_span(positions, kernel_size, stride, dilation)
    total = np.zeros((*x.shape[:2], *span), dtype=upstream.dtype)
    overlapping = any(step < size for step, size in zip(stride, kernel_size, strict=True)) or dilation != (
        1,
    ) * len(dilation)
    # NaN equals nothing: the padding is never taken for the largest element, even where all are −∞.
    padded = framed(x, before, span, np.nan)
    waiting = np.ones(y.shape, dtype=bool)
    for _, where in offset_slices(positions, kernel_size, stride, dilation):
        hit = padded[:, :, *where] == y
        hit &= waiting
        waiting ^= hit
        if overlapping:
            total[:, :, *where] += upstream * hit
        else:
            np.multiply(upstream, hit, out=total[:, :, *where])
    return framed(total, tuple(-ahead for ahead in before), x.shape[2:])


def max_pool_positions(
    x: Array, y: Array, kernel_size: Sizes, stride: Sizes, before: Sizes, dilation: Sizes
) -> Array:
    """Flat spatial position in x of each window's first largest element: (batch, channels, *positions)."""
    positions, extents = y.shape[2:], x.shape[2:]
    padded = framed(x, before, window_span(positions, kernel_size, stride, dilation), np.nan)
    found = np.zeros(y.shape, dtype=np.int64)
    waiting = np.ones(y.shape, dtype=bool)
    starts = np.ix_(
        *(
            np.arange(count) * step - ahead
            for count, step, ahead in zip(positions, stride, before, strict=True)
        )
    )
    for offset, where in offset_slices(positions, kernel_size, stride, dilation):
        hit = padded[:, :, *where] == y
        hit &= waiting
        waiting ^= hit
        flat: Any = 0
        for start, at, gap, extent in zip(starts, offset, dilation, extents, strict=True):
            flat = flat * extent + (start + at * gap)
        np.copyto(found, flat, where=hit)
    return found


def window_counts(extent: int, count: int, size: int, step: int, ahead: int, include_padding: bool) -> Array:
    """How many elements each of `count` windows along one axis has, for the mean.

    Padding counts if it is included; what a window reaches beyond the padding never does.
    """
    start = np.arange(count) * step - ahead
    if include_padding:
        return np.minimum(start + size, extent + ahead) - start
    return np.minimum(start + size, extent) - np.maximum(start, 0)


def _divisors(
    extents: Sizes,
    positions: Sizes,
    kernel_size: Sizes,
    stride: Sizes,
    before: Sizes,
    include_padding: bool,
    dtype: Any,
) -> Array:
    counts: Any = 1
    for axis in zip(extents, positions, kernel_size, stride, before, strict=True):
        counts = np.multiply.outer(counts, window_counts(*axis, include_padding))
    return counts.astype(dtype)


def avg_pool(
    x: Array, positions: Sizes, kernel_size: Sizes, stride: Sizes, before: Sizes, include_padding: bool
) -> Array:
    """y[n, c, p] = Σ_k x[n, c, p·stride + k − before] / count[p], with 0 outside x."""
    divisors = _divisors(x.shape[2:], positions, kernel_size, stride, before, include_padding, x.dtype)
    ones = (1,) * len(positions)
    x = framed(x, before, window_span(positions, kernel_size, stride, ones))
    y = _reduced(np.add, x, positions, kernel_size, stride, ones)
    y /= divisors
    return y


def avg_pool_gradient(
    upstream: Array, extents: Sizes, kernel_size: Sizes, stride: Sizes, before: Sizes, include_padding: bool
) -> Array:
    """x[n, c, p·stride + k − before] += g[n, c, p] / count[p], from zero: the transpose of avg_pool."""
    positions = upstream.shape[2:]
    total = upstream / _divisors(
        extents, positions, kernel_size, stride, before, include_padding, upstream.dtype
    )
    span = window_span(positions, kernel_size, stride, (1,) * len(positions))
    for axis, (count, size, step, reach) in enumerate(zip(positions, kernel_size, stride, span, strict=True)):
        spread = np.zeros((*total.shape[: 2 + axis], reach, *total.shape[3 + axis :]), dtype=upstream.dtype)
        for where in _axis_slices(axis, count, size, step, 1):
            if step < size:
                spread[where] += total
            else:
                spread[where] = total
        total = spread
    return framed(total, tuple(-ahead for ahead in before), extents)
