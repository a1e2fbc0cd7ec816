"""Normalisation over any axes: zero mean and unit variance (or mean square), then an affine map.

x̂ = (x − μ) / √(σ² + eps), y = x̂ · weight + bias. Statistics keep their axes with length 1; weight and
bias come with x's number of axes. Plain arrays: native code where it serves, else NumPy.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native import normalisations as native

Array = NDArray[Any]
Axes = tuple[int, ...]


class Statistics(NamedTuple):
    """What was found over the axes: mean (None where nothing is subtracted), variance, 1 / √(σ² + eps)."""

    mean: Array | None
    variance: Array
    inverse: Array


def _sum(x: Array, axes: Axes) -> Array:
    return np.add.reduce(x, axis=axes, keepdims=True)


def _count(x: Array, axes: Axes) -> int:
    return prod(x.shape[axis] for axis in axes)


def _sum_like(x: Array, shape: tuple[int, ...]) -> Array:
    """Sums over the axes along which an array of this shape was spread."""
    axes = tuple(axis for axis, extent in enumerate(shape) if extent == 1 != x.shape[axis])
    return _sum(x, axes) if axes else x.copy()


def normalise(
    x: Array, weight: Array | None, bias: Array | None, axes: Axes, eps: float, *, centred: bool = True
) -> tuple[Array, Statistics]:
    """(y, statistics)."""
    found = native.normalise(x, weight, bias, axes, eps, centred)
    if found is None:
        return plain_normalise(x, weight, bias, axes, eps, centred=centred)
    y, mean, variance, inverse = found
    return y, Statistics(mean, variance, inverse)


def normalise_gradients(
    x: Array, weight: Array | None, upstream: Array, statistics: Statistics, axes: Axes, *, biased: bool
) -> tuple[Array, Array | None, Array | None]:
    """(∂L/∂x, ∂L/∂weight, ∂L/∂bias); the last two have weight's shape, and are None without weight or bias.

    With δ = ∂L/∂y · weight and ⟨·⟩ the mean over the axes:
    ∂L/∂x = (δ − ⟨δ⟩ − x̂ ⟨δ x̂⟩) / √(σ² + eps), without ⟨δ⟩ where no mean was subtracted.
    """
    found = native.normalise_gradients(x, weight, upstream, statistics.mean, statistics.inverse, axes, biased)
    if found is not None:
        return found
    grad_x, grad_weight = plain_normalise_gradient(x, weight, upstream, statistics, axes)
    if weight is None:
        return grad_x, None, None
    return grad_x, grad_weight, plain_bias_gradient(upstream, weight.shape) if biased else None


def scale_channels(x: Array, mean: Array, inverse: Array, weight: Array | None, bias: Array | None) -> Array:
    """(x − mean[c]) · inverse[c] · weight[c] + bias[c] with given statistics, c along the second axis."""
    found = native.scale_channels(x, mean, inverse, weight, bias)
    return plain_scale_channels(x, mean, inverse, weight, bias) if found is None else found


# ---- plain twins


def plain_normalise(
    x: Array, weight: Array | None, bias: Array | None, axes: Axes, eps: float, *, centred: bool = True
) -> tuple[Array, Statistics]:
    """The variance comes from deviations, in a second pass, so that nothing cancels."""
    per_element = 1.0 / _count(x, axes)
    mean = _sum(x, axes) * per_element if centred else None
    deviation = x if mean is None else x - mean
    y = deviation * deviation
    variance = _sum(y, axes) * per_element
    inverse = 1.0 / np.sqrt(variance + eps)
    if weight is not None and weight.shape == inverse.shape:
        np.multiply(deviation, inverse * weight, out=y)
    else:
        np.multiply(deviation, inverse, out=y)
        if weight is not None:
            y *= weight
    if bias is not None:
        y += bias
    return y, Statistics(mean, variance, inverse)


def plain_normalise_gradient(
    x: Array, weight: Array | None, upstream: Array, statistics: Statistics, axes: Axes
) -> tuple[Array, Array]:
    """(∂L/∂x, ∂L/∂weight); the latter has x's number of axes, 1 where weight was spread."""
    per_element = 1.0 / _count(x, axes)
    mean, inverse = statistics.mean, statistics.inverse
    normalised = x * inverse if mean is None else x - mean
    if mean is not None:
        normalised *= inverse
    product = upstream * normalised
    if weight is None or weight.shape == inverse.shape:
        # The same sums give the gradients of weight and of x.
        grad_weight = _sum(product, axes)
        delta, aligned, factor = upstream, grad_weight, inverse if weight is None else inverse * weight
    else:
        grad_weight = _sum_like(product, weight.shape)
        product *= weight
        delta, aligned, factor = upstream * weight, _sum(product, axes), inverse
    np.multiply(normalised, aligned * per_element, out=normalised)
    grad_x = np.subtract(delta, normalised, out=product)
    if mean is not None:
        grad_x -= _sum(delta, axes) * per_element
    grad_x *= factor
    return grad_x, grad_weight


def plain_bias_gradient(upstream: Array, shape: tuple[int, ...]) -> Array:
    """∂L/∂bias: the upstream gradient summed over the axes along which bias was spread."""
    return _sum_like(upstream, shape)


def plain_scale_channels(
    x: Array, mean: Array, inverse: Array, weight: Array | None, bias: Array | None
) -> Array:
    """The twin of scale_channels."""
    wide = (1, x.shape[1], *[1] * (x.ndim - 2))
    scale = inverse if weight is None else inverse * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    y = x * scale.reshape(wide)
    y += shift.reshape(wide)
    return y
