"""Networks with nothing wrong: usual choices, and unusual ones that work. The rules must stay silent."""

from __future__ import annotations

import numpy as np

import deltarule as dr
from deltarule.training.tasks import regression_loss
from tests.explain.training_health.networks import (
    LastStep,
    Network,
    Setup,
    blobs,
    digits,
    drawn,
    first_sign,
    images,
    line,
    penalised,
    ramps,
    register,
    stack,
)

HEALTHY: list[Network] = []
entropy = dr.cross_entropy


@register(HEALTHY)
def relu_digits(seed: int) -> Setup:
    model = stack(64, 32, 10)
    return Setup(model, *digits(), entropy, dr.optim.Adam(model.parameters(), lr=1e-3))


@register(HEALTHY)
def he_relu_digits(seed: int) -> Setup:
    model = drawn(stack(64, 48, 32, 10), lambda w: dr.nn.init.kaiming_normal_(w, nonlinearity="relu"))
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.05))


@register(HEALTHY)
def glorot_tanh_digits(seed: int) -> Setup:
    model = drawn(stack(64, 32, 32, 10, activation=dr.nn.Tanh), dr.nn.init.xavier_uniform_)
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.1))


@register(HEALTHY)
def shallow_sigmoid(seed: int) -> Setup:
    model = stack(64, 30, 10, activation=dr.nn.Sigmoid)
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.5, momentum=0.9))


@register(HEALTHY)
def sigmoid_squared_loss(seed: int) -> Setup:
    # As in the first lectures: sigmoid output, squared loss on one-hot targets.
    inputs, classes = digits()
    model = dr.nn.Sequential(dr.nn.Linear(64, 30), dr.nn.Sigmoid(), dr.nn.Linear(30, 10), dr.nn.Sigmoid())
    targets = np.eye(10, dtype=np.float32)[classes]
    return Setup(model, inputs, targets, dr.mse_loss, dr.optim.SGD(model.parameters(), lr=3.0))


@register(HEALTHY)
def small_convolutions(seed: int) -> Setup:
    model = dr.nn.Sequential(
        dr.nn.Conv2d(1, 6, 3, padding=1),
        dr.nn.ReLU(),
        dr.nn.MaxPool2d(2),
        dr.nn.Conv2d(6, 12, 3, padding=1),
        dr.nn.ReLU(),
        dr.nn.Flatten(),
        dr.nn.Linear(12 * 16, 10),
    )
    return Setup(model, *images(), entropy, dr.optim.Adam(model.parameters(), lr=2e-3))


@register(HEALTHY)
def batch_norm_convolutions(seed: int) -> Setup:
    model = dr.nn.Sequential(
        dr.nn.Conv2d(1, 6, 3, padding=1),
        dr.nn.BatchNorm2d(6),
        dr.nn.ReLU(),
        dr.nn.Flatten(),
        dr.nn.Linear(6 * 64, 10),
    )
    return Setup(model, *images(), entropy, dr.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))


@register(HEALTHY)
def sine_curve(seed: int) -> Setup:
    random = np.random.default_rng(seed)
    x = random.uniform(-np.pi, np.pi, (400, 1)).astype(np.float32)
    model = stack(1, 32, 1, activation=dr.nn.Tanh)
    return Setup(model, x, np.sin(x), regression_loss, dr.optim.Adam(model.parameters(), lr=1e-2))


@register(HEALTHY)
def two_spirals(seed: int) -> Setup:
    part = dr.data.load("spirals").train
    model = stack(2, 32, 32, 2)
    return Setup(
        model,
        part.inputs,
        np.asarray(part.targets),
        entropy,
        dr.optim.Adam(model.parameters(), lr=5e-3),
        updates=200,
        looks=(0, 10, 50, 200),
    )


@register(HEALTHY)
def exclusive_or(seed: int) -> Setup:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    model = stack(2, 8, 2, activation=dr.nn.Tanh)
    return Setup(
        model, x, np.array([0, 1, 1, 0]), entropy, dr.optim.SGD(model.parameters(), lr=0.5), batch_size=4
    )


@register(HEALTHY)
def deep_relu(seed: int) -> Setup:
    model = drawn(stack(64, *[32] * 10, 10), lambda w: dr.nn.init.kaiming_normal_(w, nonlinearity="relu"))
    return Setup(model, *digits(), entropy, dr.optim.Adam(model.parameters(), lr=5e-4))


