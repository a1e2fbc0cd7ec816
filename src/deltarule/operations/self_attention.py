"""Attention of a sequence to itself, all heads at once, on queries, keys and values that lie side by side.

One linear layer gives all three; nothing is copied to take them apart, nor to put the heads together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Sum,
    Symbol,
    array_function,
    broadcast_indices,
    function,
    less,
    less_equal,
    where,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.kernels import attention as kernels
from deltarule.operations.attention import ATTENTION, SYMBOLS, additive_mask
from deltarule.operations.elementwise import promote
from deltarule.operations.shape import permute_dims, reshape

_PARTS = ("query", "key", "value")


def _split_heads(x: Any, heads: int, part: int = 0, parts: int = 1) -> Any:
    """(batch, heads, time, width) of one of the parts whose features lie side by side."""
    batch, time, features = x.shape
    split = x.reshape(batch, time, parts, heads, features // (parts * heads))
    return np.swapaxes(split[:, :, part], 1, 2)


def _joined(*heads: Any) -> Any:
    """(batch, heads, time, width) each, as (batch, time, all features side by side)."""
    rows = [np.swapaxes(x, 1, 2) for x in heads]
    return np.concatenate([x.reshape(*x.shape[:2], x.shape[2] * x.shape[3]) for x in rows], axis=-1)


def _heads_shape(x: Shape, heads: int, parts: int) -> Shape:
    batch, time, features = x
    return batch, heads, time, features // (parts * heads)


define_array_function(
    "heads",
    lambda x, heads, part: _split_heads(x, heads, part, len(_PARTS)),
    r"\operatorname{{heads}}_{{{heads};\, {part}}}\left({0}\right)",
    shape=lambda x, heads, part: _heads_shape(x, heads, len(_PARTS)),
    source=f"split_heads({{0}}, {{heads}}, part={{part}}, parts={len(_PARTS)})",
    helper=_split_heads,
)
define_array_function(
    "one_part",
    _split_heads,
    r"\operatorname{{heads}}_{{{heads}}}\left({0}\right)",
    shape=lambda x, heads: _heads_shape(x, heads, 1),
    source="split_heads({0}, {heads})",
    helper=_split_heads,
)
define_array_function(
    "joined",
    _joined,
    r"\operatorname{{joined}}\left({all}\right)",
    shape=lambda *heads: (heads[0][0], heads[0][2], sum(x[1] * x[3] for x in heads)),
)


class _SelfAttention(Group):
    name = "self_attention"
    inputs = ("projected", "attn_mask")
    reads = ("projected", "attn_mask", "y")
    saves = True
    symbols = {
        **SYMBOLS,
        "projected": ("x", "X"),
        "grad_query": (r"\dot{q}", r"\dot{Q}"),
        "grad_key": (r"\dot{k}", r"\dot{K}"),
        "grad_value": (r"\dot{v}", r"\dot{V}"),
    }

    def shape(
        self, projected: Shape, mask: Shape | None = None, *, num_heads: int, is_causal: bool, scale: float
    ) -> Shape:
        if len(projected) != 3 or projected[2] % (3 * num_heads):
            raise ShapeError(
                self.name,
                f"projected expected shape (batch, time, 3 · features) with features a multiple of "
                f"num_heads={num_heads}, got {projected}",
                "Queries, keys and values lie side by side.",
            )
        batch, time, width = projected
        one = (batch, num_heads, time, width // (3 * num_heads))
        constants = () if mask is None else (mask,)
        ATTENTION.shape(one, one, one, *constants, is_causal=is_causal, scale=scale)
        return batch, time, width // 3

    def open(
        self,
        projected: Tensor,
        mask: Tensor | None = None,
        *,
        num_heads: int,
        is_causal: bool,
        scale: float,
    ) -> Tensor:
        batch, time, width = projected.shape
        size = width // 3
        heads = [
            permute_dims(
                reshape(projected[:, :, start : start + size], (batch, time, num_heads, size // num_heads)),
                (0, 2, 1, 3),
            )
            for start in (0, size, 2 * size)
        ]
        constants = () if mask is None else (mask,)
        attended = apply(ATTENTION, *heads, *constants, is_causal=is_causal, scale=scale)
        return reshape(permute_dims(attended, (0, 2, 1, 3)), (batch, time, size))

    def forward(
        self,
        projected: Array,
        mask: Array | None = None,
        *,
        num_heads: int,
        is_causal: bool,
        scale: float,
    ) -> tuple[Array, Array]:
        return kernels.self_attention(projected, num_heads, mask, is_causal, scale)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        projected, *mask = (tensor._array for tensor in node.inputs)
        heads, is_causal, scale = (node.parameters[name] for name in ("num_heads", "is_causal", "scale"))
        gradient = kernels.self_attention_gradient(
            projected,
            heads,
            mask[0] if mask else None,
            is_causal,
            scale,
            node.values[0],
            node.saved,
            upstream,
        )
        return (gradient, *(None for _ in mask))

    def formula(self, call: Call) -> Formula:
        batch, time, size = call.shapes["y"]
        heads, scale = call.parameters["num_heads"], call.parameters["scale"]
        width = size // heads
        x, y, grad = call.symbol("projected"), call.symbol("y"), call.upstream()
        n, h, c, f = Index("n", batch), Index("h", heads), Index("c", size), Index("f", 3 * size)
        t, s, r, d = Index("t", time), Index("s", time), Index("r", time), Index("d", width)
        scores, weights, shares = (Symbol(name, 4) for name in ("scores", "weights", "shares"))
        head, own = c // width, h * width
        score: Expression = scale * Sum(x[n, t, own + d] * x[n, s, size + own + d], d)
        query, key, value = (array_function("heads", x, heads=heads, part=part) for part in range(3))
        whole: Expression = scale * (query @ key.T)
        if "attn_mask" in call.shapes:
            mask = call.symbol("attn_mask")
            score = score + mask.at(broadcast_indices(call.shapes["attn_mask"], (n, h, t, s)))
            whole = whole + mask
        exponential: Expression = function("exp", scores[n, h, t, s])
        other: Expression = function("exp", scores[n, h, t, r])
        exponentials: Expression = function("exp", scores)
        if call.parameters["is_causal"]:
            exponential, other = exponential * less_equal(s, t), other * less_equal(r, t)
            exponentials = array_function("tril", exponentials, k=0)
        total = array_function("sum", exponentials, axis=-1, keepdims=True)
        value_form = form(
            [
                Equation(scores[n, h, t, s], score),
                Equation(weights[n, h, t, s], exponential / Sum(other, r)),
                Equation(y[n, t, c], Sum(weights[n, head, t, s] * x[n, s, 2 * size + c], s)),
            ],
            [
                Equation(scores, whole),
                Equation(weights, exponentials / total),
                Equation(y, array_function("joined", weights @ value)),
            ],
        )
        given, answered = grad[n, t, own + d], y[n, t, own + d]
        inner = Sum(given * x[n, s, 2 * size + own + d], d) - Sum(given * answered, d)
        parts = [Symbol(f"grad_{name}", 3) for name in _PARTS]
        upstream, result = (array_function("one_part", each, heads=heads) for each in (grad, y))
        aligned = array_function("sum", upstream * result, axis=-1, keepdims=True)
        place = f % size
        whole_parts = (shares @ key, shares.T @ query, weights.T @ upstream)
        gradient = form(
            [
                Equation(shares[n, h, t, s], scale * weights[n, h, t, s] * inner),
                Equation(parts[0][n, t, c], Sum(shares[n, head, t, s] * x[n, s, size + c], s)),
                Equation(parts[1][n, s, c], Sum(shares[n, head, t, s] * x[n, t, c], t)),
                Equation(parts[2][n, s, c], Sum(weights[n, head, t, s] * grad[n, t, c], t)),
                Equation(
                    call.gradient("projected")[n, t, f],
                    where(
                        less(f, size),
                        parts[0][n, t, place],
                        where(less(f, 2 * size), parts[1][n, t, place], parts[2][n, t, place]),
                    ),
                ),
            ],
            [
                Equation(shares, scale * (weights * (upstream @ value.T - aligned))),
                Equation(call.gradient("projected"), array_function("joined", *whole_parts)),
            ],
        )
        return Formula(value_form, {"projected": gradient})


SELF_ATTENTION = register(_SelfAttention)


def self_attention(
    projected: Any,
    num_heads: int,
    attn_mask: Any = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Attention of each head to its own part of the features, from queries, keys and values side by side.

    y[n, t, head h] = Σ_s softmax_s(q[n, t, head h] · k[n, s, head h] · scale + mask) v[n, s, head h]

    projected  (batch, time, 3 · features): queries, keys and values, each head's features one after another
    num_heads  heads among which features are divided
    attn_mask  broadcasts to (batch, heads, time, time), as in scaled_dot_product_attention; a constant
    is_causal  a step looks at itself and earlier steps only
    scale      1/√(features of a head) unless given
    returns    (batch, time, features)

    Raises ShapeError for shapes that do not fit. Source: Vaswani et al. 2017, section 3.2.2.

    >>> import deltarule as dr
    >>> self_attention(dr.zeros((1, 5, 12)), num_heads=2).shape
    (1, 5, 4)
    """
    (projected,) = promote((as_tensor(projected),), True, "self_attention")
    mask = additive_mask(attn_mask, projected.dtype)
    width = projected.shape[-1] // (3 * num_heads) if projected.ndim else 1
    factor = 1.0 / math.sqrt(max(width, 1)) if scale is None else float(scale)
    inputs = (projected,) if mask is None else (projected, mask)
    return apply(SELF_ATTENTION, *inputs, num_heads=num_heads, is_causal=bool(is_causal), scale=factor)
