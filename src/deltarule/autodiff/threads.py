"""The number of threads that matrix products use, for the whole process."""

from __future__ import annotations

import os

from deltarule.errors import ArgumentError
from deltarule.kernels.threads import switch


def get_num_threads() -> int:
    """Threads that matrix products use; 1 where NumPy's library cannot tell.

    >>> import deltarule as dr
    >>> dr.get_num_threads() >= 1
    True
    """
    pair = switch()
    return 1 if pair is None else int(pair[0]())


def set_num_threads(count: int) -> None:
    """Sets how many threads matrix products use, for the whole process.

    count   at least 1. One is fastest for small networks, and wherever other programs keep the cores
            busy; at the start it is what NumPy chooses, all cores or OPENBLAS_NUM_THREADS

    Raises ArgumentError for less than 1, or where NumPy brings a library without such a switch.

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
    pair = switch()
    if pair is None:
        raise ArgumentError(
            "set_num_threads",
            "NumPy uses a library whose threads cannot be set from here",
            "Set OMP_NUM_THREADS or the library's own variable before Python starts.",
        )
    pair[1](count)
