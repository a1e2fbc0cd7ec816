"""Rows of scaled dot-product attention and of self-attention on packed projections."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

from deltarule.errors import ShapeError
from deltarule.operations.attention import scaled_dot_product_attention
from deltarule.operations.self_attention import self_attention
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(11)
QUERY, KEY, VALUE = (_generator.normal(size=shape) for shape in ((2, 3, 4), (2, 5, 4), (2, 5, 2)))
ALLOWED = np.array([[1, 1, 0, 0, 1], [1, 0, 0, 0, 0], [0, 1, 1, 1, 0]], bool)
ADDED = np.where(ALLOWED, _generator.normal(size=(3, 5)), -np.inf)


def _weights(query: Any, key: Any, mask: Any, is_causal: bool, scale: float) -> Any:
    scores = scale * query @ np.swapaxes(key, -1, -2)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    return scipy.special.softmax(scores, axis=-1)


def _attention(
    query: Any, key: Any, value: Any, mask: Any = None, is_causal: bool = False, scale: Any = None
) -> Any:
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return _weights(query, key, mask, is_causal, scale) @ value


PROJECTED = _generator.normal(size=(2, 3, 12))


def _self_attention(
    projected: Any, mask: Any = None, num_heads: int = 1, is_causal: bool = False, scale: Any = None
) -> Any:
    batch, time, width = projected.shape
    heads = [
        part.reshape(batch, time, num_heads, width // (3 * num_heads)).swapaxes(1, 2)
        for part in np.split(projected, 3, axis=-1)
    ]
    return _attention(*heads, mask, is_causal, scale).swapaxes(1, 2).reshape(batch, time, width // 3)


def _of_heads(projected: Any, mask: Any = None, **options: Any) -> Any:
    return self_attention(projected, attn_mask=mask, **options)


CASES: list[Case] = [
    *(
        Case(scaled_dot_product_attention, inputs, _attention, options, constant=(3,))
        for inputs, options in (
            ((QUERY, KEY, VALUE), {}),
            ((QUERY, KEY, VALUE), {"scale": 0.3}),
            ((QUERY[0], KEY[0], VALUE[0]), {"is_causal": True}),
            ((QUERY, KEY, VALUE, ADDED), {}),
            ((QUERY, KEY, VALUE, ADDED), {"is_causal": True}),
            ((QUERY, KEY, VALUE, ALLOWED), {}),
            ((QUERY, KEY, VALUE, KEY[0, :3, :1]), {}),
            ((QUERY[:, None], KEY[0], VALUE[None]), {}),
            ((QUERY[:1], KEY, VALUE), {"is_causal": True}),
            ((QUERY[:, :1, :1], KEY[:, :1, :1], VALUE[:, :1, :1]), {}),
        )
    ),
    Case(scaled_dot_product_attention, (QUERY[:, :0], KEY, VALUE), _attention),
    *(
        Case(_of_heads, inputs, _self_attention, options, operation="self_attention", constant=(1,))
        for inputs, options in (
            ((PROJECTED,), {"num_heads": 2}),
            ((PROJECTED,), {"num_heads": 1, "is_causal": True}),
            ((PROJECTED, ADDED[:, [0, 1, 3]]), {"num_heads": 2}),
            ((PROJECTED, ALLOWED[None, None, :1, :3]), {"num_heads": 4, "scale": 0.7}),
            ((PROJECTED[:1, :1, :3],), {"num_heads": 1}),
        )
    ),
    Case(_of_heads, (PROJECTED[:0],), _self_attention, {"num_heads": 1}, operation="self_attention"),
]

ERRORS: list[ErrorCase] = [
    ErrorCase(
        lambda: scaled_dot_product_attention(QUERY, KEY[:, :, :3], VALUE),
        ShapeError,
        ("scaled_dot_product_attention: query and key expected the same number of features",),
    ),
    ErrorCase(
        lambda: scaled_dot_product_attention(QUERY, KEY, VALUE[:, :4]),
        ShapeError,
        ("value expected 5 sources on the axis before the last",),
    ),
    ErrorCase(
        lambda: scaled_dot_product_attention(QUERY, np.zeros((3, 5, 4)), VALUE),
        ShapeError,
        ("leading axes of key expected to broadcast with (2,), got (3,)",),
    ),
    ErrorCase(
        lambda: self_attention(np.zeros((2, 3, 12)), 3),
        ShapeError,
        ("self_attention: projected expected shape (batch, time, 3 · features)", "num_heads=3"),
    ),
]
