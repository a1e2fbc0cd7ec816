"""A picture: the frame of every chart, its text, and how wide text is before a browser sets it."""

from __future__ import annotations

import unicodedata

from deltarule.report.charts.palette import colour
from deltarule.report.markup import Markup, tag

# One unit is about a pixel on a page, and 0.75 of it on a phone.
WIDTH = 480
SIZE = 13
FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'PingFang SC', 'Microsoft YaHei', "
    "'Noto Sans CJK SC', 'WenQuanYi Zen Hei', sans-serif"
)


def picture(title: str, description: str, body: Markup, height: float) -> Markup:
    """The <svg> of a chart, named and described for those who hear it."""
    return tag(
        "svg",
        tag("desc", description) if description else None,
        body,
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_label=f"{title}. {description}" if description else title,
        class_="chart",
        font_family=FONT,
        font_size=SIZE,
    )


def label(
    text: str, x: float, y: float, *, anchor: str = "start", ink: str = "ink", weight: int | None = None
) -> Markup:
    """Text at a place. anchor: start, middle or end."""
    return tag(
        "text",
        text,
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        text_anchor=None if anchor == "start" else anchor,
        fill=colour(ink),
        font_weight=weight,
    )


def text_width(text: str, size: float = SIZE) -> float:
    """About how wide a text is: wide characters one em, others 0.57 of it."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return size * (wide + 0.57 * (len(text) - wide))


def shortened(text: str, width: float) -> str:
    """The text, or its beginning and end with … between them where it is wider.

    >>> shortened("encoder.layers.11.attention.weight", 130)
    'encoder.…n.weight'
    """
    if text_width(text) <= width:
        return text
    keep = len(text)
    while keep > 2 and text_width(f"{text[: (keep + 1) // 2]}…{text[len(text) - keep // 2 :]}") > width:
        keep -= 1
    return f"{text[: (keep + 1) // 2]}…{text[len(text) - keep // 2 :]}"
