"""Every model and layer in a compiled training step: the same bits as in eager mode, for ten steps."""

from __future__ import annotations

from typing import Any

import pytest

import deltarule as dr
from deltarule import nn
from tests.compiler.harness import floats, require_equal, whole

IMAGE, TABLE, SEQUENCE = (2, 8, 8), (5,), (6, 3)
MODELS = [
    ("mlp", TABLE, {"hidden": (6, 4), "dropout": 0.5, "batch_norm": True}),
    ("mlp", IMAGE, {"hidden": (6, 4), "activation": "tanh"}),
    ("lenet", IMAGE, {"hidden": (8,), "dropout": 0.2}),
    ("cnn", IMAGE, {"channels": (4, 6), "convolutions": 2, "dropout": 0.2}),
    ("rnn", SEQUENCE, {"hidden": 5, "layers": 2, "dropout": 0.1}),
    ("gru", SEQUENCE, {"hidden": 5, "bidirectional": True}),
    ("lstm", SEQUENCE, {"hidden": 5, "layers": 2}),
]


def training(make: Any, loss: Any, optimizer: Any = dr.optim.SGD, **options: Any) -> Any:
    """A maker of a whole training step of a model."""

    def made() -> tuple[Any, list[Any]]:
        model = make()
        rule = optimizer(model.parameters(), **{"lr": 0.05, **options})

        def step(*inputs: Any) -> Any:
            rule.zero_grad()
            value = loss(model, *inputs)
            value.backward()
            rule.step()
            return value

        return step, [model, rule]

    return made


@pytest.mark.parametrize(("name", "shape", "options"), MODELS)
def test_models(name: str, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    calls = [(floats(4, *shape, seed=k), whole(3, 4, seed=k)) for k in range(10)]
    require_equal(
        training(
            lambda: nn.models.build(name, input_shape=shape, outputs=3, task="classification", **options),
            lambda model, x, y: dr.cross_entropy(model(x), y),
            momentum=0.9,
        ),
        calls,
    )


@pytest.mark.parametrize("embedding", [0, 4])
@pytest.mark.parametrize("name", nn.models.names("text"))
def test_text_models(name: str, embedding: int) -> None:
    def loss(model: Any, tokens: Any, targets: Any) -> Any:
        output = model(tokens)
        output = output[0] if isinstance(output, tuple) else output
        return dr.cross_entropy(output.reshape(-1, 7), targets.reshape(-1))

    require_equal(
        training(
            lambda: nn.models.build(
                name, input_shape=(), outputs=7, task="text", hidden=5, embedding=embedding
            ),
            loss,
        ),
        [(whole(7, 3, 4, seed=k), whole(7, 3, 4, seed=k + 50)) for k in range(5)],
    )


LAYERS = [
    (lambda: nn.Linear(5, 4), (3, 5)),
    (lambda: nn.Linear(5, 4, bias=False), (2, 3, 5)),
    (lambda: nn.Conv1d(3, 4, 3, padding=1), (2, 3, 6)),
    (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), (2, 2, 6, 6)),
    (lambda: nn.ConvTranspose1d(3, 4, 3, stride=2), (2, 3, 5)),
    (lambda: nn.ConvTranspose2d(2, 3, 3, stride=2), (2, 2, 4, 4)),
    (lambda: nn.MaxPool1d(2), (2, 3, 6)),
    (lambda: nn.MaxPool2d(2), (2, 3, 6, 6)),
    (lambda: nn.AvgPool1d(2), (2, 3, 6)),
    (lambda: nn.AvgPool2d(2), (2, 3, 6, 6)),
    (lambda: nn.AdaptiveAvgPool2d(3), (2, 3, 7, 7)),
    (lambda: nn.BatchNorm1d(4), (6, 4)),
    (lambda: nn.BatchNorm1d(4, momentum=None), (6, 4)),
    (lambda: nn.BatchNorm2d(3, affine=False), (2, 3, 4, 4)),
    (lambda: nn.BatchNorm2d(3, track_running_stats=False), (2, 3, 4, 4)),
    (lambda: nn.BatchNorm2d(3).eval(), (2, 3, 4, 4)),
    (lambda: nn.LayerNorm(4), (3, 4)),
    (lambda: nn.GroupNorm(2, 4), (3, 4, 5)),
    (lambda: nn.RMSNorm(4), (3, 4)),
    (lambda: nn.Dropout(0.5), (3, 40)),
    (lambda: nn.Dropout2d(0.5), (3, 8, 2, 2)),
    (lambda: nn.Flatten(), (3, 2, 2)),
    (lambda: nn.Unflatten(1, (2, 2)), (3, 4)),
    (lambda: nn.Identity(), (3, 2)),
    (lambda: nn.ELU(), (3, 4)),
    (lambda: nn.GELU(), (3, 4)),
    (lambda: nn.LeakyReLU(), (3, 4)),
    (lambda: nn.LogSoftmax(-1), (3, 4)),
    (lambda: nn.ReLU(), (3, 4)),
    (lambda: nn.SiLU(), (3, 4)),
    (lambda: nn.Sigmoid(), (3, 4)),
    (lambda: nn.Softmax(-1), (3, 4)),
    (lambda: nn.Softplus(), (3, 4)),
    (lambda: nn.Tanh(), (3, 4)),
    (lambda: nn.RNNCell(3, 4), (2, 3)),
    (lambda: nn.GRUCell(3, 4), (2, 3)),
    (lambda: nn.LSTMCell(3, 4), (2, 3)),
    (lambda: nn.RNN(3, 4, 2, dropout=0.5), (5, 2, 3)),
    (lambda: nn.GRU(3, 4, bidirectional=True, batch_first=True), (5, 2, 3)),
    (lambda: nn.LSTM(3, 4, 2), (5, 2, 3)),
    (lambda: nn.TransformerEncoderLayer(4, 2, 8), (5, 2, 4)),
    (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2), (5, 2, 4)),
]


