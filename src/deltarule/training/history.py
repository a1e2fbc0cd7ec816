"""The history of a run as data: one record per epoch, in memory and as a file of JSON lines."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deltarule.errors import ArgumentError, RunError
from deltarule.training.atomic_file import write_atomic

Record = dict[str, Any]


class History:
    """A list of records, one per epoch: {"epoch": 1, "train_loss": 0.4, "validation_loss": 0.5, ...}.

    path   file to which each record is appended as a line of JSON, or None. The file must be empty or absent,
           or else `History.read` it. NaN and infinity, which JSON lacks, are written as null and read as NaN.

    >>> history = History()
    >>> history.append({"epoch": 1, "train_loss": 0.5})
    >>> history.append({"epoch": 2, "train_loss": 0.25, "validation_loss": 0.4})
    >>> history.columns()
    {'epoch': [1, 2], 'train_loss': [0.5, 0.25], 'validation_loss': [None, 0.4]}
    """

    def __init__(self, path: Path | str | None = None, records: Iterable[Mapping[str, Any]] = ()):
        self.path = None if path is None else Path(path)
        self._records: list[Record] = [dict(record) for record in records]
        # A writer that was killed may have left half a line, which no other may be appended to.
        self._ends_in_half_a_line = False

    @classmethod
    def read(cls, path: Path | str) -> History:
        """The history in a file; empty if there is none.

        A last line that is incomplete, because its writer was killed, is left out. Raises RunError if any
        other line is no JSON object.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "history.jsonl")
        ...     History(path).append({"epoch": 1, "train_loss": float("nan")})
        ...     History.read(path).column("train_loss")
        [nan]
        """
        path = Path(path)
        try:
            lines = path.read_text("utf-8", errors="replace").splitlines(keepends=True)
        except FileNotFoundError:
            return cls(path)
        records: list[Record] = []
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict) and line.endswith("\n"):
                records.append({key: math.nan if value is None else value for key, value in record.items()})
            elif number < len(lines):
                raise RunError(
                    str(path),
                    f"line {number} is no JSON object: {line.strip()[:60]!r}",
                    "The file was changed by something else; move it away to go on without.",
                )
        history = cls(path, records)
        history._ends_in_half_a_line = len(records) < len(lines)
        return history

    # ---- as a list

    def append(self, record: Mapping[str, Any]) -> None:
        """Adds a record, in memory and to the file."""
        self._records.append(dict(record))
        if self.path is None:
            return
        if self._ends_in_half_a_line:
            self.truncate(len(self))
            return
        try:
            with open(self.path, "ab") as file:
                file.write(_line(record))
        except OSError as error:
            raise RunError(
                str(self.path),
                f"cannot be written ({error.strerror})",
                "Free some space or check permissions.",
            ) from error

    def sync(self) -> None:
        """Forces the file to the disk."""
        if self.path is not None and self.path.exists():
            with open(self.path, "ab") as file:
                os.fsync(file.fileno())

    def truncate(self, length: int) -> None:
        """Keeps the first `length` records, also in the file, which is rewritten whole or not at all.

        Raises ArgumentError if there are fewer.
        """
        if not 0 <= length <= len(self._records):
            raise ArgumentError(
                "History.truncate",
                f"expected a length in [0, {len(self._records)}], got {length}",
                "The history and the checkpoint are of different runs.",
            )
        del self._records[length:]
        if self.path is not None:
            write_atomic(self.path, b"".join(_line(record) for record in self._records))
            self._ends_in_half_a_line = False

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Record:
        return self._records[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __repr__(self) -> str:
        return f"History({len(self._records)} epochs: {', '.join(self.columns())})"

    # ---- as columns

    def columns(self) -> dict[str, list[Any]]:
        """Name -> one value per record, None where a record lacks it; in the order of first appearance."""
        names = dict.fromkeys(name for record in self._records for name in record)
        return {name: [record.get(name) for record in self._records] for name in names}

    def column(self, name: str) -> list[Any]:
        """The values of one column. Raises ArgumentError if no record has it."""
        columns = self.columns()
        if name not in columns:
            raise ArgumentError(
                "History.column",
                f"there is no {name!r}",
                f"Choose one of {', '.join(columns) or 'none yet'}.",
            )
        return columns[name]


def _line(record: Mapping[str, Any]) -> bytes:
    values = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in record.items()
    }
    return (json.dumps(values, allow_nan=False) + "\n").encode()
