"""LeCun's network for handwritten digits of 1989, trained one sample at a time.

Two layers of 12 feature maps with 5x5 weights shared over positions, stride 2 and a bias of each unit's own;
each map of the second sees eight of the first; 30 hidden units; tanh everywhere, squared error. Of the
paper's scheme of connections the counts are known, 9,760 parameters in all; which eight is chosen here.
Source: LeCun, Boser, Denker, Henderson, Howard, Hubbard & Jackel 1989.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.rows.row import Array, Row, Shapes

# The paper's training digits, and how often it went through them.
DIGITS, PASSES = 7_291, 23
# The maps of the first layer that each third of the second layer sees: both ends of a ring of twelve.
SEEN = ((0, 8), (4, 12), (8, 4))


@dataclass(frozen=True)
class LeCun1989(Row):
    """Images of 16x16 pixels from −1 to 1; the border is −1; targets are −1, and 1 for the digit."""

    def shapes(self) -> Shapes:
        return {
            "weight1": (12, 1, 5, 5),
            "bias1": (12, 8, 8),
            "weight2a": (4, 8, 5, 5),
            "weight2b": (4, 8, 5, 5),
            "weight2c": (4, 8, 5, 5),
            "bias2": (12, 4, 4),
            "hidden.weight": (30, 192),
            "hidden.bias": (30,),
            "output.weight": (10, 30),
            "output.bias": (10,),
        }

    def one_batch(self, generator: np.random.Generator) -> tuple[Array, Array]:
        images = generator.uniform(-1, 1, (self.batch, 1, 16, 16)).astype(np.float32)
        targets = np.full((self.batch, 10), -1, np.float32)
        targets[np.arange(self.batch), generator.integers(0, 10, self.batch)] = 1
        return images, targets

    def build(self, nn: Any, functions: Any) -> Any:
        shapes = self.shapes()

        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                for name in ("weight1", "bias1", "weight2a", "weight2b", "weight2c", "bias2"):
                    setattr(self, name, functions.parameter(shapes[name]))
                self.hidden = nn.Linear(192, 30)
                self.output = nn.Linear(30, 10)

            def forward(self, x: Any) -> Any:
                x = functions.pad_images(x, 2, -1.0)
                x = functions.tanh(functions.conv2d(x, self.weight1, stride=2) + self.bias1)
                x = functions.pad_images(x, 2, -1.0)
                maps = []
                weights = (self.weight2a, self.weight2b, self.weight2c)
                for (first, last), weight in zip(SEEN, weights, strict=True):
                    seen = x[:, first:last]
                    if first > last:
                        seen = functions.concat([x[:, :last], x[:, first:]], 1)
                    maps.append(functions.conv2d(seen, weight, stride=2))
                x = functions.tanh(functions.concat(maps, 1) + self.bias2)
                x = functions.tanh(self.hidden(functions.flatten(x, 1)))
                return functions.tanh(self.output(x))

        return Network()

    def in_jax(self, layers: Any, values: dict[str, Any], x: Any) -> Any:
        x = layers.convolve(layers.pad_images(x, 2, -1.0), values["weight1"], 2)
        x = layers.pad_images(layers.tanh(x + values["bias1"]), 2, -1.0)
        maps = []
        for (first, last), name in zip(SEEN, ("weight2a", "weight2b", "weight2c"), strict=True):
            seen = x[:, first:last]
            if first > last:
                seen = layers.concatenate([x[:, :last], x[:, first:]], 1)
            maps.append(layers.convolve(seen, values[name], 2))
        x = layers.tanh(layers.concatenate(maps, 1) + values["bias2"])
        x = layers.tanh(layers.linear(values, "hidden", layers.flatten(x)))
        return layers.tanh(layers.linear(values, "output", x))

    def multiply_adds(self) -> tuple[int, int]:
        first = self.batch * 64 * 12 * 25
        second = self.batch * 16 * 12 * 8 * 25
        return first + second + self.batch * (192 * 30 + 30 * 10), first

    def tiny(self) -> LeCun1989:
        return self


MORE_ROWS = [
    LeCun1989(
        "lecun-1989",
        "LeCun 1989, 16x16, one sample at a time",
        1,
        loss="mse_loss",
        learning_rate=0.03,
        whole_run=DIGITS * PASSES,
    )
]
