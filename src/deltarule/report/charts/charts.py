"""Charts: lines, bars and heat maps as SVG that follows light and dark paper and that a screen reader names.

Series differ in colour and in marker, so that a print in grey still tells them apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from deltarule.report.charts.axes import Scale, linear_ticks, scale_over
from deltarule.report.charts.heat import heat_map
from deltarule.report.charts.palette import SERIES, colour, resolved
from deltarule.report.charts.picture import FONT, WIDTH, label, picture, shortened, text_width
from deltarule.report.markup import Markup, joined, tag
from deltarule.report.numbers import figure

__all__ = ["Series", "bar_chart", "heat_map", "line_chart", "standalone"]

POINTS = 400
_LEFT, _RIGHT, _TOP = 62, 14, 52
_HEIGHT = 230
_MARKERS = 8


@dataclass(frozen=True)
class Series:
    """One line of a chart. Values that are not finite leave a gap; `dashed` sets it apart from its like."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_y: bool = False,
    log_x: bool = False,
    reach: Sequence[float] = (),
) -> Markup:
    """Series over a common x, as inline SVG.

    log_x, log_y   logarithmic axes; values that are not positive leave a gap there
    reach          values that the y axis shows in any case: (0, 1) for shares

    A series of more than 400 points is thinned to the smallest and the largest of each stretch.

    >>> loss = Series("loss", [0, 1, 2], [2.3, 0.8, 0.4])
    >>> chart = line_chart([loss], title="Loss", x_label="step", y_label="loss")
    >>> chart.startswith("<svg"), chart.count("<polyline")
    (True, 1)
    """
    xs = [float(value) for each in series for value in each.x]
    ys = [*reach, *(float(value) for each in series for value in each.y)]
    across = scale_over(xs, _LEFT, WIDTH - _RIGHT, log=log_x, margin=0.02, whole=not log_x)
    up = scale_over(ys, _TOP + _HEIGHT, _TOP, log=log_y)
    bottom = _TOP + _HEIGHT
    legend, legend_height = _legend(series, bottom + 50)
    body = joined(
        label(title, 2, 16, weight=600),
        label(y_label, 2, 38, ink="quiet"),
        *_horizontal_lines(up),
        *_upright_ticks(across, bottom),
        label(x_label, WIDTH - _RIGHT, bottom + 36, anchor="end", ink="quiet"),
        *[_line(each, number, across, up) for number, each in enumerate(series)],
        legend,
    )
    return picture(title, _description(series), body, bottom + 44 + legend_height)


def _description(series: Sequence[Series]) -> str:
    parts = []
    for each in series:
        ends = [figure(value) for value in (each.y[0], each.y[-1])] if len(each.y) else []
        parts.append(f"{each.label}: {' → '.join(ends)}")
    return "; ".join(parts)


def _horizontal_lines(up: Scale) -> list[Markup]:
    drawn = []
    for value, text in up.ticks():
        y = up(value)
        base = value == 0 and not up.log
        drawn.append(
            tag("path", d=f"M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}", stroke=colour("line" if base else "grid"))
        )
        drawn.append(label(text, _LEFT - 8, y + 4, anchor="end", ink="quiet"))
    return drawn


def _upright_ticks(across: Scale, bottom: float) -> list[Markup]:
    drawn = [tag("path", d=f"M{_LEFT} {bottom}H{WIDTH - _RIGHT}", stroke=colour("line"))]
    for value, text in across.ticks(5):
        x = across(value)
        drawn.append(tag("path", d=f"M{x:.1f} {bottom}v5", stroke=colour("line")))
        drawn.append(label(text, x, bottom + 19, anchor="middle", ink="quiet"))
    return drawn


