"""Writing a file so that it is, at any instant, either the old one or the new one, and never half of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from deltarule.errors import RunError

TEMPORARY_SUFFIX = ".tmp"


def write_atomic(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, even if the process or the machine stops in between.

    The content goes to a temporary file beside it, is forced to the disk, and takes the name in one step.
    A link stays a link: the file that it names is replaced. A device or a pipe is written to.

    Raises RunError if it cannot be written (no space, no permission); the file that was there stays.
    Source: POSIX rename(2), whose replacement of a name is atomic.
    """
    if not path.name or path.is_dir():
        raise RunError(str(path), "is a folder, a file was expected", "Give the name of a file.")
    special = path.exists() and not path.is_file()
    place = Path(os.path.realpath(path))
    if not place.parent.is_dir():
        raise RunError(str(path), f"there is no folder {path.parent}", "Make it, or choose another.")
    temporary = place.with_name(f".{place.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        if special:
            path.write_bytes(content)
            return
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, place)
        _sync_folder(place.parent)
    except OSError as error:
        raise RunError(
            str(path),
            f"cannot be written ({error.strerror or error})",
            "Free some space or check the permissions; what was saved before is untouched.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> list[Path]:
    """Removes the temporary files of writers that were killed, and tells which they were.

    Call it only where no other process writes into the folder.
    """
    removed = []
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        with contextlib.suppress(OSError):
            path.unlink()
            removed.append(path)
    return removed


def _sync_folder(folder: Path) -> None:
    """Forces the new name to the disk. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse this on folders.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
