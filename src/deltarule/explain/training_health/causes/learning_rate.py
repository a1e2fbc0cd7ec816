"""Causes in the length of the steps: a learning rate that is too high or too low, and by about how much."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deltarule.explain.training_health.causes.best_step import best_factor
from deltarule.explain.training_health.causes.course import (
    DIVERGED,
    FALLEN,
    Course,
    baseline,
    hidden_units,
    level,
    usual_rms,
)
from deltarule.explain.training_health.causes.finding import Finding, Remedy, severity
from deltarule.explain.training_health.causes.regularisation import batch_noise
from deltarule.explain.training_health.vitals import Vitals

# A step this many times longer than the best one along its direction raises the loss for sure: of a
# quadratic loss, any step more than twice the best does.
_TOO_LONG = 3.0
# The best single step is longer than those that a training bears, by about this.
_MARGIN = 3.0
# A rise of the loss by this share of it is no accident of the batch.
_RISE = 0.1
# The same for a single look, before any training has shown what comes of it.
_FIRST_RISE = 1.0
# Updates of weights below this share of them, where 1e-3 is usual, and steps a hundred times too short.
_SMALL_RATIO = 1e-4
_SMALL_RATIO_FIRST = 3e-5
_USUAL_RATIO = 1e-3
_TOO_SHORT = 100.0
# A loss that falls by less than this share over the whole training has not moved.
_MOVED = 0.02
# A loss that was so many times as high as at the start, and is not below this share of a constant's, was
# thrown out of where it could learn.
_THROWN = 2.0
_BACK = 0.5
# Weights so many times as large as usual make values overflow.
_HUGE = 10.0
# Share of dead units of a layer.
_DEAD = 0.8


def too_high(course: Course) -> list[Finding]:
    """Steps so long that they raise the loss that they should lower.

    Multiples of the optimiser's next step are tried on the batch whose gradient it follows. For a
    quadratic loss the best multiple along a gradient is s = gᵀg / (lr · gᵀHg), and every step longer than
    2s raises the loss. A learning rate is too high where s is below 1/3 and the loss after the step is
    higher than before (by a tenth; twice as high where nothing but the first step was looked at), at the
    start or in half of the measurements, and the training shows it: the loss has not fallen, has diverged,
    or units have died. It is too high by about 3/s, as the best single step is about three times as long as
    what the steeper places on the way bear. Where none of the steps that were tried lowers the loss, it is
    too high by more than that, and no rate is known that would do.

    A training that diverged otherwise, whose units died, or whose loss was twice as high in between as at the
    start and has not come down to half of a constant's, went too fast as well, unless it is the batches that
    are too small. By how much is then taken from the worst measurement, with s of 1/2 at most.

    Near a minimum steps that are a little too long are usual and do no harm (the edge of stability); a loss
    that has fallen is left alone.

    Source: LeCun, Simard & Pearlmutter 1993; Cohen, Kaur, Li, Kolter & Talwalkar 2021.
    """
    lost = course.diverged or _died(course) or _thrown(course)
    if course.falls and not lost:
        return []
    # What a training does after it has diverged tells nothing of why it did.
    bearable = DIVERGED * max(level(course.first), 1e-12)
    looks = [_look(each) for each in course.history if each.finite and level(each) <= bearable]
    seen = [each for each in looks if each is not None]
    if not seen:
        return []
    bound = _RISE if course.trained else _FIRST_RISE
    start = course.first.total
    # A rise from a loss that is nearly 0 to one that is still small is none.
    rising = [
        each
        for each in seen
        if each.best * _TOO_LONG < 1
        and not each.after <= each.vitals.total + bound * max(each.vitals.total, 0.1 * start)
    ]
    worst = min(seen, key=lambda each: each.best)
    if rising and (rising[0] is seen[0] or 2 * len(rising) >= len(seen)):
        worst = rising[0]
    elif not lost or batch_noise(course):
        return []
    best = min(worst.best, 0.5) / _MARGIN
    evidence: dict[str, float | int | str] = {
        "learning_rate": worst.rate,
        "factor" if worst.lowered else "least_factor": 1 / best,
        "loss_before": worst.vitals.total if rising else worst.vitals.loss,
        "loss_after": worst.after if rising else level(course.last),
    }
    remedy = Remedy("set_learning_rate")
    if worst.lowered:
        remedy = Remedy("learning_rate", {"factor": best, "rate": _round(worst.rate * best)})
    return [
        Finding(
            "learning_rate_too_high", "", severity(1 / best, _MARGIN), evidence, remedy, worst.vitals.step
        )
    ]


def zero(course: Course) -> list[Finding]:
    """Learning rate 0 wherever it was measured, and weights that are the same after updates as before.

    One measurement does not tell: schedules start from 0 and end there.
    """
    first, last = course.first, course.last
    rates = [each.learning_rate for look in course.history for each in look.parameters if each.requires_grad]
    known = [rate for rate in rates if rate is not None]
    before = {each.name: each.weight_norm for each in first.parameters}
    moved = any(each.weight_norm != before.get(each.name) for each in last.parameters if each.requires_grad)
    if not course.trained or not known or any(known) or moved:
        return []
    updates = {"updates": last.step - first.step}
    return [Finding("learning_rate_zero", "", 1.0, updates, Remedy("set_learning_rate"), last.step)]


def overflows(course: Course) -> list[Finding]:
    """A loss or gradients that are NaN or infinite, of weights and data that are numbers all.

    Where weights are more than ten times the usual size they are to blame: seen where the first measurement
    is that of a training which broke off, or of weights that were set so. Else it is an operation: a
    logarithm or a division of 0, say.
    """
    vitals = course.first
    weights = [each for each in vitals.parameters if each.kind in ("weight", "recurrent") and each.weight_rms]
    if vitals.finite or not weights or not all(math.isfinite(each.weight_norm) for each in vitals.parameters):
        return []
    largest = max(weights, key=lambda each: each.weight_rms / usual_rms(each, ""))
    usual = usual_rms(largest, "")
    evidence = {"weight_rms": largest.weight_rms, "usual_rms": usual, "times": largest.weight_rms / usual}
    if largest.weight_rms < _HUGE * usual:
        evidence = {"loss": vitals.total}
        return [Finding("loss_not_finite", "", 1.0, evidence, Remedy("find_operation"), vitals.step)]
    return [Finding("overflows", largest.layer, 1.0, evidence, Remedy("start_again"), vitals.step)]


def too_low(course: Course) -> list[Finding]:
    """Steps so short that nothing moves.

    At the measurement with the highest learning rate (schedules warm up and cool down) all weight matrices
    are updated by less than 1e-4 of their norm (3e-5 before any training), where about 1e-3 is usual; a step
    a hundred times as long would lower the loss more than this one; and the loss has fallen by less than 2 %.
    It is too low by about a third of the best step's factor, or where none that was tried is best, by what is
    missing to 1e-3.

    Source: the ratio of updates to weights is a rule of thumb, as in Karpathy's notes to CS231n.
    """
    looked = [each for each in course.history if each.optimizer is not None and each.finite]
    if not looked or _moved(course):
        return []
    vitals = max(looked, key=lambda each: each.optimizer.learning_rate if each.optimizer else 0.0)
    step = vitals.optimizer
    assert step is not None
    trained = [
        each for each in vitals.parameters if each.learning_rate and each.kind in ("weight", "recurrent")
    ]
    # A matrix of zeros that moves at all moves by more than its size.
    ratios = [each.update_ratio for each in trained if each.update_ratio is not None]
    if not ratios or len(ratios) < len(trained) or not step.learning_rate or step.gradient_norm == 0:
        return []
    ratio = max(ratios)
    best = best_factor(step, vitals.total)
    small = _SMALL_RATIO if course.trained else _SMALL_RATIO_FIRST
    if ratio > small or best < _TOO_SHORT:
        return []
    factor = best / _MARGIN
    if best >= max(step.factors):
        factor = max(factor, _USUAL_RATIO / max(ratio, 1e-30))
    evidence: dict[str, float | int | str] = {
        "learning_rate": step.learning_rate,
        "factor": factor,
        "update_ratio": ratio,
    }
    remedy = Remedy("learning_rate", {"factor": factor, "rate": _round(step.learning_rate * factor)})
    weighs = severity(small / max(ratio, 1e-30), 1.0)
    return [Finding("learning_rate_too_low", "", weighs, evidence, remedy, vitals.step)]


@dataclass(frozen=True)
class _Look:
    """One measurement: its learning rate, the best multiple of its step, and the loss after the step.

    lowered   whether any multiple lowers the loss: else the best one is only the shortest that was tried
    """

    vitals: Vitals
    rate: float
    best: float
    after: float
    lowered: bool


def _look(vitals: Vitals) -> _Look | None:
    step = vitals.optimizer
    if step is None or not step.learning_rate or not step.gradient_norm:
        return None
    after = step.losses[step.factors.index(1.0)]
    lowered = any(each < vitals.total for each in step.losses)
    return _Look(vitals, step.learning_rate, best_factor(step, vitals.total), after, lowered)


def _died(course: Course) -> bool:
    """Whether most units of a layer are dead that were not at the start."""
    return _most_dead(course.last) > _DEAD >= _most_dead(course.first)


def _thrown(course: Course) -> bool:
    """Whether the loss rose far above its start, and has not come back to less than half of a constant's.

    A loss that rises first and then falls to the end has found a flatter place, and learned: the catapult of
    Lewkowycz, Bahri, Dyer, Sohl-Dickstein & Gur-Ari 2020.
    """
    start = level(course.first)
    bound = start if (constant := baseline(course.last)) is None else max(start, constant)
    rose = any(max(level(each), each.training_loss or 0.0) > _THROWN * bound for each in course.history[1:])
    return rose and level(course.last) > _BACK * bound


def _most_dead(vitals: Vitals) -> float:
    return max((unit.dead for unit in hidden_units(vitals)), default=0.0)


def _moved(course: Course) -> bool:
    """Whether a training has lowered its loss by more than a trifle; for one look, whether it may have."""
    if not course.trained:
        constant = baseline(course.last)
        return course.last.step > 0 and (constant is None or level(course.last) < FALLEN * constant)
    before, after = level(course.first), level(course.last)
    return not math.isfinite(after) or abs(after - before) > _MOVED * abs(before)


def _round(rate: float) -> float:
    """One digit is all that such an estimate is worth."""
    if not rate or not math.isfinite(rate):
        return rate
    place = -math.floor(math.log10(abs(rate)))
    return round(rate, place)
