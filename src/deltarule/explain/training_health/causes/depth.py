"""Causes over depth: gradients that vanish or explode on their way through the layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deltarule.explain.training_health.causes.course import Course, initialiser_for, usual_rms, weight_of
from deltarule.explain.training_health.causes.finding import Finding, Remedy, severity
from deltarule.explain.training_health.layer_vitals import LayerVitals
from deltarule.explain.training_health.vitals import Vitals

# Layers over which a rate is worth the name.
_LAYERS = 4
# What is left of the gradient at the first of them, or what it has grown to.
_LEFT = 1e-3
_GROWN = 1e3
# The derivative of a sigmoid is a quarter at most, which weights of usual size do not make up for.
_FLAT = 0.3
_WEIGHING = ("Linear", "Conv1d", "Conv2d", "ConvTranspose2d")


def over_depth(course: Course) -> list[Finding]:
    """A gradient that is a thousand times smaller, or larger, at the first layer than at the last.

    Looked at are runs of four or more fully-connected and convolutional layers one after another, at the
    first measurement. Each layer multiplies the size of the gradient by that of its weights and of the
    activation's derivative, so that the factors multiply: 0.25 per sigmoid leaves 1.5e-5 after eight. Where
    the derivative is small it is the activation that is to blame, else weights of a size that is not
    √(gain² / fan_in). Networks with skip connections do not vanish in this way; where normalisation
    follows a layer, its weights' size does not matter. Where all units of a layer are dead nothing passes,
    whatever the weights: that is told of the units (see `saturation.dead`).

    Source: Glorot & Bengio 2010; He, Zhang, Ren & Sun 2015, eqs. 10 and 14; sigmoids: Hochreiter 1991.
    """
    vitals = course.first
    for run in _runs(vitals):
        first, last = run[0], run[-1]
        if len(run) < _LAYERS or first.gradient is None or not last.gradient:
            continue
        ratio = first.gradient / last.gradient
        gaps = len(run) - 1
        grown = _growth(run, ratio)
        if ratio < _LEFT and not vitals.bypass and not _shut(vitals, run):
            return [_vanishing(vitals, run, ratio, ratio ** (1 / gaps) if ratio > 0 else 0.0)]
        if grown > _GROWN:
            rate = grown ** (1 / gaps) if math.isfinite(grown) else math.inf
            return [_exploding(vitals, run, grown, rate)]
    return []


def _shut(vitals: Vitals, run: Sequence[LayerVitals]) -> bool:
    """Whether all units behind one of the layers are dead."""
    names = {each.layer for each in run}
    return any(each.before in names and each.dead == 1 for each in vitals.units)


def _growth(run: Sequence[LayerVitals], ratio: float) -> float:
    """By how much the gradient grows backwards or, where it does not, values forwards; inf beyond floats."""
    forward = run[-1].output_rms / run[0].output_rms if run[0].output_rms else 0.0
    if not math.isfinite(ratio) or not math.isfinite(forward):
        return math.inf
    return max(ratio, forward)


def _vanishing(vitals: Vitals, run: Sequence[LayerVitals], left: float, rate: float) -> Finding:
    units = [each for each in vitals.units if each.before in {layer.layer for layer in run}]
    slopes = [each.derivative for each in units if each.derivative > 0]
    slope = math.exp(sum(map(math.log, slopes)) / len(slopes)) if slopes else 1.0
    operation = max((each.operation for each in units), key=[e.operation for e in units].count, default="")
    evidence: dict[str, float | int | str] = {"layers": len(run), "rate": rate, "left": left}
    weighs = severity(_LEFT / max(left, 1e-30), 1.0)
    if operation == "sigmoid" and slope < _FLAT:
        remedy = Remedy("replace_activation", {"layer": "", "old": operation, "new": "relu"})
        evidence = {"operation": operation, **evidence}
        return Finding("vanishing_by_activation", run[0].layer, weighs, evidence, remedy, vitals.step)
    return _by_weights("vanishing_by_weights", vitals, run, operation, weighs, evidence)


def _exploding(vitals: Vitals, run: Sequence[LayerVitals], grown: float, rate: float) -> Finding:
    operation = next((each.operation for each in vitals.units if each.before == run[0].layer), "")
    evidence: dict[str, float | int | str] = {"layers": len(run), "rate": rate, "grown": grown}
    weighs = severity(grown, _GROWN)
    return _by_weights("exploding_over_depth", vitals, run, operation, weighs, evidence)


def _by_weights(
    cause: str,
    vitals: Vitals,
    run: Sequence[LayerVitals],
    operation: str,
    weighs: float,
    evidence: dict[str, float | int | str],
) -> Finding:
    sizes = [(each, usual_rms(each, operation)) for each in _weights(vitals, run)]
    logs = [(math.log(each.weight_rms), math.log(usual)) for each, usual in sizes if each.weight_rms > 0] or [
        (0.0, 0.0)
    ]
    rms, usual = (math.exp(sum(column) / len(logs)) for column in zip(*logs, strict=True))
    evidence |= {"weight_rms": rms, "usual_rms": usual, "times": rms / usual}
    remedy = Remedy(
        "initialise", {"layer": "", "initialiser": initialiser_for(operation), "factor": usual / rms}
    )
    return Finding(cause, run[0].layer, weighs, evidence, remedy, vitals.step)


def _weights(vitals: Vitals, run: Sequence[LayerVitals]) -> list:
    found = [weight_of(vitals, layer.layer) for layer in run]
    return [each for each in found if each is not None]


def _runs(vitals: Vitals) -> list[list[LayerVitals]]:
    """Weighing layers that come one after another; normalisation between them does not part them."""
    runs: list[list[LayerVitals]] = [[]]
    for layer in vitals.layers:
        if layer.gradient is None:
            continue
        if layer.kind in _WEIGHING:
            runs[-1].append(layer)
        elif "Norm" not in layer.kind:
            runs.append([])
    return [run for run in runs if run]
