"""The charts of a health report: what was measured over steps and over depth, and the trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from deltarule.explain.training_health.health import Health
from deltarule.explain.training_health.remedy import Trial
from deltarule.explain.training_health.vitals import Vitals
from deltarule.report.charts.charts import Series, line_chart
from deltarule.report.markup import Markup, tag
from deltarule.report.words import Words

# Lines that a chart can hold and still be read.
_MOST_LINES = 8
_USUAL_RATIO = 1e-3


def course_charts(health: Health, words: Words) -> list[Markup]:
    """The charts of a history; of a single measurement those over depth and over the step's length."""
    found = [depth_chart(health, words)]
    if len(health.history) > 1:
        found = [_loss(health, words), *found, *_over_steps(health, words)]
    line = _line(health, words)
    return [*found, line] if line is not None else found


def depth_chart(health: Health, words: Words) -> Markup:
    """Size of the gradient of each layer's output over depth, at the first and the last measurement."""
    ends = _ends(health)
    series = [
        Series(
            words("health.first", step=each.step),
            [layer.depth for layer in each.layers if layer.gradient is not None],
            [layer.gradient for layer in each.layers if layer.gradient is not None],
            dashed=place == 0 and len(ends) > 1,
        )
        for place, each in enumerate(ends)
    ]
    return line_chart(
        series,
        title=words("health.chart_depth"),
        x_label=words("health.depth"),
        y_label=words("health.gradient_size"),
        log_y=True,
    )


def trial_chart(trial: Trial, words: Words) -> Markup:
    """The loss as it is and with the remedy, over the steps of the trial."""
    return line_chart(
        [
            Series(
                words("health.as_it_is"), trial.places[: len(trial.unchanged)], trial.unchanged, dashed=True
            ),
            Series(words("health.with_remedy"), trial.places[: len(trial.remedied)], trial.remedied),
        ],
        title=words("health.trial"),
        x_label=words("health.step"),
        y_label=words("health.loss"),
        log_y=_spans_decades((*trial.unchanged, *trial.remedied)),
    )


def _loss(health: Health, words: Words) -> Markup:
    steps = [each.step for each in health.history]
    losses = [each.loss for each in health.history]
    quiet = [each.quiet_loss for each in health.history]
    return line_chart(
        [
            Series(words("health.loss_training"), steps, losses),
            Series(words("health.loss_evaluation"), steps, quiet, dashed=True),
        ],
        title=words("health.chart_loss"),
        x_label=words("health.step"),
        y_label=words("health.loss"),
        log_y=_spans_decades((*losses, *quiet)),
    )


