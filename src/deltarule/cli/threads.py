"""How many threads matrix products use: NumPy's own choice, all of them, harms small networks.

OpenBLAS, which NumPy's wheels bring, splits even a small product over all cores, and its threads wait for
each other by spinning. Where another program wants a core, each wait lasts for a time slice: on two busy
cores, 40 epochs of the digits took 91 s with two threads and 3 s with one (deltarule train digits).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data import Dataset
from deltarule.nn.module import Module
from deltarule.nn.summary import summary

# Backward takes about twice the products of forward.
_PASSES = 3
# Multiply-adds of an update from which on several threads are the default: some ten milliseconds of work.
# They can halve the time on idle cores, but on busy ones an epoch of MNIST (mlp, 200 million) took 22 s with
# two threads and 2.2 s with one (deltarule train mnist mlp --epochs 1 --threads N).
_WORTH_IT = 1_000_000_000
_NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_")


def threads_for(model: Module, dataset: Dataset, config: dict[str, Any]) -> int | None:
    """1 for a network whose updates are small, None for as many as the library likes."""
    shape = (1,) if config["task"] == "text" else dataset.input_shape
    kind = np.int64 if config["task"] == "text" else None
    rows = config["batch_size"] or len(dataset.train)
    steps = rows * (config["sequence_length"] or 1)
    cost = summary(model, (1, *shape), dtype=kind).multiply_adds * steps * _PASSES
    return None if cost >= _WORTH_IT else 1


@contextmanager
def matrix_threads(count: int | None) -> Iterator[None]:
    """Matrix products use so many threads inside; None, or a library without a switch, changes nothing."""
    switch = _switch()
    if count is None or switch is None:
        yield
        return
    read, write = switch
    before = read()
    write(count)
    try:
        yield
    finally:
        write(before)


@cache
def _switch() -> tuple[Any, Any] | None:
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
