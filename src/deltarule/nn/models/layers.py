"""The stack of fully-connected layers that several models end in."""

from __future__ import annotations

from collections.abc import Sequence

from deltarule.nn.activation import activation as activation_named
from deltarule.nn.containers import Sequential
from deltarule.nn.dropout import Dropout
from deltarule.nn.linear import Linear
from deltarule.nn.module import Module
from deltarule.nn.normalisation import BatchNorm1d


def hidden_layers(
    in_features: int, sizes: Sequence[int], activation: str, dropout: float = 0.0, batch_norm: bool = False
) -> Sequential:
    """For each size a linear layer and its activation, with normalisation between and dropout after them."""
    layers: dict[str, Module] = {}
    for number, size in enumerate(sizes, start=1):
        layers[f"linear{number}"] = Linear(in_features, size)
        if batch_norm:
            layers[f"norm{number}"] = BatchNorm1d(size)
        layers[f"{activation}{number}"] = activation_named(activation)
        if dropout:
            layers[f"dropout{number}"] = Dropout(dropout)
        in_features = size
    return Sequential(layers)
