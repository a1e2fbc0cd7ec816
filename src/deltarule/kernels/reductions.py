"""Sums, means and variances of plain arrays, with their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.kernels.native.reduced import reduced

Axes = tuple[int, ...]


def kept_shape(shape: tuple[int, ...], axis: Axes) -> tuple[int, ...]:
    """Shape with length 1 along the reduced axes."""
    return tuple([1 if position in axis else extent for position, extent in enumerate(shape)])


def kept(result: Any, shape: tuple[int, ...], axis: Axes) -> Any:
    """A reduction's result (a view of it) with its reduced axes back, of length 1."""
    if result.ndim == len(shape):
        return result
    return result.reshape(kept_shape(shape, axis))


def spread(result: Any, shape: tuple[int, ...], axis: Axes) -> Any:
    """A reduction's result (a view of it) repeated along its reduced axes."""
    return np.broadcast_to(kept(result, shape, axis), shape)


def add_up(x: Any, axis: Axes, keepdims: bool = False) -> Any:
    """Σ x over axes, which are not negative."""
    total = reduced(x, axis, keepdims)
    return np.add.reduce(x, axis=axis, keepdims=keepdims) if total is None else total


def extreme(x: Any, axis: Axes, keepdims: bool, name: str) -> Any:
    """The largest ("max") or smallest ("min") element along axes (not negative); NaN where one is."""
    found = reduced(x, axis, keepdims, name)
    if found is not None:
        return found
    return (np.maximum if name == "max" else np.minimum).reduce(x, axis=axis, keepdims=keepdims)


def mean(x: Any, axis: Axes, keepdims: bool, divisor: float) -> Any:
    """Σ x / divisor. float16 is added up in float32, where its sum would soon overflow."""
    if x.dtype == np.float16:
        total = np.add.reduce(x, axis=axis, dtype=np.float32, keepdims=keepdims)
        return np.asarray(total / divisor).astype(np.float16)
    return add_up(x, axis, keepdims) / divisor


def variance(x: Any, axis: Axes, keepdims: bool, count: float, divisor: float) -> tuple[Any, Any]:
    """(Σ (x - mean)² / divisor, x - mean), in two passes, which is stable."""
    deviation = x - mean(x, axis, True, count)
    return mean(deviation * deviation, axis, keepdims, divisor), deviation


def variance_gradient(deviation: Any, upstream: Any, axis: Axes, divisor: float) -> Any:
    """2 · upstream · deviation / divisor."""
    return deviation * kept(upstream * (2.0 / divisor), deviation.shape, axis)


def deviation_gradient(deviation: Any, std: Any, upstream: Any, axis: Axes, divisor: float) -> Any:
    """upstream · deviation / (divisor · std), and 0 where std is 0."""
    scale = np.divide(upstream, std * divisor, out=np.zeros_like(upstream), where=std != 0)
    return deviation * kept(scale, deviation.shape, axis)


def shares_of_ties(x: Any, extreme: Any, axis: Axes) -> Any:
    """1 / (number of ties) at the elements that equal the extreme one (NaN if that is NaN), else 0."""
    best = kept(extreme, x.shape, axis)
    chosen = x == best
    if np.isnan(best).any():
        chosen |= np.isnan(x) & np.isnan(best)
    shares = chosen.astype(x.dtype)
    shares /= np.add.reduce(chosen, axis=axis, dtype=x.dtype, keepdims=True)
    return shares
