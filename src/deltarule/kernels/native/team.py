"""The one team of threads: how many there are, and their start. Everything native runs on it.

The number of threads is `DELTARULE_NUM_THREADS`, else `OMP_NUM_THREADS`, else the cores that this process may
use; `set_threads` changes it. Workers start with the first job that wants them.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from functools import cache
from typing import Any

from deltarule.kernels.native.lasting import lasting
from deltarule.kernels.native.runtime import DECLARATIONS, RUNTIME, TEAM_BYTES, WORKER


class _Team:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.workers = 0
        self.lost = False
        self.threads = _threads_wanted()

    def start(self, count: int) -> None:
        """Sees to it that so many threads (with the caller's) are there."""
        with self.lock:
            if count - 1 <= self.workers:
                return
            function = _worker_function()
            address = team_address()
            while self.workers < count - 1:
                number = self.workers + 1
                # A worker comes to native code before jobs count on it: it needs Python's lock on its way,
                # which the caller of a job holds. It waits there until the gate says from which job on it
                # works.
                gate = lasting((ctypes.c_int64 * 2)())
                threading.Thread(
                    target=function,
                    args=(address, number, ctypes.addressof(gate)),
                    name=f"deltarule-{number}",
                    daemon=True,
                ).start()
                while not gate[0]:
                    time.sleep(1e-5)
                epoch = ctypes.c_uint32.from_address(address).value
                ctypes.c_int64.from_address(address + 472).value = number
                gate[1] = 1 << 32 | epoch
                self.workers = number


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
    block = lasting(ctypes.create_string_buffer(TEAM_BYTES + 64))
    return block, -(-ctypes.addressof(block) // 64) * 64


def team_address() -> int:
    """Address of the memory that the team shares."""
    return _memory()[1]


@cache
def _worker_function() -> Any:
    from deltarule.kernels.native.compilation import load

    text = "\n".join([*DECLARATIONS, RUNTIME, WORKER])
    address = load("worker", lambda: text, ["worker"])["worker"]
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(address)


_team = _Team()


def threads() -> int:
    """Threads that a large kernel runs on, whose workers are started if they are not there."""
    count = _team.threads
    if count - 1 > _team.workers:
        _team.start(count)
    return count


def threads_for(work: int, worth: int) -> int:
    """Threads for so much work: one below what repays starting a team."""
    return threads() if work >= worth and thread_count() > 1 else 1


def thread_count() -> int:
    """Threads that are to be used; starts nothing, but where a fork took workers that plans count on."""
    if _team.lost:
        _team.lost = False
        threads()
    return _team.threads


def set_threads(count: int) -> None:
    """Native kernels use so many threads from now on."""
    _team.threads = count


def _after_fork() -> None:
    # Threads do not survive a fork: the child begins with an empty team.
    global _team
    before, _team = _team, _Team()
    _team.threads, _team.lost = before.threads, before.workers > 0 or before.lost
    ctypes.memset(team_address(), 0, TEAM_BYTES)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
