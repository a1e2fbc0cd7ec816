"""Arrays as a file brought them: inputs and targets, perhaps with a test part of their own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deltarule.data.file_bytes import fingerprint


class Arrays(NamedTuple):
    """Raw arrays of a data set.

    inputs         (rows, ...)
    targets        (rows,) or (rows, outputs), or None where there are only inputs
    test_inputs    the file's own test part, or None
    test_targets   its targets, or None

        >>> Arrays(np.zeros((3, 2)), np.array([0, 1, 1])).inputs.shape
        (3, 2)
    """

    inputs: np.ndarray
    targets: np.ndarray | None
    test_inputs: np.ndarray | None = None
    test_targets: np.ndarray | None = None

    def sha256(self) -> str:
        """Fingerprint of types, shapes and values; how the file was compressed does not matter."""
        pieces: list[bytes | memoryview] = []
        for array in self:
            if array is None:
                pieces.append(b"none")
                continue
            little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
            pieces.append(f"{little.dtype.str} {little.shape}".encode())
            pieces.append(little.reshape(-1).view(np.uint8).data)
        return fingerprint(*pieces)
