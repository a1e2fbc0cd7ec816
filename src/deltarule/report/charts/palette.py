"""The colours of pages and pictures: each one for light and for dark paper, under one name."""

from __future__ import annotations

import re

# name -> (on light, on dark). Text and lines keep a contrast of 4.5 and more on `paper`.
COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#14171c"),
    "panel": ("#f5f6f8", "#1d2128"),
    "ink": ("#1c2128", "#e6e8ec"),
    "quiet": ("#59626f", "#a3acb9"),
    "line": ("#d4d8de", "#3a414c"),
    "grid": ("#e8eaee", "#2a3038"),
    "accent": ("#1f5fb0", "#82b4f2"),
    "mark": ("#ffe9a8", "#463a0c"),
    "good": ("#1a7746", "#6fcf97"),
    "bad": ("#b3312e", "#f28b82"),
    "warn": ("#8a5a00", "#e3b95c"),
    "forward": ("#1f5fb0", "#82b4f2"),
    "backward": ("#b3451c", "#f0a070"),
    "plus": ("#d1483f", "#de5a50"),
    "minus": ("#2f76c9", "#4b8adb"),
    "amount": ("#6a4fb3", "#a78bea"),
    "series-0": ("#2463a8", "#7fb2f0"),
    "series-1": ("#c23b4f", "#f28b95"),
    "series-2": ("#1f7f50", "#6fcf9f"),
    "series-3": ("#946b00", "#e3c05f"),
    "series-4": ("#7046ad", "#bfa0f2"),
    "series-5": ("#0b7285", "#6fd3e3"),
    "series-6": ("#b1521f", "#f0a070"),
    "series-7": ("#59626f", "#a9b1bd"),
    "series-8": ("#a83a83", "#e78fc9"),
    "series-9": ("#4f7512", "#b4d468"),
}
SERIES = 10


def colour(name: str) -> str:
    """A colour as CSS that follows the page, and is that of light paper where there is no page.

    >>> colour("ink")
    'var(--ink, #1c2128)'
    """
    return f"var(--{name}, {COLOURS[name][0]})"


def style_sheet() -> str:
    """The colours as CSS variables: light, dark where the system or the button says so, light in print."""
    light = ";".join(f"--{name}:{pair[0]}" for name, pair in COLOURS.items())
    dark = ";".join(f"--{name}:{pair[1]}" for name, pair in COLOURS.items())
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{"
        f":root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
    )


def resolved(svg: str) -> str:
    """The same drawing with the colours of light paper: programs other than browsers know no variables.

    >>> resolved('<rect fill="var(--paper, #ffffff)"/>')
    '<rect fill="#ffffff"/>'
    """
    return re.sub(
        r"var\(--([a-z0-9-]+)(?:,\s*([^()]*))?\)",
        lambda match: COLOURS[match[1]][0] if match[1] in COLOURS else (match[2] or "currentColor"),
        svg,
    )