def squared(result: Any) -> Any:
    """One number from whatever a layer returns."""
    if isinstance(result, dr.Tensor):
        return (result * result).mean()
    total = squared(result[0])
    for part in result[1:]:
        if part is not None:
            total = total + squared(part)
    return total


class Scaled(nn.Module):
    """A layer behind a parameter of its own, so that there is always one to train."""

    def __init__(self, layer: Any):
        self.scale = nn.Parameter([1.5])
        self.layer = layer

    def forward(self, x: Any, *others: Any) -> Any:
        return self.layer(x * self.scale, *others)


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_layers(make: Any, shape: tuple[int, ...]) -> None:
    require_equal(
        training(lambda: Scaled(make()), lambda model, x: squared(model(x))),
        [(floats(*shape, seed=k),) for k in range(5)],
    )


def test_embedding_and_attention_with_masks() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            self.table = nn.Embedding(7, 4, padding_idx=0)
            self.attention = nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=True)
            self.decoder = nn.TransformerDecoderLayer(4, 2, 8, batch_first=True)

        def forward(self, tokens: Any, padding: Any) -> Any:
            x = self.table(tokens)
            y, _ = self.attention(x, x, x, key_padding_mask=padding)
            return self.decoder(y, x)

    def padding(seed: int) -> Any:
        mask = whole(2, 3, 5, seed=seed) == 1
        mask[:, 0] = False
        return mask

    calls = [(whole(7, 3, 5, seed=k), padding(k) if k else padding(k) & False) for k in range(6)]
    # Not Adam, which makes large steps of the rounding errors in gradients that are 0 (of the keys' bias).
    require_equal(training(Reader, lambda model, *inputs: squared(model(*inputs))), calls)


def test_lengths_of_sequences() -> None:
    calls = [(floats(2, 4, 3, seed=k), whole(4, 2, seed=k) + 1 if k else whole(1, 2) + 4) for k in range(6)]
    require_equal(
        training(
            lambda: Scaled(nn.GRU(3, 4, batch_first=True)),
            lambda model, x, lengths: squared(model.layer(x * model.scale, lengths=lengths)),
        ),
        calls,
    )


LOSSES = [
    (nn.BCEWithLogitsLoss(), lambda k: whole(2, 4, 3, seed=k).astype("f")),
    (nn.CrossEntropyLoss(label_smoothing=0.1), lambda k: whole(3, 4, seed=k)),
    (nn.CrossEntropyLoss(dr.tensor([1.0, 2.0, 0.5])), lambda k: whole(3, 4, seed=k)),
    (nn.CrossEntropyLoss(ignore_index=0), lambda k: whole(3, 4, seed=k) if k else whole(1, 4) + 1),
    (nn.HuberLoss(), lambda k: floats(4, 3, seed=k + 9)),
    (nn.L1Loss(), lambda k: floats(4, 3, seed=k + 9)),
    (nn.MSELoss(), lambda k: floats(4, 3, seed=k + 9)),
    (nn.MultiMarginLoss(), lambda k: whole(3, 4, seed=k)),
    (nn.SmoothL1Loss(), lambda k: floats(4, 3, seed=k + 9)),
]


@pytest.mark.parametrize(("loss", "targets"), LOSSES)
def test_losses(loss: Any, targets: Any) -> None:
    require_equal(
        training(lambda: nn.Linear(5, 3), lambda model, x, y: loss(model(x), y)),
        [(floats(4, 5, seed=k), targets(k)) for k in range(6)],
    )
