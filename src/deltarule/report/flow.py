"""Shows a Flow: how fast the gradient is lost through time, and where each weight's gradient comes from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.explain.through_time.flow import Flow
from deltarule.explain.through_time.gradient_rate import STEPS_SHOWN, Horizon, Rate
from deltarule.explain.through_time.lag_products import LagNorms
from deltarule.explain.through_time.layer_flow import LayerFlow
from deltarule.report.charts.charts import standalone
from deltarule.report.flow_charts import (
    contribution_maps,
    factors_chart,
    lag_chart,
    lag_shares_chart,
    main_chart,
    states_chart,
    steps_chart,
    way_name,
)
from deltarule.report.numbers import figure, shape_text
from deltarule.report.parts import Part, Table
from deltarule.report.paths import count_text
from deltarule.report.words import Words

_KINDS = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}


def title(record: Flow, words: Words) -> str:
    """Of the report."""
    return words("flow.title")


def svg(record: Flow, words: Words) -> str:
    """What is left of a gradient over the lag, in every layer."""
    return standalone(main_chart(record, words))


def formulas(record: Flow) -> list[str]:
    """What the gradient of a weight is a sum of, and a step's Jacobian for each kind of layer there is."""
    found = [
        r"\frac{\partial L}{\partial W} &= \sum_{t} \sum_{k} C_{t,k}",
        r"C_{t,k} &= \sum_{n} \delta_{t,k}^{(n)} \, {u_{k}^{(n)}}^{\mathsf{T}}",
        r"\frac{\partial s_{t}}{\partial s_{k}} &= J_{t} \, J_{t-1} \cdots J_{k+1}",
    ]
    jacobians = {
        "rnn": r"J_{k} &= \operatorname{diag}\left(\varphi'_{k}\right) W_{hh}, \quad s_{k} = h_{k}",
        "gru": r"J_{k} &= D_{k} W_{hh} + \operatorname{diag}\left(z_{k}\right), \quad s_{k} = h_{k}",
        "lstm": r"J_{k} &= D_{k} \left[W_{hh} \;\; 0\right] + \left[0 \;\; F_{k}\right], \quad "
        r"s_{k} = \left(h_{k}, c_{k}\right), \quad \frac{\partial c_{k}}{\partial c_{k-1}} = "
        r"\operatorname{diag}\left(f_{k}\right)",
    }
    kinds = dict.fromkeys(layer.operation for layer in record.layers)
    return [*found, *(jacobians[kind] for kind in kinds)]


def parts(record: Flow, words: Words) -> list[Part]:
    """What the report says, layer by layer."""
    sentences = [] if record.loss is None else [words("flow.loss", loss=figure(record.loss))]
    kinds = dict.fromkeys(layer.operation for layer in record.layers)
    sentences.append(words("flow.meaning"))
    sentences += [words("flow.legend"), *(words(f"flow.legend.{kind}") for kind in kinds)]
    if record.batch > 1:
        sentences.append(words("flow.batch", sample=record.sample, batch=record.batch))
    found = [Part(sentences=sentences, formulas=formulas(record))]
    for layer in record.layers:
        found += [
            _ways(layer, words),
            _contributions(layer, words),
            _states(layer, words),
            _steps(layer, words),
        ]
    return found


def rate_sentence(rate: Rate | None, words: Words) -> str:
    """0.61 per step: after 20 steps 5.1·10⁻⁵ is left."""
    if rate is None:
        return words("flow.rate_none")
    if math.isnan(rate.per_step):
        return words("flow.rate_unknown")
    if rate.per_step == 0:
        return words("flow.rate_dead")
    left = rate.left_after(STEPS_SHOWN)
    key = "flow.rate" if rate.per_step <= 1 else "flow.rate_growing"
    return words(key, rate=figure(rate.per_step), steps=STEPS_SHOWN, left=rounded(left))


def rounded(value: float) -> str:
    """Two digits, which is what a fitted rate supports."""
    return figure(float(f"{value:.1e}")) if math.isfinite(value) else figure(value)


def horizon_sentence(horizon: Horizon, words: Words) -> str:
    """How many steps back the gradient reaches."""
    if horizon.lag is None or horizon.limit is None:
        return words("flow.keeps")
    key = f"flow.{horizon.kind}{'' if horizon.measured else '_beyond'}"
    return words(key, lag=horizon.lag, dtype=horizon.dtype, limit=rounded(horizon.limit))