@register(HEALTHY)
def deep_orthogonal_tanh(seed: int) -> Setup:
    model = drawn(
        stack(64, *[32] * 10, 10, activation=dr.nn.Tanh), lambda w: dr.nn.init.orthogonal_(w, gain=1.1)
    )
    return Setup(model, *digits(), entropy, dr.optim.SGD(model.parameters(), lr=0.05))


class _Residual(dr.nn.Module):
    def __init__(self, width: int):
        self.norm = dr.nn.LayerNorm(width)
        self.up = dr.nn.Linear(width, 2 * width)
        self.down = dr.nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.down(dr.gelu(self.up(self.norm(x))))


@register(HEALTHY)
def residual_blocks(seed: int) -> Setup:
    model = dr.nn.Sequential(
        dr.nn.Linear(64, 24), *[_Residual(24) for _ in range(6)], dr.nn.LayerNorm(24), dr.nn.Linear(24, 10)
    )
    return Setup(model, *digits(), entropy, dr.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01))


@register(HEALTHY)
def short_rnn(seed: int) -> Setup:
    model = LastStep(dr.nn.RNN(1, 16), 3)
    return Setup(model, *ramps(seed, 8), entropy, dr.optim.Adam(model.parameters(), lr=5e-3))


@register(HEALTHY)
def orthogonal_rnn(seed: int) -> Setup:
    model = LastStep(dr.nn.RNN(3, 24), 2)
    dr.nn.init.orthogonal_(model.recurrent.weight_hh_l0)
    return Setup(model, *first_sign(seed, 25), entropy, dr.optim.Adam(model.parameters(), lr=2e-3))


@register(HEALTHY)
def remembering_lstm(seed: int) -> Setup:
    model = LastStep(dr.nn.LSTM(3, 16), 2)
    dr.nn.init.forget_gate_bias_(model, 3.0)
    return Setup(model, *first_sign(seed, 25), entropy, dr.optim.Adam(model.parameters(), lr=5e-3))


class _MeanOverTime(LastStep):
    """Each step is read, so that no gradient has far to go."""

    def forward(self, x):
        states, _ = self.recurrent(x)
        return self.output(states.mean(axis=1))


@register(HEALTHY)
def mean_over_time(seed: int) -> Setup:
    model = _MeanOverTime(dr.nn.RNN(3, 16), 2)
    inputs, classes = first_sign(seed, 25)
    return Setup(model, inputs, classes, entropy, dr.optim.Adam(model.parameters(), lr=5e-3))


@register(HEALTHY)
def two_layers_and_directions(seed: int) -> Setup:
    model = dr.nn.models.build(
        "gru", input_shape=(1, 8, 8), outputs=10, hidden=16, layers=2, bidirectional=True
    )
    return Setup(model, *images(), entropy, dr.optim.Adam(model.parameters(), lr=3e-3))


class _NextToken(dr.nn.Module):
    def __init__(self, tokens: int):
        self.embedding = dr.nn.Embedding(tokens, 12)
        self.recurrent = dr.nn.GRU(12, 24)
        self.output = dr.nn.Linear(24, tokens)

    def forward(self, x):
        states, _ = self.recurrent(self.embedding(x))
        return self.output(states)


def _next_token_loss(output, targets):
    return entropy(output.reshape((-1, output.shape[-1])), targets.reshape((-1,)))


@register(HEALTHY)
def next_token_gru(seed: int) -> Setup:
    random = np.random.default_rng(seed)
    # A random walk over eleven tokens: the next is a neighbour.
    walk = np.cumsum(random.choice([-1, 1], (400, 21)), axis=1) % 11
    model = _NextToken(11)
    return Setup(
        model,
        walk[:, :-1],
        walk[:, 1:],
        _next_token_loss,
        dr.optim.Adam(model.parameters(), lr=5e-3),
        clip_norm=1.0,
        rows=64,
    )


class _Attending(dr.nn.Module):
    def __init__(self, tokens: int, width: int, classes: int):
        self.embedding = dr.nn.Embedding(tokens, width)
        self.encoder = dr.nn.TransformerEncoder(
            dr.nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.1, batch_first=True), 2
        )
        self.output = dr.nn.Linear(width, classes)

    def forward(self, x):
        return self.output(self.encoder(self.embedding(x)).mean(axis=1))


