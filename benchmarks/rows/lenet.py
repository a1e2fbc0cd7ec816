"""LeNet-5 with ReLU and the largest of four pixels: two convolutions, three fully-connected layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.rows.row import Array, Row, Shapes


@dataclass(frozen=True)
class LeNet(Row):
    """Images of size x size pixels, a multiple of 4 and at least 16."""

    size: int = 28

    @property
    def _features(self) -> int:
        side = (self.size // 2 - 4) // 2
        return 16 * side * side

    def shapes(self) -> Shapes:
        layers = {
            "0": (6, 1, 5, 5),
            "3": (16, 6, 5, 5),
            "7": (120, self._features),
            "9": (84, 120),
            "11": (10, 84),
        }
        shapes: Shapes = {}
        for name, shape in layers.items():
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        return shapes

    def one_batch(self, generator: np.random.Generator) -> tuple[Array, Array]:
        images = generator.normal(size=(self.batch, 1, self.size, self.size)).astype(np.float32)
        return images, generator.integers(0, 10, self.batch)

    def build(self, nn: Any, functions: Any) -> Any:
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(self._features, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, 10),
        )

    def in_jax(self, layers: Any, values: dict[str, Any], x: Any) -> Any:
        x = layers.max_pool(layers.relu(layers.conv2d(values, "0", x, padding=2)))
        x = layers.max_pool(layers.relu(layers.conv2d(values, "3", x)))
        x = layers.relu(layers.linear(values, "7", layers.flatten(x)))
        x = layers.relu(layers.linear(values, "9", x))
        return layers.linear(values, "11", x)

    def multiply_adds(self) -> tuple[int, int]:
        first = self.batch * self.size**2 * 6 * 25
        second = self.batch * (self.size // 2 - 4) ** 2 * 16 * 6 * 25
        linear = self.batch * (self._features * 120 + 120 * 84 + 84 * 10)
        return first + second + linear, first

    def tiny(self) -> LeNet:
        return replace(self, size=16, batch=min(self.batch, 3))


ROWS = [LeNet("lenet", "LeNet, 28x28, batch 64", 64)]
MORE_ROWS = [LeNet("lenet-inference", "LeNet, forward only, batch 1", 1, training=False)]
