"""Derivatives by differences: what gradients are checked against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.tensor import Array

Loss = Callable[[list[Array]], float]

# Fourth-order differences err by about (step⁴ + ε/step); float64's optimum is near ε^(1/5). The shorter
# ones serve where a kink or the edge of the domain is near.
STEPS = (1e-3, 1e-5, 1e-6)


@dataclass(frozen=True)
class Slope:
    """A derivative along one direction.

    central   fourth-order central difference
    left      one-sided, from below
    right     one-sided, from above
    """

    central: float
    left: float
    right: float

    @property
    def scale(self) -> float:
        return max(abs(self.central), abs(self.left), abs(self.right))


def slope(loss: Loss, arrays: list[Array], directions: list[Array | None], step: float) -> Slope:
    """Derivative of loss(arrays + t · directions) with respect to t at 0."""

    def at(t: float) -> float:
        moved = [
            array if direction is None else array + t * direction
            for array, direction in zip(arrays, directions, strict=True)
        ]
        return loss(moved)

    here = at(0.0)
    one, minus_one, two, minus_two = at(step), at(-step), at(2 * step), at(-2 * step)
    return Slope(
        central=(8 * (one - minus_one) - (two - minus_two)) / (12 * step),
        # Second-order one-sided: exact enough to tell a kink from curvature.
        left=(3 * here - 4 * minus_one + minus_two) / (2 * step),
        right=(-3 * here + 4 * one - two) / (2 * step),
    )


def unit(shape: tuple[int, ...], index: tuple[int, ...]) -> Array:
    """The direction along one element."""
    direction = np.zeros(shape)
    direction[index] = 1.0
    return direction


def is_kink(slope_at: Callable[[float], Slope], value: float, tolerance: float) -> Slope | None:
    """The one-sided derivatives if the function has a kink here along this direction, else None.

    slope_at  the slope at a step
    value     the function's value here

    At a kink, left and right derivatives stay apart however small the step is; at a smooth point
    they approach each other, by a factor of 16 or more for a step of a quarter.
    """
    smallest: Slope | None = None
    for step in STEPS:
        smallest = slope_at(step)
        apart = abs(smallest.left - smallest.right)
        # Rounding in one-sided differences grows as ε/step.
        noise = 1e-14 * max(abs(value), 1.0) / step
        if apart <= max(tolerance * max(smallest.scale, 1e-3), 20 * noise):
            return None
    return smallest
