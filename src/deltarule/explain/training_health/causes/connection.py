"""Causes in the connection: broken or frozen weights, layers without gradient or optimiser, equal units."""

from __future__ import annotations

import math

from deltarule.explain.training_health.causes.course import Course
from deltarule.explain.training_health.causes.finding import Finding, Remedy
from deltarule.explain.training_health.layer_vitals import ParameterVitals
from deltarule.explain.training_health.vitals import Vitals

# Share of a layer's units that equal another one.
_EQUAL = 0.5


def weights_not_finite(course: Course) -> list[Finding]:
    """Weights that are NaN or infinite before the first update that is looked at; the first such layer.

    An update never makes them so: a training breaks off before it. They were loaded, or set by hand.
    """
    vitals = course.first
    broken = _by_layer([each for each in vitals.parameters if not math.isfinite(each.weight_norm)])
    return [
        _of_layer("weights_not_finite", "restore_weights", layer, parameters, vitals)
        for layer, parameters in list(broken.items())[:1]
    ]


def all_frozen(course: Course) -> list[Finding]:
    """Every parameter is frozen (requires_grad=False), so that nothing can be trained.

    Where some are not, the others were frozen on purpose: transfer learning trains the last layers alone.
    """
    vitals = course.last
    if not vitals.parameters or any(each.requires_grad for each in vitals.parameters):
        return []
    evidence = {"parameters": len(vitals.parameters)}
    return [Finding("all_frozen", "", 1.0, evidence, Remedy("unfreeze", {"layer": ""}), vitals.step)]


def not_connected(course: Course) -> list[Finding]:
    """A layer whose parameters are to be trained, and none of whose gradients exists.

    The recorded graph of the loss does not contain it: it was not called, its result was not used, or it
    was cut off by `detach` or `no_grad`. A layer that was frozen (requires_grad=False) is left alone. Where
    no layer at all is reached, it is the loss that was cut off, or else the last layer, and the others with
    it.
    """
    vitals = course.first
    trained = [each for each in vitals.parameters if each.requires_grad]
    if vitals.cut == "loss" and trained:
        evidence = {"parameters": len(trained), "loss": vitals.loss}
        return [Finding("loss_not_connected", "", 1.0, evidence, Remedy("connect_loss"), vitals.step)]
    called = [each.layer for each in vitals.layers if math.isfinite(each.output_rms)]
    if vitals.cut == "output" and trained and called:
        return [_of_layer("not_connected", "connect", called[-1], trained, vitals)]
    missing = [each for each in vitals.parameters if each.requires_grad and not each.has_gradient]
    reached = {each.layer for each in vitals.parameters if each.has_gradient}
    return [
        _of_layer("not_connected", "connect", layer, parameters, vitals)
        for layer, parameters in _by_layer(missing).items()
        if layer not in reached
    ]


def not_optimised(course: Course) -> list[Finding]:
    """A layer with a gradient that the optimiser does not know, or knows with learning rate 0.

    A layer that is not to be trained is frozen with requires_grad=False, so that no gradient is computed.
    """
    vitals = course.last
    if all(each.learning_rate is None for each in vitals.parameters):
        return []
    missing = [
        each
        for each in vitals.parameters
        if each.requires_grad and each.has_gradient and not each.learning_rate
    ]
    # A schedule may start from or end at a learning rate of 0 for all.
    if len(missing) == len(vitals.parameters):
        return []
    return [
        _of_layer("not_optimised", "optimise", layer, parameters, vitals)
        for layer, parameters in _by_layer(missing).items()
    ]


def equal_units(course: Course) -> list[Finding]:
    """Units of a layer with the same weights and the same gradient: they will be the same for ever.

    Half of the rows of a weight matrix, or more, equal another row in value and in gradient. Weights of 0 or
    of another constant do that; those of the last layer may be equal, since each output has its own target
    and so its own gradient. The first such layer is named.

    Source: Rumelhart, Hinton & Williams 1986, on breaking the symmetry; Goodfellow, Bengio & Courville
    2016, Deep Learning, sec. 8.4.
    """
    vitals = course.first
    for each in vitals.parameters:
        if each.kind not in ("weight", "recurrent") or not each.requires_grad or not each.has_gradient:
            continue
        if each.equal_units >= _EQUAL:
            followed = next((unit.operation for unit in vitals.units if unit.before == each.layer), "")
            initialiser = "kaiming_normal" if followed == "relu" else "xavier_uniform"
            return [
                Finding(
                    "equal_units",
                    each.layer,
                    1.0,
                    {
                        "share": each.equal_units,
                        "units": each.shape[0],
                        "zero": "yes" if each.zero else "no",
                    },
                    Remedy("initialise", {"layer": "", "initialiser": initialiser}),
                    vitals.step,
                )
            ]
    return []


def _by_layer(parameters: list[ParameterVitals]) -> dict[str, list[ParameterVitals]]:
    found: dict[str, list[ParameterVitals]] = {}
    for each in parameters:
        found.setdefault(each.layer, []).append(each)
    return found


def _of_layer(
    cause: str, remedy: str, layer: str, parameters: list[ParameterVitals], vitals: Vitals
) -> Finding:
    evidence = {"parameters": len(parameters), "names": ", ".join(each.name for each in parameters)}
    return Finding(cause, layer, 1.0, evidence, Remedy(remedy, {"layer": layer}), vitals.step)
