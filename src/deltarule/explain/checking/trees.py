"""Walking and changing formula trees: every part has a path, and a part can be replaced at its path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Element,
    Expression,
    Function,
    Index,
    Number,
    Reduction,
    Symbol,
)

Path = tuple[int, ...]


def parts(expression: Expression) -> tuple[Expression, ...]:
    """What a walk goes down into: elements and symbols are leaves."""
    if isinstance(expression, (Function, ArrayFunction)):
        return expression.arguments
    if isinstance(expression, Reduction):
        return (expression.body,)
    return ()


def rebuilt(expression: Expression, arguments: tuple[Expression, ...]) -> Expression:
    """The same node over other parts."""
    if isinstance(expression, Function):
        return Function(expression.name, arguments)
    if isinstance(expression, ArrayFunction):
        return ArrayFunction(expression.name, arguments, expression.options)
    assert isinstance(expression, Reduction)
    return Reduction(expression.kind, arguments[0], expression.indices)


def walk(expression: Expression, path: Path = ()) -> Iterator[tuple[Path, Expression]]:
    """Every part with its path, the whole first."""
    yield path, expression
    for position, part in enumerate(parts(expression)):
        yield from walk(part, (*path, position))


def at(expression: Expression, path: Path) -> Expression:
    """The part at a path."""
    for position in path:
        expression = parts(expression)[position]
    return expression


def replaced(expression: Expression, path: Path, part: Expression) -> Expression:
    """The same tree with another part at a path."""
    if not path:
        return part
    arguments = list(parts(expression))
    arguments[path[0]] = replaced(arguments[path[0]], path[1:], part)
    return rebuilt(expression, tuple(arguments))


def mapped(expression: Expression, change: Callable[[Expression], Expression | None]) -> Expression:
    """The same tree with the outermost parts replaced for which `change` has an answer."""
    new = change(expression)
    if new is not None:
        return new
    inner = parts(expression)
    return rebuilt(expression, tuple(mapped(part, change) for part in inner)) if inner else expression


def factors(expression: Expression) -> list[tuple[Path, Expression]]:
    """Factors of a product with their paths; one that is no product has one."""
    if isinstance(expression, Function) and expression.name == "multiply":
        return [
            ((position, *path), factor)
            for position, part in enumerate(expression.arguments)
            for path, factor in factors(part)
        ]
    return [((), expression)]


def multiplied(parts_of: Sequence[Expression]) -> Expression:
    """The product of several factors; 1 of none."""
    result: Expression = parts_of[0] if parts_of else Number(1)
    for part in parts_of[1:]:
        result = result * part
    return result


def summands(expression: Expression, sign: int = 1) -> list[tuple[Path, Expression, int]]:
    """Summands of a sum with their paths and signs."""
    if isinstance(expression, Function) and expression.name in ("add", "subtract"):
        left, right = expression.arguments
        second = -sign if expression.name == "subtract" else sign
        return [((0, *path), part, own) for path, part, own in summands(left, sign)] + [
            ((1, *path), part, own) for path, part, own in summands(right, second)
        ]
    return [((), expression, sign)]


def same(left: Expression, right: Expression) -> bool:
    """Whether two trees say the same, part by part."""
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if isinstance(left, Number):
        return left.value == right.value  # type: ignore[union-attr]
    if isinstance(left, (Symbol, Index)):
        return left.name == right.name  # type: ignore[union-attr]
    if isinstance(left, Element):
        assert isinstance(right, Element)
        return (
            left.symbol.name == right.symbol.name
            and len(left.indices) == len(right.indices)
            and all(same(a, b) for a, b in zip(left.indices, right.indices, strict=True))
        )
    if getattr(left, "name", getattr(left, "kind", "")) != getattr(right, "name", getattr(right, "kind", "")):
        return False
    ours, theirs = parts(left), parts(right)
    return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs, strict=True))
