"""Evaluates the statements of a derivation and compares them with the engine's own arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.expression import Element, Equation, Index, Line, Loop, Reduction
from deltarule.autodiff.formula.rewriting import defined_by, walk

if TYPE_CHECKING:
    from deltarule.explain.derivation import Statement

# Elements that the literal evaluation of an index form may hold at once, in all its sums.
_MOST_ELEMENTS = 4_000_000


def check_statement(statement: Statement, environment: dict[str, Any]) -> None:
    """Fills in the statement's errors. What it defines besides is added to the environment."""
    names = [name for name in statement.defines if name in environment]
    found = _solved(statement.matrix, environment)
    statement.matrix_error = _largest(found, environment, names)
    _keep(statement.matrix, found, environment)
    if sum(map(_cost, statement.index)) <= _MOST_ELEMENTS:
        found = _solved(statement.index, environment)
        # Intermediates, which the engine does not have, agree with those of the matrix form.
        statement.index_error = _largest(found, environment, list(statement.defines))
        _keep(statement.index, found, environment)
        statement.checked = sum(environment[name].size for name in statement.defines)


def _keep(lines: Sequence[Line], found: dict[str, Any], environment: dict[str, Any]) -> None:
    """Adds intermediates, which later statements read."""
    for line in lines:
        for name in defined_by(line):
            environment.setdefault(name, found[name])


def _solved(lines: Sequence[Line], environment: dict[str, Any]) -> dict[str, Any]:
    defined = {name for line in lines for name in defined_by(line)}
    return solve(lines, {name: array for name, array in environment.items() if name not in defined})


def _largest(found: dict[str, Any], expected: dict[str, Any], names: list[str]) -> float | None:
    return max((difference(found[name], expected[name]) for name in names), default=None)


def difference(found: Any, expected: Any) -> float:
    """Largest difference, relative to the largest expected element; NaN agrees with NaN."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.size == 0:
        return 0.0
    if found.shape != expected.shape and found.size != 1:
        found = np.broadcast_to(found, expected.shape)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        distance = np.where(same, 0.0, np.abs(found - expected))
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 0.0
    worst = float(np.max(distance))
    return worst / scale if scale > 0 else worst


def _cost(line: Line) -> int:
    """Elements of the largest array that evaluating the index form makes."""
    if isinstance(line, Loop):
        return max(_cost(equation) for equation in line.equations) * line.index.extent
    assert isinstance(line, Equation)
    left = 1
    if isinstance(line.left, Element):
        for index in line.left.indices:
            left *= index.extent if isinstance(index, Index) else 1
    widest = 1
    for part in walk(line.right):
        if isinstance(part, Reduction):
            inner = 1
            for reduction in (each for each in walk(part) if isinstance(each, Reduction)):
                for index in reduction.indices:
                    inner *= index.extent
            widest = max(widest, inner)
    return left * widest
