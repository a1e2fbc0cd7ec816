"""What a layer costs: the multiplications with addition of one forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from deltarule.nn.convolution import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from deltarule.nn.linear import Linear
from deltarule.nn.module import Module
from deltarule.nn.multihead_attention import MultiheadAttention
from deltarule.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

Shape = tuple[int, ...]


def _linear(layer: Any, inputs: Sequence[Shape], output: Shape) -> int:
    return math.prod(output) * layer.in_features


def _convolution(layer: Any, inputs: Sequence[Shape], output: Shape) -> int:
    positions = math.prod(output) // layer.out_channels
    return layer.weight.size * positions


def _transposed_convolution(layer: Any, inputs: Sequence[Shape], output: Shape) -> int:
    positions = math.prod(inputs[0]) // layer.in_channels
    return layer.weight.size * positions


def _recurrence(layer: Any, inputs: Sequence[Shape], output: Shape) -> int:
    """Each weight matrix of each layer and direction is applied once for each row of each step."""
    rows = math.prod(inputs[0][:-1])
    return rows * sum(
        parameter.size for name, parameter in layer.named_parameters() if name.startswith("weight")
    )


def _attention(layer: Any, inputs: Sequence[Shape], output: Shape) -> int:
    """Projections in, scores and weighted means; out_proj is a layer of its own."""
    query, key, value = inputs[:3]
    width, sources = layer.embed_dim, key[1 if layer.batch_first else 0]
    projections = sum(math.prod(shape) * width for shape in (query, key, value))
    return projections + 2 * query[0] * query[1] * sources * width


COSTS: dict[type[Module], Callable[[Any, Sequence[Shape], Shape], int]] = {
    Linear: _linear,
    Conv1d: _convolution,
    Conv2d: _convolution,
    ConvTranspose1d: _transposed_convolution,
    ConvTranspose2d: _transposed_convolution,
    RNN: _recurrence,
    GRU: _recurrence,
    LSTM: _recurrence,
    RNNCell: _recurrence,
    GRUCell: _recurrence,
    LSTMCell: _recurrence,
    MultiheadAttention: _attention,
}


def multiply_adds(layer: Module, inputs: Sequence[Shape], output: Shape) -> int:
    """Multiplications, each with its addition, of one forward pass of a layer: products of matrices only.

    layer    any module; its sub-modules are not counted, being layers of their own
    inputs   shapes of the tensors that it was called with
    output   shape of its first output

    Element-wise work (activations, normalisation, pooling, biases) is not counted, being small beside it.

    >>> import deltarule as dr
    >>> dr.nn.cost.multiply_adds(dr.nn.Linear(3, 2), [(4, 3)], (4, 2))
    24
    """
    for kind in type(layer).__mro__:
        if kind in COSTS:
            return COSTS[kind](layer, inputs, output)
    return 0
