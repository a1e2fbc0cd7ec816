"""What a source is: a name or a path, the form of a file, and which options its reader takes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from deltarule.data.arrays import Arrays
from deltarule.data.csv_file import read_csv
from deltarule.data.file_bytes import first_bytes
from deltarule.data.idx_file import is_idx, read_idx_folder, read_idx_pair
from deltarule.data.npz_file import read_npz
from deltarule.data.registry import NAMED_SETS, names
from deltarule.data.table import Table
from deltarule.data.target_kind import KINDS
from deltarule.data.text_file import Text, read_text
from deltarule.errors import ArgumentError, DataError

READING = {
    "csv": ("delimiter", "header", "encoding", "missing"),
    "text": ("encoding",),
    "idx": (),
    "npz": (),
}
SAID = {"csv": "CSV files", "text": "texts", "idx": "IDX files", "npz": "npz files"}
_CSV_SUFFIXES = (".csv", ".tsv", ".tab")


def existing(source: str | Path) -> Path:
    """The path of a source that is no name; DataError with the closest name if nothing is there."""
    try:
        path = Path(source).expanduser()
        if path.exists():
            return path
    except (OSError, ValueError, RuntimeError):
        pass  # too long, a zero character, an unknown home: no such file can exist, as is said below
    known = [name for named in NAMED_SETS for name in (named.name, *named.aliases)]
    close = difflib.get_close_matches(str(source).lower(), known, 1, 0.6)
    raise DataError(
        "load",
        f"expected a name ({', '.join(names())}) or the path of a file or folder, got {str(source)!r}, "
        "which does not exist",
        f"Did you mean {close[0]!r}?" if close else "Check the spelling.",
    )


def find_form(path: Path, given: dict) -> str:
    """Tell "csv", "text", "idx" or "npz" from the options given, the suffix and the first bytes."""
    if path.is_dir():
        return "idx"
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if given.get("kind") == "text":
        return "text"
    if suffix in _CSV_SUFFIXES:
        return "csv"
    start = first_bytes(path)
    if suffix == ".npz" or start == b"PK\x03\x04":
        return "npz"
    if is_idx(start) or suffix == ".idx" or "ubyte" in path.name.lower():
        return "idx"
    return "csv" if given.get("kind") in KINDS or "target" in given else "text"


def read(form: str, path: Path, options: dict) -> Arrays | Table | Text:
    """What the reader of a form makes of a file, with those of the options that are about reading."""
    reading = pick(options, READING[form])
    if form == "csv":
        return read_csv(path, **{**reading, "missing": tuple(reading.get("missing", ()))})
    if form == "text":
        return read_text(path, **reading)
    if form == "npz":
        return read_npz(path)
    return read_idx_folder(path) if path.is_dir() else read_idx_pair(path)


def pick(given: dict, wanted: Sequence[str]) -> dict:
    """The options among those wanted."""
    return {name: value for name, value in given.items() if name in wanted}


def check_options(given: dict, allowed: Sequence[str], said: str) -> None:
    """Raise ArgumentError for an option that is not allowed here."""
    for name in given:
        if name not in allowed:
            raise ArgumentError(
                said,
                f"takes no option {name!r}, only {', '.join(sorted(allowed)) or 'none'}",
                "Leave it out: it would do nothing here.",
            )
