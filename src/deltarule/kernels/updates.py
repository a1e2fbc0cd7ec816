"""Parameter updates over plain arrays, in place: one function a rule, few temporaries.

They serve what native code does not take (native/update_rules.py): other types, arrays with gaps.

`parameter` and the state arrays are written; `gradient` is only read, as it belongs to the caller.
All options are Python numbers, so that float32 arrays stay float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def decayed(parameter: Array, gradient: Array, weight_decay: float) -> Array:
    """gradient + weight_decay · parameter; the gradient itself if there is no decay."""
    # asarray: the sum of two 0-dimensional arrays is a NumPy scalar, which could not be updated in place.
    return np.asarray(gradient + weight_decay * parameter) if weight_decay else gradient


def average(mean: Array, value: Array, decay: float) -> None:
    """mean ← decay · mean + (1 − decay) · value: a running mean with exponential forgetting."""
    mean *= decay
    mean += (1 - decay) * value


def average_square(mean: Array, value: Array, decay: float) -> None:
    """mean ← decay · mean + (1 − decay) · value²."""
    squared = value * value
    squared *= 1 - decay
    mean *= decay
    mean += squared


def accumulate(buffer: Array, gradient: Array, momentum: float, dampening: float) -> None:
    """buffer ← momentum · buffer + (1 − dampening) · gradient: the velocity of the heavy ball."""
    buffer *= momentum
    buffer += gradient if not dampening else (1 - dampening) * gradient


def descend(parameter: Array, direction: Array, learning_rate: float) -> None:
    """parameter ← parameter − learning_rate · direction."""
    parameter -= learning_rate * direction


def adagrad(parameter: Array, gradient: Array, total: Array, learning_rate: float, epsilon: float) -> None:
    """total ← total + gradient²;  parameter ← parameter − learning_rate · gradient / (√total + epsilon)."""
    total += gradient * gradient
    denominator = np.sqrt(total)
    denominator += epsilon
    parameter -= learning_rate * gradient / denominator


def root_mean_square(square_average: Array, gradient_average: Array | None, epsilon: float) -> Array:
    """√(E[g²] − E[g]²) + epsilon, or √E[g²] + epsilon without a mean gradient.

    The variance is kept from falling below 0, where rounding would make its root NaN.
    """
    if gradient_average is None:
        denominator = np.sqrt(square_average)
    else:
        variance = square_average - gradient_average * gradient_average
        denominator = np.sqrt(np.maximum(variance, 0))
    denominator += epsilon
    return denominator


def adam(
    parameter: Array,
    gradient: Array,
    first: Array,
    second: Array,
    largest: Array | None,
    step: int,
    learning_rate: float,
    betas: tuple[float, float],
    epsilon: float,
) -> None:
    """One step of Adam; `first` and `second` are the running moments, `largest` AMSGrad's maximum."""
    root_correction = (1 - betas[1] ** step) ** 0.5
    rate = learning_rate / (1 - betas[0] ** step)
    average(first, gradient, betas[0])
    average_square(second, gradient, betas[1])
    if largest is not None:
        np.maximum(largest, second, out=largest)
        second = largest
    denominator = np.sqrt(second)
    denominator /= root_correction
    denominator += epsilon
    update = first / denominator
    update *= rate
    parameter -= update
