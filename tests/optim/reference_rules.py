"""Update rules once more, in plain NumPy and straight from their formulas: what the optimisers must do.

Each takes the parameter, one gradient a step, and returns the parameter after every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any


def sgd(
    theta: Array,
    gradients: Sequence[Array],
    lr=1e-3,
    momentum=0.0,
    dampening=0.0,
    weight_decay=0.0,
    nesterov=False,
) -> list[Array]:
    history, velocity = [], None
    for raw in gradients:
        g = raw + weight_decay * theta
        if momentum:
            velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
            g = g + momentum * velocity if nesterov else velocity
        theta = theta - lr * g
        history.append(theta)
    return history


def adagrad(
    theta: Array,
    gradients: Sequence[Array],
    lr=1e-2,
    lr_decay=0.0,
    weight_decay=0.0,
    initial_accumulator_value=0.0,
    eps=1e-10,
) -> list[Array]:
    history, total = [], np.full(theta.shape, initial_accumulator_value)
    for step, raw in enumerate(gradients, 1):
        g = raw + weight_decay * theta
        total = total + g**2
        theta = theta - lr / (1 + (step - 1) * lr_decay) * g / (np.sqrt(total) + eps)
        history.append(theta)
    return history


def rmsprop(
    theta: Array,
    gradients: Sequence[Array],
    lr=1e-2,
    alpha=0.99,
    eps=1e-8,
    weight_decay=0.0,
    momentum=0.0,
    centered=False,
) -> list[Array]:
    history = []
    square, mean, velocity = np.zeros(theta.shape), np.zeros(theta.shape), np.zeros(theta.shape)
    for raw in gradients:
        g = raw + weight_decay * theta
        square = alpha * square + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        step = g / (np.sqrt(square - mean**2 if centered else square) + eps)
        velocity = momentum * velocity + step
        theta = theta - lr * velocity
        history.append(theta)
    return history


def adam(
    theta: Array,
    gradients: Sequence[Array],
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    amsgrad=False,
    decoupled=False,
) -> list[Array]:
    history = []
    first, second, largest = np.zeros(theta.shape), np.zeros(theta.shape), np.zeros(theta.shape)
    for step, raw in enumerate(gradients, 1):
        g = raw if decoupled else raw + weight_decay * theta
        if decoupled:
            theta = theta - lr * weight_decay * theta
        first = betas[0] * first + (1 - betas[0]) * g
        second = betas[1] * second + (1 - betas[1]) * g**2
        largest = np.maximum(largest, second)
        corrected = (largest if amsgrad else second) / (1 - betas[1] ** step)
        theta = theta - lr * first / (1 - betas[0] ** step) / (np.sqrt(corrected) + eps)
        history.append(theta)
    return history


def adamw(theta: Array, gradients: Sequence[Array], weight_decay=1e-2, **options: Any) -> list[Array]:
    return adam(theta, gradients, weight_decay=weight_decay, decoupled=True, **options)
