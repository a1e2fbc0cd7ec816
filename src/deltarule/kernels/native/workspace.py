"""Scratch memory for kernels that are called one at a time: kept between calls, aligned for vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT = 64
_held: dict[str, NDArray[Any]] = {}


def aligned(elements: int, dtype: Any) -> NDArray[Any]:
    """A new array of so many elements that begins at a cache line; its elements are anything."""
    kind = np.dtype(dtype)
    raw = np.empty(elements * kind.itemsize + _ALIGNMENT, np.uint8)
    first = -raw.ctypes.data % _ALIGNMENT
    return raw[first : first + elements * kind.itemsize].view(kind)


def workspace(elements: int, dtype: str) -> NDArray[Any]:
    """At least so many elements, which hold until the next call.

    One piece for each type serves all kernels: each uses it up before it returns, and Python runs one at a
    time.
    """
    held = _held.get(dtype)
    if held is None or held.size < elements:
        held = _held[dtype] = aligned(elements, dtype)
    return held
