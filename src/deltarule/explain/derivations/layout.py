"""How a program's lines are laid out: long ones broken inside brackets, shapes in comments behind them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WIDTH = 100
_INDENT = "    "
# Shapes stand below each other, but for lines that are longer than this.
_COMMENTS_AT = 72
# Where a line may break, the best places first: before terms, behind commas, before factors.
_PLACES = (r" (?=[+-] )", r"(?<=,) ", r" (?=[*/@] )")


def with_shapes(lines: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> list[str]:
    """Lines, each with the shape of the array that it computes; numbers have none.

    >>> print("\\n".join(with_shapes(["a = x @ W.T + b", "L = np.sum(a)"], [(4, 3), ()])))
    a = x @ W.T + b  # (4, 3)
    L = np.sum(a)
    """
    column = max((len(line) for line in lines if len(line) <= _COMMENTS_AT), default=0)
    return [
        f"{line.ljust(column) if len(line) <= column else line}  # {shape}" if shape else line
        for line, shape in zip(lines, shapes, strict=True)
    ]


def wrapped(line: str, width: int = _WIDTH) -> str:
    """A line `name = ...` on several lines where it is long: its terms, or its first call's arguments.

    >>> print(wrapped("total = first(a, b) + second(c, d)", 24))
    total = (
        first(a, b)
        + second(c, d)
    )
    """
    target, equals, right = line.partition(" = ")
    if len(line) <= width or not equals:
        return line
    margin = line[: len(line) - len(line.lstrip())]
    return f"{target} = {_opened(right, margin, width)}"


def _opened(text: str, margin: str, width: int) -> str:
    """A long expression with what is inside its brackets, its own or new ones, on lines further in."""
    inside = _inside(text)
    opening, body = (text[:inside], text[inside:-1]) if inside else ("(", text)
    cut = (_pieces(body, place) for place in _PLACES)
    parts = next((pieces for pieces in cut if len(pieces) > 1), [body])
    further = margin + _INDENT
    rows: list[str] = []
    for part in parts:
        if rows and len(further) + len(rows[-1]) + 1 + len(part) <= width:
            rows[-1] += f" {part}"
        elif len(further) + len(part) > width and _inside(part):
            rows.append(_opened(part, further, width))
        else:
            rows.append(part)
    return "\n".join([opening, *(f"{further}{row}" for row in rows), f"{margin})"])


def _inside(text: str) -> int:
    """Where the inside of brackets begins, if they are a whole expression but for a sign: `* np.sum(...)`."""
    found = re.match(r"(?:[*/@+-] |-)?[\w.]*\(", text)
    return found.end() if found and _end_of_bracket(text, found.end() - 1) == len(text) - 1 else 0


def _pieces(text: str, place: str) -> list[str]:
    """The text cut at such places outside of all brackets."""
    pieces, start = [], 0
    for found in re.finditer(place, text):
        before = text[: found.start()]
        if sum(before.count(each) for each in "([{") == sum(before.count(each) for each in ")]}"):
            pieces.append(text[start : found.start()])
            start = found.end()
    return [*pieces, text[start:]]


def _end_of_bracket(text: str, start: int) -> int:
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] in "([{") - (text[place] in ")]}")
        if depth == 0:
            return place
    return len(text)
