"""Largest and mean element of sliding windows, and their gradients: native code for floats, else by axes.

Results are views of channels-last memory where native code computed them.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from deltarule.kernels import pooling_by_axes as plain
from deltarule.kernels.native.poolings import pool, pool_gradient
from deltarule.kernels.windows import Sizes

Array = NDArray[Any]

max_pool_positions = plain.max_pool_positions


def max_pool(
    x: Array, positions: Sizes, kernel_size: Sizes, stride: Sizes, before: Sizes, dilation: Sizes
) -> Array:
    """y[n, c, p] = max_k x[n, c, p·stride + k·dilation − before], with −∞ outside x."""
    y = pool("max", x, positions, kernel_size, stride, before, dilation)
    return plain.max_pool(x, positions, kernel_size, stride, before, dilation) if y is None else y


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
    window = kernel_size, stride, before, dilation
    gradient = pool_gradient("max gradient", x.shape, (x, y, upstream), *window)
    return plain.max_pool_gradient(x, y, upstream, *window) if gradient is None else gradient


def avg_pool(
    x: Array, positions: Sizes, kernel_size: Sizes, stride: Sizes, before: Sizes, include_padding: bool
) -> Array:
    """y[n, c, p] = Σ_k x[n, c, p·stride + k − before] / count[p], with 0 outside x."""
    ones = (1,) * len(positions)
    y = pool("average", x, positions, kernel_size, stride, before, ones, include_padding)
    if y is None:
        y = plain.avg_pool(x, positions, kernel_size, stride, before, include_padding)
    return y


def avg_pool_gradient(
    upstream: Array, extents: Sizes, kernel_size: Sizes, stride: Sizes, before: Sizes, include_padding: bool
) -> Array:
    """x[n, c, p·stride + k − before] += g[n, c, p] / count[p], from zero: the transpose of avg_pool."""
    shape = (*upstream.shape[:2], *extents)
    ones = (1,) * len(extents)
    gradient = pool_gradient(
        "average gradient", shape, (upstream,), kernel_size, stride, before, ones, include_padding
    )
    if gradient is None:
        gradient = plain.avg_pool_gradient(upstream, extents, kernel_size, stride, before, include_padding)
    return gradient
