"""What the exit code of a command says, and which error gives which. Prints nothing."""

from __future__ import annotations

import errno
import os

from deltarule.errors import (
    ArgumentError,
    DataError,
    DeltaruleError,
    DTypeError,
    GradientError,
    MissingExtraError,
    NonFiniteError,
    OutOfBoundsError,
    RunError,
    ShapeError,
)

OK = 0
FAILED = 1
USAGE = 2
BAD_DATA = 3
RUN_TROUBLE = 4
INTERNAL = 70
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143

MEANINGS = {
    OK: "done",
    FAILED: "a check failed, or training produced NaN or infinity",
    USAGE: "the command was called wrongly",
    BAD_DATA: "the data is missing, malformed or does not fit the model",
    RUN_TROUBLE: "a run folder is missing or damaged, or something could not be written",
    INTERNAL: "an internal error, or not enough memory",
    INTERRUPTED: "interrupted with Ctrl-C; what was saved can be resumed",
    BROKEN_PIPE: "whoever read the output stopped reading",
    TERMINATED: "ended by a termination signal; what was saved can be resumed",
}

_BY_ERROR = (
    (NonFiniteError, FAILED),
    (GradientError, FAILED),
    (ArgumentError, USAGE),
    (MissingExtraError, USAGE),
    (DataError, BAD_DATA),
    (ShapeError, BAD_DATA),
    (DTypeError, BAD_DATA),
    (OutOfBoundsError, BAD_DATA),
    (RunError, RUN_TROUBLE),
    (OSError, RUN_TROUBLE),
    (MemoryError, INTERNAL),
)


def code_of(error: BaseException) -> int:
    """The exit code for an error.

    >>> code_of(DataError("data.csv", "line 3: ..."))
    3
    """
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), INTERNAL)


def sentence_of(error: BaseException) -> str:
    """An error as one line for the user, without its traceback.

    >>> sentence_of(FileNotFoundError(2, "No such file or directory", "weights.csv"))
    'weights.csv: no such file or directory'
    """
    if isinstance(error, DeltaruleError):
        text = str(error)
    elif isinstance(error, MemoryError):
        detail = f" ({error})" if str(error) else ""
        text = f"not enough memory{detail}. Use a smaller --batch-size, model or part of the data."
    elif isinstance(error, OSError):
        text = _system_sentence(error)
    else:
        detail = f": {error}" if str(error) else ""
        text = f"internal error, {type(error).__name__}{detail}. The option --debug shows where it happened."
    return " ".join(text.split())


def _system_sentence(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    fixes = {
        errno.ENOSPC: " Free some space, or choose another place.",
        errno.EACCES: " Choose a place that you may write to, or change the permissions.",
        errno.EROFS: " Choose a place that can be written to.",
    }
    fix = fixes.get(error.errno or 0, "")
    return f"{place}{reason}{'.' if fix else ''}{fix}"
