"""A table of cells as a Dataset: find the target, split, fit on the training part, apply to every part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.data.dataset import Dataset, Part
from deltarule.data.randomness import check_seed
from deltarule.data.split import default_fractions, split_rows
from deltarule.data.table import Table
from deltarule.data.table_fitting import fit_columns
from deltarule.data.table_preprocessing import (
    TablePreprocessing,
    check_unknown,
    encode_target,
    target_cells,
)
from deltarule.data.target_kind import check_kind, find_kind
from deltarule.data.targets import TargetEncoding
from deltarule.errors import ArgumentError, DataError


def from_table(
    table: Table,
    *,
    name: str = "table",
    target: str | int | None = None,
    kind: str | None = None,
    seed: int = 0,
    validation: float | None = None,
    test: float | None = None,
    standardise: bool = True,
    standardise_targets: bool = False,
    ignore: Sequence[str | int] = (),
    categorical: Sequence[str | int] = (),
    missing_indicator: bool = False,
    unknown: str = "replace",
) -> Dataset:
    """Make a Dataset of a Table, such as read_csv gives.

    target              name or position of the column to predict; if left out, the column named target,
                        label, class or y, else the last
    ignore              columns to leave out
    categorical         columns of numbers that are codes, not quantities
    missing_indicator   add a feature "... is missing" for each numeric column with missing cells
    unknown             a category outside the training part: "replace" makes all its features 0, "error"
                        raises
    others              as for from_arrays; standardise is True or False here

    Missing numbers become the mean of the training part, missing categories a category of their own. Rows
    whose target is missing are left out, with a note. Features of categories stay 0 and 1.

    Raises DataError naming the line for cells that do not fit.

        >>> table = Table(("size", "kind"), [["1", "2", "9"], ["small", "small", "big"]], lines=[2, 3, 4])
        >>> data = from_table(table)
        >>> data.kind, data.class_names, data.train.inputs.shape
        ('classification', ('big', 'small'), (3, 1))
    """
    who = table.who
    check_kind(kind, who)
    check_unknown(unknown, who)
    if standardise not in (True, False):
        raise ArgumentError(
            who, f"standardise expects True or False for a table, got {standardise!r}", "Use True."
        )
    seed = check_seed(seed, who)
    fingerprint = table.sha256()
    target = table.find_target(target)
    ignored = {table.find_column(column, "ignore") for column in ignore}
    codes = {table.find_column(column, "categorical") for column in categorical}
    if target in ignored:
        raise ArgumentError(who, f"ignore holds the target {target!r}", "Choose another target, or keep it.")
    notes = list(table.notes)
    table, note = _leave_out_missing(table, target)
    notes += [note] if note else []
    cells = target_cells(table, target, kind)
    if kind is None:
        kind, reason = find_kind(cells)
        notes.append(f"{kind} of column {target!r}: {reason}")
    classes = None
    if kind == "classification":
        encoding = TargetEncoding.fit(cells, kind, target, standardise=standardise_targets, who=who)
        classes = encode_target(table, target, encoding)
    fractions = default_fractions(len(table), validation, test)
    split = split_rows(len(table), **fractions, seed=seed, classes=classes, who=who)
    if kind == "regression":
        encoding = TargetEncoding.fit(
            cells,
            kind,
            target,
            train=split.train,
            standardise=standardise_targets,
            who=who,
            place=table.place,
        )
    names = [column for column in table.names if column != target and column not in ignored]
    encodings, left_out = fit_columns(
        table, names, sorted(codes), split.train, standardise, missing_indicator
    )
    preprocessing = TablePreprocessing(
        encodings, table.names, target, table.header, encoding, unknown, tuple(sorted(table.missing))
    )
    features, targets = preprocessing.apply(table), encode_target(table, target, encoding)
    train, validated, tested = (Part(features[part], targets[part], part) for part in split)
    if standardise_targets:
        targets = encode_target(table, target, encoding.in_source_units())
    return Dataset(
        name=name,
        kind=kind,
        inputs=preprocessing.encode(table, standardise=False),
        targets=targets,
        train=train,
        validation=validated,
        test=tested,
        preprocessing=preprocessing,
        sha256=fingerprint,
        seed=seed,
        fractions=fractions,
        source=name,
        notes=tuple(notes + left_out),
    )


def _leave_out_missing(table: Table, target: str) -> tuple[Table, str]:
    missing = table.is_missing(target)
    if not missing.any():
        return table, ""
    first = table.place(int(missing.argmax()))
    if missing.all():
        raise DataError(table.who, f"the target {target!r} is missing in every row", "Choose another target.")
    note = f"{int(missing.sum())} rows without a target are left out, the first on {first}"
    return table.select(np.flatnonzero(~missing)), note
