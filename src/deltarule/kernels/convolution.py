"""Convolution: its value, its transpose, its gradients; native code for floats, else by columns.

The three are one trilinear form Σ g[n, o, p] · w[o, c, k] · x[n, c, p·stride + k·dilation − before],
each with one factor left free. Results are views of channels-last memory where native code computed them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels import convolution_by_columns as plain
from deltarule.kernels.native.convolutions import convolution, weight_gradient
from deltarule.kernels.windows import Sizes

Array = NDArray[Any]


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
    y = convolution(x, weight, bias, positions, stride, before, dilation, groups)
    if y is None:
        y = plain.convolve(x, weight, bias, positions, stride, before, dilation, groups)
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
    x = convolution(signal, weight, bias, extents, stride, before, dilation, groups, transposed=True)
    if x is None:
        x = plain.convolve_transposed(signal, weight, bias, extents, stride, before, dilation, groups)
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
    found = weight_gradient(x, signal, kernel_size, stride, before, dilation, groups)
    if found is None:
        return plain.convolve_weight(x, signal, kernel_size, stride, before, dilation, groups)
    return found[0]


def convolve_weight_and_bias(
    x: Array,
    signal: Array,
    kernel_size: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
    groups: int,
) -> tuple[Array, Array]:
    """`convolve_weight`, and b[o] = Σ_n Σ_p g[n, o, p] with it."""
    found = weight_gradient(x, signal, kernel_size, stride, before, dilation, groups, bias=True)
    if found is None or found[1] is None:
        weight = plain.convolve_weight(x, signal, kernel_size, stride, before, dilation, groups)
        return weight, np.add.reduce(signal, axis=(0, *range(2, signal.ndim)))
    return found[0], found[1]
