"""How many threads matrix products use: read and set in the library that NumPy brings.

OpenBLAS, which NumPy's wheels bring, splits even a small product over all cores, and its threads wait for
each other by spinning. Where another program wants a core, each wait lasts for a time slice.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_")


@contextmanager
def matrix_threads(count: int | None) -> Iterator[None]:
    """Matrix products use so many threads inside; None, or a library without a switch, changes nothing."""
    pair = switch()
    if count is None or pair is None:
        yield
        return
    read, write = pair
    before = read()
    write(count)
    try:
        yield
    finally:
        write(before)


@cache
def switch() -> tuple[Any, Any] | None:
    """OpenBLAS's own functions that read and set its threads, or None with another library."""
    for path in _libraries():
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for name in _NAMES:
            read, write = (getattr(library, name.format(word), None) for word in ("get", "set"))
            if read is not None and write is not None:
                read.argtypes, read.restype = [], ctypes.c_int
                write.argtypes, write.restype = [ctypes.c_int], None
                return read, write
    return None


def _libraries() -> list[Path]:
    """The files in which NumPy's wheels bring their library; it is loaded already, whichever it is."""
    package = Path(np.__file__).parent
    folders = (package.parent / "numpy.libs", package / ".dylibs")
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*openblas*"))]
