"""A plain convolutional network: 3x3 convolutions with ReLU, pooled after every second one, then linear."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.rows.row import Array, Row, Shapes


@dataclass(frozen=True)
class CNN(Row):
    """Images of three channels; four convolutions of the given channels, two fully-connected layers."""

    channels: tuple[int, ...] = (3, 32, 32, 64, 64)
    size: int = 32
    hidden: int = 256

    @property
    def _features(self) -> int:
        return self.channels[-1] * (self.size // 4) ** 2

    def shapes(self) -> Shapes:
        convolutions = [(outputs, inputs, 3, 3) for inputs, outputs in pairwise(self.channels)]
        layers = dict(zip(("0", "2", "5", "7"), convolutions, strict=True))
        layers |= {"11": (self.hidden, self._features), "13": (10, self.hidden)}
        shapes: Shapes = {}
        for name, shape in layers.items():
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        return shapes

    def one_batch(self, generator: np.random.Generator) -> tuple[Array, Array]:
        shape = (self.batch, self.channels[0], self.size, self.size)
        return generator.normal(size=shape).astype(np.float32), generator.integers(0, 10, self.batch)

    def build(self, nn: Any, functions: Any) -> Any:
        layers = []
        for position, (inputs, outputs) in enumerate(pairwise(self.channels)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            if position % 2:
                layers.append(nn.MaxPool2d(2))
        layers += [
            nn.Flatten(),
            nn.Linear(self._features, self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, 10),
        ]
        return nn.Sequential(*layers)

    def in_jax(self, layers: Any, values: dict[str, Any], x: Any) -> Any:
        for first, second in (("0", "2"), ("5", "7")):
            x = layers.relu(layers.conv2d(values, first, x, padding=1))
            x = layers.max_pool(layers.relu(layers.conv2d(values, second, x, padding=1)))
        x = layers.relu(layers.linear(values, "11", layers.flatten(x)))
        return layers.linear(values, "13", x)

    def multiply_adds(self) -> tuple[int, int]:
        convolutions = []
        for position, (inputs, outputs) in enumerate(pairwise(self.channels)):
            pixels = (self.size // (2 if position > 1 else 1)) ** 2
            convolutions.append(self.batch * pixels * outputs * inputs * 9)
        linear = self.batch * (self._features * self.hidden + self.hidden * 10)
        return sum(convolutions) + linear, convolutions[0]

    def tiny(self) -> CNN:
        return replace(self, channels=(3, 4, 4, 5, 5), size=8, hidden=6, batch=3)


ROWS = [CNN("cnn", "CNN 3-32-32-64-64, 2 linear, 32x32, batch 64", 64)]
