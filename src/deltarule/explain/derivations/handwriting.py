"""Matrix form as one writes it by hand: without what only arranges axes, sums with what they are over.

Statements are evaluated, and become programs, as their formulas say; this is for reading alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Equation,
    Expression,
    Index,
    Line,
    Loop,
    Number,
    Sum,
    Symbol,
    array_function,
)
from deltarule.autodiff.formula.rewriting import rebuilt
from deltarule.autodiff.formula.shape_rules import reduced_axes
from deltarule.autodiff.formula.shapes import Shape, shape_of
from deltarule.operations.slicing import KeyText, span

Shapes = Mapping[str, Shape]

# Functions that put axes into another order, which elements' own indices say better.
_ORDERING = ("time_first", "batch_first")


def handwritten(line: Line, shapes: Shapes) -> Line:
    """A line of matrix form for reading.

    shapes   of the symbols that it reads, as far as they are known

    >>> from deltarule.autodiff.formula.latex import latex_lines
    >>> total = array_function("sum_to", Symbol("delta", 2), shape=(3,))
    >>> latex_lines([handwritten(Equation(Symbol("g", 1), total), {"delta": (5, 3)})], matrix=True)
    ['G = \\\\operatorname{sum}_{0}\\\\left(\\\\mathit{delta}\\\\right)']
    """
    if isinstance(line, Loop):
        return line
    return Equation(line.left, _written(line.right, shapes))


def _written(expression: Expression, shapes: Shapes) -> Expression:
    if isinstance(expression, ArrayFunction):
        summed = _over_time(expression) or _over_batch(expression, shapes)
        if summed is not None:
            return summed
        if expression.name in _ORDERING:
            return _written(expression.arguments[0], shapes)
        if expression.name == "broadcast_to" and isinstance(expression.arguments[0], Number):
            return expression.arguments[0]
        found = _bare(expression, shapes)
        if found is not expression:
            return _written(found, shapes)
    return rebuilt(expression, lambda part: _written(part, shapes))


def _bare(expression: ArrayFunction, shapes: Shapes) -> Expression:
    """The argument itself where only axes of length 1 come and go; sums with the axes that they are over."""
    try:
        before, after = shape_of(expression.arguments[0], shapes), shape_of(expression, shapes)
    except (KeyError, ValueError, IndexError):
        return expression
    if expression.name == "reshape" and _without_ones(before) == _without_ones(after):
        return expression.arguments[0]
    if expression.name == "slice":
        return _without_whole_axes(expression, before)
    if expression.name == "sum_to":
        skipped = len(before) - len(after)
        axes = tuple(range(skipped)) + tuple(
            axis + skipped for axis, extent in enumerate(after) if extent != before[axis + skipped]
        )
        return array_function("sum", expression.arguments[0], axis=axes[0] if len(axes) == 1 else axes)
    if expression.name in ("sum", "max", "min", "prod") and "keepdims" in expression.options:
        return replace(expression, options={"axis": expression.options.get("axis")})
    if expression.name in ("sum", "max", "min", "prod"):
        axes = reduced_axes(before, expression.options.get("axis"))
        if expression.name == "sum" and len(axes) == len(before):
            return array_function("sum_all", expression.arguments[0])
        axis = axes[0] if len(axes) == 1 else axes
        if axis != expression.options.get("axis"):
            return replace(expression, options={"axis": axis})
    return expression


def _without_whole_axes(expression: ArrayFunction, x: Shape) -> Expression:
    """A slice with a colon for axes that it takes whole; none behind the last part that matters."""
    extents = iter(x)
    key: list[Any] = []
    for part in expression.options["key"].key:
        extent = None if part is None else next(extents)
        whole = isinstance(part, slice) and extent is not None and span(part, extent) == range(extent)
        key.append(slice(None) if whole else part)
    while key and key[-1] == slice(None):
        key.pop()
    if not key:
        return expression.arguments[0]
    shorter = KeyText(tuple(key))
    same = str(shorter) == str(expression.options["key"])
    return expression if same else replace(expression, options={"key": shorter})


def _over_time(expression: ArrayFunction) -> Expression | None:
    """Σ_t δ_tᵀ x_t for the sum of a stack of products over its first axis, the time."""
    if expression.name != "sum" or expression.options.get("axis") != 0:
        return None
    product = expression.arguments[0]
    if not (isinstance(product, ArrayFunction) and product.name == "matmul"):
        return None
    first, second = product.arguments
    if not (isinstance(first, ArrayFunction) and first.name == "transpose"):
        return None
    time = Index("t", 0)
    parts = []
    for part in (first.arguments[0], second):
        if isinstance(part, ArrayFunction) and part.name == "time_first":
            parts.append(array_function("at_time", part.arguments[0], time))
        elif isinstance(part, Symbol) and part.ndim == 3:
            parts.append(array_function("at_time", part, time))
        else:
            return None
    return Sum(parts[0].T @ parts[1], time)


def _over_batch(expression: ArrayFunction, shapes: Shapes) -> Expression | None:
    """Σ_n δ_nᵀ X_n for the product of two stacks of rows that were made one stack."""
    if expression.name != "matmul":
        return None
    first, second = expression.arguments
    if not (isinstance(first, ArrayFunction) and first.name == "transpose"):
        return None
    sample = Index("n", 0)
    parts = []
    for part in (first.arguments[0], second):
        if not (isinstance(part, ArrayFunction) and part.name == "reshape"):
            return None
        symbol, rows = part.arguments[0], tuple(part.options["shape"])
        shape = shapes.get(symbol.name) if isinstance(symbol, Symbol) else None
        if shape is None or len(shape) != 3 or rows != (shape[0] * shape[1], shape[2]):
            return None
        parts.append(array_function("at_time", symbol, sample))
    return Sum(parts[0].T @ parts[1], sample)


def _without_ones(shape: Shape) -> tuple[int, ...]:
    return tuple(extent for extent in shape if extent != 1)
