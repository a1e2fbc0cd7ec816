"""A lock on a run folder, which the operating system opens again when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from deltarule.errors import RunError

if os.name == "nt":
    import msvcrt
else:
    import fcntl

# Beyond any text in the file, since Windows lets nobody else read bytes that are locked.
_LOCKED_BYTE = 1 << 20
_HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file at `path` while the code inside runs.

    Raises RunError if another process, or another holder in this one, has it. On file systems that know
    no locks (some network ones) the code runs without.
    """
    try:
        file = open(path, "a+b")
    except OSError as error:
        raise RunError(str(path), f"cannot be written ({error.strerror})", "Check the permissions.") from None
    with file:
        try:
            _acquire(file)
        except OSError as error:
            if error.errno in _HELD:
                file.seek(0)
                holder = file.read().decode("utf-8", "replace").strip() or "another process"
                raise RunError(
                    str(path.parent),
                    f"{holder} is training in this folder",
                    "Wait until it ends, or use a folder of its own.",
                ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}".encode())
        file.flush()
        yield


def _acquire(file: IO[bytes]) -> None:
    # Closing the file, or the end of the process, opens the lock.
    if os.name == "nt":
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
