"""Rewrites formulas: other names and indices, one equation put into another, noise left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import overload

from deltarule.autodiff.formula.expression import (
    LETTERS,
    ArrayFunction,
    Element,
    Equation,
    Expression,
    Function,
    Index,
    Line,
    Loop,
    Number,
    Reduction,
    Symbol,
    children,
)
from deltarule.autodiff.formula.shapes import shape_of

Shape = tuple[int, ...]


def rebuilt(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """The same tree with every direct part changed; the symbol of an element too, if it stays one."""
    if isinstance(expression, Function):
        return Function(expression.name, tuple(change(part) for part in expression.arguments))
    if isinstance(expression, ArrayFunction):
        parts = tuple(change(part) for part in expression.arguments)
        return ArrayFunction(expression.name, parts, expression.options)
    if isinstance(expression, Reduction):
        return Reduction(expression.kind, change(expression.body), expression.indices)
    if isinstance(expression, Element):
        symbol = change(expression.symbol)
        if not isinstance(symbol, Symbol):
            # An array that is one number everywhere.
            return symbol
        return Element(symbol, tuple(change(index) for index in expression.indices), expression.outside)
    return expression


@overload
def renamed(line: Equation, names: Mapping[str, str | float]) -> Equation: ...
@overload
def renamed(line: Line, names: Mapping[str, str | float]) -> Line: ...
def renamed(line: Line, names: Mapping[str, str | float]) -> Line:
    """A line with other names for its symbols; a number stands for one that is this number everywhere."""

    def change(expression: Expression) -> Expression:
        if isinstance(expression, Symbol):
            name = names.get(expression.name, expression.name)
            return replace(expression, name=name) if isinstance(name, str) else Number(name)
        return rebuilt(expression, change)

    return with_expressions(line, change)


@overload
def with_expressions(line: Equation, change: Callable[[Expression], Expression]) -> Equation: ...
@overload
def with_expressions(line: Line, change: Callable[[Expression], Expression]) -> Line: ...
def with_expressions(line: Line, change: Callable[[Expression], Expression]) -> Line:
    """A line whose expressions, of both sides, are changed."""
    if isinstance(line, Loop):
        return Loop(
            line.index, tuple(with_expressions(each, change) for each in line.equations), line.reverse
        )
    return Equation(change(line.left), change(line.right))


def reindexed(expression: Expression, indices: Mapping[Index, Expression]) -> Expression:
    """An expression with other indices, or arithmetic of indices, in their place.

    A sum over an index that comes in is over another one of that name first, as the two are not the same.
    """
    if isinstance(expression, Index):
        return indices.get(expression, expression)
    if isinstance(expression, Reduction):
        coming = {each for place in indices.values() for each in indices_in(place)}
        fresh = {own: Index(own.name, own.extent) for own in expression.indices if own in coming}
        body = reindexed(expression.body, fresh) if fresh else expression.body
        outside = {own: place for own, place in indices.items() if own not in expression.indices}
        bound = tuple(fresh.get(own, own) for own in expression.indices)
        return Reduction(expression.kind, reindexed(body, outside), bound)
    return rebuilt(expression, lambda part: reindexed(part, indices))


def inlined(equation: Equation, definition: Equation) -> Equation | None:
    """The equation with what `definition` defines put in its place; None where that cannot be done.

    It cannot where the equation reads beyond the edges of what is defined (padding).
    """
    left = definition.left
    name = name_of(left)
    impossible = False

    def change(expression: Expression) -> Expression:
        nonlocal impossible
        if isinstance(expression, Element) and expression.symbol.name == name:
            if not isinstance(left, Element) or expression.outside is not None:
                impossible = True
                return expression
            places = [change(index) for index in expression.indices]
            own = dict(zip(left.indices, places, strict=True))
            return reindexed(definition.right, own)  # type: ignore[arg-type]
        if isinstance(expression, Symbol) and expression.name == name:
            if isinstance(left, Element):
                impossible = True
            return definition.right
        return rebuilt(expression, change)

    right = change(equation.right)
    return None if impossible else Equation(equation.left, right)


def with_distinct_indices(equation: Equation) -> Equation:
    """The same with other letters where a sum's index is named like one that is already in sight."""

    def change(expression: Expression, seen: frozenset[str]) -> Expression:
        if isinstance(expression, Reduction):
            own = list(expression.indices)
            body = expression.body
            names = {index.name for index in own}
            for position, index in enumerate(own):
                if index.name in seen:
                    letter = next(each for each in _letters(index.name) if each not in seen | names)
                    own[position] = Index(letter, index.extent)
                    names.add(letter)
                    body = reindexed(body, {index: own[position]})
            inner = seen | {index.name for index in own}
            return Reduction(expression.kind, change(body, inner), tuple(own))
        return rebuilt(expression, lambda part: change(part, seen))

    outside = frozenset(index.name for index in indices_in(equation.left))
    return Equation(equation.left, change(equation.right, outside))


def _letters(first: str) -> Iterable[str]:
    """Letters after this one, then the others."""
    if first in LETTERS:
        position = LETTERS.index(first)
        yield from LETTERS[position + 1 :]
    yield from LETTERS
    yield from (f"{each}'" for each in LETTERS)


def added(terms: Sequence[Expression]) -> Expression:
    """The sum of terms, in halves, so that the tree of a thousand terms is ten deep."""
    if len(terms) == 1:
        return terms[0]
    middle = (len(terms) + 1) // 2
    return Function("add", (added(terms[:middle]), added(terms[middle:])))


def simplified(expression: Expression) -> Expression:
    """Without factors 1, zeros that are added, double signs, and arithmetic of numbers."""
    expression = rebuilt(expression, simplified)
    if not isinstance(expression, Function):
        return expression
    parts = expression.arguments
    numbers = [part.value if isinstance(part, Number) and not part.latex else None for part in parts]
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


def _is_constant(part: Expression) -> bool:
    """Whether a part is a number in digits, or the quotient of two: 2, 1/8."""
    if isinstance(part, Function) and part.name == "divide":
        return all(isinstance(each, Number) and not each.latex for each in part.arguments)
    return isinstance(part, Number) and not part.latex


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


def name_of(left: Expression) -> str:
    """Name of what a left side defines."""
    return left.symbol.name if isinstance(left, Element) else left.name  # type: ignore[attr-defined]


def defined_by(line: Line) -> list[str]:
    """Names that a line defines."""
    if isinstance(line, Loop):
        return [name_of(equation.left) for equation in line.equations]
    return [name_of(line.left)]


def read_by(line: Line) -> set[str]:
    """Names that the right sides of a line read."""
    if isinstance(line, Loop):
        return set().union(*(read_by(equation) for equation in line.equations))
    return {part.name for part in walk(line.right) if isinstance(part, Symbol)}


def occurrences(expression: Expression, name: str) -> int:
    """How often a symbol stands in an expression."""
    return sum(isinstance(part, Symbol) and part.name == name for part in walk(expression))


def indices_in(expression: Expression) -> set[Index]:
    """Every index of an expression."""
    return {part for part in walk(expression) if isinstance(part, Index)}


def size(expression: Expression) -> int:
    """How many parts an expression has."""
    return sum(1 for _ in walk(expression))


def walk(expression: Expression) -> Iterable[Expression]:
    """Every part of an expression, itself first."""
    waiting = [expression]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += children(part)
