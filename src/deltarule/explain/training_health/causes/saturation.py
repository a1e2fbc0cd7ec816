"""Causes in single layers: saturated sigmoid and tanh units, dead rectified units."""

from __future__ import annotations

import math

from deltarule.explain.training_health.causes.course import (
    Course,
    hidden_units,
    initialiser_for,
    input_rms,
    takes_inputs_as_they_are,
    usual_rms,
    weight_of,
)
from deltarule.explain.training_health.causes.finding import Finding, Remedy, severity
from deltarule.explain.training_health.unit_activity import UnitVitals
from deltarule.explain.training_health.vitals import Vitals

# More than half of a layer's values lie where the derivative is below a twentieth of its largest.
_SATURATED = 0.5
# Four units in five are 0 on the whole probe. At random signs half of all values are, of units next to none.
_DEAD = 0.8
# Inputs larger than this saturate by themselves what weights of the usual size would not.
_LARGE_INPUTS = 3.0
# A layer of which so little is on, or fewer rows than this, says nothing about units.
_ROWS = 16


def saturated(course: Course) -> list[Finding]:
    """Sigmoid or tanh units that start where they are flat: their gradient is a twentieth, or nothing.

    Looked at is the first measurement: a trained unit may be sure of its answer. With weights of variance
    1/fan_in and inputs of size 1 the sums have deviation 1 and 3 % of tanh units saturate; half of them do
    at a deviation of 3.2, of sigmoids at 6.5. To blame are the inputs where they go straight into the layer
    and are large by a greater factor than the weights are; else the weights. Gates of recurrent layers and
    the units of the output are left alone: they may be meant to be shut, or sure.

    Source: LeCun, Bottou, Orr & Müller 1998, secs. 4.4 to 4.6; Glorot & Bengio 2010, sec. 3.
    """
    vitals = course.first
    for unit in hidden_units(vitals):
        if unit.saturated > _SATURATED:
            return [_saturated(vitals, unit)]
    return []


def _saturated(vitals: Vitals, unit: UnitVitals) -> Finding:
    weight = weight_of(vitals, unit.before)
    if weight is None:
        # No matrix weighs inputs, as in a sum of embeddings: usual is a size that gives sums of about 1.
        times = math.hypot(unit.input_mean, unit.input_std)
        rms = _rms_of(vitals, unit.before)
        usual = rms / times
    else:
        rms, usual = weight.weight_rms, usual_rms(weight, unit.operation)
        times = rms / usual
    first = bool(vitals.layers) and vitals.layers[0].layer == unit.before and takes_inputs_as_they_are(vitals)
    size = input_rms(vitals)
    evidence: dict[str, float | int | str] = {
        "operation": unit.operation,
        "saturated": unit.saturated,
        "input_std": unit.input_std,
    }
    weighs = severity(unit.saturated, 1.0 - unit.saturated)
    if first and size > max(_LARGE_INPUTS, times):
        evidence["inputs_rms"] = size
        remedy = Remedy("standardise_inputs")
        return Finding("saturated_by_inputs", unit.before, weighs, evidence, remedy, vitals.step)
    evidence |= {"weight_rms": rms, "usual_rms": usual, "times": times}
    remedy = Remedy(
        "initialise",
        {
            "layer": unit.before,
            "initialiser": initialiser_for(unit.operation),
            "factor": 1 / max(times, 1e-30),
        },
    )
    return Finding("saturated_by_weights", unit.before, weighs, evidence, remedy, vitals.step)


def _rms_of(vitals: Vitals, layer: str) -> float:
    """The size of a layer's first parameter; 0 where it has none."""
    return next((each.weight_rms for each in vitals.parameters if each.layer == layer), 0.0)


def dead(course: Course) -> list[Finding]:
    """Rectified units that are 0 for every sample of the probe: no gradient passes, they stay so.

    Four units in five of a layer at any measurement. From the start it is the biases; later it is mostly a
    step that was too long, which then is named instead (see `findings`).

    Source: Maas, Hannun & Ng 2013, sec. 2; He, Zhang, Ren & Sun 2015; Lu, Shin, Su & Karniadakis 2019,
    Dying ReLU and Initialization.
    """
    for vitals in course.history:
        if not vitals.finite or vitals.rows < _ROWS:
            continue
        for unit in hidden_units(vitals):
            if unit.dead > _DEAD:
                evidence = {
                    "dead": unit.dead,
                    "units": unit.units,
                    "input_mean": unit.input_mean,
                    "input_std": unit.input_std,
                }
                remedy = Remedy(
                    "replace_activation", {"layer": unit.layer, "old": unit.operation, "new": "leaky_relu"}
                )
                if vitals.step == 0:
                    # Nothing has moved yet: it is how the layer starts that is wrong.
                    initialiser = initialiser_for(unit.operation)
                    remedy = Remedy("initialise", {"layer": unit.before, "initialiser": initialiser})
                weighs = severity(unit.dead, 1.0 - unit.dead)
                return [Finding("dead_units", unit.before, weighs, evidence, remedy, vitals.step)]
    return []
