"""Statement: one line, or one loop, of a derivation, in index form and in matrix form."""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.autodiff.formula.expression import Equation, Line, Loop
from deltarule.autodiff.formula.rewriting import (
    defined_by,
    read_by,
    with_distinct_indices,
    with_expressions,
)
from deltarule.autodiff.formula.simplifying import simplified


@dataclass(eq=False)
class Statement:
    """One line, or one loop, of a derivation.

    kind         "forward", "delta" (error term of a layer), "gradient", or "intermediate" (what only the next
                 lines use)
    steps        the operations that it speaks of
    defines      identifiers that it defines, in either form
    reads        identifiers that it reads
    value        number of the value that it defines, or whose gradient; None for intermediates
    index        the statement in index form, matrix: in matrix form; one line each, but where one form needs
                 intermediates that the other does not
    written      the matrix form as one writes it by hand, for reading; see handwriting.py
    index_error, matrix_error   largest difference from the engine, relative to the largest element; None
                 where the engine has no such array
    checked      how many elements of the index form were compared
    """

    kind: str
    steps: tuple[int, ...]
    value: int | None
    index: tuple[Line, ...]
    matrix: tuple[Line, ...]
    defines: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset()
    written: tuple[Line, ...] = ()
    index_error: float | None = None
    matrix_error: float | None = None
    checked: int = 0

    def __post_init__(self) -> None:
        lines = (*self.matrix, *self.index)
        self.defines = tuple(dict.fromkeys(name for line in lines for name in defined_by(line)))
        read = set().union(*(read_by(line) for line in lines))
        self.reads = frozenset(read.difference(self.defines))

    @property
    def equations(self) -> tuple[Equation, Equation] | None:
        """(index form, matrix form) where each is a single equation."""
        if len(self.index) == len(self.matrix) == 1:
            index, matrix = self.index[0], self.matrix[0]
            if isinstance(index, Equation) and isinstance(matrix, Equation):
                return index, matrix
        return None


def tidy(line: Line) -> Line:
    """A line as a person would write it: simplified, every sum with an index of its own."""
    line = with_expressions(line, simplified)
    if isinstance(line, Loop):
        return Loop(line.index, tuple(with_distinct_indices(each) for each in line.equations), line.reverse)
    return with_distinct_indices(line)