def _line(series: Series, number: int, across: Scale, up: Scale) -> Markup:
    ink = colour(f"series-{number % SERIES}")
    runs = [_thinned(run, POINTS) for run in _runs(series, across.log, up.log)]
    total = sum(len(run) for run in runs)
    if total > POINTS:
        runs = [_thinned(run, max(3, POINTS * len(run) // total)) for run in runs][:POINTS]
    drawn: list[Markup] = []
    for run in runs:
        if len(run) == 1:
            drawn.append(_marker(number, across(run[0][0]), up(run[0][1]), ink, 2.2))
            continue
        points = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in run)
        dashes = "5 4" if series.dashed else None
        drawn.append(
            tag("polyline", points=points, fill="none", stroke=ink, stroke_width=1.8, stroke_dasharray=dashes)
        )
    points = [point for run in runs for point in run]
    # Begun a little later in every series, so that markers of lines that run together stay apart.
    stride = max(1, math.ceil(len(points) / _MARKERS))
    for x, y in points[(number * stride // SERIES) % stride :: stride]:
        words = tag("title", f"{series.label}: {figure(x)}, {figure(y)}")
        drawn.append(tag("g", words, _marker(number, across(x), up(y), ink)))
    return tag("g", tag("title", series.label), *drawn, stroke_linejoin="round", class_="series")


def _runs(series: Series, log_x: bool, log_y: bool) -> list[list[tuple[float, float]]]:
    """The stretches of points without a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(series.x, series.y, strict=True):
        x, y = float(x), float(y)
        shown = math.isfinite(x) and math.isfinite(y) and (x > 0 or not log_x) and (y > 0 or not log_y)
        if shown:
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _thinned(points: list[tuple[float, float]], count: int) -> list[tuple[float, float]]:
    """At most `count` points: of each stretch its smallest and its largest, so that no peak is lost."""
    if len(points) <= count:
        return points
    stretches = max(1, (count - 2) // 2)
    inner = points[1:-1]
    chosen = [points[0]]
    for number in range(stretches):
        part = inner[len(inner) * number // stretches : len(inner) * (number + 1) // stretches]
        ends = {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
        chosen += sorted(ends)
    return [*chosen, points[-1]]


def _marker(number: int, x: float, y: float, ink: str, size: float = 3.2) -> Markup:
    """One of ten signs: five shapes, filled and hollow."""
    shape, hollow = number % 5, number % SERIES >= 5
    r = size
    if shape == 0:
        d = f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z"
    elif shape == 1:
        d = f"M{x - r:.1f} {y - r:.1f}h{2 * r}v{2 * r}h{-2 * r}z"
    elif shape == 2:
        d = f"M{x:.1f} {y - 1.25 * r:.1f}l{1.2 * r:.2f} {2.1 * r:.2f}h{-2.4 * r:.2f}z"
    elif shape == 3:
        d = f"M{x:.1f} {y - 1.35 * r:.1f}l{1.35 * r:.2f} {1.35 * r:.2f}l{-1.35 * r:.2f} {1.35 * r:.2f}"
        d += f"l{-1.35 * r:.2f} {-1.35 * r:.2f}z"
    else:
        d = f"M{x:.1f} {y + 1.25 * r:.1f}l{1.2 * r:.2f} {-2.1 * r:.2f}h{-2.4 * r:.2f}z"
    return tag("path", d=d, fill=colour("paper") if hollow else ink, stroke=ink, stroke_width=1.3)


def _legend(series: Sequence[Series], top: float) -> tuple[Markup, float]:
    """The names of the series below the chart, as many on a line as fit."""
    x, y, drawn = 2.0, top, []
    for number, each in enumerate(series):
        name = shortened(each.label, WIDTH - 50)
        width = 38 + text_width(name)
        if x > 2 and x + width > WIDTH:
            x, y = 2.0, y + 20
        ink = colour(f"series-{number % SERIES}")
        dashes = "5 4" if each.dashed else None
        drawn += [
            tag("path", d=f"M{x} {y + 6}h24", stroke=ink, stroke_width=1.8, stroke_dasharray=dashes),
            _marker(number, x + 12, y + 6, ink),
            label(name, x + 30, y + 10.5),
        ]
        x += width + 14
    return tag("g", *drawn), y - top + 20 if series else 0


def bar_chart(names: Sequence[str], values: Sequence[float], *, title: str, value_label: str) -> Markup:
    """Bars from left to right, one a name; negative ones run to the left of zero.

    >>> bar_chart(["weight", "bias"], [0.3, -0.1], title="Share", value_label="share").count("<rect")
    2
    """
    numbers = [float(value) for value in values]
    finite = [value for value in numbers if math.isfinite(value)]
    room = min(WIDTH * 0.4, max([text_width(name) for name in names], default=0)) + 10
    low, high = min([0.0, *finite]), max([0.0, *finite])
    if low == high:
        high = 1.0
    # Room for the number at the end of each bar.
    beside = 56
    scale = Scale(low, high, room + (beside if low < 0 else 4), WIDTH - _RIGHT - (beside if high > 0 else 4))
    step, top = 24, 40
    bottom = top + step * len(numbers)
    drawn = [label(title, 2, 16, weight=600)]
    for value, text in linear_ticks(low, high, 4):
        x = scale(value)
        drawn.append(tag("path", d=f"M{x:.1f} {top - 6}V{bottom}", stroke=colour("grid")))
        drawn.append(label(text, x, bottom + 18, anchor="middle", ink="quiet"))
    zero = scale(0.0)
    for number, (name, value) in enumerate(zip(names, numbers, strict=True)):
        y = top + step * number
        end = scale(value) if math.isfinite(value) else (scale(high) if value > 0 else scale(low))
        end = zero if math.isnan(value) else end
        bar = tag(
            "rect",
            tag("title", f"{name}: {figure(value)}"),
            x=f"{min(zero, end):.1f}",
            y=y,
            width=f"{max(abs(end - zero), 0.5):.1f}",
            height=step - 8,
            rx=1.5,
            fill=colour("series-0" if not value < 0 else "series-1"),
        )
        left = value < 0
        drawn += [
            bar,
            label(shortened(name, room - 10), room - 8, y + 12.5, anchor="end"),
            label(
                figure(value),
                end - 6 if left else end + 6,
                y + 12.5,
                anchor="end" if left else "start",
                ink="quiet",
            ),
        ]
    drawn.append(tag("path", d=f"M{zero:.1f} {top - 6}V{bottom}", stroke=colour("quiet")))
    drawn.append(label(value_label, WIDTH - _RIGHT, bottom + 36, anchor="end", ink="quiet"))
    description = "; ".join(f"{name}: {figure(value)}" for name, value in zip(names, numbers, strict=True))
    return picture(title, description, joined(*drawn), bottom + 44)


def standalone(svg: str) -> str:
    """A drawing as a file of its own: with its name spaces, the colours of light paper, and that paper.

    >>> standalone('<svg viewBox="0 0 4 2"></svg>').count("<rect")
    1
    """
    opening = re.match(r"<svg\b[^>]*>", svg)
    assert opening is not None, "a drawing begins with <svg>"
    start = opening[0]
    if "xmlns=" not in start:
        start = start.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    if "font-family" not in start:
        start = f'{start[:-1]} font-family="{FONT}">'
    view = re.search(r'viewBox="([^"]+)"', start)
    assert view is not None, "a drawing has a viewBox"
    x, y, width, height = view[1].split()
    if not re.search(r'\swidth="', start):
        start = f'{start[:-1]} width="{width}" height="{height}">'
    paper = tag("rect", x=x, y=y, width=width, height=height, fill=colour("paper"))
    return resolved(f'<?xml version="1.0" encoding="UTF-8"?>\n{start}{paper}{svg[opening.end() :]}\n')
