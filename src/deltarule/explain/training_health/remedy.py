"""try_remedy: a remedy is tried beside the training as it is, from the same weights on the same data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deltarule.errors import ArgumentError
from deltarule.explain.training_health.causes.finding import Finding, Remedy
from deltarule.explain.training_health.remedy_changes import CHANGES, NotPossible
from deltarule.explain.training_health.setup import Course, Setup, mean_of_last, train_for

# Less of a change than this share of the loss is none.
_NOTICED = 0.03
_MOST_POINTS = 200
# Remedies that make another loss of it: by that one both are then judged.
_OTHER_LOSS = frozenset(("add_log_softmax",))


@dataclass(frozen=True)
class Trial:
    """A remedy that was tried, or why it was not.

    remedy      what was changed
    outcome     "better", "same" or "worse", by the mean loss of the last tenth of the steps; "unchanged"
                where it cannot be tried; "advice" for what only a person can do
    reason      why it was not tried, one of the keys of `changes.NotPossible`; "" if it was
    steps       updates of each of the two runs
    places      the steps that the curves have
    unchanged   loss at each of them as it is, remedied: with the remedy; shorter where a run ended with NaN
    unchanged_end, remedied_end   mean loss of the last tenth; infinite where the run ended with NaN. Where
                the remedy makes another loss of it, that loss of the probe at the end
    unchanged_accuracy, remedied_accuracy   at the end, on the probe; None where the loss is not over classes
    """

    remedy: Remedy
    outcome: str
    reason: str = ""
    steps: int = 0
    places: tuple[int, ...] = ()
    unchanged: tuple[float, ...] = ()
    remedied: tuple[float, ...] = ()
    unchanged_end: float = math.nan
    remedied_end: float = math.nan
    unchanged_accuracy: float | None = None
    remedied_accuracy: float | None = None


def try_remedy(remedy: Remedy, setup: Setup, steps: int = 100, base: Course | None = None) -> Trial:
    """Trains twice for some steps from the same weights, seed and batches: as it is, and with the remedy.

    setup   the network as it is; it stays as it is
    base    the run without the remedy, where it is there already

    Raises ArgumentError for fewer than 2 steps.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> from deltarule.explain.training_health.causes.finding import Remedy
    >>> dr.manual_seed(0)
    >>> model = dr.nn.Linear(1, 1)
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> loader = dr.data.DataLoader((x, 3 * x), batch_size=16)
    >>> setup = Setup(model, dr.mse_loss, loader, dr.optim.SGD(model.parameters(), lr=1e-5), (x, 3 * x))
    >>> trial = try_remedy(Remedy("learning_rate", {"factor": 1e4}), setup, steps=40)
    >>> trial.outcome, trial.remedied_end < trial.unchanged_end / 10
    ('better', True)
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 2:
        raise ArgumentError("try_remedy", f"steps expects 2 or more, got {steps!r}", "Use 100, say.")
    if remedy.key not in CHANGES:
        return Trial(remedy, "advice")
    try:
        changed, scale = CHANGES[remedy.key](setup.copied(), remedy.arguments)
    except NotPossible as reason:
        return Trial(remedy, "unchanged", reason.key)
    course = train_for(setup, steps) if base is None else base
    other = train_for(changed, steps)
    losses = [each * scale for each in other.losses]
    before = mean_of_last(course.losses) if course.finite else math.inf
    after = mean_of_last(losses) if other.finite else math.inf
    places = _places(steps)
    if remedy.key in _OTHER_LOSS and course.trained is not None and other.trained is not None:
        before = replace(course.trained, loss=changed.loss).loss_of_probe()
        after = other.trained.loss_of_probe()
    return Trial(
        remedy,
        _outcome(before, after),
        "",
        steps,
        tuple(places),
        _smoothed(course.losses, places),
        _smoothed(losses, places),
        before,
        after,
        course.accuracy,
        other.accuracy,
    )


def trials(findings: Sequence[Finding], setup: Setup, steps: int) -> tuple[Trial, ...]:
    """The remedies of findings, each tried by itself, in their order."""
    course = train_for(setup, steps) if any(each.remedy.key in CHANGES for each in findings) else None
    return tuple(try_remedy(each.remedy, setup, steps, course) for each in findings)


def _outcome(before: float, after: float) -> str:
    if math.isinf(before) and math.isinf(after):
        return "same"
    if math.isinf(before) or after < before - _NOTICED * abs(before):
        return "better"
    return "worse" if after > before + _NOTICED * abs(before) else "same"


def _places(steps: int) -> list[int]:
    """At most so many steps, evenly, the last one among them."""
    stride = max(1, math.ceil(steps / _MOST_POINTS))
    return (
        [*range(stride, steps + 1, stride)] if steps % stride == 0 else [*range(stride, steps, stride), steps]
    )


def _smoothed(losses: Sequence[float], places: Sequence[int]) -> tuple[float, ...]:
    """Mean loss of the steps since the place before."""
    found, start = [], 0
    for place in places:
        part = losses[start:place]
        if not part:
            break
        found.append(sum(part) / len(part))
        start = place
    return tuple(found)
