"""How targets become numbers: classes as indices, or the numbers of a regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deltarule.data.one_hot import one_hot
from deltarule.data.standardise import Standardise
from deltarule.data.target_kind import is_one_hot
from deltarule.errors import ArgumentError, DataError


def label_text(value) -> str:
    """A class label as text: 3, 3.0, True and " a " become "3", "3", "1" and "a"."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.strip()
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


@dataclass(frozen=True)
class TargetEncoding:
    """How targets become numbers for a loss, and back.

    kind          "classification": class indices, int64 (rows,);
                  "regression": numbers, float32 (rows, outputs)
    name          the target's name, such as a column of a file
    class_names   name of each class, in the order of the indices; empty for regression
    outputs       numbers for each row: the classes, or the outputs of a regression
    standardise   statistics that were taken out of the regression targets, or None

        >>> encoding = TargetEncoding.fit(np.array(["no", "yes", "no"]), "classification")
        >>> encoding.encode(np.array(["yes", "no"]))
        array([1, 0])
    """

    kind: str
    name: str
    class_names: tuple[str, ...]
    outputs: int
    standardise: Standardise | None = None

    @classmethod
    def fit(
        cls,
        targets: np.ndarray,
        kind: str,
        name: str = "target",
        class_names: Sequence[str] | None = None,
        train: np.ndarray | None = None,
        standardise: bool = False,
        who: str = "targets",
        place: Callable[[int], str] | None = None,
    ) -> TargetEncoding:
        """Learn the classes (from all rows) or the mean and std (from the rows in `train` alone).

        class_names   names of the classes where the targets already are the indices 0 to K-1
        train         row numbers of the training part; all rows if left out
        standardise   for regression: subtract the mean and divide by the standard deviation

        Raises DataError for targets that cannot be read in this way.
        """
        if kind == "classification":
            if class_names is None:
                class_names = _classes(targets)
            if len(class_names) < 2:
                raise DataError(
                    who,
                    f"expected at least 2 classes in {name!r}, got {len(class_names)} "
                    f"({', '.join(map(repr, class_names))})",
                    "Choose another target, or kind='regression'.",
                )
            if standardise:
                raise ArgumentError(
                    who,
                    "standardise_targets expects a regression, got classes",
                    "Leave standardise_targets out.",
                )
            return cls(kind, name, tuple(class_names), len(class_names))
        numbers = _numbers(targets, name, who, place or _row)
        statistics = None
        if standardise:
            statistics = Standardise.fit(numbers if train is None else numbers[train], "feature", who=who)
        return cls(kind, name, (), numbers.shape[1], statistics)

    def encode(
        self, targets: np.ndarray, who: str = "targets", place: Callable[[int], str] | None = None
    ) -> np.ndarray:
        """Targets as class indices (rows,) int64, or as numbers (rows, outputs) float32.

        targets   class names, their numbers where the names are numbers, else class indices;
                  (rows, classes) with a single 1 in each row; numbers for a regression
        place     names the place of a row, counted from 0, in messages, such as "line 12"

        Raises DataError for a class that training did not know and for values that are not numbers.
        """
        targets = np.asarray(targets)
        place = place or _row
        if self.kind == "regression":
            numbers = _numbers(targets, self.name, who, place)
            if numbers.shape[1] != self.outputs:
                raise DataError(
                    who,
                    f"expected {self.outputs} numbers for each row of {self.name!r}, got {numbers.shape[1]}",
                    "Bring targets of the same kind as in training.",
                )
            encoded = (
                self.standardise.apply(numbers) if self.standardise else _to_float32(numbers, self.name, who)
            )
            return encoded
        if is_one_hot(targets) and targets.shape[1] == self.outputs:
            return targets.argmax(axis=1).astype(np.int64)
        indices = {label: index for index, label in enumerate(self.class_names)}
        # Where no name is a number, whole numbers are the indices themselves.
        by_index = targets.dtype.kind in "iu" and not any(map(_number_label, self.class_names))
        if by_index:
            indices = {str(index): index for index in range(self.outputs)}
        distinct, inverse = np.unique(_column(targets, self.name, who), return_inverse=True)
        encoded = np.empty(len(distinct), dtype=np.int64)
        for position, value in enumerate(distinct.tolist()):
            number = _number_label(value)
            found = indices.get(label_text(value))
            if found is None and number is not None:
                found = indices.get(number)
            if found is None:
                row = int(np.argmax(inverse == position))
                raise DataError(
                    who,
                    f"{place(row)}: expected one of the {self.outputs} classes of {self.name!r} "
                    f"({_some(self.class_names)}), got {label_text(value)!r}",
                    "Correct the row, or train again with data that has this class.",
                )
            encoded[position] = found
        return encoded[inverse]

    def restore(self, predictions: np.ndarray) -> np.ndarray:
        """Numbers of a regression in the units of the file; class indices stay as they are."""
        return self.standardise.restore(predictions) if self.standardise else np.asarray(predictions)

    def in_source_units(self) -> TargetEncoding:
        """The same encoding without standardisation."""
        return replace(self, standardise=None)

    def names_of(self, indices) -> list[str]:
        """The class name of each index."""
        return [self.class_names[index] for index in np.asarray(indices).ravel().tolist()]

    def one_hot(self, indices) -> np.ndarray:
        """Class indices as vectors with a single 1: (rows, classes) float32."""
        return one_hot(indices, self.outputs)

    def to_dict(self) -> dict:
        """The encoding as plain values for JSON; from_dict gives it back."""
        return {
            "kind": self.kind,
            "name": self.name,
            "class_names": list(self.class_names),
            "outputs": self.outputs,
            "standardise": self.standardise.to_dict() if self.standardise else None,
        }

    @classmethod
    def from_dict(cls, record: dict) -> TargetEncoding:
        """The encoding that to_dict wrote."""
        statistics = record["standardise"]
        return cls(
            record["kind"],
            record["name"],
            tuple(record["class_names"]),
            record["outputs"],
            Standardise.from_dict(statistics) if statistics else None,
        )


