"""Analytic gradients of a number beside its differences: where they disagree, and where a kink excuses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.differences import STEPS, Slope, is_kink, slope, unit
from deltarule.autodiff.tensor import Array

# Arrays of up to so many elements are checked one by one, larger ones along so many random directions.
_ELEMENT_LIMIT = 400
_DIRECTIONS = 24


@dataclass(frozen=True)
class Disagreement:
    """A disagreement: which input, which element (None for a random direction), both numbers."""

    position: int
    element: tuple[int, ...] | None
    analytic: float
    numerical: float


class Comparison:
    """Analytic gradients of a number against its differences, for several arrays."""

    def __init__(self, loss: Callable[[list[Array]], float], arrays: list[Array], tolerance: float):
        self.loss = loss
        self.arrays = arrays
        self.tolerance = tolerance
        self.max_error = 0.0
        self.checked = 0
        self.kinks: list[tuple[int, tuple[int, ...]]] = []
        self.wrong: Disagreement | None = None
        self.numerical: dict[int, Array] = {}

    def compare(self, analytic: list[Array], generator: np.random.Generator) -> None:
        """Checks every array; stops at the array of the first disagreement."""
        for position, array in enumerate(self.arrays):
            if array.size <= _ELEMENT_LIMIT:
                self._elements(position, analytic[position])
            else:
                self._directions(position, analytic[position], generator)
            if self.wrong is not None:
                return

    def _elements(self, position: int, analytic: Array) -> None:
        array = self.arrays[position]
        lines = {
            index: _Line(self.loss, self.arrays, position, unit(array.shape, index), float(abs(array[index])))
            for index in np.ndindex(array.shape)
        }
        slopes = {index: line.slope() for index, line in lines.items()}
        numerical = np.zeros(array.shape)
        for index, each in slopes.items():
            numerical[index] = each.central
        self.numerical[position] = numerical
        scale = max(_largest(numerical), _largest(analytic))
        worst = 0.0
        for index, each in slopes.items():
            error = self._error(float(analytic[index]), each, scale, lines[index])
            if error is None:
                self.kinks.append((position, index))
                continue
            self.max_error = max(self.max_error, error)
            if not error <= self.tolerance and (self.wrong is None or error > worst):
                worst = error
                self.wrong = Disagreement(position, index, float(analytic[index]), each.central)
        self.checked += len(slopes)

    def _directions(self, position: int, analytic: Array, generator: np.random.Generator) -> None:
        array = self.arrays[position]
        size = float(np.sqrt(np.mean(array**2)))
        for _ in range(_DIRECTIONS):
            direction = generator.standard_normal(array.shape)
            direction /= np.sqrt(direction.size)
            line = _Line(self.loss, self.arrays, position, direction, size)
            each = line.slope()
            expected = float(np.sum(analytic * direction))
            scale = max(abs(expected), each.scale, float(np.sqrt(np.mean(analytic**2))))
            error = self._error(expected, each, scale, line)
            self.checked += 1
            if error is None:
                self.kinks.append((position, ()))
                continue
            self.max_error = max(self.max_error, error)
            if not error <= self.tolerance:
                self.wrong = Disagreement(position, None, expected, each.central)
                return

    def _error(self, analytic: float, each: Slope, scale: float, line: _Line) -> float | None:
        """Relative deviation, or None at a kink whose one-sided derivatives enclose the gradient."""
        scale = max(scale, 1e-3)
        error = abs(analytic - each.central) / scale
        for step in STEPS[1:]:
            if error <= self.tolerance:
                return error
            # A kink or the edge of the domain may lie within the longer step.
            error = float(np.fmin(error, abs(analytic - line.slope(step).central) / scale))
        if error <= max(self.tolerance, 1e-9 / scale):
            return min(error, self.tolerance)
        kink = is_kink(line.slope, line.loss(line.arrays), self.tolerance)
        if kink is None:
            return error
        slack = 1e-3 * max(kink.scale, 1e-3)
        if min(kink.left, kink.right) - slack <= analytic <= max(kink.left, kink.right) + slack:
            return None
        return error


def _largest(array: Array) -> float:
    return float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))


@dataclass(frozen=True)
class _Line:
    """A direction of one array, along which the loss is differenced; `size` is that of its elements."""

    loss: Callable[[list[Array]], float]
    arrays: list[Array]
    position: int
    direction: Array
    size: float

    def slope(self, step: float | None = None) -> Slope:
        """The derivative at a step in units of the elements' size; None takes the longest that is finite."""
        directions = [self.direction if each == self.position else None for each in range(len(self.arrays))]
        found = None
        for tried in STEPS if step is None else (step,):
            found = slope(self.loss, self.arrays, directions, tried * max(self.size, 1.0))
            if np.isfinite(found.central):
                break
        assert found is not None
        return found
