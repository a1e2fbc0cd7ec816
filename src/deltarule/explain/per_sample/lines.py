"""Lines of a formula: what they define, and which of them something follows from."""

from __future__ import annotations

from functools import lru_cache

from deltarule.autodiff.formula.expression import Element, Equation, Index, Line, Loop, Symbol, symbols_in
from deltarule.explain.per_sample.evaluator import UnreadableError


def defined_by(line: Equation) -> tuple[Symbol, tuple[Index, ...]]:
    """The symbol that an equation defines, and its indices."""
    left = line.left
    if isinstance(left, Symbol):
        return left, ()
    assert isinstance(left, Element)
    indices = tuple(index for index in left.indices if isinstance(index, Index))
    if len(indices) != len(left.indices):
        raise UnreadableError("a left side with other than plain indices")
    return left.symbol, indices


def names_defined(line: Line) -> list[str]:
    """Names of what a line defines."""
    equations = line.equations if isinstance(line, Loop) else (line,)
    names = []
    for equation in equations:
        left = equation.left
        names.append(left.symbol.name if isinstance(left, Element) else left.name)  # type: ignore[attr-defined]
    return names


@lru_cache(1024)
def needed(lines: tuple[Line, ...], names: frozenset[str]) -> list[Line]:
    """Those lines that these symbols follow from, in order."""
    chosen: list[Line] = []
    wanted = set(names)
    for line in reversed(lines):
        if wanted & set(names_defined(line)):
            chosen.append(line)
            equations = line.equations if isinstance(line, Loop) else (line,)
            for equation in equations:
                wanted |= symbols_in(equation.right)
    return chosen[::-1]
