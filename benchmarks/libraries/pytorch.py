"""The rows in PyTorch, eager, as its documentation writes them; optimisers fused, which is faster."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn import functional

from benchmarks.rows.row import Row

FUNCTIONS = SimpleNamespace(
    relu=torch.relu,
    tanh=torch.tanh,
    flatten=torch.flatten,
    reshape=torch.reshape,
    concat=torch.concat,
    conv2d=functional.conv2d,
    mean=torch.mean,
    pad_images=lambda x, width, value: functional.pad(x, (width,) * 4, value=value),
    parameter=lambda shape: torch.nn.Parameter(torch.zeros(shape)),
    causal_mask=torch.nn.Transformer.generate_square_subsequent_mask,
)
LOSSES = {"cross_entropy": functional.cross_entropy, "mse_loss": functional.mse_loss}
OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
Compiler = Callable[[Callable[..., Any]], Callable[..., Any]]


def network(row: Row) -> torch.nn.Module:
    """The row's network with its first weights."""
    model = row.build(torch.nn, FUNCTIONS)
    values = {name: torch.from_numpy(array) for name, array in (row.weights() | row.buffers()).items()}
    counted = {
        name: value for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")
    }
    model.load_state_dict(values | counted)
    return model.train(row.training)


class Training:
    """Forward, backward, update. `compiler` is applied to the loss as a function of a batch."""

    def __init__(self, row: Row, compiler: Compiler):
        model, loss = network(row), LOSSES[row.loss]
        self.loss = compiler(lambda x, y: loss(model(x), y))
        self.optimizer = OPTIMIZERS[row.optimizer](model.parameters(), lr=row.learning_rate, fused=True)
        self.batches = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in row.batches()]

    def step(self, count: int) -> Any:
        x, y = self.batches[count % len(self.batches)]
        self.optimizer.zero_grad()
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss

    def numbers(self, result: Any) -> list[float]:
        return [result.item()]


class Inference:
    """Forward, in inference mode."""

    def __init__(self, row: Row, compiler: Compiler):
        self.model = compiler(network(row))
        self.batches = [torch.from_numpy(x) for x, _ in row.batches()]

    def step(self, count: int) -> Any:
        with torch.inference_mode():
            return self.model(self.batches[count % len(self.batches)])

    def numbers(self, result: Any) -> list[float]:
        return result.flatten().tolist()


def prepare(row: Row, compiler: Compiler = lambda function: function) -> Training | Inference:
    return Training(row, compiler) if row.training else Inference(row, compiler)
