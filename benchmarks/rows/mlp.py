"""Multi-layer perceptrons: fully-connected layers with an activation between them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.rows.row import Array, Row, Shapes


@dataclass(frozen=True)
class MLP(Row):
    """Layers of the given sizes; ReLU and cross-entropy, or tanh and squared error."""

    sizes: tuple[int, ...] = (784, 512, 256, 10)

    @property
    def _activation(self) -> str:
        return "ReLU" if self.loss == "cross_entropy" else "Tanh"

    def _names(self) -> list[str]:
        """Layers and activations alternate in the Sequential, which counts both."""
        return [str(2 * position) for position in range(len(self.sizes) - 1)]

    def shapes(self) -> Shapes:
        shapes: Shapes = {}
        for name, (inputs, outputs) in zip(self._names(), pairwise(self.sizes), strict=True):
            shapes |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
        return shapes

    def one_batch(self, generator: np.random.Generator) -> tuple[Array, Array]:
        x = generator.normal(size=(self.batch, self.sizes[0])).astype(np.float32)
        if self.loss == "mse_loss":
            return x, np.prod(x, axis=1, keepdims=True).astype(np.float32)
        return x, generator.integers(0, self.sizes[-1], self.batch)

    def build(self, nn: Any, functions: Any) -> Any:
        layers = []
        for inputs, outputs in pairwise(self.sizes):
            layers += [nn.Linear(inputs, outputs), getattr(nn, self._activation)()]
        return nn.Sequential(*layers[:-1])

    def in_jax(self, layers: Any, values: dict[str, Any], x: Any) -> Any:
        activation = layers.relu if self._activation == "ReLU" else layers.tanh
        *hidden, last = self._names()
        for name in hidden:
            x = activation(layers.linear(values, name, x))
        return layers.linear(values, last, x)

    def multiply_adds(self) -> tuple[int, int]:
        products = [self.batch * math.prod(pair) for pair in pairwise(self.sizes)]
        return sum(products), products[0]

    def tiny(self) -> MLP:
        hidden = (7,) * (len(self.sizes) - 2)
        return replace(self, sizes=(2, *hidden, self.sizes[-1]), batch=min(self.batch, 5))


ROWS = [
    MLP("mlp", "MLP 784-512-256-10, batch 128", 128),
    MLP("mlp-online", "MLP 2-16-1, batch 1", 1, loss="mse_loss", sizes=(2, 16, 1)),
]
MORE_ROWS = [
    MLP("mlp-1", "MLP 784-512-256-10, batch 1", 1, learning_rate=0.001),
    MLP("mlp-32", "MLP 784-512-256-10, batch 32", 32),
    MLP("mlp-1024", "MLP 784-512-256-10, batch 1024", 1024),
    MLP("mlp-adamw", "MLP 784-512-256-10, batch 128, AdamW", 128, optimizer="adamw", learning_rate=0.001),
]
