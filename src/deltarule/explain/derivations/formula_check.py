"""Evaluates the statements of a derivation and compares them with the engine's own arrays."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.expression import Element, Equation, Index, Line, Loop, Reduction
from deltarule.autodiff.formula.rewriting import defined_by, walk
from deltarule.autodiff.formula.sampled import sample_positions, solve_at
from deltarule.autodiff.tensor import Array

if TYPE_CHECKING:
    from deltarule.explain.derivations.derivation import Statement

# Elements that the literal evaluation of an index form may hold at once, in all its sums.
_MOST_ELEMENTS = 4_000_000
# Terms that are added up for all samples of one statement that is larger.
_MOST_TERMS = 20_000_000


class FormulaCheck:
    """Checks statements in their order.

    known   identifier -> the engine's array
    dtype   the engine's type: differences are measured by no less than its smallest number with all digits

    Intermediates, which the engine does not have, are kept apart for both forms: an axis of length 1 in
    matrix form is no index in index form.
    """

    def __init__(self, known: Mapping[str, Array], dtype: Any = np.float64):
        self._known = known
        self._tiny = float(np.finfo(dtype).tiny)
        self._least = 1e-6 if np.dtype(dtype).itemsize == 8 else 1e-2
        self._rounding = float(np.sqrt(np.finfo(dtype).eps))
        self._of_matrix: dict[str, Array] = {}
        self._of_index: dict[str, Array] = {}

    @property
    def arrays(self) -> Mapping[str, Array]:
        """Everything known by now, intermediates as the matrix form has them."""
        return ChainMap(self._of_matrix, self._known)  # type: ignore[arg-type]

    def check(self, statement: Statement, arriving: float = 0.0) -> None:
        """Fills in the statement's errors.

        arriving   largest gradient that arrives at the opened group that it speaks of the inside of
        """
        names = [name for name in statement.defines if name in self._known]
        found = self._solved(statement.matrix, statement, self._of_matrix)
        floor = self._floor(statement, arriving)
        statement.matrix_error = _largest(found, self._known, names, floor)
        if sum(map(_cost, statement.index)) <= _MOST_ELEMENTS:
            # What was too large to compute in index form is read as the matrix form has it.
            found = self._solved(statement.index, statement, self._of_index, self._of_matrix)
            expected = {**self._of_matrix, **{name: self._known[name] for name in names}}
            both = [
                name
                for name in statement.defines
                if name in found and name in expected and np.size(found[name]) == np.size(expected[name])
            ]
            statement.index_error = _largest(found, expected, both, floor)
            statement.checked = sum(np.size(expected[name]) for name in both)
        elif not any(isinstance(line, Loop) for line in statement.index):
            self._check_samples(statement, names, floor)

    def _check_samples(self, statement: Statement, names: list[str], floor: float) -> None:
        """Compares the index form at some positions, where computing it whole would take long."""
        terms = max(_terms(line) for line in statement.index)
        count = int(np.clip(_MOST_TERMS // max(terms, 1), 4, 300))
        positions = {name: sample_positions(np.shape(self._known[name]), count) for name in names}
        read = self._read(statement, self._of_index, self._of_matrix)
        with np.errstate(all="ignore"):
            found = solve_at(statement.index, read, positions)
        errors = []
        for name, places in positions.items():
            whole = np.asarray(self._known[name], np.float64)
            largest = float(np.max(np.abs(whole), initial=0.0))
            errors.append(difference(found[name], whole[tuple(places.T)], max(floor, largest)))
        statement.index_error = max(errors, default=None)
        statement.checked = sum(map(len, positions.values()))

    def _floor(self, statement: Statement, arriving: float) -> float:
        """What results that cancel are measured by: a millionth of the largest element that is read.

        In float32, whose sums of a thousand terms have four digits, a hundredth.
        The sum of a normalised layer's gradients, say, is zero but for rounding. Gradients are measured by
        gradients alone, which may be much smaller than what else is read. Those inside a group have
        rounding that its closed form, which the group's inputs are compared with, has not. What reads no
        gradient follows from the loss at once, whose own is 1: next to that, roots of the type's precision
        are rounding.
        """
        largest = arriving
        forward = statement.kind == "forward"
        read = [name for name in statement.reads if forward or name.startswith(("grad_", "delta"))]
        if not read and not forward and not arriving:
            return self._rounding
        for name in read:
            if name in self.arrays:
                largest = max(largest, float(np.max(np.abs(self.arrays[name]), initial=0.0)))
        return max(self._least * largest if np.isfinite(largest) else 0.0, self._tiny)

    def _read(self, statement: Statement, *layers: Mapping[str, Array]) -> dict[str, Any]:
        """The arrays that a statement reads, from the first layer that has them, or the engine."""
        read: dict[str, Any] = {}
        for name in statement.reads:
            for arrays in (*layers, self._known):
                if name in arrays:
                    read[name] = arrays[name]
                    break
        return read

    def _solved(
        self,
        lines: Sequence[Line],
        statement: Statement,
        intermediates: dict[str, Array],
        others: Mapping[str, Array] = MappingProxyType({}),
    ) -> dict[str, Any]:
        read = self._read(statement, intermediates, others)
        names = [name for line in lines for name in defined_by(line)]
        with np.errstate(all="ignore"):
            found = solve(lines, dict(read))
            if any(self._overflowed(name, found[name]) for name in names):
                # exp(1000) / Σ exp(...), literally: some platforms have wider numbers.
                found = solve(lines, {name: _wide(array) for name, array in read.items()})
        intermediates.update({name: found[name] for name in names if name not in self._known})
        return found

    def _overflowed(self, name: str, found: Any) -> bool:
        return not np.all(np.isfinite(found)) and bool(np.all(np.isfinite(self._known.get(name, 0.0))))


def _wide(array: Any) -> Any:
    return np.asarray(array, np.longdouble) if np.asarray(array).dtype.kind == "f" else array


def _largest(
    found: Mapping[str, Any], expected: Mapping[str, Any], names: list[str], floor: float
) -> float | None:
    return max((difference(found[name], expected[name], floor) for name in names), default=None)


def difference(found: Any, expected: Any, floor: float = 0.0) -> float:
    """Largest difference, relative to the largest expected element, or to the floor; NaN agrees with NaN."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if not found.size or not expected.size:
        return 0.0
    if found.shape != expected.shape and found.size != 1:
        # Intermediates of the index form have no axes of length 1.
        same_size = found.size == expected.size
        found = found.reshape(expected.shape) if same_size else np.broadcast_to(found, expected.shape)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        distance = np.where(same, 0.0, np.abs(found - expected))
    # NaN on one side alone.
    distance = np.where(np.isnan(distance), np.inf, distance)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(float(finite.max()) if finite.size else 0.0, floor)
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
    return left * _terms(line)


def _terms(line: Line) -> int:
    """How many terms the longest sum of a line has, those of sums within it multiplied."""
    if isinstance(line, Loop):
        return max(_terms(equation) for equation in line.equations)
    widest = 1
    for part in walk(line.right):
        if isinstance(part, Reduction):
            inner = 1
            for reduction in (each for each in walk(part) if isinstance(each, Reduction)):
                for index in reduction.indices:
                    inner *= index.extent
            widest = max(widest, inner)
    return widest
