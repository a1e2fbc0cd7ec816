"""Causes at the output: an activation that does not go with the loss, and outputs that start too sure."""

from __future__ import annotations

import math

from deltarule.explain.training_health.causes.course import Course, level
from deltarule.explain.training_health.causes.finding import Finding, Remedy, severity
from deltarule.explain.training_health.vitals import Vitals

# Losses that compute softmax or sigmoid themselves.
_OF_LOGITS = frozenset(("cross_entropy", "binary_cross_entropy_with_logits"))
_OF_NUMBERS = frozenset(("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"))
# What comes out of an activation: least and largest value.
_REACH = {
    "relu": (0.0, math.inf),
    "softplus": (0.0, math.inf),
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
}
# Targets may lie so many of their deviations outside: noise on a bounded quantity.
_MARGIN = 0.25
# A start that is worse than uniform outputs by this factor, and by this many nats.
_TIMES = 2.0
_NATS = 1.0
# Spread of logits that is near enough to uniform.
_QUIET = 0.3


def activation_and_loss(course: Course) -> list[Finding]:
    """An activation on the last layer that the loss applies itself, or that the loss lacks.

    `cross_entropy` and `binary_cross_entropy_with_logits` take logits and compute softmax or sigmoid. Given
    probabilities they do it twice: of ten classes the loss then cannot fall below 1.46, and gradients are a
    tenth of what they should be. ReLU and tanh bound or cut the logits. `nll_loss` takes logarithms of
    probabilities: logits have no lower bound there, and the loss falls for ever.
    """
    vitals = course.first
    outputs, losses = vitals.outputs, set(vitals.outputs.loss)
    operation, layer = outputs.operation, outputs.layer
    loss = next(iter(outputs.loss), "")
    evidence: dict[str, float | int | str] = {"operation": operation, "loss": loss}
    remove = Remedy("remove_activation", {"layer": layer, "operation": operation})
    if losses & _OF_LOGITS:
        cause = {
            "softmax": "softmax_before_loss",
            "sigmoid": "sigmoid_before_loss",
            "relu": "activation_before_loss",
            "tanh": "activation_before_loss",
        }.get(operation)
        if cause is not None:
            return [Finding(cause, layer, 1.0, evidence, remove, vitals.step)]
    if "nll_loss" in losses and operation != "log_softmax" and _no_log_probabilities(vitals):
        evidence["largest"] = outputs.largest
        add = Remedy("add_log_softmax", {"layer": layer})
        return [Finding("log_softmax_missing", layer, 1.0, evidence, add, vitals.step)]
    return []


def out_of_reach(course: Course) -> list[Finding]:
    """Targets of a regression that the last activation can never give: negative ones after a ReLU, say."""
    vitals = course.first
    targets, operation = vitals.targets, vitals.outputs.operation
    if operation not in _REACH or not _OF_NUMBERS & set(vitals.outputs.loss):
        return []
    least, largest = _REACH[operation]
    margin = _MARGIN * targets.std
    if targets.smallest >= least - margin and targets.largest <= largest + margin:
        return []
    layer = vitals.outputs.layer
    return [
        Finding(
            "output_out_of_reach",
            layer,
            1.0,
            {
                "operation": operation,
                "smallest_target": targets.smallest,
                "largest_target": targets.largest,
            },
            Remedy("remove_activation", {"layer": layer, "operation": operation}),
            vitals.step,
        )
    ]


def overconfident(course: Course) -> list[Finding]:
    """A classifier that is sure before it has learned anything: its first loss is far above ln(classes).

    Equal probabilities cost ln C; logits of deviation σ cost about σ²/2 more (the mean of log Σ exp of
    normal numbers). Twice ln C and a nat more are beyond what He's and Glorot's initialisations give (logits
    of deviation up to √2). The first updates then only make the weights of the last layer smaller. Looked at
    before the first update only.

    Source: the check of the first loss in Karpathy 2019, A Recipe for Training Neural Networks.
    """
    vitals, outputs = course.first, course.first.outputs
    uniform = _uniform_loss(vitals)
    loss = level(vitals)
    if vitals.step or uniform is None or not loss > max(_TIMES * uniform, uniform + _NATS):
        return []
    spread = outputs.row_std if outputs.classes else outputs.std
    return [
        Finding(
            "overconfident_start",
            outputs.layer,
            severity(loss, _TIMES * uniform),
            {"loss": loss, "uniform": uniform, "spread": spread},
            Remedy("scale_last_layer", {"layer": outputs.layer, "factor": _QUIET / max(spread, _QUIET)}),
            vitals.step,
        )
    ]


def _uniform_loss(vitals: Vitals) -> float | None:
    """The loss of equal probabilities for all classes."""
    losses = set(vitals.outputs.loss)
    if losses & {"cross_entropy", "nll_loss"} and vitals.outputs.classes:
        return math.log(vitals.outputs.classes)
    if "binary_cross_entropy_with_logits" in losses:
        return math.log(2.0)
    return None


def _no_log_probabilities(vitals: Vitals) -> bool:
    """Whether outputs lie above 0, where no logarithm of a probability lies."""
    return vitals.outputs.largest > 1e-3
