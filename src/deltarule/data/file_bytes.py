"""The bytes of a file, uncompressed if it is gzipped. Knows no format."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

from deltarule.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20


def read_bytes(path: str | Path) -> bytes:
    """All bytes of a file; a gzip file, known by its first two bytes, is uncompressed.

    Raises DataError naming the file if it cannot be read, and for damaged gzip data also how many
    bytes came out before the damage.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.read(2) != _GZIP_MAGIC:
                file.seek(0)
                return file.read()
            file.seek(0)
            return _uncompress(file, path)
    except OSError as error:
        raise _cannot_be_read(path, error) from None


def first_bytes(path: str | Path, count: int = 4) -> bytes:
    """The first bytes of a file's content, uncompressed; fewer if it is shorter or its gzip data is damaged.

    Raises DataError naming the file if it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(max(count, 2))
        if not start.startswith(_GZIP_MAGIC):
            return start[:count]
        try:
            with gzip.open(path) as stream:
                return stream.read(count)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return b""  # read_bytes will say what is wrong with it
    except OSError as error:
        raise _cannot_be_read(path, error) from None


def _cannot_be_read(path: str | Path, error: OSError) -> DataError:
    return DataError(
        str(path), f"cannot be read: {error.strerror or error}", "Check the path and its permissions."
    )


def _uncompress(file, path: Path) -> bytes:
    pieces: list[bytes] = []
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            while piece := stream.read(_CHUNK):
                pieces.append(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        done = sum(map(len, pieces))
        raise DataError(
            str(path),
            f"damaged gzip data after byte {done} of the uncompressed content, at or before byte "
            f"{file.tell()} of the file ({error})",
            "Download or copy the file again.",
        ) from None
    return b"".join(pieces)


def fingerprint(*pieces: bytes | memoryview) -> str:
    """sha256 over pieces, each with its length, as hexadecimal digits.

    >>> fingerprint(b"ab", b"c") == fingerprint(b"a", b"bc")
    False
    """
    digest = hashlib.sha256()
    for piece in pieces:
        size = piece.nbytes if isinstance(piece, memoryview) else len(piece)
        digest.update(size.to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()
