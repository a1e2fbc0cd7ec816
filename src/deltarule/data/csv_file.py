"""CSV files as tables of text cells. What the cells mean is decided in table.py."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from deltarule.data.file_bytes import read_bytes
from deltarule.data.table import MISSING, Table, is_number
from deltarule.data.text_file import decode
from deltarule.errors import ArgumentError, DataError

DELIMITERS = (",", "\t", ";", "|")
_SAMPLE_RECORDS = 50
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.ASCII)


def read_csv(
    path: str | Path,
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    missing: tuple[str, ...] = (),
) -> Table:
    """Read a CSV file, gzipped or not, with quoted fields as RFC 4180 has them.

    delimiter   one character; if left out, that of comma, tab, semicolon and bar which cuts the first
                records into the most fields of an equal number
    header      whether the first row names the columns; if left out, it does when it holds no number and
                either some column below holds numbers or its cells never come again
    encoding    as for read_text
    missing     cells that mean "missing" beside the empty cell, NA, N/A, NaN, ? and null

    Between semicolons, columns of numbers may have decimal commas, as spreadsheets of many countries write
    them; a note says so.

    Raises DataError naming the file and the line for rows with too many or too few fields, unclosed
    quotes, a repeated column name, and for files that are empty or hold only a header.
    Source: RFC 4180, Common Format and MIME Type for CSV Files.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "people.csv")
        ...     _ = path.write_text("name;age\\nAda;3,5\\nAlan;?\\n")
        ...     table = read_csv(path)
        >>> table.names, table.numbers("age")
        (('name', 'age'), array([3.5, nan]))
        >>> table.notes
        ('commas within numbers are read as decimal points',)
    """
    who = str(path)
    if delimiter is not None and (
        not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n'
    ):
        raise ArgumentError(
            who, f"delimiter expects a single character, got {delimiter!r}", "Use ',' or '\\t'."
        )
    decoded = decode(read_bytes(path), who, encoding)
    if delimiter is None:
        delimiter = "\t" if _has_tab_extension(path) else _find_delimiter(decoded.text)
    records, lines = _read_records(decoded.text, delimiter, who)
    notes = [decoded.note] if decoded.note else []
    if delimiter == ";" and _write_decimal_points(records, missing):
        notes.append("commas within numbers are read as decimal points")
    if header is None:
        header = _is_header(records, missing)
    header_line = lines[0]
    if header:
        names = [cell or f"column {index + 1}" for index, cell in enumerate(records[0])]
        records, lines = records[1:], lines[1:]
    else:
        names = [f"column {index + 1}" for index in range(len(records[0]))]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise DataError(
                who,
                f"line {header_line}: columns {names.index(name) + 1} and {index + 1} have the same name "
                f"{name!r}",
                "Rename one; if this line holds data, use header=False.",
            )
    if not records:
        raise DataError(
            who, "expected rows of data, got only a header line", "Add rows, or use header=False."
        )
    columns = [list(column) for column in zip(*records, strict=True)]
    return Table(tuple(names), columns, lines, who, bool(header), frozenset(missing), tuple(notes))


def _has_tab_extension(path: str | Path) -> bool:
    return any(suffix.lower() in (".tsv", ".tab") for suffix in Path(path).suffixes)


def _read_records(text: str, delimiter: str, who: str) -> tuple[list[list[str]], list[int]]:
    """Records of stripped cells, and the line on which each begins. Blank lines are passed over."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    records: list[list[str]] = []
    lines: list[int] = []
    line = 1
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            # A line of spaces is blank too, except where one empty cell is all that a row has.
            if record and not (len(cells) == 1 and not cells[0] and records and len(records[0]) > 1):
                if records and len(cells) != len(records[0]):
                    raise DataError(
                        who,
                        f"line {line}: expected {len(records[0])} fields as on line {lines[0]}, "
                        f"got {len(cells)}",
                        f"Quote fields that hold {delimiter!r}, or give another delimiter.",
                    )
                records.append(cells)
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            who,
            f"line {line}: {error}",
            "A quoted field has to end with a quote, then a delimiter or a line end.",
        ) from None
    if not records:
        raise DataError(who, "expected rows, got none", "Check the file.")
    return records, lines


def _find_delimiter(text: str) -> str:
    """The delimiter that cuts most of the first records into the same number of fields, many if possible."""
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        counts: list[int] = []
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        try:
            for record in reader:
                if record:
                    counts.append(len(record))
                if len(counts) >= _SAMPLE_RECORDS:
                    break
        except csv.Error:
            continue
        most_common = max(set(counts), key=lambda count: (counts.count(count), count), default=1)
        if most_common > 1:
            score = (counts.count(most_common) / len(counts), most_common)
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _write_decimal_points(records: list[list[str]], missing: tuple[str, ...]) -> bool:
    """Writes 2,5 as 2.5 in columns that then hold numbers alone, and tells whether there are such columns."""
    tokens = {token.lower() for token in (*MISSING, *missing)}
    rows = records[1:] or records  # the first may be a header
    found = False
    for index in range(len(records[0])):
        present = [row[index] for row in rows if row[index].lower() not in tokens]
        if any(map(_DECIMAL_COMMA.fullmatch, present)) and all(
            is_number(cell) or _DECIMAL_COMMA.fullmatch(cell) for cell in present
        ):
            found = True
            for row in records:
                if _DECIMAL_COMMA.fullmatch(row[index]):
                    row[index] = row[index].replace(",", ".")
    return found


def _is_header(records: list[list[str]], missing: tuple[str, ...]) -> bool:
    first, below = records[0], records[1:]
    empty = {token.lower() for token in (*MISSING, *missing)} - {""}
    if any(is_number(cell) or cell.lower() in empty for cell in first) or not any(first):
        return False
    if any(is_number(row[index]) for row in below[:_SAMPLE_RECORDS] for index in range(len(first))):
        return True
    columns = zip(*below, strict=True)
    return len(set(first)) == len(first) and all(
        cell not in column for cell, column in zip(first, columns, strict=False)
    )
