"""Heat maps: a matrix as colours. Small ones are cells that name themselves, large ones a picture inside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.report.charts.palette import COLOURS, colour
from deltarule.report.charts.picture import WIDTH, label, picture, shortened, text_width
from deltarule.report.charts.png import data_address
from deltarule.report.markup import Markup, joined, tag
from deltarule.report.numbers import figure, shape_text

MOST = 200
_CELLS = 600
_BAR = 74


def heat_map(
    values: Any,
    *,
    title: str,
    x_label: str,
    y_label: str,
    diverging: bool = True,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    missing: str = "NaN",
) -> Markup:
    """A matrix as colours, its first row on top.

    values      (rows, columns), or one row. Beyond 200 either way, each cell is the value of largest
                size in its block
    diverging   colours to both sides of 0, of the same strength for ±x; otherwise from the smallest value
                to the largest
    missing     what stands in a cell that is NaN

    Strength is opacity, so that the same picture does for light and for dark paper. NaN is struck through.

    >>> heat_map([[0.5, -1.0]], title="Weight", x_label="in", y_label="out").count("<rect")
    27
    """
    matrix = np.atleast_2d(np.asarray(values, dtype=np.float64))
    assert matrix.ndim == 2, f"a heat map shows a matrix, not {shape_text(matrix.shape)}"
    original = matrix.shape
    cells = _reduced(matrix)
    rows, columns = cells.shape
    low, high = _range(matrix, diverging)
    strength = _strength(cells, low, high, diverging)

    left = _names_room(row_names, original[0], y_label)
    room = WIDTH - left - _BAR
    width = max(min(room, 46.0 * columns), 40.0)
    height = max(min(300.0, 40.0 * rows, width * rows / max(columns, 1) * 1.4), 22.0 * min(rows, 6), 24.0)
    top = 48.0
    drawn = [
        label(title, 2, 16, weight=600),
        label(y_label, 2, 36, ink="quiet"),
        tag(
            "rect",
            x=left,
            y=top,
            width=f"{width:.1f}",
            height=f"{height:.1f}",
            fill="none",
            stroke=colour("line"),
        ),
    ]
    if cells.size == 0:
        pass
    elif cells.size <= _CELLS:
        drawn += _cells(
            *(cells, strength, diverging, left, top, width / columns, height / rows),
            *(row_names, column_names, missing),
        )
    else:
        address = data_address(_pixels(cells, strength, diverging))
        drawn.append(
            tag(
                "image",
                href=address,
                x=left,
                y=top,
                width=f"{width:.1f}",
                height=f"{height:.1f}",
                preserveAspectRatio="none",
                style="image-rendering:pixelated",
            )
        )
    drawn += _row_ticks(row_names, original[0], left, top, height)
    ticks, ticks_height = _column_ticks(column_names, original[1], left, top + height, width)
    drawn += ticks
    drawn.append(label(x_label, left + width, top + height + ticks_height + 17, anchor="end", ink="quiet"))
    drawn.append(_colour_bar(low, high, diverging, left + width + 18, top, max(height, 96.0)))
    bottom = top + max(height + ticks_height + 24, 112.0)
    description = f"{shape_text(original)}; {figure(low)} … {figure(high)}"
    return picture(title, description, joined(*drawn), bottom)


def _reduced(matrix: np.ndarray) -> np.ndarray:
    """At most MOST cells either way: of each block the value of largest size, so that no outlier is lost."""
    for axis in (0, 1):
        count = matrix.shape[axis]
        if count > MOST:
            starts = np.arange(MOST) * count // MOST
            largest = np.maximum.reduceat(matrix, starts, axis=axis)
            smallest = np.minimum.reduceat(matrix, starts, axis=axis)
            matrix = np.where(np.abs(largest) >= np.abs(smallest), largest, smallest)
    return matrix


def _range(matrix: np.ndarray, diverging: bool) -> tuple[float, float]:
    finite = matrix[np.isfinite(matrix)]
    if not finite.size:
        return (-1.0, 1.0) if diverging else (0.0, 1.0)
    if diverging:
        largest = float(np.abs(finite).max()) or 1.0
        return -largest, largest
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low, low + (abs(low) or 1.0))


def _strength(cells: np.ndarray, low: float, high: float, diverging: bool) -> np.ndarray:
    """0 to 1 (or -1 to 1) of each cell; infinite values count as the ends. NaN stays NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        # Divided first: the difference of two large ends may overflow.
        share = cells / high if diverging else (cells / 2 - low / 2) / (high / 2 - low / 2)
    return np.clip(share, -1.0 if diverging else 0.0, 1.0)


def _hue(share: float, diverging: bool) -> str:
    return "amount" if not diverging else "plus" if share > 0 else "minus"


def _opacity(share: Any) -> Any:
    # A little more for weak values, which else vanish in the paper; never full, so that figures stay legible.
    return 0.85 * np.abs(share) ** 0.85


