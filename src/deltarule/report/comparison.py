"""Shows a Comparison: losses, gradients by layer and gradients through time, laid over each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deltarule.explain.comparison.compare import Comparison, Run
from deltarule.explain.comparison.compare_looks import GradientLook, TimeGradients
from deltarule.report.charts.charts import Series, line_chart, standalone
from deltarule.report.markup import Markup
from deltarule.report.numbers import figure
from deltarule.report.parts import Part, Table
from deltarule.report.words import Words

# Steps after which a page says what is left of a gradient.
STEPS = 20
# Epochs in the table.
EPOCHS = 10
# Points of a curve of training losses, each the mean of a stretch, so that several curves can be told apart.
POINTS = 50
# Losses that differ by more than this factor are drawn on a logarithmic axis.
WIDE = 30.0


def svg(comparison: Comparison, words: Words) -> str:
    """The training losses."""
    return standalone(_train_chart(comparison, words))


def title(comparison: Comparison, words: Words) -> str:
    """What was compared."""
    names = ", ".join(each.name for each in comparison.runs)
    return f"{words('comparison.title')}{'：' if words.language == 'zh' else ': '}{names}"


def parts(comparison: Comparison, words: Words) -> list[Part]:
    """Losses, gradients by layer, and gradients through time where there are any."""
    found = [
        Part(sentences=_summary(comparison, words)),
        Part(words("comparison.runs"), table=_runs(comparison, words)),
        Part(
            words("comparison.course"),
            [words("comparison.by_epoch_validated" if _validated(comparison) else "comparison.by_epoch")],
            table=_epochs(comparison, words),
            pictures=_course(comparison, words),
        ),
        Part(
            words("comparison.layers"),
            [words("comparison.layers_note")],
            table=_layers(comparison, words),
            pictures=[_layers_chart(comparison, step, words) for step in _steps(comparison)],
        ),
    ]
    if comparison.recurrent:
        found.append(
            Part(
                words("comparison.time"),
                [words("comparison.time_note")],
                table=_time(comparison, words),
                pictures=[
                    chart(comparison, step, words)
                    for step in _steps(comparison)
                    for chart in (_time_chart, _lag_chart)
                ],
            )
        )
    return found


def _summary(comparison: Comparison, words: Words) -> list[str]:
    sentences = [
        words(
            "comparison.setting", seed=comparison.seed, epochs=comparison.epochs, batches=comparison.batches
        )
    ]
    best = comparison.best
    if best is None:
        sentences.append(words("comparison.none_left"))
    else:
        kind = "train" if math.isnan(best.final_validation) else "validation"
        loss = best.final_loss if kind == "train" else best.final_validation
        sentences.append(words(f"comparison.best_{kind}", name=best.name, loss=figure(loss)))
    for each in comparison.runs:
        if each.diverged is not None:
            reason = each.reason.rstrip(".")
            sentences.append(words("comparison.diverged", name=each.name, batch=each.diverged, reason=reason))
    return [*sentences, *_first_weights(comparison, words)]


def _first_weights(comparison: Comparison, words: Words) -> list[str]:
    """What they had in common before the first step."""
    first, *others = comparison.runs
    if all(each.shared == each.parameters == first.parameters for each in others):
        return [words("comparison.same_weights")] if others else []
    if not any(each.shared for each in others):
        return [words("comparison.own_weights")]
    counts = [{"name": each.name, "shared": each.shared, "parameters": each.parameters} for each in others]
    return [words("comparison.shared", first=first.name, **each) for each in counts]


def _runs(comparison: Comparison, words: Words) -> Table:
    names = ("run", "changed", "parameters", "first_loss", "train", "validation")
    rows = []
    for each in comparison.runs:
        changed = ", ".join(f"{option} = {value}" for option, value in each.changed.items())
        ended = words("comparison.at_batch", batch=each.diverged) if each.diverged is not None else ""
        rows.append(
            [
                each.name,
                changed,
                str(each.parameters),
                _number(each.losses[0] if each.losses else math.nan),
                ended or _number(each.final_loss),
                _number(each.final_validation),
            ]
        )
    return Table([words(f"comparison.{name}") for name in names], rows)


def _epochs(comparison: Comparison, words: Words) -> Table:
    """Losses of the first epoch, the last, and some between: validation loss where there is one."""
    column = "validation_loss" if _validated(comparison) else "train_loss"
    known = [{each["epoch"]: each.get(column) for each in run.history} for run in comparison.runs]
    count = max([len(each) for each in known], default=0)
    shown = (
        sorted({1 + round((count - 1) * place / (EPOCHS - 1)) for place in range(EPOCHS)}) if count else []
    )
    rows = []
    for epoch in shown:
        losses = [each.get(epoch) for each in known]
        rows.append([str(epoch), *("–" if loss is None else figure(loss) for loss in losses)])
    return Table([words("comparison.epoch"), *(run.name for run in comparison.runs)], rows)


def _validated(comparison: Comparison) -> bool:
    return any(run.column("validation_loss")[1] for run in comparison.runs)


def _number(value: float) -> str:
    return "–" if math.isnan(value) else figure(value)


def _course(comparison: Comparison, words: Words) -> list[Markup]:
    pictures = [_train_chart(comparison, words)]
    if _validated(comparison):
        series = [Series(each.name, *each.column("validation_loss")) for each in comparison.runs]
        pictures.append(_loss_chart(series, words("comparison.validation_chart"), words))
    return pictures


def _train_chart(comparison: Comparison, words: Words) -> Markup:
    series = [Series(each.name, *each.curve(POINTS)) for each in comparison.runs]
    return _loss_chart(series, words("comparison.train_chart"), words)


def _loss_chart(series: Sequence[Series], title: str, words: Words) -> Markup:
    values = [value for each in series for value in each.y if math.isfinite(value)]
    wide = bool(values) and min(values) > 0 and max(values) > WIDE * min(values)
    return line_chart(
        series, title=title, x_label=words("comparison.step"), y_label=words("comparison.loss"), log_y=wide
    )


# ---- gradients


def _steps(comparison: Comparison) -> list[int]:
    """The first and the last step at which gradients were looked at, and one between."""
    steps = comparison.steps
    return sorted({steps[0], steps[len(steps) // 2], steps[-1]}) if steps else []


def _look(run: Run, step: int) -> GradientLook | None:
    return next((look for look in run.looks if look.step == step), None)


def _layers(comparison: Comparison, words: Words) -> Table:
    names = ("run", "at_step", "nearest_input", "nearest_output", "ratio")
    rows = []
    for each in comparison.runs:
        for step in _steps(comparison):
            look = _look(each, step)
            if look is None or not look.norms:
                continue
            norms = list(look.norms.values())
            first, last = norms[0], norms[-1]
            ratio = first / last if last > 0 else math.nan
            rows.append([each.name, str(step), figure(first), figure(last), _number(ratio)])
    return Table([words(f"comparison.{name}") for name in names], rows)


def _layers_chart(comparison: Comparison, step: int, words: Words) -> Markup:
    series = []
    for each in comparison.runs:
        look = _look(each, step)
        norms = [] if look is None else list(look.norms.values())
        series.append(Series(each.name, list(range(1, len(norms) + 1)), norms))
    return line_chart(
        series,
        title=words("comparison.layers_chart", step=step),
        x_label=words("comparison.layer"),
        y_label=words("comparison.norm"),
        log_y=True,
    )


def _time(comparison: Comparison, words: Words) -> Table:
    names = ("run", "recurrent_layer", "at_step", "rate", "left", "earliest", "latest")
    rows = []
    for each in comparison.runs:
        for step in _steps(comparison):
            look = _look(each, step)
            for layer in () if look is None else look.time:
                rate = layer.rate
                rows.append(
                    [
                        each.name,
                        layer.layer,
                        str(step),
                        "–" if rate is None else figure(rate),
                        "–" if rate is None else figure(rate**STEPS),
                        figure(layer.norms[0]),
                        figure(layer.norms[-1]),
                    ]
                )
    return Table([words(f"comparison.{name}") for name in names], rows)


def _time_chart(comparison: Comparison, step: int, words: Words) -> Markup:
    return line_chart(
        [Series(label, list(range(len(each.norms))), each.norms) for label, each in _named(comparison, step)],
        title=words("comparison.time_chart", step=step),
        x_label=words("comparison.time_step"),
        y_label=words("comparison.norm"),
        log_y=True,
    )


def _lag_chart(comparison: Comparison, step: int, words: Words) -> Markup:
    return line_chart(
        [Series(label, each.lags, each.left) for label, each in _named(comparison, step)],
        title=words("comparison.lag_chart", step=step),
        x_label=words("flow.lag"),
        y_label=words("flow.norm"),
        log_y=True,
    )


def _named(comparison: Comparison, step: int) -> list[tuple[str, TimeGradients]]:
    """The recurrent layers of all runs at a step, called by the run where it has one alone."""
    found = []
    for each in comparison.runs:
        look = _look(each, step)
        layers = () if look is None else look.time
        for layer in layers:
            found.append((each.name if len(layers) == 1 else f"{each.name}: {layer.layer}", layer))
    return found
