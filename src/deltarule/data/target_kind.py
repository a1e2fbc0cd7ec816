"""What is to be predicted, classes or numbers: checked where given, found from the targets where not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.data.finite import check_finite
from deltarule.errors import ArgumentError, DTypeError, ShapeError

KINDS = ("classification", "regression")
FEW_CLASSES = 20


def check_kind(kind: str | None, who: str, kinds: Sequence[str] = KINDS) -> None:
    """Raise ArgumentError unless the kind is None (find out) or one of the kinds."""
    if kind is not None and kind not in kinds:
        raise ArgumentError(
            who, f"kind expects {' or '.join(map(repr, kinds))}, got {kind!r}", "Choose one of them."
        )


def check_targets(targets, who: str) -> np.ndarray:
    """Targets as an array (rows,) of numbers or names, or (rows, outputs) of numbers, all finite.

    Raises DTypeError or ShapeError for anything else, DataError for NaN or infinity.
    """
    array = np.asarray(targets)
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.ravel()):
        array = array.astype(str)
    if array.dtype.kind not in "iufbUS" or array.ndim not in (1, 2):
        raise DTypeError(
            who,
            "expected targets that are numbers or names of shape (rows,) or (rows, outputs), "
            f"got {array.dtype} of shape {array.shape}",
            "Convert them first.",
        )
    if array.dtype.kind in "US" and array.ndim == 2 and array.shape[1] != 1:
        raise ShapeError(
            who, f"expected one name for each row, got targets {array.shape}", "Pass shape (rows,)."
        )
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    return check_finite(array.astype(np.uint8) if array.dtype.kind == "b" else array, f"{who}: targets")


def find_kind(targets: np.ndarray) -> tuple[str, str]:
    """Tell classification from regression, and why, in a sentence for the user.

    targets   (rows,) numbers or text, or (rows, outputs)
    returns   ("classification" or "regression", reason)

    Text is classification. So are whole numbers with at most 20 different values, and the whole
    numbers 0 to K-1 with none left out, as long as there are two rows for each value on average.

        >>> find_kind(np.array([0, 1, 1, 0]))[0]
        'classification'
        >>> find_kind(np.array([0.5, 1.0, 2.0]))[0]
        'regression'
    """
    if targets.dtype.kind in "OUSb":
        return "classification", "the targets are names"
    if targets.ndim > 1:
        if is_one_hot(targets):
            return "classification", "each row of the targets holds a single 1"
        return "regression", "each row of the targets holds several numbers"
    distinct = np.unique(targets)
    if not (distinct == np.floor(distinct)).all():
        return "regression", "the targets are not all whole numbers"
    enough_rows = len(distinct) * 2 <= len(targets)
    counted = bool(targets.dtype.kind in "iu" and distinct[0] == 0 and distinct[-1] == len(distinct) - 1)
    if enough_rows and (len(distinct) <= FEW_CLASSES or counted):
        return "classification", f"the targets are {len(distinct)} different whole numbers"
    return "regression", f"the targets are {len(distinct)} different whole numbers in {len(targets)} rows"


def is_one_hot(targets: np.ndarray) -> bool:
    """Whether every row of (rows, classes) holds a single 1 among zeros, with at least two columns."""
    if targets.ndim != 2 or targets.shape[1] < 2 or targets.dtype.kind not in "iufb":
        return False
    return bool(((targets == 0) | (targets == 1)).all() and (targets.sum(axis=1) == 1).all())
