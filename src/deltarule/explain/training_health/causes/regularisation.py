"""Causes in what limits learning: weight decay, penalties, dropout, clipping, and batches of mostly noise."""

from __future__ import annotations

import math

from deltarule.explain.training_health.causes.best_step import best_factor
from deltarule.explain.training_health.causes.course import FALLEN, Course, baseline, level
from deltarule.explain.training_health.causes.data_causes import informative
from deltarule.explain.training_health.causes.finding import Finding, Remedy, severity
from deltarule.explain.training_health.vitals import Vitals

_DECOUPLED = ("AdamW",)
# Adaptive rules divide a gradient by its own size: how much it was shortened does not matter to them.
_SCALE_FREE = ("Adam", "AdamW", "RMSprop", "Adagrad")
# A pull to 0 that outweighs the gradient, and weights that are left with less than this share of their norm.
_OUTWEIGHS = 1.0
_OUTWEIGHS_FIRST = 10.0
_SHRUNK = 0.5
# A unit that is kept once in four steps or less adds more than three times its variance as noise.
_DROPPED = 0.75
_USUAL_DROPOUT = 0.5
# Clipping that leaves less than a tenth of the gradient in nine steps of ten.
_CLIPPED = 0.9
_SHORTENED = 0.1
_TOO_SHORT = 10.0
# Share of noise in the squared gradient of a batch.
_NOISE = 0.9
_TWICE = 0.5
# A loss that noise keeps above that of the best constant answer.
_RISEN = 1.02


def weight_decay(course: Course) -> list[Finding]:
    """Decay that pulls the weights to 0 faster than the gradient can build them up.

    The decay's part of the gradient, λ‖w‖, is larger than the gradient at the start; the weights have shrunk
    below half of their norm and the loss is not below nine tenths of the best constant answer's. (At the end
    of a good training the two balance: so the ratio alone says nothing.) Ten times the gradient is enough
    where the weights have not shrunk so far yet, or nothing was trained. For AdamW, whose decay is apart from
    the gradient, it is compared with the rest of the step.

    Source: Krogh & Hertz 1992; Loshchilov & Hutter 2019.
    """
    vitals = course.first
    step = vitals.optimizer
    if step is None or not step.weight_decay:
        return []
    decay = math.sqrt(sum(each.decay_norm**2 for each in vitals.parameters))
    against = step.gradient_norm
    if step.optimizer in _DECOUPLED:
        decay = step.learning_rate * decay
        # The decay and the rest of the step are as good as orthogonal at the start.
        against = math.sqrt(max(step.update_norm**2 - decay**2, 0.0))
    times = decay / against if against else math.inf
    if not _outweighed(course, times):
        return []
    evidence: dict[str, float | int | str] = {
        "weight_decay": step.weight_decay,
        "decay": decay,
        "gradient": against,
        "times": times,
    }
    # A hundredth of the gradient leaves the direction of the step as it is.
    value = float(f"{step.weight_decay / (100.0 * max(times, 1e-12)):.1g}")
    return [
        Finding(
            "weight_decay_too_strong",
            "",
            severity(times, _OUTWEIGHS),
            evidence,
            Remedy("weight_decay", {"value": value}),
            vitals.step,
        )
    ]


def penalty(course: Course) -> list[Finding]:
    """A penalty that pulls the weights to 0 faster than the loss can build them up.

    Told as `weight_decay` is, of the gradients of the penalty and of the loss, each over all parameters.

    Source: Krogh & Hertz 1992; Tibshirani 1996.
    """
    vitals = course.first
    pull = math.sqrt(sum(each.penalty_norm**2 for each in vitals.parameters))
    against = math.sqrt(sum(each.gradient_norm**2 for each in vitals.parameters))
    times = pull / against if against else math.inf
    if not pull or not _outweighed(course, times):
        return []
    evidence: dict[str, float | int | str] = {
        "penalty": vitals.penalty,
        "pull": pull,
        "gradient": against,
        "times": times,
    }
    # A hundredth of the gradient leaves the direction of the step as it is.
    remedy = Remedy("penalty", {"factor": float(f"{0.01 / times:.1g}")})
    return [Finding("penalty_too_strong", "", severity(times, _OUTWEIGHS), evidence, remedy, vitals.step)]


def _outweighed(course: Course, times: float) -> bool:
    """Whether something that pulls the weights to 0, so many times the gradient, keeps them from learning."""
    if not course.trained:
        return times >= _OUTWEIGHS_FIRST
    shrunk = _weights(course.last) <= _SHRUNK * _weights(course.first)
    fallen = level(course.last) <= FALLEN * (baseline(course.last) or level(course.first))
    return not fallen and times >= (_OUTWEIGHS if shrunk else _OUTWEIGHS_FIRST)