@register(HEALTHY)
def transformer_counts(seed: int) -> Setup:
    random = np.random.default_rng(seed)
    tokens = random.integers(0, 8, (600, 10))
    model = _Attending(8, 16, 2)
    classes = ((tokens < 4).sum(axis=1) > 5).astype(np.int64)
    return Setup(
        model, tokens, classes, entropy, dr.optim.Adam(model.parameters(), lr=2e-3), clip_norm=1.0, rows=128
    )


@register(HEALTHY)
def online_regression(seed: int) -> Setup:
    model = dr.nn.Linear(6, 1)
    return Setup(
        model,
        *line(seed, noise=0.3),
        regression_loss,
        dr.optim.SGD(model.parameters(), lr=0.01),
        batch_size=1,
        updates=400,
        looks=(0, 20, 100, 400),
    )


@register(HEALTHY)
def dropout_and_decay(seed: int) -> Setup:
    model = dr.nn.Sequential(dr.nn.Linear(64, 64), dr.nn.ReLU(), dr.nn.Dropout(0.5), dr.nn.Linear(64, 10))
    return Setup(model, *digits(), entropy, dr.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05))


@register(HEALTHY)
def moderate_l2_penalty(seed: int) -> Setup:
    model = stack(64, 32, 10)
    penalty = penalised(dr.l2_penalty, 0.01)
    return Setup(model, *digits(), entropy, dr.optim.Adam(model.parameters(), lr=2e-3), penalty=penalty)


@register(HEALTHY)
def sparse_regression(seed: int) -> Setup:
    # The penalty is larger than the loss, and lets it fall all the same.
    model = stack(6, 32, 1)
    penalty = penalised(dr.elastic_penalty, 0.005)
    optimizer = dr.optim.Adam(model.parameters(), lr=5e-3)
    return Setup(model, *line(seed), dr.l1_loss, optimizer, penalty=penalty)


@register(HEALTHY)
def zero_last_layer(seed: int) -> Setup:
    # A last layer of zeros starts at uniform outputs; its units get different gradients.
    model = stack(64, 32, 10)
    dr.nn.init.zeros_(model[2].weight)
    dr.nn.init.zeros_(model[2].bias)
    return Setup(model, *digits(), entropy, dr.optim.Adam(model.parameters(), lr=2e-3))


@register(HEALTHY)
def frozen_features(seed: int) -> Setup:
    model = stack(64, 64, 10)
    model[0].requires_grad_(False)
    return Setup(model, *digits(), entropy, dr.optim.Adam(model[2].parameters(), lr=5e-3))


@register(HEALTHY)
def two_classes_one_logit(seed: int) -> Setup:
    inputs, classes = blobs(seed, classes=4)
    model = stack(10, 16, 1)

    def loss(output, targets):
        return dr.binary_cross_entropy_with_logits(output.reshape((-1,)), targets)

    targets = (classes == 0).astype(np.float32)
    return Setup(model, inputs, targets, loss, dr.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


@register(HEALTHY)
def autoencoder(seed: int) -> Setup:
    inputs, _ = digits()
    shown = (inputs - inputs.min()) / (inputs.max() - inputs.min())
    model = dr.nn.Sequential(dr.nn.Linear(64, 16), dr.nn.ReLU(), dr.nn.Linear(16, 64), dr.nn.Sigmoid())
    return Setup(model, shown, shown, dr.binary_cross_entropy, dr.optim.Adam(model.parameters(), lr=5e-3))


@register(HEALTHY)
def positive_targets(seed: int) -> Setup:
    inputs, values = line(seed)
    model = dr.nn.Sequential(dr.nn.Linear(6, 32), dr.nn.ReLU(), dr.nn.Linear(32, 1), dr.nn.Softplus())
    return Setup(
        model, inputs, np.exp(0.5 * values), regression_loss, dr.optim.Adam(model.parameters(), lr=5e-3)
    )


@register(HEALTHY)
def trained_to_the_end(seed: int) -> Setup:
    model = stack(10, 32, 4)
    return Setup(
        model,
        *blobs(seed, spread=0.5),
        entropy,
        dr.optim.Adam(model.parameters(), lr=1e-2),
        updates=400,
        looks=(0, 50, 200, 400),
    )
