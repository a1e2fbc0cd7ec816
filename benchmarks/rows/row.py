"""Row: one network and its data, described once for every library that trains it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shapes = dict[str, tuple[int, ...]]

# Batches that are gone through in turn: several, so that the losses of ten steps see more than one.
BATCHES = 4


@dataclass(frozen=True)
class Row:
    """What all rows share: options of the step, first weights, and how work is counted.

    name           what --rows takes
    title          what the table shows
    batch          samples of one step
    loss           "cross_entropy" or "mse_loss", both the mean
    optimizer      "sgd", or "adamw" with weight decay 0.01
    training       False for the forward pass alone, in evaluation mode
    tolerance      largest relative difference from PyTorch's losses, see benchmarks/agreement.py
    whole_run      steps of the whole training where the row stands for one, else 0

    A subclass says which parameters there are and builds the network in each library. Names, shapes and
    layouts of parameters are PyTorch's, which are deltarule's too, so that one description of the network
    serves both, and JAX computes from the same dictionary.
    """

    name: str
    title: str
    batch: int
    loss: str = "cross_entropy"
    optimizer: str = "sgd"
    learning_rate: float = 0.02
    training: bool = True
    tolerance: float = 2e-5
    whole_run: int = 0

    # ---- what a subclass defines

    def shapes(self) -> Shapes:
        """Shape of every parameter by its name."""
        raise NotImplementedError

    def one_batch(self, generator: np.random.Generator) -> tuple[Array, Array]:
        """Inputs and targets of one batch."""
        raise NotImplementedError

    def build(self, nn: Any, functions: Any) -> Any:
        """The network from deltarule's or PyTorch's layers; `functions` has what their names differ in."""
        raise NotImplementedError

    def in_jax(self, layers: Any, values: dict[str, Any], x: Any) -> Any:
        """The network's output in JAX. `layers` is benchmarks.libraries.jax_layers."""
        raise NotImplementedError

    def multiply_adds(self) -> tuple[int, int]:
        """Those of the products of one forward pass, and of them those whose input needs no gradient."""
        raise NotImplementedError

    def tiny(self) -> Row:
        """The same network with small sizes, for tests."""
        raise NotImplementedError

    # ---- what follows from that

    def buffers(self) -> dict[str, Array]:
        """State that is not trained, by name, such as running means."""
        return {}

    def weights(self) -> dict[str, Array]:
        """First values of the parameters: the same in every library, whatever the order of their names."""
        return {name: _first_value(name, shape) for name, shape in self.shapes().items()}

    def batches(self) -> list[tuple[Array, Array]]:
        """The batches that are trained on in turn."""
        generator = np.random.default_rng(1)
        return [self.one_batch(generator) for _ in range(BATCHES)]

    def operations(self) -> int:
        """Floating-point operations of one step: two for each multiply-add of a product or convolution.

        Backward takes as many for the inputs as forward, and as many for the weights, except where the
        input needs no gradient. Attention counts all scores, also those that a causal mask hides.
        Element-wise work is left out, as is the update.
        """
        forward, first = self.multiply_adds()
        return 2 * (3 * forward - first if self.training else forward)


def _first_value(name: str, shape: Sequence[int]) -> Array:
    """U(−1/√n, 1/√n) with n inputs to a unit; 1 and 0 for normalisations, 0 for other biases."""
    if "norm" in name:
        return np.full(shape, float(name.endswith("weight")), np.float32)
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    return generator.uniform(-bound, bound, shape).astype(np.float32)