def _over_steps(health: Health, words: Words) -> list[Markup]:
    history = health.history
    steps = [each.step for each in history]
    weights = [each.name for each in history[-1].parameters if len(each.shape) > 1]
    units = [
        (each.layer, each.operation, each.gate, each.before) for each in history[-1].units if not each.output
    ]

    def of_parameter(name: str, field: str) -> Series:
        return Series(name, steps, _found(history, lambda each: _named(each.parameters, name), field))

    def of_unit(key: tuple[str, str, str, str], field: str) -> Series:
        layer, operation, gate, before = key
        label = " ".join(part for part in (layer or before, gate.replace("_", " ") or operation) if part)
        return Series(label, steps, _found(history, lambda each: _unit(each, key), field))

    def chart(key: str, label: str, series: Sequence[Series], log: bool = False) -> Markup:
        return line_chart(
            series,
            title=words(f"health.{key}"),
            x_label=words("health.step"),
            y_label=words(f"health.{label}"),
            log_y=log,
        )

    found = [
        chart(
            "chart_gradient", "size", [of_parameter(each, "gradient_norm") for each in _some(weights)], True
        )
    ]
    ratios = [of_parameter(each, "update_ratio") for each in _some(weights)]
    if any(math.isfinite(value) for each in ratios for value in each.y):
        guide = Series(words("health.guide"), [steps[0], steps[-1]], [_USUAL_RATIO] * 2, dashed=True)
        found.append(chart("chart_ratio", "update_ratio", [*ratios, guide], True))
        found.append(tag("p", words("health.update_note"), class_="note"))
    squashing = [each for each in units if each[1] in ("sigmoid", "tanh")]
    if squashing:
        found.append(
            chart("chart_saturated", "share", [of_unit(each, "saturated") for each in _some(squashing)])
        )
    flat = [each for each in units if each[1] in ("relu", "gelu", "gelu_tanh", "silu")]
    if flat:
        found.append(chart("chart_dead", "share", [of_unit(each, "dead") for each in _some(flat)]))
    limits = [each.optimizer for each in history if each.optimizer is not None]
    if any(each.clip_norm is not None or each.clip_value is not None for each in limits):
        clipped = _found(history, lambda each: each.optimizer, "clipped")
        found.append(chart("chart_clipped", "share", [Series(words("health.clipped"), steps, clipped)]))
    if any(each.noise is not None for each in history):
        scales = [math.nan if each.noise is None else each.noise.scale for each in history]
        sizes = [math.nan if each.noise is None else float(each.noise.batch_size) for each in history]
        series = [
            Series(words("health.noise_scale"), steps, scales),
            Series(words("health.batch_size"), steps, sizes, dashed=True),
        ]
        found.append(chart("chart_noise", "size", series, True))
    layers = [(each.layer, each.sublayer, each.reverse) for each in history[-1].recurrent]
    if layers:
        series = [
            Series(
                f"{layer} l{sublayer}{' ←' if reverse else ''}".strip(),
                steps,
                _found(
                    history,
                    lambda each, key=(layer, sublayer, reverse): next(
                        (one for one in each.recurrent if (one.layer, one.sublayer, one.reverse) == key), None
                    ),
                    "gradient_rate",
                ),
            )
            for layer, sublayer, reverse in _some(layers)
        ]
        found.append(chart("chart_rate", "rate", series))
    return found


def _line(health: Health, words: Words) -> Markup | None:
    """The loss after the next step of the optimiser, by its length."""
    series = [
        Series(
            words("health.first", step=each.step),
            each.optimizer.factors,
            each.optimizer.losses,
            dashed=place == 0 and len(health.history) > 1,
        )
        for place, each in enumerate(_ends(health))
        if each.optimizer is not None
    ]
    if not series:
        return None
    return line_chart(
        series,
        title=words("health.chart_line"),
        x_label=words("health.length"),
        y_label=words("health.loss"),
        log_x=True,
        log_y=_spans_decades([value for each in series for value in each.y]),
    )


def _ends(health: Health) -> list[Vitals]:
    """The first and the last measurement, or the only one."""
    return [*health.history[:1], *health.history[1:][-1:]]


def _found(history: Sequence[Vitals], pick: Callable[[Vitals], Any], field: str) -> list[float]:
    values = [getattr(record, field) if record is not None else None for record in map(pick, history)]
    return [math.nan if each is None else float(each) for each in values]


def _named(records: Sequence[Any], name: str) -> Any:
    return next((each for each in records if each.name == name), None)


def _unit(vitals: Vitals, key: tuple[str, str, str, str]) -> Any:
    return next(
        (each for each in vitals.units if (each.layer, each.operation, each.gate, each.before) == key), None
    )


def _some(names: Sequence[Any]) -> list[Any]:
    """As many as a chart can hold, evenly over depth."""
    if len(names) <= _MOST_LINES:
        return list(names)
    return [names[round(place * (len(names) - 1) / (_MOST_LINES - 1))] for place in range(_MOST_LINES)]


def _spans_decades(values: Sequence[float]) -> bool:
    """Whether a logarithmic axis shows more: positive values over a factor of 50."""
    finite = [each for each in values if math.isfinite(each)]
    return bool(finite) and min(finite) > 0 and max(finite) > 50 * min(finite)
