"""Softmax, its logarithm and the logarithm of a sum of exponentials, without overflow.

Each subtracts the largest element first, which changes nothing and keeps every exponential <= 1.
Source: Blanchard, Higham & Higham 2021, "Accurately computing the log-sum-exp and softmax functions".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.kernels.native import softmaxes as native
from deltarule.kernels.reductions import Axes, kept


def softmax(x: Any, axis: int) -> Any:
    """e^x / Σ e^x along an axis."""
    found = native.softmax(x, axis, False)
    return plain_softmax(x, axis) if found is None else found


def plain_softmax(x: Any, axis: int) -> Any:
    """The twin in NumPy."""
    y = x - _largest(x, (axis,))
    np.exp(y, out=y)
    y /= np.add.reduce(y, axis=axis, keepdims=True)
    return y


def softmax_gradient(y: Any, upstream: Any, axis: int) -> Any:
    """y · (upstream - Σ upstream · y)."""
    found = native.softmax_gradient(y, upstream, axis, False)
    return plain_softmax_gradient(y, upstream, axis) if found is None else found


def plain_softmax_gradient(y: Any, upstream: Any, axis: int) -> Any:
    """The twin in NumPy."""
    gradient = upstream * y
    inner = np.add.reduce(gradient, axis=axis, keepdims=True)
    np.subtract(upstream, inner, out=gradient)
    gradient *= y
    return gradient


def log_softmax(x: Any, axis: int) -> Any:
    """x - ln Σ e^x along an axis."""
    found = native.softmax(x, axis, True)
    return plain_log_softmax(x, axis) if found is None else found


def plain_log_softmax(x: Any, axis: int) -> Any:
    """The twin in NumPy."""
    y = x - _largest(x, (axis,))
    if not y.size:
        return y
    y -= np.log(np.add.reduce(np.exp(y), axis=axis, keepdims=True))
    return y


def log_softmax_gradient(y: Any, upstream: Any, axis: int) -> Any:
    """upstream - e^y · Σ upstream."""
    found = native.softmax_gradient(y, upstream, axis, True)
    return plain_log_softmax_gradient(y, upstream, axis) if found is None else found


def plain_log_softmax_gradient(y: Any, upstream: Any, axis: int) -> Any:
    """The twin in NumPy."""
    gradient = np.exp(y)
    gradient *= np.add.reduce(upstream, axis=axis, keepdims=True)
    np.subtract(upstream, gradient, out=gradient)
    return gradient


def logsumexp(x: Any, axis: Axes, keepdims: bool) -> Any:
    """ln Σ e^x along axes; -inf where all are -inf or there are none, inf where one is inf."""
    shift = finite_largest(x, axis)
    exponentials = np.exp(x - shift)
    total = np.add.reduce(exponentials, axis=axis, keepdims=True)
    value = np.full_like(total, -np.inf)
    np.log(total, out=value, where=total != 0)
    value += shift
    return value if keepdims else np.squeeze(value, axis=axis)


def logsumexp_gradient(x: Any, y: Any, upstream: Any, axis: Axes) -> Any:
    """upstream · e^(x - y): the upstream gradient times the softmax."""
    log_total = kept(y, x.shape, axis)
    gradient = np.exp(x - np.where(np.isfinite(log_total), log_total, 0).astype(x.dtype, copy=False))
    gradient *= kept(upstream, x.shape, axis)
    return gradient


def _largest(x: Any, axis: Axes) -> Any:
    return np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)


def finite_largest(x: Any, axis: Axes) -> Any:
    """The largest elements along axes, with 0 in place of infinities."""
    largest = _largest(x, axis)
    return np.where(np.isfinite(largest), largest, 0).astype(x.dtype, copy=False)
