"""The pictures of a Flow: norms over the lag, contributions over (t, k), and what each step does."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from deltarule.explain.through_time.flow import Flow
from deltarule.explain.through_time.lag_products import LagNorms
from deltarule.explain.through_time.layer_flow import LayerFlow
from deltarule.report.charts.charts import Series, heat_map, line_chart
from deltarule.report.markup import Markup
from deltarule.report.numbers import figure
from deltarule.report.words import Words


def main_chart(flow: Flow, words: Words) -> Markup:
    """What is left over the lag, one line for each layer."""
    series = [_over_lag(layer.jacobians.main, layer.name) for layer in flow.layers]
    return _lag_chart([each for each in series if len(each.x)], words)


def lag_chart(layer: LayerFlow, words: Words) -> Markup:
    """What is left over the lag on every way through a layer, and the fitted line of the first."""
    ways = layer.jacobians.ways
    series = [_over_lag(way, way_name(way.way, layer, words)) for way in ways]
    main = ways[0]
    if main.rate is not None and main.rate.per_step > 0:
        ends = [int(main.lags[0]), int(main.lags[-1])]
        slope = math.log(main.rate.per_step)
        fitted = [_exp(main.rate.start + slope * lag) for lag in ends]
        series.insert(
            1, Series(words("flow.fit", rate=figure(main.rate.per_step)), ends, fitted, dashed=True)
        )
    return _lag_chart(series, words)


def way_name(way: str, layer: LayerFlow, words: Words) -> str:
    """A way in words; what is carried goes through other gates in a GRU than in an LSTM."""
    gru = way == "carried" and layer.operation == "gru"
    return words(f"flow.way.{way}_gru" if gru else f"flow.way.{way}")


def contribution_maps(layer: LayerFlow, words: Words) -> list[Markup]:
    """Sizes of all contributions to the recurrent weight, and their signed shares of its gradient.

    Steps at which no loss enters have no row.
    """
    weight = layer.weights["weight_hh"]
    sizes = layer.sizes("weight_hh")
    rows = np.flatnonzero(layer.arriving.any(axis=1))
    axes = {
        "x_label": words("flow.use_axis"),
        "y_label": words("flow.entry_axis"),
        "row_names": [str(layer.entries[row].step) for row in rows],
        "column_names": [str(step) for step in range(layer.steps)],
    }
    found = []
    if sizes.any():
        with np.errstate(divide="ignore"):
            logs = np.log10(sizes[rows])
        logs[np.isneginf(logs)] = np.nan
        title = words("flow.sizes_map", weight=weight)
        found.append(heat_map(logs, title=title, diverging=False, missing="0", **axes))
    shares = layer.shares("weight_hh")
    if shares is not None:
        found.append(heat_map(shares[rows], title=words("flow.shares_map", weight=weight), **axes))
    return found


def lag_shares_chart(layer: LayerFlow, words: Words) -> Markup | None:
    """How much of the recurrent weight's gradient comes over which lag."""
    shares = layer.lag_shares("weight_hh")
    if shares is None or len(shares) < 2:
        return None
    weight = layer.weights["weight_hh"]
    return line_chart(
        [Series(weight, range(len(shares)), shares.tolist())],
        title=words("flow.lag_shares", weight=weight),
        x_label=words("flow.lag"),
        y_label=words("flow.share"),
    )


def states_chart(layer: LayerFlow, words: Words) -> Markup:
    """Size of the gradient that arrives at the states, over the steps."""
    series = [
        Series(words(f"flow.{kind}"), range(len(norms)), norms.tolist(), dashed=kind == "cell")
        for kind, norms in layer.state_gradients.items()
    ]
    return line_chart(
        series,
        title=words("flow.states_chart"),
        x_label=words("flow.step"),
        y_label=words("flow.value"),
        log_y=any(_is_positive(each.y) for each in series),
    )


def steps_chart(layer: LayerFlow, words: Words) -> Markup:
    """Spectral radius and norm of each step's Jacobian."""
    jacobians = layer.jacobians
    return _over_steps(
        "steps_chart",
        jacobians.times,
        [("radius", jacobians.radii), ("norm", jacobians.norms)],
        words,
    )


def factors_chart(layer: LayerFlow, words: Words) -> Markup:
    """The derivative of the activation or of the gates, and what is carried past the weights."""
    jacobians = layer.jacobians
    if jacobians.carried_means is None:
        lines = [("slopes", jacobians.slope_means)]
    else:
        lines = [("slopes_gated", jacobians.slope_means), ("carried", jacobians.carried_means)]
    return _over_steps("factors_chart", jacobians.times, lines, words)


def _over_steps(
    title: str, times: np.ndarray, lines: Sequence[tuple[str, np.ndarray]], words: Words
) -> Markup:
    series = []
    order = np.argsort(times)
    for key, values in lines:
        known = order[np.isfinite(values[order])]
        series.append(Series(words(f"flow.{key}"), times[known].tolist(), values[known].tolist()))
    return line_chart(
        series, title=words(f"flow.{title}"), x_label=words("flow.step"), y_label=words("flow.value")
    )


def _over_lag(way: LagNorms, label: str) -> Series:
    return Series(label, way.lags.tolist(), way.norms.tolist())


def _lag_chart(series: Sequence[Series], words: Words) -> Markup:
    return line_chart(
        series,
        title=words("flow.lag_chart"),
        x_label=words("flow.lag"),
        y_label=words("flow.norm"),
        log_y=any(_is_positive(each.y) for each in series),
    )


def _is_positive(values: Sequence[float]) -> bool:
    return any(value > 0 and math.isfinite(value) for value in values)


def _exp(log: float) -> float:
    return math.exp(log) if log < 709 else math.inf
