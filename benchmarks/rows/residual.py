"""A residual convolutional network with batch normalisation: three stages, halved in size between them.

Source: He, Zhang, Ren & Sun 2016, section 4.2, with one block a stage and 1x1 projections.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.rows.row import Array, Row, Shapes


@dataclass(frozen=True)
class Residual(Row):
    """A first convolution, one block of two convolutions a stage, the mean over pixels, one linear layer."""

    channels: tuple[int, ...] = (16, 32, 64)
    size: int = 32

    def _blocks(self) -> list[tuple[str, int, int]]:
        """(name, channels in, channels out); every stage but the first begins with stride 2."""
        before = (self.channels[0], *self.channels)
        return [(f"blocks.{place}", before[place], after) for place, after in enumerate(self.channels)]

    def _normalised(self) -> dict[str, int]:
        """Channels of each batch normalisation."""
        found = {"norm": self.channels[0]}
        for name, inputs, outputs in self._blocks():
            found |= {f"{name}.norm1": outputs, f"{name}.norm2": outputs}
            if inputs != outputs:
                found[f"{name}.shortcut_norm"] = outputs
        return found

    def shapes(self) -> Shapes:
        shapes: Shapes = {"conv.weight": (self.channels[0], 3, 3, 3)}
        for name, inputs, outputs in self._blocks():
            shapes[f"{name}.conv1.weight"] = (outputs, inputs, 3, 3)
            shapes[f"{name}.conv2.weight"] = (outputs, outputs, 3, 3)
            if inputs != outputs:
                shapes[f"{name}.shortcut.weight"] = (outputs, inputs, 1, 1)
        for name, channels in self._normalised().items():
            shapes |= {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}
        return shapes | {"output.weight": (10, self.channels[-1]), "output.bias": (10,)}

    def buffers(self) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for name, channels in self._normalised().items():
            found[f"{name}.running_mean"] = np.zeros(channels, np.float32)
            found[f"{name}.running_var"] = np.ones(channels, np.float32)
        return found

    def one_batch(self, generator: np.random.Generator) -> tuple[Array, Array]:
        images = generator.normal(size=(self.batch, 3, self.size, self.size)).astype(np.float32)
        return images, generator.integers(0, 10, self.batch)

    def build(self, nn: Any, functions: Any) -> Any:
        row = self

        class Block(nn.Module):
            def __init__(self, inputs: int, outputs: int) -> None:
                super().__init__()
                stride = 1 if inputs == outputs else 2
                self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
                self.norm1 = nn.BatchNorm2d(outputs)
                self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
                self.norm2 = nn.BatchNorm2d(outputs)
                self.shortcut = None
                if inputs != outputs:
                    self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
                    self.shortcut_norm = nn.BatchNorm2d(outputs)

            def forward(self, x: Any) -> Any:
                residual = self.norm2(self.conv2(functions.relu(self.norm1(self.conv1(x)))))
                if self.shortcut is not None:
                    x = self.shortcut_norm(self.shortcut(x))
                return functions.relu(x + residual)

        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv = nn.Conv2d(3, row.channels[0], 3, padding=1, bias=False)
                self.norm = nn.BatchNorm2d(row.channels[0])
                self.blocks = nn.Sequential(*[Block(inputs, outputs) for _, inputs, outputs in row._blocks()])
                self.output = nn.Linear(row.channels[-1], 10)

            def forward(self, x: Any) -> Any:
                x = self.blocks(functions.relu(self.norm(self.conv(x))))
                return self.output(functions.mean(x, (2, 3)))

        return Network()

    def in_jax(self, layers: Any, values: dict[str, Any], x: Any) -> Any:
        x = layers.relu(layers.batch_norm(values, "norm", layers.conv2d(values, "conv", x, padding=1)))
        for name, inputs, outputs in self._blocks():
            stride = 1 if inputs == outputs else 2
            inner = layers.conv2d(values, f"{name}.conv1", x, stride, padding=1)
            inner = layers.relu(layers.batch_norm(values, f"{name}.norm1", inner))
            inner = layers.conv2d(values, f"{name}.conv2", inner, padding=1)
            inner = layers.batch_norm(values, f"{name}.norm2", inner)
            if inputs != outputs:
                x = layers.conv2d(values, f"{name}.shortcut", x, stride)
                x = layers.batch_norm(values, f"{name}.shortcut_norm", x)
            x = layers.relu(x + inner)
        return layers.linear(values, "output", x.mean((2, 3)))

    def multiply_adds(self) -> tuple[int, int]:
        first = self.batch * self.size**2 * self.channels[0] * 27
        total, side = first, self.size
        for _, inputs, outputs in self._blocks():
            side = side if inputs == outputs else side // 2
            shortcut = 0 if inputs == outputs else inputs
            total += self.batch * side**2 * outputs * (9 * inputs + 9 * outputs + shortcut)
        return total + self.batch * self.channels[-1] * 10, first

    def tiny(self) -> Residual:
        return replace(self, channels=(4, 5, 6), size=8, batch=4)


MORE_ROWS = [Residual("residual", "Residual CNN with batch normalisation, 16-32-64, 32x32, batch 64", 64)]
