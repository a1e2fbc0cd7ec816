"""Room for deep formulas: readers call themselves at every level, and a stack of 400 arrays has 400."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Calls of Python functions one inside the other; they take memory of the heap, not of the thread's stack.
_DEEP = 30_000


@contextmanager
def deep_formulas() -> Iterator[None]:
    """Lets functions call themselves more often inside."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEP))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
