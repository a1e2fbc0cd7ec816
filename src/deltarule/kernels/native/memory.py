"""Memory that the C library keeps for the next array instead of handing it back to the system.

Arrays from 128 KiB on are mapped anew each time by default: the system clears every page of them at the first
touch. A training step in eager mode makes and drops many such arrays (a step of a small GPT: 10,000 page
faults, a third of its time). Here the C library is told to keep up to 512 MiB of what was freed.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

# Names of glibc's mallopt; the threshold of mapping cannot be higher.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MAPPED_FROM = 32 << 20
_KEPT = 512 << 20


@cache
def keep_freed_memory() -> None:
    """Tells glibc once for the process; users' own MALLOC_… settings and other libraries are left alone."""
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return
    function = getattr(ctypes.CDLL(None), "mallopt", None)
    if function is not None:
        function(_MMAP_THRESHOLD, _MAPPED_FROM)
        function(_TRIM_THRESHOLD, _KEPT)
