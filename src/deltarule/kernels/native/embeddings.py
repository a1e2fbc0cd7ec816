"""Rows of a table as Python calls for them: which routine, how many threads.

An answer of None says that these arrays are not for native code.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.embedding import SumRows, TakeRows
from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.processor import FLOATS
from deltarule.kernels.native.team import threads_for

Array = NDArray[Any]

# Elements moved from which a second thread repays being started.
WORTH_A_TEAM = 50_000

# A table so many times larger than what is added to it is not cleared: the system gives zeros.
_MUCH_LARGER = 4


@lru_cache
def _take(character: str) -> Any:
    return entry(TakeRows(FLOATS[character]), True)


@lru_cache
def _sum(character: str, cleared: bool) -> Any:
    return entry(SumRows(FLOATS[character], cleared), True)


def take_rows(table: Array, positions: Array) -> Array | None:
    """table[positions] for positions from 0 on that are known to be in range."""
    if table.dtype.char not in FLOATS or not positions.size:
        return None
    width = table.shape[1]
    out = np.empty((*positions.shape, width), table.dtype)
    positions = np.ascontiguousarray(positions, np.int64)
    team = threads_for(out.size, WORTH_A_TEAM)
    done = _take(table.dtype.char)(team, table, positions, out, positions.size, width)
    return out if done else None


def sum_rows(count: int, positions: Array, updates: Array) -> Array | None:
    """y[p] = Σ of updates[m] over all m with positions[m] = p, for p below count."""
    if updates.dtype.char not in FLOATS or not updates.size:
        return None
    positions, updates = np.ascontiguousarray(positions, np.int64), np.ascontiguousarray(updates)
    rows, width = updates.shape
    cleared = count > _MUCH_LARGER * rows
    out = (np.zeros if cleared else np.empty)((count, width), updates.dtype)
    function = _sum(updates.dtype.char, cleared)
    team = threads_for(updates.size, WORTH_A_TEAM)
    return out if function(team, positions, updates, out, count, rows, width) else None
