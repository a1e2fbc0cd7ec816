"""Faces: what is written on the nodes of a graph and beside its lines, and how much room that takes.

assets/explanation/faces.js says the same in the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.report.charts.picture import text_width
from deltarule.report.graph.placement import BEND
from deltarule.report.numbers import figure, shape_text

# Signs of operations that are drawn as one, as in a drawing by hand.
SIGNS = {
    "add": "+",
    "subtract": "−",
    "multiply": "×",
    "divide": "÷",
    "negative": "−( )",
    "matmul": "@",
    "sum": "Σ",
    "square": "( )²",
    "sqrt": "√",
    "exp": "exp",
    "log": "ln",
}

SMALL = 11.0
# Nodes are no wider; longer names are cut.
_WIDEST = 250.0

Graph = Mapping[str, Any]
# Number of a value -> the value; item -> (what is written on its node, in small letters below that).
Values = Mapping[int, Mapping[str, Any]]
Faces = Mapping[str, tuple[str, str]]


def size_of(array: Mapping[str, Any]) -> int:
    """Number of elements of an array of a page's data.

    >>> size_of({"shape": [4, 3]})
    12
    """
    return math.prod(array["shape"])


def is_constant(value: Mapping[str, Any]) -> bool:
    """Whether a value is drawn as its number alone.

    >>> is_constant({"kind": "constant", "array": {"shape": []}})
    True
    """
    return value["kind"] == "constant" and size_of(value["array"]) == 1


def amount(array: Mapping[str, Any]) -> str:
    """A single element itself, of others the norm; of whole numbers, such as labels, from where to where.

    >>> amount({"shape": [2], "stats": {"norm": 5.0}}), amount({"shape": [1], "values": [-2.5]})
    ('‖·‖ 5', '−2.5')
    >>> amount({"shape": [2], "dtype": "int64", "stats": {"min": 0.0, "max": 9.0}})
    '0 … 9'
    """
    if size_of(array) == 1:
        element = array["values"]
        while isinstance(element, list):
            element = element[0]
        return figure(element)
    if size_of(array) == 0:
        return "∅"
    stats = array["stats"]
    if not array.get("dtype", "float").startswith("float"):
        return f"{figure(stats['min'])} … {figure(stats['max'])}"
    return f"‖·‖ {figure(stats['norm'])}"


def faces_of(graph: Graph) -> dict[str, tuple[str, str]]:
    """What is written on every node of a page's data."""
    faces: dict[str, tuple[str, str]] = {}
    for step in graph["steps"]:
        sign = SIGNS.get(step["operation"]) if not step.get("children") else None
        faces[f"step:{step['id']}"] = (sign or step["title"], "" if sign else step.get("layer") or "")
    for box in graph["boxes"]:
        faces[f"box:{box['id']}"] = (box["title"], "")
    for value in graph["values"]:
        name, label = value["plain"], value.get("label") or ""
        if is_constant(value):
            name = amount(value["array"])
        faces[f"value:{value['id']}"] = (name, "" if label in (name, value["name"]) else label)
    return {name: (title, "" if below == title else below) for name, (title, below) in faces.items()}


def node_size(faces: Faces, across: bool, item: str, lines: int) -> tuple[float, float]:
    """Width and height of a closed node, at one side of which so many lines end.

    >>> node_size({"step:0": ("relu", "")}, True, "step:0", 3)[1]
    51.0
    """
    title, below = faces[item]
    width = max(text_width(title) + 26, text_width(below, SMALL) + 20, 38.0)
    height = 44.0 if below else 36.0
    room = 15.0 * lines + 6
    width = min(width, _WIDEST)
    return (width, max(height, room)) if across else (max(width, room), height)


def room_for(values: Values, across: bool, item: str, leaving: Sequence[int]) -> float:
    """The length of line that what is written beside it needs."""
    written = [_texts(values[each], item) for each in leaving]
    if across:
        return max((text_width(text, SMALL) for texts in written for text in texts), default=0.0) + 9 + BEND
    return 13.0 * max((len(texts) for texts in written), default=0) + 5 + BEND


def reach_of(values: Values, across: bool, item: str, leaving: Sequence[int]) -> float:
    """How far to the side of the last line what is written there goes; above and below there is room."""
    widths = [text_width(text, SMALL) for text in _texts(values[leaving[-1]], item)]
    return max(widths) + 15 if widths and not across else 0.0


def _texts(value: Mapping[str, Any], item: str) -> list[str]:
    """What is written at the line of a value, row by row."""
    rows = ["".join(part for part, _ in row) for row in rows_of(value, item)]
    gradient = value.get("gradient")
    return [*rows, amount(gradient)] if rows and gradient is not None else rows


def rows_of(value: Mapping[str, Any], item: str) -> list[list[tuple[str, str]]]:
    """What is written above the line of a value: (text, colour) pairs, row by row."""
    array = value["array"]
    if item.startswith("value:") and is_constant(value):
        return []
    # A leaf has its name on its node.
    name = "" if item.startswith("value:") else f"{value['plain']} "
    if size_of(array) == 1:
        return [[(name, "quiet"), (amount(array), "good")]]
    return [[(f"{name}{shape_text(array['shape'])}", "quiet")], [(amount(array), "good")]]