def _ways(layer: LayerFlow, words: Words) -> Part:
    jacobians = layer.jacobians
    main = jacobians.main
    sentences = []
    if jacobians.linked < len(jacobians.times):
        sentences.append(words("flow.linked", count=jacobians.linked, steps=len(jacobians.times)))
    if jacobians.linked > 1 or not sentences:
        sentences.append(rate_sentence(main.rate, words))
    if main.horizon.kind != "unknown" and main.rate is not None:
        sentences.append(horizon_sentence(main.horizon, words))
    if not jacobians.exact:
        sentences.append(words("flow.estimated"))
    header = [
        words("flow.way"),
        words("flow.per_step"),
        words("flow.left", steps=STEPS_SHOWN),
        words("flow.horizon"),
    ]
    rows = [_way_row(way, layer, words) for way in jacobians.ways if way.rate is not None]
    key = "flow.layer_reverse" if layer.reverse else "flow.layer"
    heading = words(
        key, name=layer.name, kind=_KINDS[layer.operation], steps=layer.steps, hidden=layer.hidden
    )
    pictures = [lag_chart(layer, words)] if len(main.lags) else []
    return Part(heading, sentences, table=Table(header, rows), pictures=pictures)


def _way_row(way: LagNorms, layer: LayerFlow, words: Words) -> list[str]:
    assert way.rate is not None
    horizon = words(f"flow.horizon.{way.horizon.kind}", lag=way.horizon.lag)
    return [
        way_name(way.way, layer, words),
        figure(way.rate.per_step),
        rounded(way.rate.left_after(STEPS_SHOWN)),
        horizon,
    ]


def _contributions(layer: LayerFlow, words: Words) -> Part:
    unknown = words("flow.unknown")
    header = [words(f"flow.{key}") for key in ("weight", "shape", "gradient_norm", "deviation", "paths")]
    rows = []
    for weight, name in layer.weights.items():
        gradient, deviation = layer.gradients[weight], layer.deviations[weight]
        if gradient is None:
            continue
        rows.append(
            [
                name,
                shape_text(gradient.shape),
                figure(float(np.linalg.norm(gradient))),
                unknown if deviation is None else rounded(deviation),
                count_text(layer.paths[weight]),
            ]
        )
    entering = int(layer.arriving.any(axis=1).sum())
    sentences = [
        words("flow.entering", count=entering, steps=len(layer.entries)),
        words("flow.deviation_note"),
    ]
    shares = lag_shares_chart(layer, words)
    return Part(
        words("flow.contributions", name=layer.name),
        sentences,
        table=Table(header, rows),
        pictures=[*contribution_maps(layer, words), *([shares] if shares is not None else [])],
    )


def _states(layer: LayerFlow, words: Words) -> Part:
    norms = layer.state_gradients["hidden"]
    largest, least = int(np.argmax(norms)), int(np.argmin(norms))
    told = words(
        "flow.largest",
        step=largest,
        size=figure(norms[largest]),
        other=least,
        least=figure(norms[least]),
    )
    return Part(words("flow.states", name=layer.name), [told], pictures=[states_chart(layer, words)])


def _known(reduce: Callable[[Any], Any], values: Any) -> float:
    """Of those values that are numbers; NaN where none is."""
    numbers = values[~np.isnan(values)]
    return float(reduce(numbers)) if len(numbers) else math.nan


def _steps(layer: LayerFlow, words: Words) -> Part:
    jacobians = layer.jacobians
    heading = words("flow.steps", name=layer.name)
    if not len(jacobians.times):
        return Part(heading, [words("flow.rate_none")])
    mean = figure(_known(np.mean, jacobians.slope_means))
    if jacobians.carried_means is None or jacobians.carried_largest is None:
        told = words(
            "flow.factors",
            mean=mean,
            largest=figure(_known(np.max, jacobians.slope_norms)),
            norm=figure(jacobians.weight_norm),
            radius=words("flow.unknown")
            if jacobians.weight_radius is None
            else figure(jacobians.weight_radius),
        )
        sentences = [told]
    else:
        told = words(
            "flow.factors_gated",
            mean=mean,
            carried=figure(float(jacobians.carried_means.mean())),
            largest=figure(float(jacobians.carried_largest.max())),
        )
        sentences = [told, words("flow.weight_norm", norm=figure(jacobians.weight_norm))]
    return Part(heading, sentences, pictures=[steps_chart(layer, words), factors_chart(layer, words)])
