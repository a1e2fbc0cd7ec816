"""Whole models with a loss each, small enough to explain in a blink: what several tests explain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import deltarule as dr
from deltarule import nn
from deltarule.autodiff.tensor import Tensor


def numbers(*shape: int, seed: int = 0, requires_grad: bool = True) -> Tensor:
    """Random float64 numbers."""
    return dr.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=requires_grad)


def _squares(model: Any, *shape: int, **options: Any) -> Tensor:
    """Mean of squared outputs of a model on random inputs."""
    output = model.astype("float64")(numbers(*shape, seed=1, requires_grad=False), **options)
    return ((output[0] if isinstance(output, tuple) else output) ** 2).mean()


def _multi_layer_perceptron() -> Tensor:
    return _squares(
        nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2)), 3, 3
    )


def _classifier() -> Tensor:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3)).astype("float64")
    return dr.cross_entropy(model(numbers(4, 3, requires_grad=False)), dr.tensor([0, 2, 1, 1]))


def _lenet() -> Tensor:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(2, 3, 5),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12, 5),
        nn.ReLU(),
        nn.Linear(5, 4),
    ).astype("float64")
    return dr.cross_entropy(model(numbers(2, 1, 16, 16, requires_grad=False)), dr.tensor([1, 3]))


def _recurrent(layer: Callable[..., Any], **options: Any) -> Callable[[], Tensor]:
    def build() -> Tensor:
        recurrent, output = (
            layer(2, 3, batch_first=True, **options),
            nn.Linear(6 if options.get("bidirectional") else 3, 2),
        )
        for module in (recurrent, output):
            module.astype("float64")
        sequence, _ = recurrent(numbers(2, 3, 2, requires_grad=False))
        return (output(sequence) ** 2).mean()

    return build


def _language_model() -> Tensor:
    """Characters in, characters out: an embedding whose rows are read several times."""
    embedding, recurrent, output = nn.Embedding(4, 3), nn.GRU(3, 3, batch_first=True), nn.Linear(3, 4)
    for module in (embedding, recurrent, output):
        module.astype("float64")
    sequence, _ = recurrent(embedding(dr.tensor([[0, 1, 1], [2, 1, 3]])))
    return dr.cross_entropy(output(sequence).reshape((6, 4)), dr.tensor([1, 1, 2, 1, 3, 0]))


def _cell_by_hand() -> Tensor:
    """A cell in a loop of the user's own."""
    cell = nn.LSTMCell(2, 2).astype("float64")
    x = numbers(3, 1, 2, requires_grad=False)
    hidden = state = dr.zeros((1, 2), dtype="float64")
    for time in range(3):
        hidden, state = cell(x[time], (hidden, state))
    return (hidden**2).sum()


def _masked() -> Tensor:
    """Sequences of different lengths."""
    recurrent = nn.LSTM(2, 3, batch_first=True).astype("float64")
    mask = dr.tensor([[True, True, True], [True, False, False]])
    sequence, (last, _) = recurrent(numbers(2, 3, 2, requires_grad=False), mask=mask)
    return (sequence**2).sum() + last.sum()


def _residual() -> Tensor:
    weight, x = numbers(3, 3), numbers(2, 3, seed=1)
    return (x + dr.tanh(x @ weight) + dr.relu(dr.tanh(x @ weight) @ weight)).sum()


def _tied() -> Tensor:
    """An encoder and a decoder that share their weights."""
    weight, x = numbers(3, 2), numbers(4, 3, seed=1, requires_grad=False)
    return ((dr.tanh(x @ weight) @ weight.T - x) ** 2).mean()


def _normalised() -> Tensor:
    return _squares(
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)),
        4,
        2,
        4,
        4,
    )


def _transformer() -> Tensor:
    return _squares(nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True), 2, 3, 4)


def _dropped_out() -> Tensor:
    return _squares(nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 2)), 3, 3)


def _checkpointed() -> Tensor:
    weight = numbers(3, 3)
    return dr.checkpoint(lambda x: dr.tanh(x @ weight))(numbers(2, 3, seed=1)).sum()


def _gradient_of_gradient() -> Tensor:
    x = numbers(2, 3)
    gradient = dr.gradients(dr.tanh(x).sum(), [x], create_graph=True)[0]
    assert gradient is not None
    return (gradient**2).sum()


def _jacobian_product() -> Tensor:
    x = numbers(3)
    return dr.jvp(lambda each: dr.sigmoid(each) * each, (x,), (dr.ones((3,), dtype="float64"),))[1].sum()


# Those that the issue names come first.
MODELS: dict[str, Callable[[], Tensor]] = {
    "multi-layer perceptron": _multi_layer_perceptron,
    "classifier": _classifier,
    "LeNet": _lenet,
    "RNN": _recurrent(nn.RNN),
    "GRU": _recurrent(nn.GRU),
    "LSTM": _recurrent(nn.LSTM),
    "RNN with ReLU": _recurrent(nn.RNN, nonlinearity="relu"),
    "two LSTM layers in both directions": _recurrent(nn.LSTM, num_layers=2, bidirectional=True),
    "masked LSTM": _masked,
    "language model": _language_model,
    "cell by hand": _cell_by_hand,
    "residual": _residual,
    "tied weights": _tied,
    "normalised": _normalised,
    "transformer layer": _transformer,
    "dropout": _dropped_out,
    "checkpoint": _checkpointed,
    "gradient of a gradient": _gradient_of_gradient,
    "Jacobian product": _jacobian_product,
}
