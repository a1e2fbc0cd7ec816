"""A user's formulas piece by piece: which lines a gradient uses, and what each is in the record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.explain.checking.arrays import close
from deltarule.explain.checking.findings import Part
from deltarule.explain.checking.formula_claim import FormulaClaim, Statement
from deltarule.explain.checking.problem import Trial
from deltarule.explain.checking.suspects import local_formula
from deltarule.explain.checking.syntax import Term, names_in, titled, written


def used_by(claim: FormulaClaim, target: str) -> list[int]:
    """Positions of the statements that a gradient is computed from, itself the last."""
    statements = claim.statements
    wanted: set[str] = set()
    found: list[int] = []
    for position in reversed(range(len(statements))):
        statement = statements[position]
        if statement.target == target or statement.title in wanted:
            found.append(position)
            wanted |= names_in(statement.term)
    return found[::-1]


def left_side(statement: Statement) -> str:
    """What stands before a statement's "=", with its indices."""
    indices = f"[{', '.join(statement.indices)}]" if statement.indices else ""
    return f"{titled(statement.title)}{indices}"


def parts_of(
    claim: FormulaClaim,
    statements: Sequence[Statement],
    target: str,
    trial: Trial,
    wrong_paths: dict[int, Any],
) -> tuple[Part, ...]:
    """Lines, summands and factors of a gradient's formula, each with what it was found to be.

    wrong_paths   position of a statement -> path of the part that had to be changed
    """
    environment = claim.evaluated(trial, statements)[1]
    found: list[Part] = []
    used = used_by(claim, target)
    for position in used[:-1]:
        statement = statements[position]
        value = environment.get(statement.title)
        meaning = meaning_of(trial, value)
        right = False if position in wrong_paths else (True if meaning else None)
        found.append(Part(f"{left_side(statement)} = {statement.text}", right, meaning))
    statement = statements[used[-1]]
    path = wrong_paths.get(used[-1])
    pieces = _pieces(statement.term)
    if len(pieces) > 1:
        whole_right = path is None and not wrong_paths
        for own, piece in pieces:
            touched = path is not None and (own[: len(path)] == path or path[: len(own)] == own)
            text = statement.text[piece.start : piece.end] if piece.end > piece.start else written(piece)
            right = False if touched and path else True if whole_right or (path and not touched) else None
            found.append(Part(text, right))
    return tuple(found)


def _pieces(term: Term, path: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], Term]]:
    """Summands of a sum; factors of a product."""
    kinds = ("add", "subtract") if term.kind in ("add", "subtract") else ("product", "divide")
    if term.kind not in kinds:
        if term.kind in ("over", "negative", "transpose"):
            return _pieces(term.parts[0], (*path, 0))
        return [(path, term)]
    found = []
    for place, part in enumerate(term.parts):
        if part.kind in kinds:
            found += _pieces(part, (*path, place))
        else:
            found.append(((*path, place), part))
    return found


def meaning_of(trial: Trial, value: Any) -> str:
    """What an array is in the record: a value, or the gradient of one; "" where it is neither."""
    if not isinstance(value, np.ndarray) or value.size < 2 or not np.any(value):
        return ""
    names = {node: name for name, (node, _) in trial.named.items()}
    for opened in (False, True):
        try:
            whole = trial.pass_(opened)
        except (ValueError, NotImplementedError):
            return ""
        for node in whole.nodes:
            title = names.get(node, node.operation.name)
            for index, own in enumerate(node.values):
                if own.shape == value.shape:
                    if close(value, np.asarray(own, np.float64)):
                        return title
                    if node in whole.arriving and close(value, whole.arriving[node][index]):
                        return f"∂L/∂{title}"
            local = local_formula(trial, node)
            if local is None:
                continue
            for symbol, own in local.environment.items():
                if symbol not in local.names and np.shape(own) == value.shape and close(value, own):
                    return f"{symbol} ({title})"
    return ""