def _classes(targets: np.ndarray) -> list[str]:
    """Class names in order: numbers by value, text by alphabet."""
    if is_one_hot(targets):
        return [str(index) for index in range(targets.shape[1])]
    distinct = np.unique(targets)
    if distinct.dtype.kind in "iufb":
        return [label_text(value) for value in distinct.tolist()]
    return sorted({label_text(value) for value in distinct.tolist()})


def _number_label(value) -> str | None:
    """The label of a number written in another way, such as "1.0" for the class "1"."""
    try:
        return label_text(float(value))
    except (ValueError, OverflowError):
        return None


def _column(targets: np.ndarray, name: str, who: str) -> np.ndarray:
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim != 1:
        raise DataError(
            who,
            f"expected one class for each row of {name!r}, got targets of shape {targets.shape}",
            "Pass class indices or names of shape (rows,).",
        )
    return targets


def _row(row: int) -> str:
    return f"row {row + 1}"


def _numbers(targets: np.ndarray, name: str, who: str, place: Callable[[int], str]) -> np.ndarray:
    """Targets as finite float64 of shape (rows, outputs)."""
    targets = np.asarray(targets)
    try:
        numbers = targets.astype(np.float64)
    except (TypeError, ValueError):
        wrong = next((row for row, value in enumerate(targets.ravel()) if _number_label(value) is None), 0)
        raise DataError(
            who,
            f"{place(wrong)}: kind='regression' expects numbers in {name!r}, got {targets.ravel()[wrong]!r}",
            "Choose kind='classification' for names.",
        ) from None
    if not np.isfinite(numbers).all():
        row = int(np.argwhere(~np.isfinite(numbers))[0][0])
        raise DataError(
            who, f"{place(row)}: expected a finite number in {name!r}, got NaN or infinity", "Remove the row."
        )
    return numbers.reshape(len(numbers), -1) if numbers.ndim else numbers.reshape(1, 1)


def _to_float32(numbers: np.ndarray, name: str, who: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        converted = numbers.astype(np.float32)
    if not np.isfinite(converted).all():
        raise DataError(
            who, f"{name!r} holds numbers beyond the range of float32", "Use standardise_targets=True."
        )
    return converted


def _some(names: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return f"{shown}, ..." if len(names) > most else shown
