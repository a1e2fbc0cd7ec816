"""Which rows go to training, validation and test. Decides on row numbers alone; copies no data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deltarule.data.randomness import check_seed, generator
from deltarule.errors import ArgumentError, DataError

VALIDATION_FRACTION = 0.1
TEST_FRACTION = 0.2
FEWEST_ROWS_TO_SPLIT = 10


class Rows(NamedTuple):
    """Row numbers of the three parts, each (rows,) int64; together every row exactly once.

    >>> Rows(np.array([3, 0]), np.array([1]), np.array([2])).train
    array([3, 0])
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def check_fractions(validation: float, test: float, who: str) -> None:
    """Raise ArgumentError unless both fractions are in [0, 1) and leave something to train on."""
    for name, fraction in (("validation", validation), ("test", test)):
        if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 <= fraction < 1:
            raise ArgumentError(
                who, f"{name} expects a fraction in [0, 1), got {fraction!r}", f"Use for example {name}=0.1."
            )
    if validation + test >= 1:
        raise ArgumentError(
            who,
            f"validation={validation} and test={test} leave nothing to train on",
            "Their sum has to be below 1.",
        )


def default_fractions(rows: int, validation: float | None, test: float | None) -> dict:
    """The fractions asked for; where None, 0.1 for validation and 0.2 for test, or 0 below 10 rows.

    >>> default_fractions(100, None, 0.5)
    {'validation': 0.1, 'test': 0.5}
    """
    few = rows < FEWEST_ROWS_TO_SPLIT
    return {
        "validation": (0.0 if few else VALIDATION_FRACTION) if validation is None else validation,
        "test": (0.0 if few else TEST_FRACTION) if test is None else test,
    }


def _size(rows: int, fraction: float) -> int:
    return max(1, round(rows * fraction)) if fraction > 0 else 0


def split_rows(
    rows: int,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    classes: np.ndarray | None = None,
    who: str = "split_rows",
) -> Rows:
    """Shuffle rows from a seed and share them out; with classes, each part keeps their proportions.

    rows         how many rows there are
    validation   fraction of the rows, in [0, 1); a fraction above 0 gives at least one row
    test         the same
    classes      (rows,) class of each row, or None for a plain random split

    A class with a single row goes to training as long as validation and test take less than half.

    Raises ArgumentError for fractions that do not fit and DataError if no row is left to train on.
    Source: stratified sampling, Cochran 1977, Sampling Techniques, chapter 5.

        >>> parts = split_rows(10, validation=0.1, test=0.2, seed=1)
        >>> [len(part) for part in parts]
        [7, 1, 2]
    """
    check_fractions(validation, test, who)
    random = generator(check_seed(seed, who))
    validation_size, test_size = _size(rows, validation), _size(rows, test)
    if validation_size + test_size >= rows:
        raise DataError(
            who,
            f"expected rows to train on, got {rows} rows of which {validation_size} go to validation and "
            f"{test_size} to test",
            "Use validation=0 and test=0, or bring more rows.",
        )
    order = random.permutation(rows)
    if classes is not None:
        order = order[_interleave(np.asarray(classes)[order])]
    held_out = validation_size + test_size
    train = order[held_out:]
    return Rows(train[random.permutation(len(train))], order[test_size:held_out], order[:test_size])


def _interleave(classes: np.ndarray) -> np.ndarray:
    """Order in which every prefix holds each class in about its share of the whole.

    The r-th of the n rows of a class stands at (r + 1/2)/n of the way.
    """
    _, inverse, counts = np.unique(classes, return_inverse=True, return_counts=True)
    by_class = np.argsort(inverse, kind="stable")
    starts = np.cumsum(counts) - counts
    rank = np.empty(len(classes), dtype=np.float64)
    rank[by_class] = np.arange(len(classes)) - np.repeat(starts, counts)
    return np.argsort((rank + 0.5) / counts[inverse], kind="stable")


def split_contiguous(
    length: int, validation: float = 0.1, test: float = 0.0, who: str = "split_contiguous"
) -> Rows:
    """Cut a sequence, such as a text, into training, validation and test parts in that order.

    length       how many steps or characters
    validation   fraction that follows the training part, in [0, 1)
    test         fraction at the very end, in [0, 1)

    Raises ArgumentError for fractions that do not fit.

        >>> split_contiguous(10, validation=0.1).validation
        array([9])
    """
    check_fractions(validation, test, who)
    # The small number undoes rounding such as 0.9 * 10 = 8.999...
    train_end = int(length * (1 - validation - test) + 1e-9)
    validation_end = int(length * (1 - test) + 1e-9)
    every = np.arange(length)
    return Rows(every[:train_end], every[train_end:validation_end], every[validation_end:])
