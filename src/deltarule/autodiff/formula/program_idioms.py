"""Says in a program's way what formulas say literally: safe exponentials, and parts that get a name.

The result computes the same numbers; only what overflows, or would stand there twice, is said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Expression,
    Function,
    Symbol,
    array_function,
    children,
    function,
)
from deltarule.autodiff.formula.rewriting import rebuilt
from deltarule.autodiff.formula.shape_rules import reduced_axes
from deltarule.autodiff.formula.shapes import Shape, shape_of

Shapes = Mapping[str, Shape]
Text = Callable[[Expression], str]

# A part that stands twice gets a name of its own where it is at least this long.
_LONG = 24

# Names for parts, by the function that makes them; the first ones always get a name, outside of loops.
_ALWAYS = {"unfold": "columns", "heads": ("query", "key", "value")}
_NAMES = {"exp": "exponentials", "max": "largest", "indicator": "wanted"}


def without_leading_axes(expression: Expression, shapes: Shapes) -> Expression:
    """Without axes of length 1 put ahead of an operand: broadcasting puts them there by itself."""
    expression = rebuilt(expression, lambda part: without_leading_axes(part, shapes))
    if not isinstance(expression, Function):
        return expression
    for position, part in enumerate(expression.arguments):
        if not isinstance(part, ArrayFunction) or part.name != "reshape":
            continue
        inside, shape = part.arguments[0], tuple(part.options["shape"])
        own = shape_of(inside, shapes)
        if own and shape == (1,) * (len(shape) - len(own)) + own != own:
            parts = (*expression.arguments[:position], inside, *expression.arguments[position + 1 :])
            lighter = Function(expression.name, parts)
            if shape_of(lighter, shapes) == shape_of(expression, shapes):
                return without_leading_axes(lighter, shapes)
    return expression


def with_safe_exponentials(expression: Expression, shapes: Shapes, text: Text) -> Expression:
    """exp(a) / Σ exp(a) and ln Σ exp(a) with the largest element taken off: nothing overflows."""
    expression = rebuilt(expression, lambda part: with_safe_exponentials(part, shapes, text))
    if not isinstance(expression, Function):
        return expression
    if expression.name == "divide":
        exponential, total = expression.arguments
        sum_of = _sum_of_exponentials(total, shapes)
        if sum_of is not None and _is(exponential, "exp"):
            inside, options = sum_of
            if text(exponential.arguments[0]) == text(inside):  # type: ignore[attr-defined]
                safe = function("exp", inside - array_function("max", inside, **options))
                return safe / array_function("sum", safe, **options)
    if expression.name == "log":
        sum_of = _sum_of_exponentials(expression.arguments[0], shapes)
        if sum_of is not None:
            inside, options = sum_of
            largest = array_function("max", inside, **options)
            whole = array_function("sum", function("exp", inside - largest), **options)
            return array_function(
                "reshape", largest + function("log", whole), shape=shape_of(expression, shapes)
            )
    return expression


def _sum_of_exponentials(expression: Expression, shapes: Shapes) -> tuple[Expression, dict[str, Any]] | None:
    """(a, options of the sum) of Σ exp(a) whose axes are kept, or are there again through a reshape."""
    if _is(expression, "reshape"):
        expression = expression.arguments[0]  # type: ignore[attr-defined]
    if not (_is(expression, "sum") and _is(expression.arguments[0], "exp")):  # type: ignore[attr-defined]
        return None
    inside = expression.arguments[0].arguments[0]  # type: ignore[attr-defined]
    shape, axis = shape_of(inside, shapes), expression.options.get("axis")  # type: ignore[attr-defined]
    if not prod(shape[place] for place in reduced_axes(shape, axis)):
        # Nothing has no largest element.
        return None
    return inside, {"axis": axis, "keepdims": True}


def part_to_name(expression: Expression, text: Text, *, looped: bool) -> tuple[str, Expression] | None:
    """(name, part) of what gets its own line: windows of a convolution, or a long part that stands twice.

    The longest one, so that what stands in it alone is not named as well; the name may be taken already.
    """
    found: dict[str, Function | ArrayFunction] = {}
    counts: dict[str, int] = {}

    def visit(part: Expression, around: str) -> None:
        written = text(part)
        # A factor 1, for one, is not written: then a part and what is around it are the same.
        if isinstance(part, (Function, ArrayFunction)) and written != around:
            counts[written] = counts.get(written, 0) + 1
            found.setdefault(written, part)
        for inner in children(part):
            visit(inner, written)

    whole = text(expression)
    for part in children(expression):
        visit(part, whole)
    chosen = [
        written
        for written, part in found.items()
        if (counts[written] > 1 and len(written) >= _LONG) or (part.name in _ALWAYS and not looped)
    ]
    if not chosen:
        return None
    part = found[max(chosen, key=len)]
    return _name(part), part


def _name(part: Function | ArrayFunction) -> str:
    name = _ALWAYS.get(part.name) or _NAMES.get(part.name, "inner")
    if isinstance(name, str):
        return name
    assert isinstance(part, ArrayFunction), "one of several parts is a whole array"
    return name[part.options["part"]]


def with_named_part(expression: Expression, part: str, name: str, shapes: Shapes, text: Text) -> Expression:
    """The expression with a symbol wherever this part stands."""

    def change(each: Expression) -> Expression:
        if isinstance(each, (Function, ArrayFunction)) and text(each) == part:
            return Symbol(name, len(shapes[name]))
        return rebuilt(each, change)

    return rebuilt(expression, change)


def _is(expression: Expression, name: str) -> bool:
    return isinstance(expression, (Function, ArrayFunction)) and expression.name == name
