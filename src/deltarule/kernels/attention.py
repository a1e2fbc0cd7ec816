"""Attention: y = softmax(q · kᵀ · scale + mask) · v, and its gradients: native code, else NumPy.

Plain arrays. Leading axes broadcast, and a mask to (..., targets, sources). A query that may look at
nothing, because the mask is −∞ everywhere, gets zeros.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native import attentions as native

Array = NDArray[Any]
Shape = tuple[int, ...]

_NATIVE = (np.dtype(np.float32), np.dtype(np.float64))


def attention(
    query: Array, key: Array, value: Array, mask: Array | None, is_causal: bool, scale: float
) -> tuple[Array, Array]:
    """(y, ln Σ e^score of each query), of arrays (..., time, features)."""
    if not _fit(query, key, value):
        return plain_attention(query, key, value, mask, is_causal, scale)
    leading = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    q, k, v = _four_axes(query, leading), _four_axes(key, leading), _four_axes(value, leading)
    y = _by_time(q.shape, v.shape[3], q.dtype)
    added = _added(mask, (*leading, query.shape[-2], key.shape[-2]), q.dtype)
    logs = native.attention(q, k, v, added, is_causal, scale, y)
    return y.reshape(*leading, *y.shape[2:]), logs.reshape(*leading, logs.shape[2])


def attention_gradients(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    is_causal: bool,
    scale: float,
    y: Array,
    logs: Array,
    upstream: Array,
) -> tuple[Array, Array, Array]:
    """The gradients of query, key and value from what `attention` answered."""
    if not _fit(query, key, value):
        return plain_attention_gradients(query, key, value, mask, is_causal, scale, y, logs, upstream)
    leading = y.shape[:-2]
    q, k, v = _four_axes(query, leading), _four_axes(key, leading), _four_axes(value, leading)
    y, upstream = _four_axes(y, leading), _four_axes(upstream, leading)
    added = _added(mask, (*leading, query.shape[-2], key.shape[-2]), q.dtype)
    gradients = _empty_like(q), _empty_like(k), _empty_like(v)
    logs = np.ascontiguousarray(logs)
    native.attention_gradients(q, k, v, added, is_causal, scale, y, logs, upstream, gradients)
    inputs = (query, key, value)
    grad_query, grad_key, grad_value = (
        _sum_to(gradient.reshape(*leading, *gradient.shape[2:]), each.shape)
        for gradient, each in zip(gradients, inputs, strict=True)
    )
    return grad_query, grad_key, grad_value


def self_attention(
    projected: Array, heads: int, mask: Array | None, is_causal: bool, scale: float
) -> tuple[Array, Array]:
    """The same of all heads at once: y (batch, time, features) of `projected` (batch, time, 3 · features).

    Queries, keys and values are the thirds of its features, and each head's features lie one after another.
    """
    batch, time, width = projected.shape
    query, key, value = parts_of(projected, heads)
    if not _fit(query, key, value):
        y, logs = plain_attention(query, key, value, mask, is_causal, scale)
        return y.transpose(0, 2, 1, 3).reshape(batch, time, width // 3), logs
    if not projected.flags.c_contiguous:
        query, key, value = parts_of(np.ascontiguousarray(projected), heads)
    y = np.empty((batch, time, width // 3), projected.dtype)
    added = _added(mask, (batch, heads, time, time), projected.dtype)
    return y, native.attention(query, key, value, added, is_causal, scale, heads_of(y, heads))


def self_attention_gradient(
    projected: Array,
    heads: int,
    mask: Array | None,
    is_causal: bool,
    scale: float,
    y: Array,
    logs: Array,
    upstream: Array,
) -> Array:
    """The gradient of `projected`."""
    batch, time, _ = projected.shape
    projected, y, upstream = (np.ascontiguousarray(each) for each in (projected, y, upstream))
    query, key, value = parts_of(projected, heads)
    of_heads = (heads_of(y, heads), logs, heads_of(upstream, heads))
    gradient = np.empty_like(projected)
    parts = parts_of(gradient, heads)
    if not _fit(query, key, value):
        found = plain_attention_gradients(query, key, value, mask, is_causal, scale, *of_heads)
        for part, each in zip(parts, found, strict=True):
            part[...] = each
        return gradient
    added = _added(mask, (batch, heads, time, time), projected.dtype)
    native.attention_gradients(query, key, value, added, is_causal, scale, *of_heads, parts)
    return gradient


def parts_of(projected: Array, heads: int) -> tuple[Array, Array, Array]:
    """(queries, keys, values), each (batch, heads, time, features of a head), which lie side by side."""
    batch, time, width = projected.shape
    parts = projected.reshape(batch, time, 3, heads, width // (3 * heads)).transpose(2, 0, 3, 1, 4)
    return parts[0], parts[1], parts[2]


def heads_of(x: Array, heads: int) -> Array:
    """(batch, heads, time, features of a head) of heads whose features lie side by side."""
    batch, time, width = x.shape
    return x.reshape(batch, time, heads, width // heads).transpose(0, 2, 1, 3)


def _fit(query: Array, key: Array, value: Array) -> bool:
    """Whether native code takes these arrays."""
    same = query.dtype == key.dtype == value.dtype
    return same and query.dtype in _NATIVE and bool(query.size and key.size and value.size)


def _four_axes(x: Array, leading: Shape) -> Array:
    """x as (batch, heads, time, features) with features one after another; a view where that is possible."""
    if x.shape[:-2] != leading:
        x = np.broadcast_to(x, (*leading, *x.shape[-2:]))
    if x.ndim != 4:
        x = x.reshape(prod(leading[:-1]), prod(leading[-1:]), *x.shape[-2:])
    step = x.itemsize
    if (x.shape[3] > 1 and x.strides[3] != step) or any(stride % step for stride in x.strides):
        x = np.ascontiguousarray(x)
    return x


def _by_time(shape: Shape, width: int, dtype: Any) -> Array:
    """A new array (batch, heads, time, width) that lies as (batch, time, heads, width)."""
    batch, heads, time = shape[:3]
    return np.empty((batch, time, heads, width), dtype).transpose(0, 2, 1, 3)


def _empty_like(x: Array) -> Array:
    return _by_time(x.shape, x.shape[3], x.dtype)


def _added(mask: Array | None, shape: Shape, dtype: Any) -> Array | None:
    """What is added to scores of this shape, as four axes."""
    if mask is None:
        return None
    mask = mask.astype(dtype, copy=False)
    if mask.shape[-1:] != shape[-1:]:
        # Sources must lie one after another; the other axes need not be there.
        mask = np.ascontiguousarray(np.broadcast_to(mask, (*mask.shape[:-1], shape[-1])))
    return _four_axes(np.broadcast_to(mask, shape), shape[:-2])


def _sum_to(x: Array, shape: Shape) -> Array:
    if x.shape == shape:
        return x
    skipped = x.ndim - len(shape)
    axes = tuple(
        axis for axis in range(x.ndim) if axis < skipped or shape[axis - skipped] == 1 != x.shape[axis]
    )
    return np.add.reduce(x, axis=axes, keepdims=True).reshape(shape)


# ---- plain twins


def _plain_scores(query: Array, key: Array, mask: Array | None, is_causal: bool, scale: float) -> Array:
    scores = np.matmul(query * np.asarray(scale, query.dtype), np.swapaxes(key, -1, -2))
    if mask is not None:
        scores = scores + mask
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -np.inf)
    return scores.astype(query.dtype, copy=False)


def plain_attention(
    query: Array, key: Array, value: Array, mask: Array | None, is_causal: bool, scale: float
) -> tuple[Array, Array]:
    """The twin of attention, which holds all scores."""
    scores = _plain_scores(query, key, mask, is_causal, scale)
    largest = np.maximum.reduce(scores, axis=-1, keepdims=True, initial=-np.inf)
    largest[np.isneginf(largest)] = 0
    weights = np.exp(scores - largest)
    total = np.add.reduce(weights, axis=-1, keepdims=True)
    nothing = total == 0
    y = np.matmul(weights, value) / np.where(nothing, total.dtype.type(1), total)
    with np.errstate(divide="ignore"):
        logs = np.where(nothing, total.dtype.type(np.inf), largest + np.log(total))
    return y, logs[..., 0]


def plain_attention_gradients(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    is_causal: bool,
    scale: float,
    y: Array,
    logs: Array,
    upstream: Array,
) -> tuple[Array, Array, Array]:
    """The twin of attention_gradients."""
    weights = np.exp(_plain_scores(query, key, mask, is_causal, scale) - logs[..., None])
    inner = np.add.reduce(upstream * y, axis=-1, keepdims=True)
    slopes = weights * (np.matmul(upstream, np.swapaxes(value, -1, -2)) - inner)
    slopes *= np.asarray(scale, slopes.dtype)
    return (
        _sum_to(np.matmul(slopes, key), query.shape),
        _sum_to(np.matmul(np.swapaxes(slopes, -1, -2), query), key.shape),
        _sum_to(np.matmul(np.swapaxes(weights, -1, -2), upstream), value.shape),
    )
