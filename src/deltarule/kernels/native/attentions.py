"""Attention as Python calls it: which routine, how many threads, which memory.

Arrays are (batch, heads, time, features) with features one after another; the other axes may lie anyhow.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.attention import Attention, scratch_elements
from deltarule.kernels.native.attention_blocks import feature_vectors
from deltarule.kernels.native.attention_gradient import AttentionGradient, gradient_scratch_elements
from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.processor import processor
from deltarule.kernels.native.team import threads_for
from deltarule.kernels.native.workspace import workspace

Array = NDArray[Any]

# Multiply-adds from which a second thread repays being started.
WORTH_A_TEAM = 250_000


@lru_cache(256)
def _plan(
    dtype: str, causal: bool, masked: bool, sources: int, width: int, value_width: int
) -> tuple[Any, int, Any, int]:
    """(forward, its scratch elements for a thread, backward, its)."""
    machine = processor()
    of_keys, of_values = (feature_vectors(machine, dtype, each) for each in (width, value_width))
    sizes = (sources, width, value_width)
    return (
        entry(Attention(dtype, causal, masked, of_values)),
        scratch_elements(machine, dtype, of_values, *sizes),
        entry(AttentionGradient(dtype, causal, masked, of_keys, of_values)),
        gradient_scratch_elements(machine, dtype, of_keys, of_values, *sizes),
    )


def _strides(*arrays: Array | None) -> list[int]:
    """Of each array the strides of batch, heads and time in elements."""
    return [
        stride // array.itemsize if array is not None else 0
        for array in arrays
        for stride in (array.strides[:3] if array is not None else (0, 0, 0))
    ]


def _sizes(query: Array, key: Array, value: Array) -> tuple[int, ...]:
    return (*query.shape[:3], key.shape[2], query.shape[3], value.shape[3])


def attention(
    query: Array, key: Array, value: Array, mask: Array | None, causal: bool, scale: float, y: Array
) -> Array:
    """Writes y, and answers ln Σ e^score of each query."""
    sizes = _sizes(query, key, value)
    dtype = query.dtype.name
    function, elements, *_ = _plan(dtype, causal, mask is not None, *sizes[3:])
    logs = np.empty(sizes[:3], dtype)
    count = _team(sizes)
    scratch = workspace(count * elements, dtype)
    strides = _strides(query, key, value, y, mask)
    function(count, query, key, value, mask, y, logs, scratch, *sizes, *strides, scale)
    return logs


def attention_gradients(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    causal: bool,
    scale: float,
    y: Array,
    logs: Array,
    grad_y: Array,
    gradients: tuple[Array, Array, Array],
) -> None:
    """Writes the gradients of query, key and value."""
    sizes = _sizes(query, key, value)
    dtype = query.dtype.name
    *_, function, elements = _plan(dtype, causal, mask is not None, *sizes[3:])
    count = _team(sizes)
    scratch = workspace(count * elements, dtype)
    strides = _strides(query, key, value, y, grad_y, *gradients, mask)
    arrays = (query, key, value, mask, y, logs, grad_y, *gradients, scratch)
    function(count, *arrays, *sizes, *strides, scale)


def _team(sizes: tuple[int, ...]) -> int:
    batch, heads, targets, sources, width, value_width = sizes
    work = batch * heads * targets * sources * (width + value_width)
    return threads_for(work, WORTH_A_TEAM)
