"""Learning from the training rows of a table how each of its columns becomes features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.data.standardise import Standardise
from deltarule.data.table import Table
from deltarule.data.table_preprocessing import MISSING_CATEGORY, ColumnEncoding
from deltarule.errors import DataError


def fit_columns(
    table: Table,
    names: Sequence[str],
    categorical: Sequence[str],
    train: np.ndarray,
    standardise: bool = True,
    missing_indicator: bool = False,
) -> tuple[tuple[ColumnEncoding, ...], list[str]]:
    """Learn from the training rows how each column becomes features.

    names               the columns to use, without the target
    categorical         columns that hold categories even though their cells are numbers
    train               row numbers of the training part
    missing_indicator   add a feature "... is missing" for numeric columns with missing cells
    returns             the encodings, and notes on columns that are left out

    Raises DataError naming line and column of a cell that is no number among numbers.
    """
    encodings: list[ColumnEncoding] = []
    notes: list[str] = []
    for name in names:
        if name in categorical or not table.is_numeric(name):
            encoding, note = _fit_categories(table, name, train, forced=name in categorical)
        else:
            encoding, note = _fit_numbers(table, name, train, standardise, missing_indicator)
        if encoding is not None:
            encodings.append(encoding)
        if note:
            notes.append(note)
    if not encodings:
        raise DataError(
            table.who,
            "no column is left to learn from" + "".join(f"; {note}" for note in notes),
            "Add columns.",
        )
    return tuple(encodings), notes


def _fit_numbers(
    table: Table, name: str, train: np.ndarray, standardise: bool, missing_indicator: bool
) -> tuple[ColumnEncoding | None, str]:
    values = table.numbers(name)[train]
    missing = np.isnan(values)
    if missing.all():
        return None, f"column {name!r} is left out: every cell of the training part is missing"
    statistics = Standardise.fit(values[~missing], who=f"{table.who}: column {name!r}")
    mean = float(statistics.mean)
    values[missing] = mean
    if standardise:
        statistics = Standardise.fit(values, who=f"{table.who}: column {name!r}")
    else:
        statistics = Standardise.only_scale(1.0)
    return (
        ColumnEncoding(
            name,
            fill=mean,
            mean=float(statistics.mean),
            std=float(statistics.std),
            indicator=bool(missing_indicator and missing.any()),
        ),
        "",
    )


def _fit_categories(
    table: Table, name: str, train: np.ndarray, forced: bool
) -> tuple[ColumnEncoding | None, str]:
    cells, missing = table[name], table.is_missing(name)
    present = {cells[row] for row in train.tolist() if not missing[row]}
    if len(present) > 20 and len(present) > 0.5 * len(train) and not forced:
        return None, (
            f"column {name!r} is left out: {len(present)} different names in {len(train)} rows tell rows "
            f"apart, not kinds; categorical=({name!r},) keeps it"
        )
    if missing[train].any():
        present.add(MISSING_CATEGORY)
    categories = sorted(present)
    if len(categories) < 2 and not forced:
        return None, f"column {name!r} is left out: all training rows have the same value"
    return ColumnEncoding(name, tuple(categories)), ""
