"""The tables of a health report: what was measured at the first and at the last step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deltarule.explain.training_health.health import Health
from deltarule.explain.training_health.layer_vitals import ParameterVitals
from deltarule.explain.training_health.vitals import Vitals
from deltarule.report.numbers import figure, shape_text
from deltarule.report.words import Words


@dataclass(frozen=True)
class Table:
    """A table of text."""

    heading: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def tables(health: Health, words: Words) -> list[Table]:
    """Facts, layers, parameters, activations and recurrent layers; those that there are."""
    first, last = health.history[0], health.history[-1]
    found = [
        _facts(first, last, words),
        _layers(first, last, words),
        _parameters(first, last, words),
        _units(first, last, words),
        _recurrent(first, last, words),
    ]
    return [each for each in found if each.rows]


def _facts(first: Vitals, last: Vitals, words: Words) -> Table:
    rows: list[tuple[str, str]] = []

    def add(key: str, read: Callable[[Vitals], float | None], as_share: bool = False, **named: Any) -> None:
        cell = _two(read(first), read(last), as_share)
        if cell:
            rows.append((words(f"health.{key}", **named), cell))

    add("loss_training", lambda each: each.loss)
    add("loss_evaluation", lambda each: each.quiet_loss)
    if first.penalty or last.penalty:
        add("penalty", lambda each: each.penalty)
    add("loss_constant", lambda each: each.targets.constant_loss)
    classes = last.outputs.classes
    if classes:
        rows.append((words("health.loss_uniform", classes=classes), figure(math.log(classes))))
    add("entropy", lambda each: each.outputs.entropy)
    add("accuracy", lambda each: each.outputs.accuracy, True)
    add("logits", lambda each: each.outputs.row_std)
    inputs, targets = last.inputs, last.targets
    if inputs.kind != "tokens":
        rows.append((words("health.inputs"), f"{figure(inputs.mean)}, {figure(inputs.std)}"))
        rows.append((words("health.inputs_range"), f"{figure(inputs.smallest)}, {figure(inputs.largest)}"))
        rows.append((words("health.inputs_constant"), _percent(inputs.constant)))
    if targets.classes:
        shares = targets.classes.values()
        rows.append((words("health.classes"), f"{_percent(min(shares))}, {_percent(max(shares))}"))
    else:
        rows.append((words("health.targets"), f"{figure(targets.mean)}, {figure(targets.std)}"))
    step = last.optimizer
    if step is not None:
        rows.append((words("health.optimizer"), step.optimizer))
        add("learning_rate", lambda each: None if each.optimizer is None else each.optimizer.learning_rate)
        add("gradient_norm", lambda each: None if each.optimizer is None else each.optimizer.gradient_norm)
        add("curvature", lambda each: None if each.optimizer is None else each.optimizer.curvature)
        if step.clip_norm is not None or step.clip_value is not None:
            add("clipped", lambda each: None if each.optimizer is None else each.optimizer.clipped, True)
    if last.noise is not None:
        add("noise_scale", lambda each: None if each.noise is None else each.noise.scale)
        add(
            "noise_share",
            lambda each: None if each.noise is None else each.noise.share,
            True,
            rows=last.noise.batch_size,
        )
    note = words("health.noise_source") if last.noise is not None else ""
    return Table(words("health.facts"), (words("health.name"), words("health.value")), tuple(rows), note)


def _layers(first: Vitals, last: Vitals, words: Words) -> Table:
    before = {each.layer: each for each in first.layers}
    rows = []
    for each in last.layers:
        start = before.get(each.layer, each)
        gradient = _two(start.gradient, each.gradient) or words("health.no_gradient")
        rows.append(
            (
                each.layer or words("health.whole"),
                each.kind,
                _two(start.output_rms, each.output_rms),
                _two(start.output_std, each.output_std),
                gradient,
            )
        )
    header = _header(words, "layer", "kind", "output_size", "output_std", "gradient_size")
    return Table(words("health.layers"), header, tuple(rows))


def _parameters(first: Vitals, last: Vitals, words: Words) -> Table:
    before = {each.name: each for each in first.parameters}
    rows = []
    for each in last.parameters:
        start = before.get(each.name, each)
        gradient = (
            _two(start.gradient_norm, each.gradient_norm)
            if each.has_gradient
            else words("health.no_gradient")
        )
        rows.append(
            (
                each.name,
                shape_text(each.shape),
                _two(start.weight_rms, each.weight_rms),
                gradient,
                _two(start.update_ratio, each.update_ratio),
                _two(_noise(start), _noise(each)),
            )
        )
    header = _header(
        words, "name", "shape", "weight_size", "gradient_norm_of", "update_ratio", "noise_signal"
    )
    return Table(words("health.parameters"), header, tuple(rows), words("health.update_note"))


def _noise(each: ParameterVitals) -> float | None:
    """Variance of one sample's gradient over the squared true one; infinite where there is no signal."""
    if each.variance is None or each.signal is None:
        return None
    return each.variance / each.signal if each.signal > 0 else math.inf


def _units(first: Vitals, last: Vitals, words: Words) -> Table:
    before = {(each.layer, each.operation, each.gate, each.before): each for each in first.units}
    rows = []
    for each in last.units:
        start = before.get((each.layer, each.operation, each.gate, each.before), each)
        rows.append(
            (
                each.layer or words("health.whole"),
                each.operation,
                each.gate.replace("_", " "),
                _two(start.saturated, each.saturated, True),
                _two(start.dead, each.dead, True),
                _two(start.input_std, each.input_std),
                _two(start.derivative, each.derivative),
            )
        )
    header = _header(words, "layer", "operation", "gate", "saturated", "dead", "input_std", "derivative")
    return Table(words("health.units"), header, tuple(rows), words("health.saturation_note"))


def _recurrent(first: Vitals, last: Vitals, words: Words) -> Table:
    before = {(each.layer, each.sublayer, each.reverse): each for each in first.recurrent}
    rows = []
    for each in last.recurrent:
        start = before.get((each.layer, each.sublayer, each.reverse), each)
        name = f"{each.layer} l{each.sublayer}{' ←' if each.reverse else ''}".strip()
        rows.append(
            (
                name,
                each.kind,
                str(each.steps),
                _two(start.weight_radius, each.weight_radius),
                _two(start.jacobian_radius, each.jacobian_radius),
                _two(start.gradient_rate, each.gradient_rate),
                _two(start.remains, each.remains),
                _two(start.forget, each.forget),
            )
        )
    header = _header(
        words, "layer", "kind", "steps", "radius", "jacobian_radius", "rate", "remains", "forget"
    )
    return Table(words("health.recurrent"), header, tuple(rows), words("health.recurrent_note"))


def _header(words: Words, *keys: str) -> tuple[str, ...]:
    return tuple(words(f"health.{key}") for key in keys)


def _percent(share: float) -> str:
    return f"{figure(100 * share)} %"


def _two(first: float | None, last: float | None, as_share: bool = False) -> str:
    """Both values, or one where they are shown alike; nothing where there is none."""
    shown: Sequence[str] = [
        _percent(each) if as_share else figure(each) for each in (first, last) if each is not None
    ]
    return " → ".join(dict.fromkeys(shown))
