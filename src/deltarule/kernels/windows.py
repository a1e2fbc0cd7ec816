"""Sliding windows over the spatial axes of (batch, channels, *spatial) arrays, as views.

Output position p and kernel offset k meet the element at p·stride + k·dilation − before: every
convolution and pooling is a sum or a maximum over these views.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Array = NDArray[Any]
Sizes = tuple[int, ...]


@lru_cache(maxsize=1024)
def window_span(positions: Sizes, kernel_size: Sizes, stride: Sizes, dilation: Sizes) -> Sizes:
    """How many elements along each axis the windows reach over, from the first to the last."""
    return tuple(
        (count - 1) * step + (size - 1) * gap + 1
        for count, size, step, gap in zip(positions, kernel_size, stride, dilation, strict=True)
    )


def framed(x: Array, before: Sizes, extents: Sizes, fill: float = 0.0) -> Array:
    """The spatial region that starts `before` elements ahead of x and has these extents.

    What lies outside x is filled, what lies outside the region is cut off. A region inside x is
    returned as a view.
    """
    target, source = [slice(None)] * 2, [slice(None)] * 2
    inside = True
    for ahead, extent, own in zip(before, extents, x.shape[2:], strict=True):
        start, stop = max(-ahead, 0), min(extent - ahead, own)
        stop = max(start, stop)
        source.append(slice(start, stop))
        target.append(slice(start + ahead, stop + ahead))
        inside = inside and ahead <= 0 and extent - ahead <= own
    if inside:
        return x[tuple(source)]
    result = np.full((*x.shape[:2], *extents), fill, dtype=x.dtype)
    result[tuple(target)] = x[tuple(source)]
    return result


def window_view(x: Array, positions: Sizes, kernel_size: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """All windows as one view: (batch, channels, *kernel_size, *positions), nothing copied."""
    spatial = x.strides[2:]
    return as_strided(
        x,
        (*x.shape[:2], *kernel_size, *positions),
        (
            *x.strides[:2],
            *(own * gap for own, gap in zip(spatial, dilation, strict=True)),
            *(own * step for own, step in zip(spatial, stride, strict=True)),
        ),
        writeable=False,
    )


@lru_cache(maxsize=1024)
def offset_slices(
    positions: Sizes, kernel_size: Sizes, stride: Sizes, dilation: Sizes
) -> tuple[tuple[Sizes, tuple[slice, ...]], ...]:
    """Each kernel offset in row-major order, with the slices of the elements it meets."""
    return tuple(
        (
            offset,
            tuple(
                slice(at * gap, at * gap + (count - 1) * step + 1, step)
                for at, count, step, gap in zip(offset, positions, stride, dilation, strict=True)
            ),
        )
        for offset in product(*map(range, kernel_size))
    )
