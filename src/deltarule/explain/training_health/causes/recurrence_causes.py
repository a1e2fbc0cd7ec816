"""Causes over time: a recurrence whose gradient is lost, or explodes, before it reaches the first step."""

from __future__ import annotations

import math

from deltarule.explain.training_health.causes.course import Course
from deltarule.explain.training_health.causes.finding import Finding, Remedy, severity
from deltarule.explain.training_health.causes.output_causes import overconfident
from deltarule.explain.training_health.recurrent_vitals import RecurrentVitals
from deltarule.explain.training_health.vitals import Vitals

_LEFT = 1e-3
_GROWN = 1e3
# The same in a training that fails, or before one whose first outputs are far too large.
_GROWN_FAILING = 30.0
# No larger bias of the forget gates than this: sigmoid(6) keeps 1/e over 400 steps.
_MOST_BIAS = 6.0


def over_time(course: Course) -> list[Finding]:
    """A gradient that enters at the last time step and is a thousand times smaller, or larger, at the first.

    Each step back multiplies it by the Jacobian ∂h_t/∂h_(t-1) = W_hhᵀ diag(φ'): with a spectral radius of
    0.6 a thousandth is left after 14 steps. It is a cause where the last state alone is read, no
    feature within reach of the gradient tells anything of it (a permutation test, see `LabelInformation`),
    and the loss has not fallen: a sequence whose every step is read, or whose end tells enough, is learned
    without a long memory. Growth beyond a thousand is a cause wherever the loss is read; beyond thirty
    where the loss has not fallen, or the first outputs are as large as the states that grow.

    Source: Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013, sec. 2.1; the forget gate's
    bias: Gers, Schmidhuber & Cummins 2000, Jozefowicz, Zaremba & Sutskever 2015.
    """
    vitals = course.first
    failing = not course.falls if course.trained else bool(overconfident(course))
    for layer in vitals.recurrent:
        if layer.remains > (_GROWN_FAILING if failing else _GROWN) or not math.isfinite(layer.remains):
            return [_exploding(vitals, layer)] if layer.weight_radius > 1 else []
        if layer.remains < _LEFT and _read_at_the_end(vitals, layer) and not course.falls:
            told = vitals.targets.told_within
            if told is None or told > _horizon(layer.gradient_rate):
                return [_forgetting(vitals, layer)]
    return []


def _read_at_the_end(vitals: Vitals, layer: RecurrentVitals) -> bool:
    """Whether only the last states are read: the gradient says so, or else that there is one answer alone."""
    if layer.read is not None:
        return layer.read * layer.steps < 2
    return len(vitals.inputs.shape) >= 2 and len(vitals.outputs.shape) <= 2


def _horizon(rate: float) -> float:
    """Steps after which a thousandth of a gradient is left."""
    return math.log(_LEFT) / math.log(rate) if 0 < rate < 1 else 1.0


def _exploding(vitals: Vitals, layer: RecurrentVitals) -> Finding:
    evidence: dict[str, float | int | str] = {
        "kind": layer.kind,
        "steps": layer.steps,
        "rate": layer.gradient_rate,
        "grown": layer.remains,
        "radius": layer.weight_radius,
    }
    remedy = Remedy("orthogonal", {"layer": layer.layer})
    weighs = severity(layer.remains, _GROWN)
    return Finding("recurrence_explodes", layer.layer, weighs, evidence, remedy, vitals.step)


def _forgetting(vitals: Vitals, layer: RecurrentVitals) -> Finding:
    rate = layer.gradient_rate
    evidence: dict[str, float | int | str] = {
        "kind": layer.kind,
        "steps": layer.steps,
        "rate": rate,
        "remains": layer.remains,
        "radius": layer.weight_radius,
        "horizon": max(1, round(_horizon(rate))),
    }
    remedy = Remedy("orthogonal", {"layer": layer.layer})
    if layer.kind == "LSTM" and layer.forget is not None:
        evidence["forget"] = layer.forget
        # A gate of T/(T+1) keeps 1/e over T steps: the bias is ln T (Tallec & Ollivier 2018).
        bias = min(_MOST_BIAS, math.log(max(layer.steps, 3)))
        remedy = Remedy("forget_bias", {"layer": layer.layer, "value": round(bias, 1)})
    elif layer.forget is not None:
        evidence["forget"] = layer.forget
    weighs = severity(_LEFT / max(layer.remains, 1e-30), 1.0)
    return Finding("memory_too_short", layer.layer, weighs, evidence, remedy, vitals.step)
