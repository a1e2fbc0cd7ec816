"""Attention: means of values, weighted by how well keys match queries; composed of operations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import DTypeError, ShapeError
from deltarule.operations.arithmetic import add, multiply, where
from deltarule.operations.dropout import dropout
from deltarule.operations.linear_algebra import matmul
from deltarule.operations.shape import swapaxes
from deltarule.operations.softmax import softmax


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """For each query the mean of the values, weighted by how well their keys match it.

    y = softmax(query · keyᵀ · scale + mask) · value, with the softmax over the keys

    query      (..., targets, features)
    key        (..., sources, features)
    value      (..., sources, value features)
    attn_mask  broadcasts to (..., targets, sources): True where a target may look at a source, or numbers
               that are added (−∞ forbids)
    dropout_p  probability of dropping a weight; always applied, so give 0 in evaluation
    is_causal  target t looks at sources up to t only; combines with attn_mask
    scale      1/√features unless given
    returns    (..., targets, value features); zeros for a target that may look at nothing

    Raises ShapeError for shapes that do not fit, DTypeError for an integer mask.
    Source: Vaswani et al. 2017, eq. 1.

    >>> import deltarule as dr
    >>> q, k, v = dr.zeros((1, 4)), dr.zeros((2, 4)), dr.tensor([[1.0], [3.0]])
    >>> dr.nn.scaled_dot_product_attention(q, k, v)
    tensor([[2.]], dtype=float32)
    """
    value = as_tensor(value)
    weights = attention_weights(query, key, attn_mask, is_causal, scale)
    if value.ndim < 2 or value.shape[-2] != weights.shape[-1]:
        raise ShapeError(
            "scaled_dot_product_attention",
            f"value expected {weights.shape[-1]} sources on the axis before the last, as key has, "
            f"got shape {value.shape}",
            "Each key needs its value.",
        )
    if dropout_p:
        weights = dropout(weights, dropout_p, True)
    return matmul(weights, value)


def attention_weights(
    query: Any, key: Any, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Tensor:
    """How much each target looks at each source: rows that add up to 1.

    w = softmax(query · keyᵀ · scale + mask)

    Arguments and errors are those of scaled_dot_product_attention; returns (..., targets, sources).

    >>> import deltarule as dr
    >>> dr.nn.attention.attention_weights(dr.zeros((2, 4)), dr.zeros((2, 4)), is_causal=True)
    tensor([[1. , 0. ],
            [0.5, 0.5]], dtype=float32)
    """
    who = "scaled_dot_product_attention"
    query, key = as_tensor(query), as_tensor(key)
    if query.ndim < 2 or key.ndim < 2 or query.shape[-1] != key.shape[-1]:
        raise ShapeError(
            who,
            f"query and key expected the same number of features, got {query.shape} and {key.shape}",
            "Both are (..., length, features).",
        )
    factor = 1.0 / math.sqrt(max(query.shape[-1], 1)) if scale is None else float(scale)
    # The queries are scaled rather than the scores: there are usually fewer of them.
    scores = matmul(multiply(query, factor), swapaxes(key, -1, -2))
    blocked = np.zeros(scores.shape[-2:], np.bool_)
    if is_causal:
        blocked = ~np.tri(*scores.shape[-2:], dtype=np.bool_)
    if attn_mask is not None:
        mask = as_tensor(attn_mask)
        if not _spreads(mask.shape, scores.shape):
            raise ShapeError(
                who,
                f"attn_mask expected a shape that broadcasts to {scores.shape}, got {mask.shape}",
                "Its last two axes are (targets, sources).",
            )
        if mask.dtype.kind == "b":
            blocked = blocked | ~mask._array
        elif mask.dtype.kind == "f":
            scores = add(scores, mask)
            blocked = blocked | np.isneginf(mask._array)
        else:
            raise DTypeError(
                who, f"attn_mask expected booleans or floats, got {mask.dtype}", "Use mask != 0."
            )
    return _masked_softmax(scores, blocked)


def _spreads(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) <= len(wanted) and all(
        own in (1, other) for own, other in zip(shape[::-1], wanted[::-1], strict=False)
    )


def _masked_softmax(scores: Tensor, blocked: Array) -> Tensor:
    """Softmax over what is not blocked; a row in which all is blocked gives zeros, not NaN."""
    if not blocked.any():
        return softmax(scores, axis=-1)
    nothing = blocked.all(axis=-1, keepdims=True)
    if not nothing.any():
        return softmax(where(blocked, -math.inf, scores), axis=-1)
    scores = where(nothing, 0.0, where(blocked, -math.inf, scores))
    return where(nothing, 0.0, softmax(scores, axis=-1))
