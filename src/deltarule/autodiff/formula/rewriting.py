"""Rewrites formulas: other names and indices, one equation put into another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard, overload

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
    left, right = definition.left, definition.right
    name = name_of(left)
    impossible = False

    def change(expression: Expression) -> Expression:
        nonlocal impossible
        if isinstance(expression, Element) and expression.symbol.name == name:
            if isinstance(left, Element) and _is_renamed(right, left):
                places = tuple(change(index) for index in expression.indices)
                return Element(right.symbol, places, expression.outside)
            if not isinstance(left, Element) or expression.outside is not None:
                impossible = True
                return expression
            places = [change(index) for index in expression.indices]
            own = dict(zip(left.indices, places, strict=True))
            return reindexed(right, own)  # type: ignore[arg-type]
        if isinstance(expression, Symbol) and expression.name == name:
            if isinstance(left, Element):
                impossible = True
            return right
        return rebuilt(expression, change)

    whole = change(equation.right)
    return None if impossible else Equation(equation.left, whole)


def _is_renamed(right: Expression, left: Element) -> TypeGuard[Element]:
    """Whether an equation gives an array another name: both sides have the same elements."""
    return isinstance(right, Element) and right.indices == left.indices and right.outside is None


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
