"""The rows of the benchmark: one network and its data each. A new row is a record in one of these files."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from benchmarks.rows import cnn, gpt, lecun, lenet, mlp, recurrent, residual
from benchmarks.rows.row import Row

ROWS: dict[str, Row] = {
    row.name: row
    for rows in (
        mlp.ROWS,
        lenet.ROWS,
        cnn.ROWS,
        recurrent.ROWS,
        gpt.ROWS,
        recurrent.MORE_ROWS,
        residual.MORE_ROWS,
        mlp.MORE_ROWS,
        gpt.MORE_ROWS,
        lenet.MORE_ROWS,
        lecun.MORE_ROWS,
    )
    for row in rows
}


def row_named(text: str) -> Row:
    """A row by its name, with other sizes where they follow it. Raises ValueError for what is not known.

    >>> row_named("lstm:time=128,batch=1").time
    128
    >>> row_named("mlp:sizes=784x64x10").sizes
    (784, 64, 10)
    """
    name, _, changes = text.partition(":")
    if name not in ROWS:
        raise ValueError(f"expected names of {', '.join(ROWS)}; got {name!r}")
    row = ROWS[name]
    known = {field.name: getattr(row, field.name) for field in fields(row)}
    changed: dict[str, Any] = {}
    for change in filter(None, changes.split(",")):
        key, _, value = change.partition("=")
        if not isinstance(known.get(key), (int, tuple)) or not value.replace("x", "").isdigit():
            sizes = [each for each, held in known.items() if isinstance(held, (int, tuple))]
            raise ValueError(f"{name} expected sizes of {', '.join(sizes)}, as batch=1; got {change!r}")
        numbers = tuple(map(int, value.split("x")))
        changed[key] = numbers if isinstance(known[key], tuple) else numbers[0]
    return replace(row, name=text, title=f"{row.title}, but {changes}", **changed) if changed else row


__all__ = ["ROWS", "Row", "row_named"]
