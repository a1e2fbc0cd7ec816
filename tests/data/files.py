"""Writers of the file formats that the tests of data/ read back."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

IDX_CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, IDX_CODES[array.dtype.name], array.ndim]) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx(path: Path, array: np.ndarray) -> Path:
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def write_mnist_like(folder: Path, suffix: str = "-idx{axes}-ubyte", train: int = 40, test: int = 10) -> Path:
    """A folder like MNIST's, with images of 5 x 4 pixels whose first pixel is ten times the label."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for part, rows in (("train", train), ("t10k", test)):
        labels = (np.arange(rows) % 4).astype(np.uint8)
        images = random.integers(0, 256, (rows, 5, 4), dtype=np.uint8)
        images[:, 0, 0] = 10 * labels
        write_idx(folder / f"{part}-images{suffix.format(axes=3)}", images)
        write_idx(folder / f"{part}-labels{suffix.format(axes=1)}", labels)
    return folder
