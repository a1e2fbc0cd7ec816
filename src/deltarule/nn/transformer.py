"""Transformer layers: attention and a two-layer network, each with a residual path and normalisation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import DTypeError
from deltarule.nn.activation import activation as activation_named
from deltarule.nn.containers import ModuleList
from deltarule.nn.dropout import Dropout
from deltarule.nn.linear import Linear
from deltarule.nn.module import Module
from deltarule.nn.multihead_attention import MultiheadAttention
from deltarule.nn.normalisation import LayerNorm
from deltarule.nn.sizes import whole_number


def _activation(who: str, activation: Any) -> Callable[[Tensor], Any]:
    if isinstance(activation, str):
        return activation_named(activation).forward
    if not callable(activation):
        raise DTypeError(who, f"activation expected a name or a function, got {activation!r}", 'Try "relu".')
    return activation


class _Layer(Module):
    """What encoder and decoder layers share: the feed-forward network and the residual path."""

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _attend(self, attention: Module, x: Tensor, memory: Tensor, mask: Any, padding: Any, causal: bool):
        output, _ = attention(
            x, memory, memory, key_padding_mask=padding, need_weights=False, attn_mask=mask, is_causal=causal
        )
        return output

    def _residual(
        self, x: Tensor, norm: Module, dropout: Module, branch: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """x plus a branch, normalised before the branch (norm_first) or after the sum."""
        if self.norm_first:
            return x + dropout(branch(norm(x)))
        return norm(x + dropout(branch(x)))


class TransformerEncoderLayer(_Layer):
    """Self-attention, then a two-layer network on each position.

    a = norm1(x + attention(x, x, x)),  y = norm2(a + linear2(activation(linear1(a))))
    with norm_first: a = x + attention(n, n, n) where n = norm1(x),  y = a + feed_forward(norm2(a))

    d_model, nhead    features, and heads among which they are divided
    dim_feedforward   features between linear1 and linear2
    dropout           probability of dropping, in attention weights, inside and after both branches
    activation        name of an activation ("relu", "gelu", ...) or a function
    layer_norm_eps    eps of both normalisations
    batch_first       False for inputs and output as (time, batch, d_model); True here, unlike in PyTorch
    norm_first        normalise before each branch rather than after the sum
    bias              False leaves all biases out

    Calling it takes src (batch, time, d_model), and src_mask, src_key_padding_mask and is_causal as
    MultiheadAttention's attn_mask, key_padding_mask and is_causal; returns src's shape.

    Raises ArgumentError for sizes that do not divide, ShapeError for inputs that do not fit.
    Source: Vaswani et al. 2017; norm_first: Xiong et al. 2020.

    >>> import deltarule as dr
    >>> layer = dr.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16)
    >>> layer(dr.zeros((1, 5, 8))).shape
    (1, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = None,
    ):
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype)
        self.norm_first = bool(norm_first)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation("TransformerEncoderLayer", activation)

    def forward(
        self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Tensor:
        x = self._residual(
            as_tensor(src),
            self.norm1,
            self.dropout1,
            lambda n: self._attend(self.self_attn, n, n, src_mask, src_key_padding_mask, is_causal),
        )
        return self._residual(x, self.norm2, self.dropout2, self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the encoder's output, then a two-layer network on each position.

    a = norm1(x + self_attn(x, x, x)),  b = norm2(a + multihead_attn(a, memory, memory)),
    y = norm3(b + linear2(activation(linear1(b)))); with norm_first normalised before each branch instead

    Options are those of TransformerEncoderLayer.

    Calling it takes tgt (batch, targets, d_model), memory (batch, sources, d_model), and as
    MultiheadAttention's masks tgt_mask, tgt_key_padding_mask, tgt_is_causal for the targets, memory_mask,
    memory_key_padding_mask, memory_is_causal for the memory; returns tgt's shape.

    Raises ArgumentError for sizes that do not divide, ShapeError for inputs that do not fit.
    Source: Vaswani et al. 2017.

    >>> import deltarule as dr
    >>> layer = dr.nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16)
    >>> layer(dr.zeros((1, 3, 8)), dr.zeros((1, 5, 8)), tgt_is_causal=True).shape
    (1, 3, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = None,
    ):
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
        )
        self.multihead_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype)
        self.norm_first = bool(norm_first)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation("TransformerDecoderLayer", activation)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        memory = as_tensor(memory)
        x = self._residual(
            as_tensor(tgt),
            self.norm1,
            self.dropout1,
            lambda n: self._attend(self.self_attn, n, n, tgt_mask, tgt_key_padding_mask, tgt_is_causal),
        )
        x = self._residual(
            x,
            self.norm2,
            self.dropout2,
            lambda n: self._attend(
                self.multihead_attn, n, memory, memory_mask, memory_key_padding_mask, memory_is_causal
            ),
        )
        return self._residual(x, self.norm3, self.dropout3, self._feed_forward)


class TransformerEncoder(Module):
    """A stack of encoder layers, each a copy of the given one with parameters of its own.

    encoder_layer   a TransformerEncoderLayer; its values are where all copies start, as in PyTorch
    num_layers      how many copies
    norm            a last normalisation, or None; wanted where the layers normalise first

    Calling it takes src (batch, time, d_model), and mask, src_key_padding_mask and is_causal, given to
    every layer.

    Raises ArgumentError for num_layers below 1.

    >>> import deltarule as dr
    >>> encoder = dr.nn.TransformerEncoder(dr.nn.TransformerEncoderLayer(8, 2, 16), num_layers=2)
    >>> encoder(dr.zeros((1, 5, 8)), is_causal=True).shape
    (1, 5, 8)
    """

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None):
        self.num_layers = whole_number("TransformerEncoder", "num_layers", num_layers)
        self.layers = ModuleList(copy.deepcopy(encoder_layer) for _ in range(num_layers))
        self.norm = norm

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Tensor:
        x = as_tensor(src)
        for layer in self.layers:
            x = layer(x, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=is_causal)
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """A stack of decoder layers, each a copy of the given one with parameters of its own.

    decoder_layer   a TransformerDecoderLayer; its values are where all copies start, as in PyTorch
    num_layers      how many copies
    norm            a last normalisation, or None; wanted where the layers normalise first

    Calling it takes what the layer takes; the masks are given to every layer.

    Raises ArgumentError for num_layers below 1.

    >>> import deltarule as dr
    >>> decoder = dr.nn.TransformerDecoder(dr.nn.TransformerDecoderLayer(8, 2, 16), num_layers=2)
    >>> decoder(dr.zeros((1, 3, 8)), dr.zeros((1, 5, 8))).shape
    (1, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None):
        self.num_layers = whole_number("TransformerDecoder", "num_layers", num_layers)
        self.layers = ModuleList(copy.deepcopy(decoder_layer) for _ in range(num_layers))
        self.norm = norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        x = as_tensor(tgt)
        memory = as_tensor(memory)
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask,
                memory_mask,
                tgt_key_padding_mask,
                memory_key_padding_mask,
                tgt_is_causal,
                memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)
