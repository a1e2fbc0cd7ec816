"""The one team of threads: how many there are, and their start. Everything native runs on it.

The number of threads is `DELTARULE_NUM_THREADS`, else `OMP_NUM_THREADS`, else the cores that this process may
use; `set_threads` changes it. Workers start with the first job that wants them.
"""

from __future__ import annotations

import ctypes
import os
import threading
from functools import cache

from deltarule.kernels.native.runtime import DECLARATIONS, RUNTIME, TEAM_BYTES, WORKER


class _Team:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.workers = 0
        self.threads = _threads_wanted()

    def start(self, count: int) -> None:
        """Sees to it that so many threads (with the caller's) are there."""
        with self.lock:
            if count - 1 <= self.workers:
                return
            function = _worker_function()
            address = team_address()
            while self.workers < count - 1:
                self.workers += 1
                # Workers see jobs from the next one on; the count is what a job's end waits for.
                epoch = ctypes.c_int32.from_address(address).value
                ctypes.c_int64.from_address(address + 472).value = self.workers
                threading.Thread(
                    target=function,
                    args=(address, self.workers, epoch),
                    name=f"deltarule-{self.workers}",
                    daemon=True,
                ).start()


def _threads_wanted() -> int:
    for name in ("DELTARULE_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").split(",")[0].strip()
        if text.isdigit() and int(text) > 0:
            return int(text)
    return cores()


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@cache
def _memory() -> tuple[ctypes.Array[ctypes.c_char], int]:
    block = ctypes.create_string_buffer(TEAM_BYTES + 64)
    return block, -(-ctypes.addressof(block) // 64) * 64


def team_address() -> int:
    """Address of the memory that the team shares."""
    return _memory()[1]


@cache
def _worker_function() -> ctypes._CFuncPtr:
    from deltarule.kernels.native.compilation import load

    text = "\n".join([*DECLARATIONS, RUNTIME, WORKER])
    address = load("worker", lambda: text, ["worker"])["worker"]
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32)(address)


_team = _Team()


def threads() -> int:
    """Threads that a large kernel runs on, whose workers are started if they are not there."""
    count = _team.threads
    if count - 1 > _team.workers:
        _team.start(count)
    return count


def thread_count() -> int:
    """Threads that are to be used; starts nothing."""
    return _team.threads


def set_threads(count: int) -> None:
    """Native kernels use so many threads from now on."""
    _team.threads = count


def _after_fork() -> None:
    # Threads do not survive a fork: the child begins with an empty team.
    global _team
    wanted = _team.threads
    _team = _Team()
    _team.threads = wanted
    ctypes.memset(team_address(), 0, TEAM_BYTES)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
