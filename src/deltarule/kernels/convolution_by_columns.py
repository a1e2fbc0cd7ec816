"""Convolution as one matrix product per batch slice: its value, its transpose, its weight gradient.

The three are one trilinear form Σ g[n, o, p] · w[o, c, k] · x[n, c, p·stride + k·dilation − before],
each with one factor left free. Windows are laid out as columns (channels · kernel, batch · positions),
then BLAS does the work. The batch is cut into slices whose columns stay in cache, which also bounds
the memory: at 32 -> 32 channels of 32×32, batch 64, slices of 4 MB took 14 ms and one slice of 76 MB
21 ms; at LeNet's sizes one slice of the whole batch is the fastest.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.windows import Sizes, framed, offset_slices, window_span, window_view

Array = NDArray[Any]

COLUMN_BYTES = 4 << 20


def _slices(batch: int, column_bytes: int) -> list[slice]:
    """The batch cut into parts whose columns fit the budget; at least one sample each."""
    size = max(1, COLUMN_BYTES // max(column_bytes, 1))
    return [slice(start, min(start + size, batch)) for start in range(0, batch, size)]


def _columns(
    x: Array, positions: Sizes, kernel_size: Sizes, stride: Sizes, dilation: Sizes, groups: int
) -> Array:
    """Windows as columns: (groups, channels / groups · kernel, batch · positions)."""
    view = window_view(x, positions, kernel_size, stride, dilation)
    rank = len(positions)
    order = (*range(1, 2 + rank), 0, *range(2 + rank, 2 + 2 * rank))
    rows = x.shape[1] // groups * prod(kernel_size)
    return np.ascontiguousarray(view.transpose(order)).reshape(groups, rows, x.shape[0] * prod(positions))


def _channels_first(signal: Array, groups: int) -> Array:
    """(batch, channels, *positions) as (groups, channels / groups, batch · positions)."""
    batch, channels = signal.shape[:2]
    count = batch * prod(signal.shape[2:])
    return np.ascontiguousarray(signal.swapaxes(0, 1)).reshape(groups, channels // groups, count)


def convolve(
    x: Array,
    weight: Array,
    bias: Array | None,
    positions: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
    groups: int,
) -> Array:
    """y[n, o, p] = Σ_c Σ_k w[o, c, k] · x[n, c, p·stride + k·dilation − before] (+ b[o])."""
    batch, out_channels, kernel_size = x.shape[0], weight.shape[0], weight.shape[2:]
    x = framed(x, before, window_span(positions, kernel_size, stride, dilation))
    rows = weight.reshape(groups, out_channels // groups, prod(weight.shape[1:]))
    y = np.empty((batch, out_channels, *positions), dtype=x.dtype)
    sample_bytes = rows.shape[2] * groups * prod(positions) * x.itemsize
    for part in _slices(batch, sample_bytes):
        product = rows @ _columns(x[part], positions, kernel_size, stride, dilation, groups)
        y[part] = product.reshape(out_channels, part.stop - part.start, *positions).swapaxes(0, 1)
    if bias is not None:
        y += bias.reshape(out_channels, *[1] * len(positions))
    return y


def convolve_transposed(
    signal: Array,
    weight: Array,
    bias: Array | None,
    extents: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
    groups: int,
) -> Array:
    """x[n, c, p·stride + k·dilation − before] += Σ_o w[o, c, k] · g[n, o, p], from zero (or b[c])."""
    batch, positions, kernel_size = signal.shape[0], signal.shape[2:], weight.shape[2:]
    channels = weight.shape[1] * groups
    span = window_span(positions, kernel_size, stride, dilation)
    rows = weight.reshape(groups, weight.shape[0] // groups, prod(weight.shape[1:])).swapaxes(1, 2)
    x = np.empty((batch, channels, *extents), dtype=signal.dtype)
    sample_bytes = rows.shape[1] * groups * prod(positions) * signal.itemsize
    for part in _slices(batch, sample_bytes):
        count = part.stop - part.start
        product = rows @ _channels_first(signal[part], groups)
        columns = product.reshape(channels, *kernel_size, count, *positions)
        total = np.zeros((channels, count, *span), dtype=signal.dtype)
        for offset, where in offset_slices(positions, kernel_size, stride, dilation):
            total[:, :, *where] += columns[:, *offset]
        x[part] = framed(total, tuple(-ahead for ahead in before), extents).swapaxes(0, 1)
    if bias is not None:
        x += bias.reshape(channels, *[1] * len(extents))
    return x


def convolve_weight(
    x: Array,
    signal: Array,
    kernel_size: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
    groups: int,
) -> Array:
    """w[o, c, k] = Σ_n Σ_p g[n, o, p] · x[n, c, p·stride + k·dilation − before]."""
    batch, channels = x.shape[:2]
    positions, out_channels = signal.shape[2:], signal.shape[1]
    x = framed(x, before, window_span(positions, kernel_size, stride, dilation))
    in_group = channels // groups
    rows = in_group * prod(kernel_size)
    weight = np.zeros((groups, out_channels // groups, rows), dtype=signal.dtype)
    for part in _slices(batch, rows * groups * prod(positions) * x.itemsize):
        columns = _columns(x[part], positions, kernel_size, stride, dilation, groups)
        weight += _channels_first(signal[part], groups) @ columns.swapaxes(1, 2)
    return weight.reshape(out_channels, in_group, *kernel_size)
