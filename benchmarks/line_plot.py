"""Lines on two logarithmic scales, as SVG, without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# Told apart by those who see colours differently as well (Okabe & Ito 2008).
COLOURS = ("#d55e00", "#0072b2", "#56b4e9", "#009e73", "#cc79a7", "#000000")
WIDTH, HEIGHT = 420, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 52, 36
# Room below the panels for a line of the legend or a note.
LINE = 18
# More labels than these stand too close together: every second one is left out.
MOST_LABELS = 8


@dataclass(frozen=True)
class Line:
    """Points (x, y), all above zero, under a title."""

    title: str
    points: Sequence[tuple[float, float]]


class Scale:
    """Logarithm of values to places on the page; its ticks are powers of ten or of two."""

    def __init__(self, values: Sequence[float], start: float, end: float, base: int):
        lowest, highest = min(values, default=1.0), max(values, default=1.0)
        if base == 10:
            lowest, highest = 10 ** math.floor(math.log10(lowest)), 10 ** math.ceil(math.log10(highest))
        if lowest == highest:
            highest = lowest * base
        self.lowest, self.highest, self.base = lowest, highest, base
        self.start, self.end = start, end

    def place(self, value: float) -> float:
        """Where a value stands."""
        share = math.log(value / self.lowest) / math.log(self.highest / self.lowest)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """The powers of the base on the scale."""
        first = math.ceil(math.log(self.lowest, self.base) - 1e-9)
        last = math.floor(math.log(self.highest, self.base) + 1e-9)
        return [float(self.base) ** power for power in range(first, last + 1)]


def line_plot(title: str, panels: Sequence[tuple[str, Sequence[Line]]], notes: Sequence[str] = ()) -> str:
    """One panel beside the other, each (what is drawn upwards, its lines); colours mean the same in all.

    Below stand the legend and the notes, a line each. Points say their figures where the reader shows titles.
    """
    names = list(dict.fromkeys(line.title for _, lines in panels for line in lines))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    width, height = WIDTH * len(panels), HEIGHT + 10 + LINE * (1 + len(notes))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="11">',
        f'<title>{escape(title)}</title><rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" font-size="13">{escape(title)}</text>',
    ]
    for place, (words, lines) in enumerate(panels):
        parts.append(f'<g transform="translate({WIDTH * place} 0)">{_panel(words, lines, colours)}</g>')
    share = (width - LEFT) / max(1, len(names))
    for place, name in enumerate(names):
        x = LEFT + share * place
        parts.append(f'<rect x="{x:.0f}" y="{HEIGHT + 4}" width="12" height="4" fill="{colours[name]}"/>')
        parts.append(f'<text x="{x + 17:.0f}" y="{HEIGHT + 11}">{escape(name)}</text>')
    for place, note in enumerate(notes):
        y = HEIGHT + 11 + LINE * (1 + place)
        parts.append(f'<text x="{LEFT}" y="{y}" fill="#555">{escape(note)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(words: str, lines: Sequence[Line], colours: dict[str, str]) -> str:
    points = [point for line in lines for point in line.points]
    across = Scale([x for x, _ in points], LEFT, WIDTH - RIGHT, 2)
    upwards = Scale([y for _, y in points], HEIGHT - BOTTOM, TOP, 10)
    parts = [f'<text x="{LEFT}" y="{TOP - 12}">{escape(words)}</text>']
    ticks = across.ticks()
    labelled = ticks[:: 1 + (len(ticks) > MOST_LABELS)]
    for tick in ticks:
        x = across.place(tick)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/>')
        if tick in labelled:
            parts.append(
                f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick:,g}</text>'
            )
    for tick in upwards.ticks():
        y = upwards.place(tick)
        parts.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:,g}</text>'
        )
    for line in lines:
        places = [(across.place(x), upwards.place(y)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        colour = colours[line.title]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        for (x, y), (size, figure) in zip(places, line.points, strict=True):
            words = escape(f"{line.title}, {size:,g}: {figure:.3g}")
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"><title>{words}</title></circle>'
            )
    return "".join(parts)
