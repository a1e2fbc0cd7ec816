"""How a gradient differs from the right one, where no simple mistake explains it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.arrays import TOLERANCE
from deltarule.explain.checking.claims import deviation
from deltarule.explain.checking.drawing import resized
from deltarule.explain.checking.findings import Pattern
from deltarule.explain.checking.problem import Problem, Trial

Claimed = Callable[[Trial], dict[str, Array] | None]
_MOST_STEPS = 6


def pattern_of(problem: Problem, trial: Trial, name: str, given: Array, claimed: Claimed | None) -> Pattern:
    """Which elements differ, how alike both are, and at which lengths and steps of a sequence it is wrong."""
    expected = trial.gradients[name]
    lengths, losses = ((), ()) if claimed is None else _over_time(problem, trial, name, claimed)
    if given.shape != expected.shape:
        return Pattern(given.size, expected.size, lengths=lengths, losses=losses)
    scale = float(np.max(np.abs(expected), initial=0.0))
    wrong = np.abs(given - expected) > TOLERANCE * max(scale, 1e-300)
    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()
    if wrong.ndim >= 1:
        rows = _some(np.any(wrong, axis=tuple(range(1, wrong.ndim))))
    if wrong.ndim >= 2:
        columns = _some(np.any(wrong, axis=tuple(range(wrong.ndim - 1))))
    a, b = given.reshape(-1), expected.reshape(-1)
    correlation = None
    if a.size > 1 and np.all(np.isfinite(a)) and np.std(a) > 0 and np.std(b) > 0:
        correlation = float(np.corrcoef(a, b)[0, 1])
    square = float(np.sum(b * b))
    factor = float(np.sum(a * b)) / square if square > 0 and np.all(np.isfinite(a)) else None
    return Pattern(int(np.sum(wrong)), wrong.size, rows, columns, correlation, factor, lengths, losses)


def _some(wrong: Array) -> tuple[int, ...]:
    """Places that are wrong, where others are not."""
    return tuple(int(place) for place in np.flatnonzero(wrong)) if np.any(wrong) and not np.all(wrong) else ()


def _over_time(
    problem: Problem, trial: Trial, name: str, claimed: Claimed
) -> tuple[tuple[tuple[int, float], ...], tuple[tuple[int, float], ...]]:
    """Relative errors on sequences cut short, and with a loss that looks at one step alone."""
    output = trial.outputs[0]
    times = {array.shape[1] for array in trial.numbers.values() if array.ndim == 3}
    if len(times) != 1:
        return (), ()
    steps = times.pop()
    generator = np.random.default_rng(0)

    def fill(title: str, shape: tuple[int, ...]) -> Array:
        return generator.normal(0.0, 0.7, shape)

    lengths = []
    for length in range(1, min(steps, _MOST_STEPS)):
        error = _error(resized(problem, trial, {steps: length}, fill, length), name, claimed)
        if error is not None:
            lengths.append((length, error))
    losses = []
    if output.ndim == 3 and output.shape[1] == steps:
        for step in range(min(steps, _MOST_STEPS)):
            upstream = [np.zeros(each.shape) for each in trial.upstream]
            upstream[0][:, step] = trial.upstream[0][:, step]
            error = _error(trial.with_upstream(upstream), name, claimed)
            if error is not None:
                losses.append((step, error))
    return tuple(lengths), tuple(losses)


def _error(trial: Trial | None, name: str, claimed: Claimed) -> float | None:
    given = None if trial is None else claimed(trial)
    if trial is None or given is None or name not in given:
        return None
    if given[name].shape != trial.gradients[name].shape:
        return None
    return deviation(given[name], trial.gradients[name])
