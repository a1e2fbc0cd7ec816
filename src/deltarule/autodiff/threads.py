"""The number of threads that kernels use, for the whole process."""

from __future__ import annotations

import os

from deltarule.errors import ArgumentError
from deltarule.kernels.threads import obey_environment, set_threads, thread_count

obey_environment()


def get_num_threads() -> int:
    """Threads that kernels may use, at least 1.

    At the start it is DELTARULE_NUM_THREADS, else OMP_NUM_THREADS, else the cores that this process may use.

    >>> import deltarule as dr
    >>> dr.get_num_threads() >= 1
    True
    """
    return thread_count()


def set_num_threads(count: int) -> None:
    """Sets how many threads kernels may use, for the whole process.

    count   at least 1; work that is too small to share stays on one thread whatever it is

    One number for everything: native code runs on one team of threads, and NumPy's own library, which
    serves element types other than float32 and float64, gets the same number if it has a switch (OpenBLAS
    has). One thread is best where other programs keep the cores busy. Raises ArgumentError for less than 1.

    >>> import deltarule as dr
    >>> before = dr.get_num_threads()
    >>> dr.set_num_threads(1)
    >>> dr.get_num_threads()
    1
    >>> dr.set_num_threads(before)
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ArgumentError(
            "set_num_threads",
            f"count expected a whole number of at least 1, got {count!r}",
            f"This machine has {os.cpu_count()} cores.",
        )
    set_threads(count)
