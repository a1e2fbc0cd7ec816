"""The rows in deltarule, operation by operation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import deltarule as dr
from benchmarks.rows.row import Row

FUNCTIONS = SimpleNamespace(
    relu=dr.relu,
    tanh=dr.tanh,
    flatten=dr.flatten,
    reshape=dr.reshape,
    concat=dr.concat,
    conv2d=dr.conv2d,
    mean=lambda x, axes: dr.mean(x, axis=axes),
    pad_images=lambda x, width, value: dr.pad(
        x, ((0, 0), (0, 0), (width, width), (width, width)), constant_values=value
    ),
    parameter=lambda shape: dr.nn.Parameter(dr.zeros(shape, dtype="float32")),
    causal_mask=lambda time: None,  # is_causal says it
)
LOSSES = {"cross_entropy": dr.cross_entropy, "mse_loss": dr.mse_loss}
OPTIMIZERS = {"sgd": dr.optim.SGD, "adamw": dr.optim.AdamW}


def network(row: Row) -> Any:
    """The row's network with its first weights."""
    model = row.build(dr.nn, FUNCTIONS)
    values = row.weights() | row.buffers()
    counted = {
        name: array for name, array in model.state_dict().items() if name.endswith("num_batches_tracked")
    }
    model.load_state_dict(values | counted)
    return model.train(row.training)


class Training:
    """Forward, backward, update."""

    def __init__(self, row: Row):
        self.model = network(row)
        self.loss = LOSSES[row.loss]
        self.optimizer = OPTIMIZERS[row.optimizer](self.model.parameters(), lr=row.learning_rate)
        self.batches = [(dr.tensor(x), dr.tensor(y)) for x, y in row.batches()]

    def step(self, count: int) -> Any:
        x, y = self.batches[count % len(self.batches)]
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def numbers(self, result: Any) -> list[float]:
        return [result.item()]


class Inference:
    """Forward, without a record."""

    def __init__(self, row: Row):
        self.model = network(row)
        self.batches = [dr.tensor(x) for x, _ in row.batches()]

    def step(self, count: int) -> Any:
        with dr.no_grad():
            return self.model(self.batches[count % len(self.batches)])

    def numbers(self, result: Any) -> list[float]:
        return result.numpy().ravel().tolist()


def prepare(row: Row) -> Training | Inference:
    return Training(row) if row.training else Inference(row)
