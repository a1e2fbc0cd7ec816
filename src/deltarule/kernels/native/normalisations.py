"""Normalisations as Python calls them: which routine, how many threads, which memory.

An answer of None says that these arrays are not for native code.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.column_normalisation import (
    ColumnNormaliseGradient,
    ColumnScale,
    ColumnStatistics,
    column_scratch_elements,
)
from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.row_normalisation import (
    RowNormalise,
    RowNormaliseGradient,
    row_scratch_elements,
)
from deltarule.kernels.native.span_normalisation import SpanNormalise, SpanNormaliseGradient, SpanScale
from deltarule.kernels.native.team import threads_for
from deltarule.kernels.native.workspace import workspace

Array = NDArray[Any]
Axes = tuple[int, ...]
Shape = tuple[int, ...]

# Elements from which a second thread repays being started: 100 KiB of float32.
WORTH_A_TEAM = 25_000

_TYPES = {np.dtype(np.float32): "float32", np.dtype(np.float64): "float64"}


@lru_cache(1024)
def _arranged(shape: Shape, axes: Axes, weight: Shape | None) -> tuple[str, Shape]:
    """(kind, sizes) of a normalisation over these axes.

    "row"    statistics of rows, weights for each column; sizes (rows, columns)
    "batch"  statistics and weights of channels, the second axis; sizes (batch, channels, positions)
    "group"  statistics of groups of channels, weights of channels;
             sizes (statistics, spans, positions, channels)
    ""       none of these
    """
    depth = len(shape)
    first = axes[0] if axes else depth
    if prod(shape) and axes:
        if axes == tuple(range(first, depth)) and weight in (None, (*[1] * first, *shape[first:])):
            return "row", (prod(shape[:first]), prod(shape[first:]))
        if depth >= 2 and axes == (0, *range(2, depth)):
            if weight in (None, (1, shape[1], *[1] * (depth - 2))):
                return "batch", (shape[0], shape[1], prod(shape[2:]))
        elif depth >= 3 and axes == tuple(range(2, depth)):
            if weight == (1, *shape[1:3], *[1] * (depth - 3)):
                return "group", (shape[0] * shape[1], shape[2], prod(shape[3:]), shape[1] * shape[2])
    return "", ()


def _channels_last(x: Array) -> bool:
    """Whether channels, the second axis, lie one after another, and the other axes in order before them."""
    return x.ndim > 2 and np.moveaxis(x, 1, -1).flags.c_contiguous and not x.flags.c_contiguous


def _as(model: Array, x: Array) -> Array:
    """x in the memory order of another contiguous array of its shape."""
    if x.strides == model.strides:
        return x
    moved = np.empty_like(model)
    moved[...] = x
    return moved


def _uniform(x: Array, *others: Array | None) -> str | None:
    """The type of all these arrays if native code has it."""
    if any(each is not None and each.dtype != x.dtype for each in others):
        return None
    return _TYPES.get(x.dtype)


def _in_order(array: Array | None) -> Array | None:
    return array if array is None or array.flags.c_contiguous else np.ascontiguousarray(array)


def normalise(
    x: Array, weight: Array | None, bias: Array | None, axes: Axes, eps: float, centred: bool
) -> tuple[Array, Array | None, Array, Array] | None:
    """(y, mean, variance, 1 / √(variance + eps)); statistics keep their axes with length 1."""
    dtype = _uniform(x, weight, bias)
    kind, sizes = _arranged(x.shape, axes, None if weight is None else weight.shape)
    if dtype is None or not kind or not (centred or kind == "row") or (bias is not None and weight is None):
        return None
    if bias is not None and weight is not None and bias.shape != weight.shape:
        return None
    weight, bias = _in_order(weight), _in_order(bias)
    last = kind == "batch" and _channels_last(x)
    if not (last or x.flags.c_contiguous):
        x = np.ascontiguousarray(x)
    statistic = tuple([1 if axis in axes else extent for axis, extent in enumerate(x.shape)])
    y = np.empty_like(x)
    mean = np.empty(statistic, dtype) if centred else None
    variance, inverse = np.empty(statistic, dtype), np.empty(statistic, dtype)
    count, weighted, biased = threads_for(x.size, WORTH_A_TEAM), weight is not None, bias is not None
    if kind == "row":
        routine = entry(RowNormalise(dtype, centred, weighted, biased))
        routine(count, x, weight, bias, y, mean, variance, inverse, *sizes, eps)
    elif kind == "batch" and (last or sizes[2] == 1):
        rows, columns = sizes[0] * sizes[2], sizes[1]
        scratch = workspace(count * column_scratch_elements(columns), dtype)
        statistics = entry(ColumnStatistics(dtype))
        statistics(count, x, mean, variance, inverse, scratch, rows, columns, eps)
        scale = entry(ColumnScale(dtype, weighted, biased))
        scale(count, x, mean, inverse, weight, bias, y, rows, columns)
    else:
        sizes = sizes if kind == "group" else (sizes[1], sizes[0], sizes[2], sizes[1])
        routine = entry(SpanNormalise(dtype, kind == "group", weighted, biased))
        routine(count, x, weight, bias, y, mean, variance, inverse, *sizes, eps)
    return y, mean, variance, inverse


def normalise_gradients(
    x: Array,
    weight: Array | None,
    upstream: Array,
    mean: Array | None,
    inverse: Array,
    axes: Axes,
    biased: bool,
) -> tuple[Array, Array | None, Array | None] | None:
    """(∂L/∂x, ∂L/∂weight, ∂L/∂bias); the last two have the shape of weight, and are None without one."""
    dtype = _uniform(x, weight, upstream, inverse)
    kind, sizes = _arranged(x.shape, axes, None if weight is None else weight.shape)
    centred = mean is not None
    if dtype is None or not kind or not (centred or kind == "row"):
        return None
    weight, biased = _in_order(weight), biased and weight is not None
    last = kind == "batch" and _channels_last(x)
    if not (last or x.flags.c_contiguous):
        x = np.ascontiguousarray(x)
    upstream, grad_x = _as(x, upstream), np.empty_like(x)
    weighted = weight is not None
    shape = weight.shape if weight is not None else statistics_shape(x.shape, axes)
    grad_weight, grad_bias = np.empty(shape, dtype), np.empty(shape, dtype)
    arrays = (x, weight, upstream, mean, inverse, grad_x, grad_weight, grad_bias)
    count = threads_for(x.size, WORTH_A_TEAM)
    if kind == "row":
        scratch = workspace(count * row_scratch_elements(sizes[1]), dtype) if weighted else None
        entry(RowNormaliseGradient(dtype, centred, weighted, biased))(count, *arrays, scratch, *sizes)
    elif kind == "batch" and (last or sizes[2] == 1):
        rows, columns = sizes[0] * sizes[2], sizes[1]
        scratch = workspace(count * column_scratch_elements(columns), dtype)
        entry(ColumnNormaliseGradient(dtype, weighted))(count, *arrays, scratch, rows, columns)
    else:
        sizes = sizes if kind == "group" else (sizes[1], sizes[0], sizes[2], sizes[1])
        scratch = workspace(2 * sizes[0] * sizes[1], dtype)
        entry(SpanNormaliseGradient(dtype, kind == "group", weighted))(count, *arrays, scratch, *sizes)
    return grad_x, grad_weight if weighted else None, grad_bias if biased else None


def statistics_shape(shape: Shape, axes: Axes) -> Shape:
    """The shape of statistics over axes, which are kept with length 1."""
    return tuple([1 if axis in axes else extent for axis, extent in enumerate(shape)])


def scale_channels(
    x: Array, mean: Array, inverse: Array, weight: Array | None, bias: Array | None
) -> Array | None:
    """(x − mean[c]) · inverse[c] · weight[c] + bias[c], c along the second axis."""
    dtype = _uniform(x, mean, inverse, weight, bias)
    if dtype is None or not x.size:
        return None
    mean, inverse = np.ascontiguousarray(mean), np.ascontiguousarray(inverse)
    weight, bias = _in_order(weight), _in_order(bias)
    last = _channels_last(x)
    if not (last or x.flags.c_contiguous):
        x = np.ascontiguousarray(x)
    y, count = np.empty_like(x), threads_for(x.size, WORTH_A_TEAM)
    batch, channels, *positions = x.shape
    inner = prod(positions)
    arrays, options = (x, mean, inverse, weight, bias, y), (dtype, weight is not None, bias is not None)
    if last or inner == 1:
        entry(ColumnScale(*options))(count, *arrays, batch * inner, channels)
    else:
        entry(SpanScale(*options))(count, *arrays, batch * channels, inner, channels)
    return y
