"""What the exit code of a command says, and which error gives which. Prints nothing."""

from __future__ import annotations

import errno
import os
import re

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
    FAILED: "a check failed, health found something, or training produced NaN or infinity",
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

# Keywords of the library whose option on the command line has another name, or the same one.
_OPTIONS = {
    "kind": "task",
    "validation": "validation-fraction",
    "test": "test-fraction",
    "lr": "learning-rate",
    **{
        name: name.replace("_", "-")
        for name in (
            *("target", "encoding", "delimiter", "header", "layout", "standardise", "standardise_targets"),
            *("samples", "noise", "epochs", "batch_size", "sequence_length", "hidden", "layers", "dropout"),
            *("clip_norm", "patience", "momentum", "batch_norm", "embedding"),
        )
    },
}


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
        text = str(DeltaruleError(error.who, error.problem, in_options(error.fix)))
    elif isinstance(error, MemoryError):
        detail = f" ({error})" if str(error) else ""
        text = f"not enough memory{detail}. Use a smaller --batch-size, model or part of the data."
    elif isinstance(error, OSError):
        text = _system_sentence(error)
    else:
        detail = f": {error}" if str(error) else ""
        text = f"internal error, {type(error).__name__}{detail}. The option --debug shows where it happened."
    return " ".join(text.split())


def in_options(advice: str) -> str:
    """Advice to use a keyword of the library, in the words of the command line.

    >>> in_options("Use header=False, or kind='text'.")
    'Use --no-header, or --task text.'
    """

    def typed(found: re.Match[str]) -> str:
        keyword, value = found[1], found[2].strip("'\"")
        option = f"--{_OPTIONS[keyword]}" if keyword in _OPTIONS else None
        if option is None:
            return found[0]
        if value in ("True", "False"):
            return option if value == "True" else option.replace("--", "--no-", 1)
        return f"{option} {value}"

    return re.sub(r"\b([a-z_]+)=('[^']*'|\"[^\"]*\"|[\w+-]+(?:\.\d+)?)", typed, advice)


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
