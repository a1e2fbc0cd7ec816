"""New data for a network that is trained already: read, and preprocessed as the training data was."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deltarule.data.array_preprocessing import ArrayPreprocessing
from deltarule.data.arrays import Arrays
from deltarule.data.dataset import Part
from deltarule.data.preprocessing import Preprocessing
from deltarule.data.registry import find_named
from deltarule.data.source_form import READING, SAID, check_options, existing, find_form, read
from deltarule.data.table import Table
from deltarule.data.table_preprocessing import TablePreprocessing, target_cells
from deltarule.data.text_file import Text
from deltarule.errors import DataError


def load_part(source: str | Path, preprocessing: Preprocessing, **options) -> Part:
    """Load new data and do to it what was done to the training data: for evaluation and prediction.

    source          as for load; the data needs no targets. Where it has a test part of its own, that is used
    preprocessing   of the data set that a network was trained on
    options         how to read: delimiter, encoding, samples, noise and seed, as for load
    returns         all rows in their order, not shuffled; targets are None where the source has none

    Raises DataError if the data does not look like the training data.

        >>> from deltarule.data import load
        >>> digits = load("digits")
        >>> load_part("digits", digits.preprocessing)
        Part(inputs=(1797, 1, 8, 8) float32, targets=(1797,))
    """
    options = {name: value for name, value in options.items() if value is not None}
    named = find_named(str(source))
    path = None if named is not None else existing(source)
    if named is not None:
        who: str = named.name
        check_options(options, named.options, f"load_part, the set {who!r}")
        raw = named.read(**options)
    else:
        assert path is not None
        who = str(path)
        if isinstance(preprocessing, TablePreprocessing):
            form = "csv"
            options.setdefault("header", preprocessing.header)
            options.setdefault("missing", preprocessing.missing)
        elif isinstance(preprocessing, ArrayPreprocessing):
            form = find_form(path, {"kind": "classification"})
        else:
            form = "text"
        check_options(options, READING[form], f"load_part, {SAID[form]}")
        raw = read(form, path, options)
    raw = raw.text if isinstance(raw, Text) else raw
    if isinstance(raw, str):
        tokens = preprocessing.apply(raw)
        return Part(tokens[:-1], tokens[1:], np.arange(len(tokens) - 1))
    if isinstance(preprocessing, TablePreprocessing):
        if not isinstance(raw, Table):
            raise DataError(who, "expected a CSV file like the training data, got arrays", "Use a CSV file.")
        table = preprocessing.as_table(raw)
        targets = preprocessing.apply_targets(table) if preprocessing.has_targets(table) else None
        return Part(preprocessing.apply(table), targets, np.arange(len(table)))
    if not isinstance(preprocessing, ArrayPreprocessing):
        raise DataError(who, "expected text like the training data, got arrays", "Use a text.")
    arrays = _numeric_arrays(raw, preprocessing) if isinstance(raw, Table) else raw
    inputs, targets = arrays.inputs, arrays.targets
    if arrays.test_inputs is not None:
        inputs, targets = arrays.test_inputs, arrays.test_targets
    return Part(
        preprocessing.apply(inputs),
        None if targets is None else preprocessing.apply_targets(targets),
        np.arange(len(inputs)),
    )


def _numeric_arrays(table: Table, preprocessing: ArrayPreprocessing) -> Arrays:
    """A CSV file for a network trained on arrays: a column for each value, perhaps one for the target."""
    wanted = int(np.prod(preprocessing.input_shape))
    target = table.find_target(None) if len(table.names) == wanted + 1 else None
    names = [name for name in table.names if name != target]
    if len(names) != wanted:
        raise DataError(
            table.who,
            f"expected {wanted} columns of numbers, or {wanted + 1} with a target, got {len(names)}",
            "One column for each value of a sample.",
        )
    inputs = np.stack([table.numbers(name) for name in names], axis=1)
    if np.isnan(inputs).any():
        row, column = (int(index) for index in np.argwhere(np.isnan(inputs))[0])
        raise DataError(table.who, f"{table.place(row)}: column {names[column]!r} is missing", "Fill it in.")
    has_target = target is not None and not table.is_missing(target).any()
    return Arrays(inputs, target_cells(table, target) if has_target and target is not None else None)
