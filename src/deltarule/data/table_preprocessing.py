"""Preprocessing of tables: numbers are filled in and standardised, categories become 0 and 1."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from deltarule.data.preprocessing import Preprocessing
from deltarule.data.table import Table, is_number, table_from_rows
from deltarule.data.targets import TargetEncoding
from deltarule.errors import ArgumentError, DataError

MISSING_CATEGORY = "(missing)"
UNKNOWN = ("replace", "error")


@dataclass(frozen=True)
class ColumnEncoding:
    """How one column becomes features; everything in it was learned from the training part.

    name         the column
    categories   for a categorical column its categories, else empty
    fill         for a numeric column what stands in for a missing number: the mean
    mean, std    for a numeric column, what it is standardised with
    indicator    for a numeric column, whether a feature says that the number is missing
    """

    name: str
    categories: tuple[str, ...] = ()
    fill: float = 0.0
    mean: float = 0.0
    std: float = 1.0
    indicator: bool = False

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features that the column becomes."""
        if self.categories:
            return tuple(f"{self.name}={category}" for category in self.categories)
        return (self.name, f"{self.name} is missing") if self.indicator else (self.name,)


@dataclass(frozen=True, eq=False)
class TablePreprocessing(Preprocessing):
    """Turns rows of text cells into features (rows, features) float32.

    encodings   the columns that are used, in the order of the features
    columns     all columns of the source, the target included
    target      the target column
    header      whether the source named its columns
    unknown     a category that training did not know: "replace" makes all its features 0, "error" raises
    missing     cells that mean "missing", beside the usual ones

        >>> encodings = (ColumnEncoding("age", mean=40.0, std=10.0), ColumnEncoding("town", ("Bonn", "Jena")))
        >>> preprocessing = TablePreprocessing(encodings, ("age", "town", "y"), "y", header=True)
        >>> preprocessing.feature_names
        ('age', 'town=Bonn', 'town=Jena')
        >>> preprocessing.apply([{"age": 50, "town": "Jena"}, {"age": None, "town": "Ulm"}])
        array([[ 1.,  0.,  1.],
               [-4.,  0.,  0.]], dtype=float32)
    """

    encodings: tuple[ColumnEncoding, ...]
    columns: tuple[str, ...]
    target: str
    header: bool
    targets: TargetEncoding | None = None
    unknown: str = "replace"
    missing: tuple[str, ...] = ()

    form = "table"

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(name for encoding in self.encodings for name in encoding.feature_names)

    def apply(self, raw) -> np.ndarray:
        """Features of new rows as float32 (rows, features), standardised as in training.

        raw   a Table, mappings from column names to values, or rows of cells in the order of the columns
              that are used. Columns that training did not use are passed over.

        Raises DataError for a missing column and, with unknown="error", for an unknown category.
        """
        return self.encode(raw, standardise=True)

    def encode(self, raw, standardise: bool) -> np.ndarray:
        """Features of rows, standardised or in the units of the file."""
        table = self.as_table(raw)
        features = [
            column
            for encoding in self.encodings
            for column in _encode(table, encoding, standardise, self.unknown)
        ]
        if not features:
            return np.zeros((len(table), 0), dtype=np.float32)
        with np.errstate(over="ignore"):
            encoded = np.stack(features, axis=1).astype(np.float32)
        if not np.isfinite(encoded).all():
            row, feature = (int(index) for index in np.argwhere(~np.isfinite(encoded))[0])
            raise DataError(
                table.who,
                f"{table.place(row)}: {self.feature_names[feature]!r} is beyond the range of float32",
                "Correct the cell, or leave the column out with ignore=.",
            )
        return encoded

    def apply_targets(self, raw) -> np.ndarray:
        """Targets of new rows: class indices (rows,) int64 or numbers (rows, 1) float32.

        raw   a Table or mappings with the target column, or an array of targets

        Raises DataError if the target column or one of its cells is missing, or a class is unknown.
        """
        assert self.targets is not None
        if not isinstance(raw, Table):
            rows = list(raw)
            if not rows or not isinstance(rows[0], dict):
                return self.targets.encode(np.asarray(raw), "Preprocessing.apply_targets")
        table = self.as_table(raw)
        self._need(table, self.target)
        missing = table.is_missing(self.target)
        if missing.any():
            raise DataError(
                table.who,
                f"{table.place(int(missing.argmax()))}: the target {self.target!r} is missing",
                "Fill it in.",
            )
        return encode_target(table, self.target, self.targets)

    def has_targets(self, table: Table) -> bool:
        """Whether new rows come with all their targets."""
        table = self.as_table(table)
        return self.target in table.names and not table.is_missing(self.target).any()

    def as_table(self, raw) -> Table:
        """New rows as a table with the column names of the source."""
        if not isinstance(raw, Table):
            used = [encoding.name for encoding in self.encodings]
            rows = list(raw)
            names = [*used, self.target] if rows and isinstance(rows[0], dict) else used
            return replace(
                table_from_rows(rows, names, "Preprocessing.apply"), missing=frozenset(self.missing)
            )
        raw = replace(raw, missing=raw.missing | frozenset(self.missing))
        if self.header or raw.names == self.columns:
            return raw
        # Without a header, columns are known by their position alone, with or without the target.
        without_target = tuple(name for name in self.columns if name != self.target)
        for names in (self.columns, without_target):
            if len(raw.names) == len(names):
                return replace(raw, names=names)
        raise DataError(
            raw.who,
            f"expected {len(self.columns)} columns, or {len(without_target)} without the target, "
            f"got {len(raw.names)}",
            "The columns have to be those of the training data.",
        )

    @staticmethod
    def _need(table: Table, name: str) -> None:
        if name not in table.names:
            raise DataError(
                table.who,
                f"expected a column {name!r}, got {', '.join(map(repr, table.names[:20]))}",
                "The columns have to be named as in the training data.",
            )

    def to_dict(self) -> dict:
        return {
            "form": self.form,
            "encodings": [
                {**asdict(encoding), "categories": list(encoding.categories)} for encoding in self.encodings
            ],
            "columns": list(self.columns),
            "target": self.target,
            "header": self.header,
            "targets": self.targets.to_dict() if self.targets else None,
            "unknown": self.unknown,
            "missing": list(self.missing),
        }

    @classmethod
    def _from_dict(cls, record: dict) -> TablePreprocessing:
        return cls(
            tuple(
                ColumnEncoding(**{**encoding, "categories": tuple(encoding["categories"])})
                for encoding in record["encodings"]
            ),
            tuple(record["columns"]),
            record["target"],
            record["header"],
            TargetEncoding.from_dict(record["targets"]) if record["targets"] else None,
            record["unknown"],
            tuple(record["missing"]),
        )


