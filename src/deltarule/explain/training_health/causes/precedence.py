"""Which causes explain which others, so that a consequence is not reported as a cause of its own."""

from __future__ import annotations

from collections.abc import Sequence

from deltarule.explain.training_health.causes.finding import Finding

# All causes, the most specific first: what can be read off one place of the network comes before what the
# whole training shows.
CAUSES: tuple[str, ...] = (
    "inputs_not_finite",
    "targets_not_finite",
    "inputs_constant",
    "targets_constant",
    "weights_not_finite",
    "all_frozen",
    "loss_not_connected",
    "not_connected",
    "not_optimised",
    "learning_rate_zero",
    "log_softmax_missing",
    "softmax_before_loss",
    "sigmoid_before_loss",
    "activation_before_loss",
    "output_out_of_reach",
    "equal_units",
    "feature_dominates",
    "saturated_by_inputs",
    "inputs_not_standardised",
    "targets_not_standardised",
    "saturated_by_weights",
    "exploding_over_depth",
    "recurrence_explodes",
    "overflows",
    "loss_not_finite",
    "vanishing_by_activation",
    "vanishing_by_weights",
    "dead_units",
    "overconfident_start",
    "weight_decay_too_strong",
    "penalty_too_strong",
    "dropout_too_strong",
    "clipped_always",
    "learning_rate_too_high",
    "memory_too_short",
    "labels_uninformative",
    "batch_too_small",
    "learning_rate_too_low",
    "class_imbalance",
)

# What a training that goes nowhere shows, whatever keeps it: none of these is named beside its cause.
_STUCK = {
    "learning_rate_too_low",
    "batch_too_small",
    "labels_uninformative",
    "memory_too_short",
    "learning_rate_too_high",
}
# What would show in a training says nothing where there is none.
_WITHOUT_TRAINING = _STUCK | {
    "learning_rate_zero",
    "not_optimised",
    "weight_decay_too_strong",
    "penalty_too_strong",
    "dropout_too_strong",
    "clipped_always",
}
# What comes of sums that are too large.
_TOO_LARGE = {
    "saturated_by_inputs",
    "saturated_by_weights",
    "exploding_over_depth",
    "overflows",
    "loss_not_finite",
    "vanishing_by_activation",
    "vanishing_by_weights",
    "dead_units",
    "overconfident_start",
    "clipped_always",
    "weight_decay_too_strong",
    "penalty_too_strong",
}
# What kills units in the course of a training: steps that are too long for the gradient they follow, the
# first ones from a loss that is far too high, and a pull of all weights to 0.
_KILLS = {
    "learning_rate_too_high",
    "batch_too_small",
    "overconfident_start",
    "weight_decay_too_strong",
    "penalty_too_strong",
}

_ALL: set[str] = set(CAUSES)

# Cause -> what follows from it.
_EXPLAINS: dict[str, set[str]] = {
    "inputs_not_finite": _ALL - {"targets_not_finite"},
    "targets_not_finite": _ALL - {"inputs_not_finite"},
    "inputs_constant": _STUCK | _TOO_LARGE,
    "targets_constant": _STUCK | _TOO_LARGE | {"class_imbalance"},
    "weights_not_finite": _ALL - {"inputs_not_finite", "targets_not_finite", "all_frozen"},
    "all_frozen": _WITHOUT_TRAINING,
    "loss_not_connected": _WITHOUT_TRAINING | {"not_connected"},
    "not_connected": _STUCK,
    "not_optimised": _STUCK,
    "learning_rate_zero": _STUCK,
    "log_softmax_missing": _STUCK | _TOO_LARGE,
    "softmax_before_loss": _STUCK | {"overconfident_start"},
    "sigmoid_before_loss": _STUCK | {"overconfident_start"},
    "activation_before_loss": _STUCK | {"overconfident_start"},
    "output_out_of_reach": _STUCK | {"dead_units"},
    "equal_units": _STUCK | _TOO_LARGE,
    "feature_dominates": _STUCK | _TOO_LARGE | {"inputs_not_standardised"},
    "saturated_by_inputs": _STUCK | _TOO_LARGE | {"inputs_not_standardised"},
    "inputs_not_standardised": _STUCK | _TOO_LARGE,
    "targets_not_standardised": _STUCK | _TOO_LARGE,
    "saturated_by_weights": _STUCK | _TOO_LARGE | {"recurrence_explodes"},
    "exploding_over_depth": _STUCK | _TOO_LARGE,
    "recurrence_explodes": _STUCK | _TOO_LARGE,
    "overflows": _STUCK | _TOO_LARGE | {"dropout_too_strong"},
    "loss_not_finite": _STUCK | _TOO_LARGE | {"dropout_too_strong"},
    "vanishing_by_activation": _STUCK | {"dead_units"},
    "vanishing_by_weights": _STUCK | {"dead_units"},
    "dead_units": _STUCK,
    "overconfident_start": {"learning_rate_too_high", "batch_too_small", "clipped_always"},
    "weight_decay_too_strong": _STUCK,
    "penalty_too_strong": _STUCK | {"clipped_always"},
    "dropout_too_strong": _STUCK,
    "clipped_always": _STUCK,
    "learning_rate_too_high": {
        "batch_too_small",
        "labels_uninformative",
        "memory_too_short",
        "clipped_always",
    },
    "memory_too_short": {"labels_uninformative", "batch_too_small", "learning_rate_too_low"},
    "labels_uninformative": {"batch_too_small", "learning_rate_too_low", "class_imbalance"},
    "batch_too_small": {"learning_rate_too_low"},
    "learning_rate_too_low": set(),
    "class_imbalance": set(),
}


def without_consequences(found: Sequence[Finding], start: int) -> list[Finding]:
    """Findings in the order of CAUSES and then of severity, without those that another one explains.

    start   step of the first measurement: units that died later did so by what kills units, where such was
            found
    """
    rank = {cause: place for place, cause in enumerate(CAUSES)}
    ordered = sorted(found, key=lambda each: (rank[each.cause], -each.severity))
    late = [each for each in ordered if each.cause == "dead_units" and each.step > start]
    kept = _unexplained([each for each in ordered if each not in late])
    if late and not any(each.cause in _KILLS for each in kept):
        kept = _unexplained(ordered)
    return kept


def _unexplained(ordered: Sequence[Finding]) -> list[Finding]:
    """A cause that is itself explained explains nothing more: its own cause does."""
    explained: set[str] = set()
    kept = []
    for finding in ordered:
        if finding.cause not in explained:
            explained |= _EXPLAINS[finding.cause] - {finding.cause}
            kept.append(finding)
    return kept
