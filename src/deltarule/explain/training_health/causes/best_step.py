"""How long the optimiser's next step should be, by the losses that were tried along it."""

from __future__ import annotations

import math

from deltarule.explain.training_health.step_trial import StepVitals


def best_factor(step: StepVitals, before: float) -> float:
    """The multiple of a step that lowers the loss most: the lowest point of a parabola through three tries.

    before   the same loss without a step: `Vitals.total`

    The smallest factor where every step raises the loss, the largest where none changes it.

    >>> from types import SimpleNamespace
    >>> factors = (0.01, 0.1, 1.0, 10.0)
    >>> losses = tuple((1 - 2 * each) ** 2 for each in factors)
    >>> round(best_factor(SimpleNamespace(factors=factors, losses=losses), 1.0), 3)
    0.5
    """
    losses = [each if math.isfinite(each) else math.inf for each in step.losses]
    place = min(range(len(losses)), key=losses.__getitem__)
    if losses[place] >= before:
        return step.factors[-1 if max(losses) <= before else 0]
    points = [(0.0, before), *zip(step.factors, losses, strict=True)]
    # Of the three points around the lowest one, the curve's own.
    around = points[place : place + 3]
    if len(around) < 3 or not all(math.isfinite(value) for _, value in around):
        return step.factors[place]
    (a, f), (b, g), (c, h) = around
    left, right = (b - a) * (g - h), (b - c) * (g - f)
    if left == right:
        return step.factors[place]
    lowest = b - 0.5 * ((b - a) * left - (b - c) * right) / (left - right)
    return min(max(lowest, a, step.factors[0] / 10), c)
