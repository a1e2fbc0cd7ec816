"""Graph text: a graph with its values and gradients for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from typing import Any

from deltarule.report.graph.faces import Graph, amount, is_constant, size_of
from deltarule.report.numbers import shape_text
from deltarule.report.words import Words

# A tree with more lines than this is a list in the order of computation.
_MOST_TREE = 40


def graph_text(graph: Graph, words: Words, *, opened: Collection[int] = ()) -> str:
    """A graph for a terminal: a small one as a tree from the loss down, others line by line as computed.

    opened   numbers of the groups that are shown by what is inside them

    >>> import deltarule as dr
    >>> from deltarule.report.page.data import page_data
    >>> x = dr.tensor(3.0, requires_grad=True)
    >>> x.name = "x"
    >>> print(graph_text(page_data(dr.explain(x * 2.0), Words()), Words()))
                        value  gradient
    L = multiply(x, 2)  6      1
    └─ x                3      2
    """
    steps = {step["id"]: step for step in graph["steps"]}
    frontier = _frontier(graph, set(opened) | {step["id"] for step in graph["steps"] if step.get("open")})
    values = {value["id"]: value for value in graph["values"]}
    made: dict[int, int] = {}
    for number in frontier:
        for value in steps[number]["outputs"]:
            made[value] = number
    lines: list[tuple[str, int]] = []
    if len(frontier) <= _MOST_TREE:
        _branch(graph["loss"], made, steps, values, "", "", set(), lines, words)
    if not lines or len(lines) > 2 * _MOST_TREE:
        lines = [
            (_equation(value, steps[number], values), value)
            for number in frontier
            for value in steps[number]["outputs"]
        ]
    head = (words("explanation.value"), words("explanation.gradient"))
    rows = [(text, *_columns(values[value])) for text, value in lines]
    widths = [max(_columns_wide(row[i]) for row in [*rows, ("", *head)]) for i in range(3)]
    return "\n".join(
        "  ".join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [("", *head), *rows]
    )


def _frontier(graph: Graph, opened: set[int]) -> list[int]:
    steps = {step["id"]: step for step in graph["steps"]}

    def seen(number: int) -> list[int]:
        children = steps[number].get("children") or []
        if number in opened and children:
            return [each for child in children for each in seen(child)]
        return [number]

    top = sorted((step for step in graph["steps"] if step["parent"] is None), key=lambda step: step["order"])
    return [each for step in top for each in seen(step["id"])]


def _branch(
    value: int,
    made: Mapping[int, int],
    steps: Mapping[int, Mapping[str, Any]],
    values: Mapping[int, Mapping[str, Any]],
    first: str,
    rest: str,
    drawn: set[int],
    lines: list[tuple[str, int]],
    words: Words,
) -> None:
    if len(lines) > 2 * _MOST_TREE:
        return
    if value not in made:
        lines.append((first + values[value]["plain"], value))
        return
    step = steps[made[value]]
    if value in drawn:
        lines.append((f"{first}{values[value]['plain']}  {words('explanation.above')}", value))
        return
    drawn.add(value)
    lines.append((first + _equation(value, step, values), value))
    # A constant stands in the equation as its number.
    inputs = [each for each in dict.fromkeys(step["inputs"]) if not is_constant(values[each])]
    for position, read in enumerate(inputs):
        last = position == len(inputs) - 1
        _branch(
            read,
            made,
            steps,
            values,
            rest + ("└─ " if last else "├─ "),
            rest + ("   " if last else "│  "),
            drawn,
            lines,
            words,
        )


def _equation(value: int, step: Mapping[str, Any], values: Mapping[int, Mapping[str, Any]]) -> str:
    read = [values[each] for each in step["inputs"]]
    inputs = ", ".join(amount(each["array"]) if is_constant(each) else each["plain"] for each in read)
    return f"{values[value]['plain']} = {step['title']}({inputs})"


def _columns(value: Mapping[str, Any]) -> tuple[str, str]:
    array, gradient = value["array"], value.get("gradient")
    shape = "" if size_of(array) == 1 else f"{shape_text(array['shape'])}  "
    return shape + amount(array), "" if gradient is None else amount(gradient)


def _columns_wide(text: str) -> int:
    """Columns of a terminal that a text takes: two for each Chinese character."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _columns_wide(text))
