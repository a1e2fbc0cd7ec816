"""The optical digits of UCI, shipped inside the package; see bundled/ATTRIBUTION.txt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deltarule.data.arrays import Arrays
from deltarule.data.file_bytes import read_bytes

PIXEL_MAXIMUM = 16
_FILE = Path(__file__).parent / "bundled" / "digits.csv.gz"


def read_digits() -> Arrays:
    """The 1,797 test rows of the Optical Recognition of Handwritten Digits data set.

    inputs   (1797, 1, 8, 8) uint8; each pixel counts the inked points in a block of 4 x 4, 0 to 16
    targets  (1797,) int64, the digit

    Source: Alpaydin & Kaynak 1998, UCI Machine Learning Repository, doi:10.24432/C50P49, CC BY 4.0.

        >>> read_digits().inputs.shape
        (1797, 1, 8, 8)
    """
    rows = np.array(read_bytes(_FILE).replace(b"\n", b",").rstrip(b",").split(b","), dtype=np.uint8).reshape(
        -1, 65
    )
    return Arrays(rows[:, :64].reshape(-1, 1, 8, 8).copy(), rows[:, 64].astype(np.int64))