def _cells(
    cells: np.ndarray,
    strength: np.ndarray,
    diverging: bool,
    left: float,
    top: float,
    wide: float,
    high: float,
    row_names: Sequence[str],
    column_names: Sequence[str],
    missing: str,
) -> list[Markup]:
    drawn = []
    texts = [[missing if math.isnan(value) else figure(value) for value in row] for row in cells]
    longest = max(len(text) for row in texts for text in row)
    written = text_width("0" * longest, 10.5) + 6 <= wide and high >= 17
    for row, column in np.ndindex(*cells.shape):
        share, text = float(strength[row, column]), texts[row][column]
        x, y = left + column * wide, top + row * high
        names = f"{_name(row_names, row)}, {_name(column_names, column)}: {text}"
        unknown = math.isnan(share)
        drawn.append(
            tag(
                "rect",
                tag("title", names),
                x=f"{x:.1f}",
                y=f"{y:.1f}",
                width=f"{wide:.1f}",
                height=f"{high:.1f}",
                fill=colour("grid" if unknown else _hue(share, diverging)),
                fill_opacity=None if unknown else f"{_opacity(share):.3f}",
                shape_rendering="crispEdges",
            )
        )
        if unknown and not written:
            drawn.append(
                tag("path", d=f"M{x:.1f} {y + high:.1f}l{wide:.1f} {-high:.1f}", stroke=colour("quiet"))
            )
        if written:
            drawn.append(
                tag(
                    "text",
                    text,
                    x=f"{x + wide / 2:.1f}",
                    y=f"{y + high / 2 + 3.7:.1f}",
                    text_anchor="middle",
                    font_size=10.5,
                    fill=colour("ink"),
                    pointer_events="none",
                )
            )
    return drawn


def _pixels(cells: np.ndarray, strength: np.ndarray, diverging: bool) -> np.ndarray:
    pixels = np.zeros((*cells.shape, 4), np.uint8)
    missing = np.isnan(strength)
    for name, chosen in (
        ("quiet", missing),
        (_hue(1.0, diverging), ~missing & (strength > 0)),
        (_hue(-1.0, diverging), ~missing & (strength <= 0)),
    ):
        # Between the hues of light and of dark paper: a picture cannot follow the page.
        pairs = [bytes.fromhex(each[1:]) for each in COLOURS[name]]
        pixels[chosen, :3] = [(first + second) // 2 for first, second in zip(*pairs, strict=True)]
    # 64 steps compress far better than 256 and look the same.
    opacity = np.round(_opacity(np.where(missing, 0.5, strength)) * 64) * (255 / 64)
    pixels[..., 3] = np.round(opacity)
    return pixels


def _name(names: Sequence[str], position: int) -> str:
    return names[position] if position < len(names) else str(position)


def _names_room(names: Sequence[str], count: int, y_label: str) -> float:
    longest = max([text_width(name) for name in names] or [text_width(str(max(count - 1, 0)))])
    return min(longest, WIDTH * 0.3) + 12


def _chosen(count: int, most: int) -> list[int]:
    """Positions that get a tick: all, or every 2nd, 5th, 10th, ..."""
    for stride in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000):
        if count / stride <= most:
            return list(range(0, count, stride))
    return [0]


def _row_ticks(names: Sequence[str], count: int, left: float, top: float, height: float) -> list[Markup]:
    return [
        label(
            shortened(_name(names, row), left - 12),
            left - 7,
            top + (row + 0.5) * height / count + 4,
            anchor="end",
            ink="quiet",
        )
        for row in _chosen(count, max(1, int(height // 16)))
    ]


def _column_ticks(
    names: Sequence[str], count: int, left: float, bottom: float, width: float
) -> tuple[list[Markup], float]:
    """Names below the columns; slanted where they do not fit side by side."""
    if not count:
        return [], 0.0
    longest = max([text_width(name) for name in names] or [text_width(str(count - 1))])
    slanted = bool(names) and longest + 6 > width / count and count <= 40
    chosen = _chosen(count, int(width // 14) if slanted else max(1, int(width // (longest + 10))))
    drawn = []
    for column in chosen:
        x = left + (column + 0.5) * width / count
        if slanted:
            text = shortened(_name(names, column), 90)
            drawn.append(
                tag(
                    "text",
                    text,
                    fill=colour("quiet"),
                    text_anchor="end",
                    transform=f"translate({x + 4:.1f} {bottom + 13:.1f}) rotate(-40)",
                )
            )
        else:
            drawn.append(label(_name(names, column), x, bottom + 16, anchor="middle", ink="quiet"))
    return drawn, (min(longest, 90.0) * 0.66 + 12 if slanted else 18.0)


def _colour_bar(low: float, high: float, diverging: bool, x: float, top: float, height: float) -> Markup:
    steps = 23
    height = min(height, 180.0)
    drawn = []
    for number in range(steps):
        share = (1 - 2 * number / (steps - 1)) if diverging else 1 - number / (steps - 1)
        drawn.append(
            tag(
                "rect",
                x=f"{x:.1f}",
                y=f"{top + number * height / steps:.2f}",
                width=12,
                height=f"{height / steps:.2f}",
                fill=colour(_hue(share, diverging)),
                fill_opacity=f"{_opacity(share):.3f}",
                shape_rendering="crispEdges",
            )
        )
    places = [(high, 0.0), (low, 1.0)]
    places.insert(1, (0.0 if diverging else low / 2 + high / 2, 0.5))
    texts = [label(figure(value), x + 17, top + share * height + 4, ink="quiet") for value, share in places]
    frame = tag(
        "rect", x=f"{x:.1f}", y=top, width=12, height=f"{height:.1f}", fill="none", stroke=colour("line")
    )
    return tag("g", *drawn, frame, *texts)