def dropout(course: Course) -> list[Finding]:
    """Dropout of more than three quarters, in a training whose loss has not fallen to half of a constant's.

    A unit that is kept with probability q has its value multiplied by 1/q or 0: noise of variance
    (1 − q)/q times its square. A half, the usual value, adds as much as there is; 0.95 adds 19 times that.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, secs. 7.3 and A.4.
    """
    vitals = course.last
    strong = {layer: share for layer, share in vitals.dropout.items() if share > _DROPPED}
    reached = baseline(vitals)
    if not strong or (course.trained and reached is not None and vitals.loss < 0.5 * reached):
        return []
    layer, probability = max(strong.items(), key=lambda each: each[1])
    evidence: dict[str, float | int | str] = {
        "probability": probability,
        "kept": 1 - probability,
        "loss": vitals.loss,
        "quiet_loss": vitals.quiet_loss,
    }
    return [
        Finding(
            "dropout_too_strong",
            layer,
            severity(probability / (1 - probability) if probability < 1 else math.inf, 3.0),
            evidence,
            Remedy("dropout", {"layer": layer, "probability": _USUAL_DROPOUT}),
            vitals.step,
        )
    ]


def clipping(course: Course) -> list[Finding]:
    """A limit so low that every gradient is cut to less than a tenth, and the steps are too short for it.

    In nine measurements of ten, with a step that is best at ten times its length or more, and a loss that
    has not fallen. Rules that divide by the size of the gradient (Adam, RMSprop, Adagrad) do not mind.

    Source: Pascanu, Mikolov & Bengio 2013, sec. 3.2: the limit as 0.5 to 10 times the usual norm.
    """
    looked = [each for each in course.history if each.optimizer is not None and each.finite]
    if not looked or course.falls:
        return []
    cut = 0
    for vitals in looked:
        step = vitals.optimizer
        assert step is not None
        if step.optimizer in _SCALE_FREE or (step.clip_norm is None and step.clip_value is None):
            return []
        cut += step.clipped >= _CLIPPED and step.clip_factor < _SHORTENED
    first, last = looked[0].optimizer, looked[-1].optimizer
    assert first is not None and last is not None
    if cut < _CLIPPED * len(looked) or best_factor(first, looked[0].total) < _TOO_SHORT:
        return []
    limit = first.clip_norm if first.clip_norm is not None else first.clip_value
    evidence: dict[str, float | int | str] = {
        "clipped": last.clipped,
        "limit": limit or 0.0,
        "norm": first.gradient_norm,
        "times": 1 / first.clip_factor if first.clip_factor else math.inf,
    }
    usual = float(f"{2 * first.gradient_norm:.1g}")
    return [
        Finding(
            "clipped_always",
            "",
            severity(_SHORTENED / max(first.clip_factor, 1e-30), 1.0),
            evidence,
            Remedy("clip_norm", {"limit": usual}),
            looked[0].step,
        )
    ]


def batch_noise(course: Course) -> list[Finding]:
    """Batches whose gradient is nearly all noise, at a learning rate that only the true gradient would bear.

    At the start noise makes up nine tenths or more of the squared gradient of a training batch (its rows
    are fewer than a ninth of the simple noise scale tr Σ / |G|²). The best learning rate falls with the
    batch as 1 / (1 + scale / batch) = 1 − share of noise: the step along the gradient of the larger probe
    would lower the loss, and that of a batch is more than twice as long as it may be. The loss of the
    second half of the training is higher than that of the best constant answer, and the labels do depend
    on the inputs. A lower learning rate helps as well.

    Source: McCandlish, Kaplan & Amodei 2018, eqs. 2.6 to 2.8.
    """
    first, noise, step = course.first, course.first.noise, course.first.optimizer
    if not course.trained or course.falls or noise is None or step is None or not informative(first):
        return []
    constant = baseline(first) or level(first)
    risen = not course.last.finite or _late_loss(course) > _RISEN * constant
    if not risen or noise.share < _NOISE or noise.batch_size >= first.rows:
        return []
    best = best_factor(step, first.total)
    if best < 1 or best * (1 - noise.share) > _TWICE or not math.isfinite(noise.scale):
        return []
    rows = 2 ** max(0, math.ceil(math.log2(max(noise.scale, 1.0))))
    evidence: dict[str, float | int | str] = {
        "batch_size": noise.batch_size,
        "scale": noise.scale,
        "noise": noise.share,
    }
    return [
        Finding(
            "batch_too_small",
            "",
            severity(noise.scale / noise.batch_size, 9.0),
            evidence,
            Remedy("batch_size", {"rows": rows}),
            first.step,
        )
    ]


def _late_loss(course: Course) -> float:
    """The mean loss of the second half of the measurements."""
    losses = [level(each) for each in course.history[len(course.history) // 2 :]]
    return sum(losses) / len(losses)


def _weights(vitals: Vitals) -> float:
    return math.sqrt(
        sum(each.weight_norm**2 for each in vitals.parameters if each.kind in ("weight", "recurrent"))
    )
