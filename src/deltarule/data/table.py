"""A table of text cells with named columns, and what its columns hold: numbers or categories.

Knows where each row stands in the file, so that every message can name the line.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from deltarule.data.file_bytes import fingerprint
from deltarule.errors import ArgumentError, DataError

MISSING = frozenset(("", "na", "n/a", "nan", "?", "null"))
TARGET_NAMES = ("target", "label", "class", "y")


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number as files write them: no "inf", no "1_000"."""
    try:
        return math.isfinite(float(cell)) and "_" not in cell
    except ValueError:
        return False


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of text cells.

    names      column names, each once
    columns    for each name the cells, all of the same length
    lines      line of the file on which each row begins
    who        what messages call the table: the file
    header     whether the names came from the file
    missing    cells that mean "missing", beside MISSING; capitals and small letters count as the same
    notes      sentences on how the file was read

        >>> Table(("age",), [["3", "?"]], [1, 2]).numbers("age")
        array([ 3., nan])
    """

    names: tuple[str, ...]
    columns: list[list[str]]
    lines: list[int]
    who: str = "table"
    header: bool = True
    missing: frozenset[str] = frozenset()
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, name: str) -> list[str]:
        return self.columns[self.names.index(name)]

    def place(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"line {self.lines[row]}"

    def is_missing(self, name: str) -> np.ndarray:
        """(rows,) bool: the cells of a column that mean "missing"."""
        tokens = MISSING | {token.lower() for token in self.missing}
        return np.array([cell.lower() in tokens for cell in self[name]], dtype=bool)

    def numbers(self, name: str) -> np.ndarray:
        """A column as float64 (rows,), NaN where missing.

        Raises DataError naming the line of the first cell that is no number.
        """
        values = np.full(len(self), np.nan)
        for row, (cell, empty) in enumerate(zip(self[name], self.is_missing(name).tolist(), strict=True)):
            if empty:
                continue
            if not is_number(cell):
                raise DataError(
                    self.who,
                    f"{self.place(row)}: column {name!r} expects numbers, got {cell!r}",
                    f"Correct the cell, add it to missing=, or read the column with categorical=({name!r},).",
                )
            values[row] = float(cell)
        return values

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds numbers.

        A few odd cells among many numbers are mistakes, not categories: the column counts as numeric
        when at least 9 in 10 of its cells are, so that numbers() names the odd one.
        """
        present = [
            cell for cell, empty in zip(self[name], self.is_missing(name).tolist(), strict=True) if not empty
        ]
        numeric = sum(map(is_number, present))
        return numeric == len(present) or (len(present) >= 10 and numeric >= 0.9 * len(present))

    def find_column(self, column: str | int, what: str) -> str:
        """The name of a column given by its name or its position from 0, or from the end if negative.

        Raises ArgumentError listing the columns and the closest name.
        """
        if column in self.names:
            return str(column)
        position = None
        if isinstance(column, int) and not isinstance(column, bool):
            position = column
        elif isinstance(column, str) and column.lstrip("-").isdecimal():
            position = int(column)
        if position is not None and -len(self.names) <= position < len(self.names):
            return self.names[position]
        close = difflib.get_close_matches(str(column), self.names, 1, 0.5)
        shown = ", ".join(map(repr, self.names[:20])) + (", ..." if len(self.names) > 20 else "")
        raise ArgumentError(
            self.who,
            f"{what} expects one of the {len(self.names)} columns ({shown}) or a position, got {column!r}",
            f"Did you mean {close[0]!r}?" if close else "Check the name.",
        )

    def find_target(self, target: str | int | None) -> str:
        """The target column: the one asked for, else one named target, label, class or y, else the last."""
        if target is not None:
            return self.find_column(target, "target")
        by_lower_case = {name.lower(): name for name in reversed(self.names)}
        return next((by_lower_case[name] for name in TARGET_NAMES if name in by_lower_case), self.names[-1])

    def select(self, keep: Sequence[int] | np.ndarray) -> Table:
        """The table with these rows only, in this order."""
        keep = list(map(int, keep))
        columns = [[column[row] for row in keep] for column in self.columns]
        return replace(self, columns=columns, lines=[self.lines[row] for row in keep])

    def sha256(self) -> str:
        """Fingerprint of names and cells; compression, encoding, quoting and line ends do not matter."""
        cells = ("\x1f".join(column).encode("utf-8", "surrogatepass") for column in self.columns)
        return fingerprint("\x1f".join(self.names).encode("utf-8", "surrogatepass"), *cells)


def table_from_rows(rows, names: Sequence[str], who: str) -> Table:
    """A table from rows in memory: mappings from name to value, or sequences in the order of `names`.

    rows    mappings or sequences of text, numbers or None (missing); also an array (rows, columns)
    names   columns for sequences; for mappings those that are used, where present in every row

    Raises DataError naming the row if its length does not fit.
    """
    rows = list(rows)
    if not rows:
        raise DataError(who, "expected at least one row, got none", "Pass rows.")
    if all(isinstance(row, Mapping) for row in rows):
        present = [name for name in names if all(name in row for row in rows)]
        cells = [[_cell(row[name]) for name in present] for row in rows]
        names = present
    else:
        for position, row in enumerate(rows):
            if (
                isinstance(row, (str, bytes, Mapping))
                or not hasattr(row, "__len__")
                or len(row) != len(names)
            ):
                raise DataError(
                    who,
                    f"row {position + 1}: expected {len(names)} cells ({', '.join(names[:10])}), "
                    f"got {row!r:.80}",
                    "Pass one cell for each column, or mappings from names to values.",
                )
        cells = [[_cell(value) for value in row] for row in rows]
    columns = [list(column) for column in zip(*cells, strict=True)]
    return Table(tuple(names), columns, list(range(1, len(rows) + 1)), who)


def _cell(value) -> str:
    if value is None:
        return ""
    return str(value.item() if isinstance(value, np.generic) else value).strip()
