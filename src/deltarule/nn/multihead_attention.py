"""MultiheadAttention: several attentions side by side, each on its own projection of the features."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import derived
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DTypeError, ShapeError
from deltarule.nn import init
from deltarule.nn.attention import attention_weights, scaled_dot_product_attention
from deltarule.nn.linear import Linear
from deltarule.nn.module import Module
from deltarule.nn.sizes import new_parameter, probability, whole_number
from deltarule.operations.arithmetic import add
from deltarule.operations.dropout import dropout
from deltarule.operations.linear import linear
from deltarule.operations.linear_algebra import matmul
from deltarule.operations.reductions import mean
from deltarule.operations.self_attention import self_attention
from deltarule.operations.shape import permute_dims, reshape, swapaxes


class MultiheadAttention(Module):
    """Attention with several heads, each looking at its own projection of the features.

    head_h = softmax(Q_h K_hᵀ / √d) V_h,  d = embed_dim / num_heads,  Q_h = features h·d to (h+1)·d of
    query · in_proj_weightᵀ + in_proj_bias, likewise K_h of key and V_h of value
    y = concat(head_1, ..., head_H) · out_proj.weightᵀ + out_proj.bias

    embed_dim    features of query and output, a multiple of num_heads
    num_heads    number of heads
    dropout      probability of dropping an attention weight in training mode
    bias         False leaves all biases out
    kdim, vdim   features of key and value, embed_dim unless given
    batch_first  False for inputs and output as (time, batch, features); True here, unlike in PyTorch
    in_proj_weight   (3 · embed_dim, embed_dim): for query, key, value one below the other; with kdim or
                     vdim three matrices q_proj_weight, k_proj_weight, v_proj_weight instead
    in_proj_bias     (3 · embed_dim,)

    Calling it takes query (batch, targets, embed_dim), key and value (batch, sources, ...), and
    key_padding_mask      (batch, sources), True where a source is padding and must not be looked at
    attn_mask             (targets, sources) or (batch · num_heads, targets, sources): True where looking is
                          forbidden (the opposite of scaled_dot_product_attention, as in PyTorch), or numbers
                          that are added
    is_causal             target t looks at sources up to t only; needs no attn_mask, unlike in PyTorch
    need_weights          whether the weights are returned too
    average_attn_weights  the weights as the mean over heads, or of each head
    and returns (output (batch, targets, embed_dim), weights (batch[, num_heads], targets, sources) or None).

    Raises ArgumentError for sizes that do not divide, ShapeError for inputs or masks that do not fit.
    Source: Vaswani et al. 2017, section 3.2.2; initialised with Xavier's uniform values, biases 0.

    >>> import deltarule as dr
    >>> attention = dr.nn.MultiheadAttention(8, num_heads=2)
    >>> x = dr.zeros((1, 5, 8))
    >>> output, weights = attention(x, x, x)
    >>> output.shape, weights.shape
    ((1, 5, 8), (1, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = True,
        dtype: Any = None,
    ):
        who = "MultiheadAttention"
        self.embed_dim = whole_number(who, "embed_dim", embed_dim)
        self.num_heads = whole_number(who, "num_heads", num_heads)
        if embed_dim % num_heads:
            raise ArgumentError(
                who,
                f"embed_dim expected a multiple of num_heads={num_heads}, got {embed_dim}",
                "Each head takes an equal share of the features.",
            )
        self.batch_first = bool(batch_first)
        self.dropout = probability(who, "dropout", dropout)
        self.kdim = embed_dim if kdim is None else whole_number(who, "kdim", kdim)
        self.vdim = embed_dim if vdim is None else whole_number(who, "vdim", vdim)
        self.head_dim = embed_dim // num_heads
        self._same_sizes = self.kdim == self.vdim == embed_dim
        if self._same_sizes:
            self.in_proj_weight = new_parameter(3 * embed_dim, embed_dim, dtype=dtype)
        else:
            self.q_proj_weight = new_parameter(embed_dim, embed_dim, dtype=dtype)
            self.k_proj_weight = new_parameter(embed_dim, self.kdim, dtype=dtype)
            self.v_proj_weight = new_parameter(embed_dim, self.vdim, dtype=dtype)
        self.register_parameter("in_proj_bias", new_parameter(3 * embed_dim, dtype=dtype) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new projections; biases become 0."""
        self.out_proj.reset_parameters()
        for name, parameter in self._parameters.items():
            if parameter is not None and name.endswith("weight"):
                init.xavier_uniform_(parameter)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        one_input = query is key and key is value
        query = as_tensor(query)
        key, value = (query, query) if one_input else (as_tensor(key), as_tensor(value))
        self._check(query, key, value)
        if not self.batch_first:
            query = swapaxes(query, 0, 1)
            key, value = (query, query) if one_input else (swapaxes(key, 0, 1), swapaxes(value, 0, 1))
        mask = self._mask(attn_mask, key_padding_mask, query.shape[0], query.shape[1], key.shape[1])
        if need_weights or (self.training and self.dropout) or (mask is not None and mask.requires_grad):
            attended, weights = self._weighed(query, key, value, one_input, mask, is_causal)
        else:
            attended, weights = self._attended(query, key, value, one_input, mask, is_causal), None
        output = self.out_proj(attended)
        if not self.batch_first:
            output = swapaxes(output, 0, 1)
        if not need_weights or weights is None:
            return output, None
        return output, mean(weights, axis=1) if average_attn_weights else weights

    def _attended(
        self, query: Tensor, key: Tensor, value: Tensor, one_input: bool, mask: Tensor | None, is_causal: bool
    ) -> Tensor:
        """What the heads found, side by side; no weights are kept."""
        if one_input and self._same_sizes:
            projected = linear(query, self.in_proj_weight, self.in_proj_bias)
            return self_attention(projected, self.num_heads, mask, is_causal)
        heads = [self._heads(each) for each in self._projected(query, key, value, one_input)]
        attended = scaled_dot_product_attention(heads[0], heads[1], heads[2], mask, is_causal=is_causal)
        return self._joined(attended)

    def _weighed(
        self, query: Tensor, key: Tensor, value: Tensor, one_input: bool, mask: Tensor | None, is_causal: bool
    ) -> tuple[Tensor, Tensor]:
        """The same, and the weights of each head, some of them dropped in training."""
        heads = [self._heads(each) for each in self._projected(query, key, value, one_input)]
        weights = attention_weights(heads[0], heads[1], mask, is_causal)
        weights = dropout(weights, self.dropout, self.training)
        return self._joined(matmul(weights, heads[2])), weights

    def _joined(self, heads: Tensor) -> Tensor:
        """(batch, heads, length, head_dim) to (batch, length, embed_dim)."""
        batch, _, length, _ = heads.shape
        return reshape(permute_dims(heads, (0, 2, 1, 3)), (batch, length, self.embed_dim))

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        for name, each, features in (
            ("query", query, self.embed_dim),
            ("key", key, self.kdim),
            ("value", value, self.vdim),
        ):
            if each.ndim != 3 or each.shape[2] != features:
                raise ShapeError(
                    "MultiheadAttention",
                    f"{name} expected shape {self._layout(features)}, got {each.shape}",
                    "A single sequence needs a batch axis of length 1.",
                )
        batch = 0 if self.batch_first else 1
        if key.shape[:2] != value.shape[:2] or key.shape[batch] != query.shape[batch]:
            raise ShapeError(
                "MultiheadAttention",
                f"expected one batch, and a value for each key, got query {query.shape}, key {key.shape}, "
                f"value {value.shape}",
                "Key and value come from the same sequence.",
            )

    def _layout(self, features: int) -> str:
        return f"(batch, time, {features})" if self.batch_first else f"(time, batch, {features})"

    def _projected(self, query: Tensor, key: Tensor, value: Tensor, one_input: bool) -> list[Tensor]:
        size, bias = self.embed_dim, self.in_proj_bias
        if one_input and self._same_sizes:
            together = linear(query, self.in_proj_weight, bias)
            return [together[:, :, start : start + size] for start in (0, size, 2 * size)]
        projected = []
        for place, (name, each) in enumerate((("q", query), ("k", key), ("v", value))):
            rows = slice(place * size, (place + 1) * size)
            weight = (
                self.in_proj_weight[rows] if self._same_sizes else self._parameters[f"{name}_proj_weight"]
            )
            projected.append(linear(each, weight, None if bias is None else bias[rows]))
        return projected

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, length, embed_dim) to (batch, heads, length, head_dim)."""
        return permute_dims(reshape(x, (*x.shape[:2], self.num_heads, self.head_dim)), (0, 2, 1, 3))

    def _mask(self, attn_mask: Any, padding: Any, batch: int, targets: int, sources: int) -> Tensor | None:
        """One mask that broadcasts to (batch, heads, targets, sources), True where looking is allowed."""
        masks = []
        if attn_mask is not None:
            mask = _as_mask(attn_mask, "attn_mask")
            stacked = (batch * self.num_heads, targets, sources)
            if mask.shape == stacked:
                mask = reshape(mask, (batch, self.num_heads, targets, sources))
            elif mask.shape != (targets, sources):
                raise ShapeError(
                    "MultiheadAttention",
                    f"attn_mask expected shape {(targets, sources)} or {stacked}, got {mask.shape}",
                    "Give padding as key_padding_mask.",
                )
            masks.append(mask)
        if padding is not None:
            mask = _as_mask(padding, "key_padding_mask")
            if mask.shape != (batch, sources):
                raise ShapeError(
                    "MultiheadAttention",
                    f"key_padding_mask expected shape {(batch, sources)}, got {mask.shape}",
                    "It says for each source of each sequence whether it is padding.",
                )
            masks.append(reshape(mask, (batch, 1, 1, sources)))
        if not masks:
            return None
        if all(mask.dtype.kind == "b" for mask in masks):
            return derived(_allowed, *masks)
        dtype = next(mask.dtype for mask in masks if mask.dtype.kind == "f")
        added = [mask if mask.dtype.kind == "f" else _forbidding(mask, dtype) for mask in masks]
        return added[0] if len(added) == 1 else add(added[0], added[1])

    def extra_repr(self) -> str:
        shown = f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"
        return f"{shown}, dropout={self.dropout}" if self.dropout else shown


def _as_mask(value: Any, name: str) -> Tensor:
    mask = as_tensor(value)
    if mask.dtype.kind not in "bf":
        raise DTypeError(
            "MultiheadAttention", f"{name} expected booleans or floats, got {mask.dtype}", "Use mask != 0."
        )
    return mask


def _forbidding(mask: Tensor, dtype: Any) -> Tensor:
    """Numbers to add instead of booleans: −∞ where True."""
    return derived(_minus_infinity_where, mask, dtype=dtype)


def _minus_infinity_where(mask: Array, *, dtype: Any) -> Array:
    return np.where(mask, -math.inf, 0.0).astype(dtype)


def _allowed(forbidding: Array, *others: Array) -> Array:
    """True where none of the masks is."""
    for each in others:
        forbidding = forbidding | each
    return ~forbidding
