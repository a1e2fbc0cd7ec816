"""Condenses derivations: a gradient that is used once, or is another one, is put where it is used."""

from __future__ import annotations

from dataclasses import replace

from deltarule.autodiff.formula.expression import Symbol
from deltarule.autodiff.formula.rewriting import inlined, name_of, occurrences, size
from deltarule.explain.derivations.statement import Statement, tidy
from deltarule.explain.record.notation import Notation
from deltarule.explain.record.trace import Trace

# Larger gradients keep a line of their own; a line grows no larger than this by what is put into it.
_MOST_INLINED = 24
_MOST_PARTS = 48


def condensed(statements: list[Statement], notation: Notation) -> list[Statement]:
    """The same with gradients that are used once, or are others, put where they are used."""
    trace = notation.trace
    kept = list(statements)
    position = 0
    while position < len(kept):
        statement = kept[position]
        users = [each for each in kept[position + 1 :] if statement.defines[0] in each.reads]
        joined: list[Statement | None] = [None]
        if _may_go(statement, trace) and (len(users) == 1 or _is_another(statement)):
            joined = [_joined(user, statement) for user in users]
        if not joined or None in joined:
            position += 1
            continue
        for user, whole in zip(users, joined, strict=True):
            kept[kept.index(user)] = whole  # type: ignore[call-overload]
        del kept[position]
    return kept


def _is_another(statement: Statement) -> bool:
    """Whether a gradient is another one under a name of its own, as behind a sum."""
    return statement.equations is not None and isinstance(statement.equations[1].right, Symbol)


def _may_go(statement: Statement, trace: Trace) -> bool:
    if statement.kind != "gradient" or statement.value is None or statement.equations is None:
        return False
    value = trace.values[statement.value]
    largest = max(size(equation.right) for equation in statement.equations)
    return value.made_by is not None and not value.label and largest <= _MOST_INLINED


def _joined(user: Statement, definition: Statement) -> Statement | None:
    if user.equations is None or definition.equations is None or user.kind == "intermediate":
        return None
    found = []
    for equation, own in zip(user.equations, definition.equations, strict=True):
        if occurrences(equation.right, name_of(own.left)) > 1 and size(own.right) > 3:
            return None
        joined = inlined(equation, own)
        if joined is None or size(joined.right) > _MOST_PARTS:
            return None
        found.append(tidy(joined))
    steps = tuple(dict.fromkeys((*definition.steps, *user.steps)))
    return replace(user, steps=steps, index=(found[0],), matrix=(found[1],))