def _encode(table: Table, encoding: ColumnEncoding, standardise: bool, unknown: str) -> list[np.ndarray]:
    """The features of one column, each (rows,) float64."""
    TablePreprocessing._need(table, encoding.name)
    if not encoding.categories:
        values = table.numbers(encoding.name)
        missing = np.isnan(values)
        values[missing] = encoding.fill
        if standardise:
            values = (values - encoding.mean) / encoding.std
        return [values, missing.astype(np.float64)] if encoding.indicator else [values]
    missing = table.is_missing(encoding.name)
    index = {category: position for position, category in enumerate(encoding.categories)}
    features = np.zeros((len(encoding.categories), len(table)))
    for row, cell in enumerate(table[encoding.name]):
        category = MISSING_CATEGORY if missing[row] else cell
        position = index.get(category)
        if position is not None:
            features[position, row] = 1
        elif unknown == "error":
            raise DataError(
                table.who,
                f"{table.place(row)}: column {encoding.name!r} expects one of the categories of the training "
                f"part ({', '.join(map(repr, encoding.categories[:10]))}), got {category!r}",
                "Use unknown='replace' to make all features of such a cell 0.",
            )
    return list(features)


def encode_target(table: Table, name: str, targets: TargetEncoding) -> np.ndarray:
    """A target column as class indices or numbers; messages name the line."""
    return targets.encode(target_cells(table, name, targets.kind), table.who, table.place)


def target_cells(table: Table, name: str, kind: str | None = None) -> np.ndarray:
    """A target column as an array: numbers where every cell is one, else text.

    kind   "regression" insists on numbers, with an error that names the line
    """
    cells = table[name]
    if kind == "regression" and not all(map(is_number, cells)):
        row = next(row for row, cell in enumerate(cells) if not is_number(cell))
        raise DataError(
            table.who,
            f"{table.place(row)}: the target {name!r} expects numbers for a regression, got {cells[row]!r}",
            "Correct the cell, or choose kind='classification'.",
        )
    if all(map(is_number, cells)):
        return np.array([float(cell) for cell in cells])
    return np.array(cells)


def check_unknown(unknown: str, who: str) -> None:
    """Raise ArgumentError unless `unknown` is one of its choices."""
    if unknown not in UNKNOWN:
        raise ArgumentError(
            who, f"unknown expects 'replace' or 'error', got {unknown!r}", "Choose one of them."
        )
