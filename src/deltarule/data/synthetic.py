"""Small sets for teaching, drawn from a seed."""

from __future__ import annotations

import numpy as np

from deltarule.data.arrays import Arrays
from deltarule.data.randomness import generator
from deltarule.errors import ArgumentError

# Values are rounded so that the last bit of another machine's sin does not change the data.
_DECIMALS = 6


def xor(seed: int = 0, samples: int = 4, noise: float = 0.0) -> Arrays:
    """Exclusive or: the class is 1 where exactly one of two inputs is 1. No single neuron can learn it.

    samples   rows, taking the corners (0, 0), (0, 1), (1, 0), (1, 1) in turn
    noise     standard deviation of what is added to the corners

    Source: Minsky & Papert 1969, Perceptrons; Rumelhart, Hinton & Williams 1986.

        >>> xor().targets
        array([0, 1, 1, 0])
    """
    _check(samples, noise, 4)
    corner = np.arange(samples) % 4
    inputs = np.stack([corner // 2, corner % 2], axis=1) + noise * generator(seed).standard_normal(
        (samples, 2)
    )
    return Arrays(_float32(inputs), (corner // 2) ^ (corner % 2))


def spirals(seed: int = 0, samples: int = 400, noise: float = 0.05) -> Arrays:
    """Two spirals that wind one and a half times around each other; the class is the spiral.

    samples   rows, the two classes in turn
    noise     standard deviation of what is added to both coordinates; the spirals end at radius 1

    Source: Lang & Witbrock 1988, Learning to Tell Two Spirals Apart (here noisy, and with fewer turns).
    """
    _check(samples, noise, 4)
    random = generator(seed)
    arm = np.arange(samples) % 2
    radius = 0.1 + 0.9 * random.random(samples)
    angle = 3 * np.pi * radius + np.pi * arm
    inputs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return Arrays(_float32(inputs + noise * random.standard_normal((samples, 2))), arm)


def sine(seed: int = 0, samples: int = 200, noise: float = 0.05) -> Arrays:
    """One period of a sine with noise: a regression of one number on one number.

    y = sin(x) + noise, x uniform in [-π, π)

    samples   rows
    noise     standard deviation of what is added to y
    """
    _check(samples, noise, 2)
    random = generator(seed)
    x = random.uniform(-np.pi, np.pi, (samples, 1))
    return Arrays(_float32(x), _float32(np.sin(x) + noise * random.standard_normal((samples, 1))))


def _check(samples: int, noise: float, least: int) -> None:
    if isinstance(samples, bool) or not isinstance(samples, (int, np.integer)) or samples < least:
        raise ArgumentError(
            "load", f"samples expects {least} or more, got {samples!r}", "Use for example samples=400."
        )
    if not isinstance(noise, (int, float)) or not 0 <= noise <= 1e6:
        raise ArgumentError(
            "load", f"noise expects a number of 0 or more, got {noise!r}", "Use for example noise=0.1."
        )


def _float32(values: np.ndarray) -> np.ndarray:
    return np.round(values, _DECIMALS).astype(np.float32)
