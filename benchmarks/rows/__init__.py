"""The rows of the benchmark: one network and its data each. A new row is a record in one of these files."""

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

__all__ = ["ROWS", "Row"]
