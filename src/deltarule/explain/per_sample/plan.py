"""Plans: which index of a gradient's formula runs over samples, and the formula with that index left free.

Found from labels alone, so that nodes of one operation, of the same shapes and labels, share a plan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.formula.expression import Equation, Expression, Function, Index, Reduction
from deltarule.autodiff.tensor import Array
from deltarule.explain.per_sample.evaluator import UnreadableError, with_index
from deltarule.explain.per_sample.labels import NONE, LabelReader, varying
from deltarule.explain.per_sample.lines import defined_by

_LINEAR_IN_SUMS = frozenset(("add", "subtract", "negative", "positive", "multiply", "divide", "where"))


@dataclass(frozen=True)
class Runs:
    """Rows of an index that lie in runs: row = (outer · samples + sample) · inner + t."""

    outer: int
    samples: int
    inner: int

    @staticmethod
    def of(labels: Array, samples: int) -> Runs | None:
        """The runs of a vector of labels, or None where they are of another kind."""
        rows = len(labels)
        if not rows or rows % samples:
            return None
        changes = np.flatnonzero(labels != labels[0])
        inner = int(changes[0]) if changes.size else rows
        if rows % (inner * samples):
            return None
        runs = Runs(rows // (inner * samples), samples, inner)
        expected = np.broadcast_to(np.arange(samples)[:, None], (runs.outer, samples, inner))
        return runs if np.array_equal(labels, expected.reshape(-1)) else None


class Plan:
    """How one gradient is split by sample.

    left     the indices of the gradient
    body     its formula
    rows     labels, where each element belongs to one sample at most; else None
    free     the indices that run over samples
    opened   the formula with them left out of its sums
    labels   of the opened formula, axes in the order of `left` and `free`
    runs     how rows of the only free index belong to samples; None where in no such order

    Raises UnreadableError where the formula cannot be split.
    """

    def __init__(self, line: Equation, reader: LabelReader, samples: int):
        self.samples = samples
        self.left = defined_by(line)[1]
        self.body = line.right
        self.rows: Array | None = None
        self.runs: Runs | None = None
        self.free: tuple[Index, ...] = ()
        found = reader.read(line.right, self.left)
        if reader.mixes:
            raise UnreadableError("samples meet before the last sum")
        if found.by_sample:
            self.rows = self.labels = found.of
            return
        self.free = tuple(dict.fromkeys(self._summed_samples(line.right, reader)))
        self.opened = self._freed(line.right, {index: index for index in self.free}, ())
        opened = reader.read(self.opened, (*self.left, *self.free))
        if not opened.by_sample or not self.free:
            raise UnreadableError("samples meet before the last sum")
        self.labels = opened.of
        if len(self.free) == 1:
            # Elements of no sample beside those of a sample are 0, or come from the same row.
            along = self.labels.max(axis=tuple(range(len(self.left))), keepdims=True)
            if ((self.labels == along) | (self.labels == NONE)).all():
                self.runs = Runs.of(np.broadcast_to(along.reshape(-1), self.free[0].extent), samples)

    @property
    def shared(self) -> bool:
        """Whether nothing says which sample an element belongs to."""
        return self.rows is not None and bool((self.rows == NONE).all())

    @property
    def partly_shared(self) -> bool:
        """Whether some elements belong to no sample, so that all get the same of them."""
        return self.runs is None and bool((self.labels == NONE).any())

    def by_runs(self, start: int, stop: int) -> tuple[Index, Expression]:
        """(index of some samples, the formula in which it is free), where rows lie in runs."""
        assert self.runs is not None
        row, runs = self.free[0], self.runs
        sample = Index("sample", stop - start)
        outer, inner = Index("outer", runs.outer), Index("inner", runs.inner)
        place: Expression = sample + start if start else sample
        more: tuple[Index, ...] = ()
        if runs.inner > 1:
            place, more = place * runs.inner + inner, (inner,)
        if runs.outer > 1:
            place, more = outer * (runs.samples * runs.inner) + place, (outer, *more)
        if not more and not start and stop == runs.samples:
            return row, self.opened
        return sample, self._freed(self.body, {row: place}, more)

    def _summed_samples(self, expression: Expression, reader: LabelReader) -> list[Index]:
        """The indices of sums along which samples differ."""
        if isinstance(expression, Reduction):
            running = (*self.left, *expression.indices)
            body = reader.read(expression.body, running)
            if not body.by_sample or expression.kind != "sum":
                raise UnreadableError("samples meet inside of a sum")
            depth = len(self.left)
            along = varying(body.of, range(depth, len(running)))
            return [running[axis] for axis in along]
        found: list[Index] = []
        if isinstance(expression, Function):
            for part in expression.arguments:
                found += self._summed_samples(part, reader)
        return found

    def _freed(
        self, expression: Expression, changes: dict[Index, Expression], more: tuple[Index, ...]
    ) -> Expression:
        """The expression with indices left out of its sums and replaced as told; `more` are summed."""
        if isinstance(expression, Reduction) and any(index in changes for index in expression.indices):
            body = expression.body
            for index in expression.indices:
                if index in changes and changes[index] is not index:
                    body = with_index(body, index, changes[index])
            kept = (*(index for index in expression.indices if index not in changes), *more)
            return Reduction("sum", body, kept) if kept else body
        if isinstance(expression, Function):
            parts = tuple(self._freed(part, changes, more) for part in expression.arguments)
            changed = [new is not old for new, old in zip(parts, expression.arguments, strict=True)]
            if any(changed):
                self._require_linear(expression, changed)
            return Function(expression.name, parts) if any(changed) else expression
        return expression

    def _require_linear(self, expression: Function, changed: list[bool]) -> None:
        """Raises where leaving an index out of a sum inside would change more than the sum."""
        both = expression.name in ("add", "subtract")
        allowed = all(changed) if both else sum(changed) == 1
        if (
            expression.name not in _LINEAR_IN_SUMS
            or not allowed
            or (expression.name == "divide" and changed[1])
            or (expression.name == "where" and changed[0])
        ):
            raise UnreadableError("samples meet before the last sum")
