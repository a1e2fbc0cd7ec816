"""Softmax and cross-entropy as Python calls them: which routine, how many threads, which memory.

An answer of None says that these arrays are not for native code.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.cross_entropy import CrossEntropy, CrossEntropyGradient
from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.processor import FLOATS
from deltarule.kernels.native.softmax import Softmax, SoftmaxGradient
from deltarule.kernels.native.team import threads_for

Array = NDArray[Any]

# Elements, each an exponential, from which a second thread repays being started.
WORTH_A_TEAM = 16_384


@lru_cache
def _softmax(character: str, logarithm: bool) -> Any:
    return entry(Softmax(FLOATS[character], logarithm), True)


@lru_cache
def _softmax_gradient(character: str, logarithm: bool) -> Any:
    return entry(SoftmaxGradient(FLOATS[character], logarithm), True)


def _rows(x: Array, axis: int) -> bool:
    """Whether the axis is the last one of a float array that holds something."""
    return bool(x.dtype.char in FLOATS and x.size and axis in (-1, x.ndim - 1))


def softmax(x: Array, axis: int, logarithm: bool) -> Array | None:
    """Softmax along the last axis, or its logarithm."""
    if not _rows(x, axis):
        return None
    if not x.flags.c_contiguous:
        x = np.ascontiguousarray(x)
    columns = x.shape[-1]
    y = np.empty(x.shape, x.dtype)
    function = _softmax(x.dtype.char, logarithm)
    return y if function(threads_for(x.size, WORTH_A_TEAM), x, y, x.size // columns, columns) else None


def softmax_gradient(y: Array, upstream: Array, axis: int, logarithm: bool) -> Array | None:
    """The gradient of either from its value."""
    if not _rows(y, axis) or upstream.dtype != y.dtype:
        return None
    if not (y.flags.c_contiguous and upstream.flags.c_contiguous):
        y, upstream = np.ascontiguousarray(y), np.ascontiguousarray(upstream)
    columns = y.shape[-1]
    grad_x = np.empty(y.shape, y.dtype)
    function = _softmax_gradient(y.dtype.char, logarithm)
    done = function(threads_for(y.size, WORTH_A_TEAM), y, upstream, grad_x, y.size // columns, columns)
    return grad_x if done else None


@lru_cache
def _cross_entropy(character: str, reduction: str, ignoring: bool) -> tuple[Any, Any]:
    options = (FLOATS[character], reduction, ignoring)
    return entry(CrossEntropy(*options), True), entry(CrossEntropyGradient(*options), True)


class Saved(NamedTuple):
    """What the gradient of cross-entropy needs: a number for each row twice, and how many rows count."""

    largest: Array
    log_sums: Array
    divisor: Array


def cross_entropy(
    logits: Array, target: Array, reduction: str, ignore_index: int | None
) -> tuple[Array, Saved] | None:
    """(terms, their sum or their mean; what the gradient needs) of logits (batch, classes)."""
    if logits.dtype.char not in FLOATS or logits.ndim != 2 or not logits.size:
        return None
    if not logits.flags.c_contiguous:
        logits = np.ascontiguousarray(logits)
    target = np.ascontiguousarray(target, np.int64)
    rows, columns = logits.shape
    terms, largest, log_sums = np.empty((3, rows), logits.dtype)
    divisor, out = np.empty((2, 1), logits.dtype)
    function = _cross_entropy(logits.dtype.char, reduction, ignore_index is not None)[0]
    more = () if ignore_index is None else (ignore_index,)
    arrays = (logits, target, terms, largest, log_sums, divisor, out)
    if not function(threads_for(logits.size, WORTH_A_TEAM), *arrays, rows, columns, *more):
        return None
    return terms if reduction == "none" else out.reshape(()), Saved(largest, log_sums, divisor)


def cross_entropy_gradient(
    upstream: Array, logits: Array, saved: Saved, target: Array, reduction: str, ignore_index: int | None
) -> Array:
    """The gradient of the logits of a call that `cross_entropy` answered."""
    if not logits.flags.c_contiguous:
        logits = np.ascontiguousarray(logits)
    target = np.ascontiguousarray(target, np.int64)
    upstream = np.ascontiguousarray(upstream, logits.dtype)
    rows, columns = logits.shape
    gradient = np.empty(logits.shape, logits.dtype)
    function = _cross_entropy(logits.dtype.char, reduction, ignore_index is not None)[1]
    more = () if ignore_index is None else (ignore_index,)
    arrays = (logits, target, *saved, upstream, gradient)
    team = threads_for(logits.size, WORTH_A_TEAM)
    assert function(team, *arrays, rows, columns, *more), "arrays that forward did not take"
    return gradient
