"""Arrays of real, finite numbers and nothing else."""

from __future__ import annotations

import numpy as np

from deltarule.errors import DataError, DTypeError


def check_numbers(values, who: str) -> np.ndarray:
    """The values as an array of real, finite numbers; booleans become bytes.

    Raises DTypeError for objects, text and complex numbers, DataError for NaN or infinity.
    """
    array = np.asarray(values)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise DTypeError(
            who,
            f"expected inputs that are real numbers, got {array.dtype}",
            "Convert them, or use a CSV file for text.",
        )
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return check_finite(array, who)


def check_finite(array: np.ndarray, who: str) -> np.ndarray:
    """Return the array, or raise DataError naming the first value that is NaN or infinite."""
    # The sum is NaN or infinite if any value is, and costs no array of booleans; it may also overflow.
    if array.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            total = array.sum()
        if not np.isfinite(total) and not np.isfinite(array).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise DataError(
                who,
                f"expected finite numbers, got {array[place]} at index {place} of shape {array.shape}",
                "Replace or remove missing and overflowing values first.",
            )
    return array
