"""How many threads kernels use: one number for the native team and for the library that NumPy brings.

Native code splits only work that repays it. OpenBLAS, which NumPy's wheels bring and which serves what native
code does not take, splits even a small product over all cores, and its threads wait for each other by
spinning.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.kernels.native import team

_NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_")


def thread_count() -> int:
    """Threads that kernels may use."""
    return team.thread_count()


def set_threads(count: int) -> None:
    """Kernels use at most so many threads from now on; NumPy's library too, if it has a switch."""
    team.set_threads(count)
    pair = switch()
    if pair is not None:
        pair[1](count)


def obey_environment() -> None:
    """Hands DELTARULE_NUM_THREADS on to NumPy's library, which knows the usual variables by itself."""
    if os.environ.get("DELTARULE_NUM_THREADS"):
        set_threads(team.thread_count())


@contextmanager
def limited_threads(count: int | None) -> Iterator[None]:
    """Kernels use so many threads inside; None changes nothing."""
    if count is None:
        yield
        return
    pair = switch()
    before, library_before = team.thread_count(), None if pair is None else pair[0]()
    set_threads(count)
    try:
        yield
    finally:
        team.set_threads(before)
        if pair is not None:
            pair[1](library_before)


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
