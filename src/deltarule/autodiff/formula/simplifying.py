"""Simplifies formulas: arithmetic of numbers is done, and what changes nothing is left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeGuard

from deltarule.autodiff.formula.expression import ArrayFunction, Expression, Function, Number, Reduction
from deltarule.autodiff.formula.rewriting import rebuilt
from deltarule.autodiff.formula.shape_rules import reduced_axes
from deltarule.autodiff.formula.shapes import Shape, shape_of


def simplified(expression: Expression) -> Expression:
    """Without factors 1, zeros that are added, double signs, and arithmetic of numbers."""
    expression = rebuilt(expression, simplified)
    if isinstance(expression, Reduction) and expression.kind == "sum" and _is_digits(expression.body):
        # Σ_i 1 is how many there are.
        return Number(expression.body.value * math.prod(index.extent for index in expression.indices))
    if not isinstance(expression, Function):
        return expression
    parts = expression.arguments
    numbers = [part.value if _is_digits(part) else None for part in parts]
    name = expression.name
    if name in _ARITHMETIC and None not in numbers:
        return Number(_ARITHMETIC[name](*numbers))
    if name == "multiply" and all(map(_is_constant, parts)):
        # Two times an eighth: the quotient stays, as 2/N says where it is from.
        (top, below), (other, further) = map(_quotient, parts)
        return Function("divide", (Number(top * other), Number(below * further)))
    if name == "where" and numbers[0] is not None:
        return parts[1] if numbers[0] else parts[2]
    if name == "multiply" and 1 in numbers:
        return parts[1 - numbers.index(1)]
    if name == "multiply":
        # Numbers of nested products lead and meet: (0.5 a) (2 x) is a x.
        for place in (0, 1):
            inner, other = parts[place], parts[1 - place]
            if isinstance(inner, Function) and inner.name == "multiply" and _is_constant(inner.arguments[0]):
                if _is_constant(other):
                    return simplified(Function("multiply", (other * inner.arguments[0], inner.arguments[1])))
                rest = (inner.arguments[1], other) if place == 0 else (other, inner.arguments[1])
                return simplified(Function("multiply", (inner.arguments[0], Function("multiply", rest))))
    if name == "divide" and numbers[1] == 1:
        return parts[0]
    if name == "divide" and numbers[1] and isinstance(parts[0], Function) and parts[0].name == "multiply":
        first, rest = parts[0].arguments
        if _is_digits(first) and first.value == numbers[1]:
            # (2 x) / 2
            return rest
    if name == "divide" and isinstance(parts[0], Function) and _is_negative(parts[0]):
        return Function("negative", (Function("divide", (parts[0].arguments[0], parts[1])),))
    if name == "pow" and numbers[1] == 1:
        return parts[0]
    if name == "negative" and isinstance(parts[0], Function) and parts[0].name == "negative":
        return parts[0].arguments[0]
    if name == "add" and 0 in numbers:
        return parts[1 - numbers.index(0)]
    if name == "multiply" and any(_is_negative(part) for part in parts):
        return _sign_first(parts)
    return expression


_ARITHMETIC: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "negative": lambda a: -a,
    "equal": lambda a, b: float(a == b),
    "not_equal": lambda a, b: float(a != b),
    "less": lambda a, b: float(a < b),
    "greater": lambda a, b: float(a > b),
}


def without_broadcasts(expression: Expression, shapes: Mapping[str, Shape]) -> Expression:
    """Matrix form without spreading or summing to a shape that is there already."""
    expression = rebuilt(expression, lambda part: without_broadcasts(part, shapes))
    if isinstance(expression, ArrayFunction) and expression.name in ("sum", "max", "min", "prod"):
        inner = _shape(expression.arguments[0], shapes)
        if inner is not None and not reduced_axes(inner, expression.options.get("axis")):
            # Over no axes at all.
            return expression.arguments[0]
    if isinstance(expression, ArrayFunction) and expression.name in ("broadcast_to", "sum_to", "reshape"):
        inner = expression.arguments[0]
        if _shape(inner, shapes) == tuple(expression.options["shape"]):
            return inner
        if isinstance(inner, ArrayFunction) and inner.name == "broadcast_to":
            whole = _shape(expression, shapes)
            if expression.name == "reshape" and isinstance(inner.arguments[0], Number) and whole is not None:
                # One number everywhere is that in any shape.
                return ArrayFunction("broadcast_to", inner.arguments, {"shape": whole})
    if isinstance(expression, Function):
        whole = _shape(expression, shapes)
        parts = list(expression.arguments)
        for position, part in enumerate(parts):
            if isinstance(part, ArrayFunction) and part.name == "broadcast_to":
                # Without it the other operands have the shape alone.
                spread = Function(
                    expression.name, (*parts[:position], part.arguments[0], *parts[position + 1 :])
                )
                if whole is not None and _shape(spread, shapes) == whole:
                    return without_broadcasts(simplified(spread), shapes)
    return expression


def _shape(expression: Expression, shapes: Mapping[str, Shape]) -> Shape | None:
    try:
        return shape_of(expression, shapes)
    except (KeyError, ValueError):
        return None


def _is_digits(part: Expression) -> TypeGuard[Number]:
    """Whether a part is a number without notation of its own, as π has."""
    return isinstance(part, Number) and not part.latex


def _is_constant(part: Expression) -> bool:
    """Whether a part is a number in digits, or the quotient of two: 2, 1/8."""
    if isinstance(part, Function) and part.name == "divide":
        return all(map(_is_digits, part.arguments))
    return _is_digits(part)


def _quotient(part: Expression) -> tuple[float, float]:
    """(dividend, divisor) of a constant."""
    first, second = part.arguments if isinstance(part, Function) else (part, Number(1))
    assert isinstance(first, Number) and isinstance(second, Number), "a constant is made of numbers"
    return first.value, second.value


def _is_negative(part: Expression) -> bool:
    return isinstance(part, Function) and part.name == "negative"


def _sign_first(parts: tuple[Expression, ...]) -> Expression:
    """-(a b) for (-a) b, so that signs meet and cancel."""
    negative = sum(map(_is_negative, parts)) % 2
    bare = [
        part.arguments[0] if isinstance(part, Function) and _is_negative(part) else part for part in parts
    ]
    product = simplified(Function("multiply", tuple(bare)))
    return Function("negative", (product,)) if negative else product
