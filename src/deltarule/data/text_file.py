"""Text files in any encoding."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import NamedTuple

from deltarule.data.file_bytes import read_bytes
from deltarule.errors import ArgumentError, DataError

# UTF-32 before UTF-16: the little-endian mark of the former begins with that of the latter.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"


class Text(NamedTuple):
    """A decoded text, the encoding it had, and a sentence if that encoding is a guess.

    >>> decode("café".encode("cp1252"), "menu.txt").encoding
    'cp1252'
    """

    text: str
    encoding: str
    note: str = ""


def read_text(path: str | Path, encoding: str | None = None) -> Text:
    """Read a text file, gzipped or not; line ends become "\\n".

    encoding   a codec of Python; if left out: a byte order mark, else UTF-8, else Windows-1252, else
               Latin-1, the last two with a note

    Raises DataError for an empty file, for bytes that a given encoding does not allow (naming their
    offset), and for a file that looks like something other than text; ArgumentError for an encoding
    that does not exist.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "poem.txt")
        ...     _ = path.write_bytes("café\\r\\n".encode("cp1252"))
        ...     print(read_text(path, encoding="cp1252"))
        Text(text='café\\n', encoding='cp1252', note='')
    """
    text = decode(read_bytes(path), str(path), encoding)
    return text._replace(text=text.text.replace("\r\n", "\n").replace("\r", "\n"))


def decode(content: bytes, who: str, encoding: str | None = None) -> Text:
    """Decode the bytes of a text file as read_text does, but keep the line ends."""
    text = _decode_given(content, who, encoding) if encoding is not None else _decode_guessed(content, who)
    if not text.text.strip():
        raise DataError(who, f"expected text, got an empty file of {len(content)} bytes", "Check the path.")
    return text


def _decode_given(content: bytes, who: str, encoding: str) -> Text:
    try:
        codec = codecs.lookup(encoding)
        return Text(content.decode(encoding), codec.name)
    except UnicodeDecodeError as error:
        raise DataError(
            who,
            f"byte {error.start}: {content[error.start : error.start + 4].hex(' ')} is not valid {encoding} "
            f"({error.reason})",
            "Try another encoding, or leave it out to let it be found.",
        ) from None
    # Some codecs of Python turn bytes into bytes, or raise errors of their own.
    except (LookupError, ValueError, TypeError) as error:
        raise ArgumentError(
            who,
            f"encoding expects a text codec of Python, got {encoding!r} ({error})",
            "Try 'utf-8' or 'cp1252'.",
        ) from None


def _decode_guessed(content: bytes, who: str) -> Text:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decode_given(content, who, encoding)
    _refuse_binary(content, who)
    try:
        return Text(content.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        offset = error.start
    for encoding in ("cp1252", "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return Text(
            text,
            encoding,
            f"not UTF-8 from byte {offset} on: read as {encoding}; give encoding= if that is wrong",
        )
    raise AssertionError("latin-1 decodes every byte")


def _refuse_binary(content: bytes, who: str) -> None:
    zero = content.find(b"\0")
    if zero >= 0:
        raise DataError(
            who,
            f"expected text, got a zero byte at byte {zero}",
            "If it is UTF-16 or UTF-32 without a byte order mark, give encoding='utf-16-le' for example.",
        )
    control = len(content) - len(content.translate(None, _CONTROL_BYTES))
    if control > 0.1 * len(content):
        raise DataError(
            who,
            f"expected text, got {control} control bytes among {len(content)}",
            "The file looks like something other than text; give encoding= to read it anyway.",
        )
