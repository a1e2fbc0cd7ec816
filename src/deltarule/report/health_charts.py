"""The charts of a health report: what was measured over steps and over depth, and the trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
                words("remedy.as_it_is"), trial.places[: len(trial.unchanged)], trial.unchanged, dashed=True
            ),
            Series(words("remedy.with_remedy"), trial.places[: len(trial.remedied)], trial.remedied),
        ],
        title=words("remedy.tried"),
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
    steps = _Steps(health.history, words)
    return [*_of_weights(steps), *_of_units(steps), *_of_gradients(steps), *_of_recurrences(steps)]


@dataclass(frozen=True)
class _Steps:
    """A history to draw over its steps."""

    history: Sequence[Vitals]
    words: Words

    def series(self, label: str, pick: Callable[[Vitals], Any], field: str) -> Series:
        """One number of the record that is picked of each measurement; a gap where there is none."""
        values = [
            getattr(record, field) if record is not None else None for record in map(pick, self.history)
        ]
        shown = [math.nan if each is None else float(each) for each in values]
        return Series(label, [each.step for each in self.history], shown)

    def chart(self, key: str, label: str, series: Sequence[Series], log: bool = False) -> Markup:
        return line_chart(
            series,
            title=self.words(f"health.{key}"),
            x_label=self.words("health.step"),
            y_label=self.words(f"health.{label}"),
            log_y=log,
            reach=(0.0, 1.0) if label == "share" else (),
        )


def _of_weights(steps: _Steps) -> list[Markup]:
    """Gradients of weights, and updates against their size."""
    names = _some([each.name for each in steps.history[-1].parameters if len(each.shape) > 1])

    def all_of(field: str) -> list[Series]:
        return [
            steps.series(name, lambda each, name=name: _first(each.parameters, name=name), field)
            for name in names
        ]

    found = [steps.chart("chart_gradient", "size", all_of("gradient_norm"), True)]
    ratios = all_of("update_ratio")
    if any(math.isfinite(value) for each in ratios for value in each.y):
        ends = [steps.history[0].step, steps.history[-1].step]
        guide = Series(steps.words("health.guide"), ends, [_USUAL_RATIO] * 2, dashed=True)
        found.append(steps.chart("chart_ratio", "update_ratio", [*ratios, guide], True))
        found.append(tag("p", steps.words("health.update_note"), class_="note"))
    return found


def _of_units(steps: _Steps) -> list[Markup]:
    """Shares of saturated and of dead units of hidden layers."""
    found = []
    for key, field, operations in (
        ("chart_saturated", "saturated", ("sigmoid", "tanh")),
        ("chart_dead", "dead", ("relu", "gelu", "gelu_tanh", "silu")),
    ):
        units = [u for u in steps.history[-1].units if u.operation in operations and not u.output]
        series = []
        for unit in _some(units):
            same = {name: getattr(unit, name) for name in ("layer", "operation", "gate", "before")}
            parts = (unit.layer or unit.before, unit.gate.replace("_", " ") or unit.operation)
            label = " ".join(part for part in parts if part)
            series.append(steps.series(label, lambda each, same=same: _first(each.units, **same), field))
        if series:
            found.append(steps.chart(key, "share", series))
    return found


def _of_gradients(steps: _Steps) -> list[Markup]:
    """Shares of gradients that were clipped, and of noise in them."""
    found, words = [], steps.words
    limits = [each.optimizer for each in steps.history if each.optimizer is not None]
    if any(each.clip_norm is not None or each.clip_value is not None for each in limits):
        clipped = steps.series(words("health.clipped"), lambda each: each.optimizer, "clipped")
        found.append(steps.chart("chart_clipped", "share", [clipped]))
    noisy = next((each.noise for each in steps.history if each.noise is not None), None)
    if noisy is not None:
        label = words("health.noise_share", rows=noisy.batch_size)
        noise = steps.series(label, lambda each: each.noise, "share")
        found.append(steps.chart("chart_noise", "share", [noise]))
    return found


def _of_recurrences(steps: _Steps) -> list[Markup]:
    """The factor per time step of a gradient on its way back."""
    series = []
    for layer in _some(steps.history[-1].recurrent):
        same = {name: getattr(layer, name) for name in ("layer", "sublayer", "reverse")}
        label = f"{layer.layer} l{layer.sublayer}{' ←' if layer.reverse else ''}".strip()
        series.append(
            steps.series(label, lambda each, same=same: _first(each.recurrent, **same), "gradient_rate")
        )
    return [steps.chart("chart_rate", "rate", series)] if series else []


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
        y_label=words(
            "health.loss_and_penalty" if any(each.penalty for each in _ends(health)) else "health.loss"
        ),
        log_x=True,
        log_y=_spans_decades([value for each in series for value in each.y]),
    )


def _ends(health: Health) -> list[Vitals]:
    """The first and the last measurement, or the only one."""
    return [*health.history[:1], *health.history[1:][-1:]]


def _first(records: Sequence[Any], **same: Any) -> Any:
    """The first record with these values; None where there is none."""
    return next((each for each in records if all(getattr(each, k) == v for k, v in same.items())), None)


def _some(names: Sequence[Any]) -> list[Any]:
    """As many as a chart can hold, evenly over depth."""
    if len(names) <= _MOST_LINES:
        return list(names)
    return [names[round(place * (len(names) - 1) / (_MOST_LINES - 1))] for place in range(_MOST_LINES)]


def _spans_decades(values: Sequence[float]) -> bool:
    """Whether a logarithmic axis shows more: positive values over a factor of 50."""
    finite = [each for each in values if math.isfinite(each)]
    return bool(finite) and min(finite) > 0 and max(finite) > 50 * min(finite)
