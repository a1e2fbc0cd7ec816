"""A small network with its data, and the vitals of a short training of it, for the causes to read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import deltarule as dr
from deltarule.explain.training_health.probe import vitals
from deltarule.explain.training_health.vitals import Vitals


@dataclass
class Setup:
    """What is trained.

    loss       loss(output, targets), the mean over the batch
    updates    length of the training
    looks      updates after which it is measured
    rows       samples of a measurement
    """

    model: dr.nn.Module
    inputs: np.ndarray
    targets: np.ndarray
    loss: Callable[[Any, Any], Any]
    optimizer: Any
    batch_size: int = 32
    updates: int = 60
    clip_norm: float | None = None
    penalty: Callable[[Any], Any] | None = None
    looks: Sequence[int] = (0, 2, 10, 30, 60)
    rows: int = 256


@dataclass(frozen=True)
class Network:
    """A network to build from a seed, in float32 or float64; `cause` is "" for a healthy one."""

    name: str
    cause: str
    build: Callable[[int], Setup]
    layer: str | None = None


def register(table: list[Network], cause: str = "", layer: str | None = None) -> Callable[..., Any]:
    """Enters a builder in a table of networks under its own name."""

    def enter(build: Callable[[int], Setup]) -> Callable[[int], Setup]:
        table.append(Network(build.__name__, cause, build, layer))
        return build

    return enter


def history(network: Network, seed: int = 0, dtype: str = "float32") -> list[Vitals]:
    """The vitals of a training that goes on until it is over, or until a number is not finite."""
    dr.manual_seed(seed)
    setup = network.build(seed)
    setup.model.astype(dtype)
    if setup.inputs.dtype.kind == "f":
        setup.inputs = setup.inputs.astype(dtype)
    if setup.targets.dtype.kind == "f":
        setup.targets = setup.targets.astype(dtype)
    trainer = dr.Trainer(
        setup.model,
        setup.optimizer,
        loss=setup.loss,
        clip_norm=setup.clip_norm,
        penalty=setup.penalty,
        compile=False,
    )
    order = np.random.default_rng(seed)
    chosen = order.permutation(len(setup.inputs))[: setup.rows]
    seen: list[Vitals] = []
    losses: list[float] = []

    def look(step: int) -> None:
        seen.append(
            vitals(
                setup.model,
                setup.loss,
                setup.inputs[chosen],
                setup.targets[chosen],
                setup.optimizer,
                step=step,
                batch_size=setup.batch_size,
                clip_norm=setup.clip_norm,
                penalty=setup.penalty,
                training_loss=float(np.mean(losses)) if losses else None,
            )
        )
        losses.clear()

    look(0)
    for step in range(1, setup.updates + 1):
        rows = order.choice(len(setup.inputs), min(setup.batch_size, len(setup.inputs)), replace=False)
        try:
            losses.append(trainer.partial_fit(setup.inputs[rows], setup.targets[rows]))
        except dr.errors.NonFiniteError:
            look(step)
            break
        if step in setup.looks:
            look(step)
    return seen


def penalised(penalty: Callable[..., Any], strength: float) -> Callable[[Any], Any]:
    """The penalty of the matrices of a model."""
    return lambda model: penalty([each for each in model.parameters() if each.ndim > 1], strength)


# ---- data


def digits(rows: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """Standardised 8x8 images as rows of 64 features, and their classes."""
    part = dr.data.load("digits").train
    return part.inputs[:rows].reshape(rows, 64), np.asarray(part.targets[:rows])


def images(rows: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """The same as images of one channel."""
    inputs, classes = digits(rows)
    return inputs.reshape(rows, 1, 8, 8), classes


def blobs(
    seed: int, classes: int = 4, features: int = 10, rows: int = 800, spread: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Normally distributed clouds around random centres, standardised."""
    random = np.random.default_rng([seed, 1])
    centres = random.standard_normal((classes, features)) * 1.5
    chosen = random.integers(0, classes, rows)
    points = centres[chosen] + spread * random.standard_normal((rows, features))
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    return points.astype(np.float32), chosen


def line(seed: int, features: int = 6, rows: int = 800, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """A noisy linear map of unit variance, and a little curvature."""
    random = np.random.default_rng([seed, 2])
    points = random.standard_normal((rows, features))
    slope = random.standard_normal((features, 1)) / np.sqrt(features)
    values = points @ slope
    values = values + 0.3 * np.sin(2 * values) + noise * random.standard_normal((rows, 1))
    values = (values - values.mean()) / values.std()
    return points.astype(np.float32), values.astype(np.float32)


def first_sign(seed: int, steps: int, rows: int = 800, features: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Sequences whose class is told by their beginning: the sign of the first feature of the first steps."""
    random = np.random.default_rng([seed, 3])
    sequences = random.standard_normal((rows, steps, features))
    classes = (sequences[:, 0, 0] > 0).astype(np.int64)
    return sequences.astype(np.float32), classes


def ramps(seed: int, steps: int, rows: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """Noisy sequences that rise, fall or stay: the class shows everywhere."""
    random = np.random.default_rng([seed, 4])
    classes = random.integers(0, 3, rows)
    time = np.linspace(-1, 1, steps)
    slopes = np.array([1.5, 0.0, -1.5])[classes]
    sequences = slopes[:, None] * time + 0.5 * random.standard_normal((rows, steps))
    return sequences[..., None].astype(np.float32), classes


# ---- models


class LastStep(dr.nn.Module):
    """A recurrent layer whose last hidden state is read by a linear layer."""

    def __init__(self, recurrent: dr.nn.Module, outputs: int):
        self.recurrent = recurrent
        self.output = dr.nn.Linear(recurrent.hidden_size, outputs)

    def forward(self, x: Any) -> Any:
        states, _ = self.recurrent(x)
        return self.output(states[:, -1])


def stack(*sizes: int, activation: Callable[[], dr.nn.Module] = dr.nn.ReLU) -> dr.nn.Sequential:
    """Linear layers of these sizes with an activation between them."""
    layers: list[dr.nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [dr.nn.Linear(fan_in, fan_out), activation()]
    return dr.nn.Sequential(*layers[:-1])


def drawn(model: dr.nn.Module, fill: Callable[[Any], Any]) -> dr.nn.Module:
    """The model with its matrices drawn anew by `fill` and its biases 0."""
    for name, parameter in model.named_parameters():
        if parameter.ndim >= 2:
            fill(parameter)
        elif "bias" in name:
            dr.nn.init.zeros_(parameter)
    return model


def scale(parameter: Any, factor: float) -> None:
    """Multiplies a parameter in place."""
    with dr.no_grad():
        parameter.assign(parameter.numpy() * factor)
