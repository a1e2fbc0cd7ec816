"""Causes: from what was measured of a training to why it does not train.

    found = findings(history)          history: the vitals of one step or of several, in their order

A rule for each family of causes reads `Vitals` and nothing else. A finding whose cause follows from
another one that was found is left out: a learning rate that is too high kills ReLUs, and it is the
learning rate that is named.

    cause                      evidence
                               -> remedy: its arguments

    inputs_not_finite          share -> clean_inputs
    targets_not_finite         share -> clean_targets
    inputs_constant            share -> check_inputs
    targets_constant           value -> check_labels
    weights_not_finite         parameters, names -> restore_weights: layer
    all_frozen                 parameters -> unfreeze: layer ("" for all)
    loss_not_connected         parameters, loss -> connect_loss
    not_connected              parameters, names -> connect: layer
    not_optimised              parameters, names -> optimise: layer
    learning_rate_zero         updates -> set_learning_rate
    log_softmax_missing        operation, loss, largest (output) -> add_log_softmax: layer
    softmax_before_loss        operation, loss -> remove_activation: layer, operation
    sigmoid_before_loss        the same
    activation_before_loss     the same, for ReLU and tanh on logits
    output_out_of_reach        operation, smallest_target, largest_target
                               -> remove_activation: layer, operation
    equal_units                share, units, zero ("yes" or "no") -> initialise: layer, initialiser
    feature_dominates          feature, std, median_std, times -> standardise_inputs
    saturated_by_inputs        operation, saturated, input_std, inputs_rms -> standardise_inputs
    inputs_not_standardised    mean, std, rms -> standardise_inputs
    targets_not_standardised   mean, std, loss -> standardise_targets
    saturated_by_weights       operation, saturated, input_std, weight_rms, usual_rms, times
                               -> initialise: layer, initialiser, factor
    exploding_over_depth       layers, rate, grown, weight_rms, usual_rms, times
                               -> initialise: layer ("" for all), initialiser, factor
    recurrence_explodes        kind, steps, rate, grown, radius -> orthogonal: layer
    overflows                  weight_rms, usual_rms, times -> start_again
    loss_not_finite            loss -> find_operation
    vanishing_by_activation    operation, layers, rate, left
                               -> replace_activation: layer ("" for all), old, new
    vanishing_by_weights       layers, rate, left, weight_rms, usual_rms, times
                               -> initialise: layer ("" for all), initialiser, factor
    dead_units                 dead, units, input_mean, input_std
                               -> initialise: layer, initialiser; later replace_activation: layer, old, new
    overconfident_start        loss, uniform (ln of the classes), spread (of the logits)
                               -> scale_last_layer: layer, factor
    weight_decay_too_strong    weight_decay, decay, gradient, times -> weight_decay: value
    penalty_too_strong         penalty, pull (of its gradient), gradient, times -> penalty: factor
    dropout_too_strong         probability, kept, loss, quiet_loss -> dropout: layer, probability
    clipped_always             clipped, limit, norm, times -> clip_norm: limit
    learning_rate_too_high     learning_rate, factor (how many times), loss_before, loss_after
                               -> learning_rate: factor, rate; with least_factor in place of factor, where
                               no step that was tried is short enough -> set_learning_rate
    memory_too_short           kind, steps, rate, remains, radius, horizon (steps until 1e-3 is left), forget
                               (with gates) -> orthogonal: layer; for LSTM forget_bias: layer, value
    labels_uninformative       true, permuted, spread, deviations -> check_labels
    batch_too_small            batch_size, scale, noise -> batch_size: rows
    learning_rate_too_low      learning_rate, factor (how many times), update_ratio
                               -> learning_rate: factor, rate
    class_imbalance            largest, smallest, times -> weigh_classes

They stand in the order in which they are reported: what shows at one place of the network first, what only
the course of a training shows last.
"""

from __future__ import annotations

from collections.abc import Sequence

from deltarule.errors import ArgumentError
from deltarule.explain.training_health.causes import (
    connection,
    data_causes,
    depth,
    learning_rate,
    output_causes,
    recurrence_causes,
    regularisation,
    saturation,
)
from deltarule.explain.training_health.causes.course import Course
from deltarule.explain.training_health.causes.finding import Finding, Remedy
from deltarule.explain.training_health.causes.precedence import CAUSES, without_consequences
from deltarule.explain.training_health.vitals import Vitals

# What would help, by name: see the list above.
REMEDIES = (
    "standardise_inputs",
    "standardise_targets",
    "initialise",
    "replace_activation",
    "scale_last_layer",
    "orthogonal",
    "forget_bias",
    "learning_rate",
    "weight_decay",
    "penalty",
    "dropout",
    "clip_norm",
    "batch_size",
    "remove_activation",
    "add_log_softmax",
    "clean_inputs",
    "clean_targets",
    "check_inputs",
    "check_labels",
    "restore_weights",
    "set_learning_rate",
    "start_again",
    "find_operation",
    "unfreeze",
    "connect",
    "connect_loss",
    "optimise",
    "weigh_classes",
)

RULES = (
    data_causes.not_finite,
    data_causes.constant,
    connection.weights_not_finite,
    connection.all_frozen,
    connection.not_connected,
    connection.not_optimised,
    learning_rate.zero,
    output_causes.activation_and_loss,
    output_causes.out_of_reach,
    connection.equal_units,
    data_causes.input_scale,
    data_causes.target_scale,
    saturation.saturated,
    depth.over_depth,
    recurrence_causes.over_time,
    learning_rate.overflows,
    saturation.dead,
    output_causes.overconfident,
    regularisation.weight_decay,
    regularisation.penalty,
    regularisation.dropout,
    regularisation.clipping,
    learning_rate.too_high,
    data_causes.labels,
    regularisation.batch_noise,
    learning_rate.too_low,
    data_causes.imbalance,
)


def findings(history: Sequence[Vitals]) -> list[Finding]:
    """Why a network does not train, the most specific cause first; nothing for one that is healthy.

    history   what `vitals` measured, in the order of the steps; best begun before the first update, with
              measurements of 64 rows or more. One measurement is enough for causes that show at once

    Consequences of a cause that was found are left out. Raises ArgumentError without any measurement, and for
    what is none.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> from deltarule.explain.training_health.probe import vitals
    >>> dr.manual_seed(0)
    >>> model = dr.nn.Sequential(dr.nn.Linear(4, 8), dr.nn.ReLU(), dr.nn.Linear(8, 3), dr.nn.Softmax())
    >>> inputs = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    >>> seen = vitals(model, dr.cross_entropy, inputs, inputs[:, :3].argmax(axis=1))
    >>> [(each.cause, each.layer) for each in findings([seen])]
    [('softmax_before_loss', '3')]
    """
    if isinstance(history, Vitals) or not all(isinstance(each, Vitals) for each in history):
        got = "one by itself" if isinstance(history, Vitals) else "something else among them"
        raise ArgumentError("findings", f"expected a list of measurements, got {got}", "Call vitals first.")
    if not history:
        raise ArgumentError("findings", "expected one measurement or more, got none", "Call vitals first.")
    course = Course(tuple(history))
    found: list[Finding] = []
    for rule in RULES:
        found += rule(course)
    return without_consequences(found, course.first.step)


__all__ = ["CAUSES", "REMEDIES", "RULES", "Finding", "Remedy", "findings"]
