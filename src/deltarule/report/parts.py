"""Parts: a report as headings, sentences, formulas, tables and pictures, written down in every form at once.

A room says what stands in its report; how that looks as a page, LaTeX, Markdown or text is the same for all.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from deltarule.report.document import document, section, table
from deltarule.report.markup import Markup, tag
from deltarule.report.typesetting.mathml import mathml
from deltarule.report.typesetting.plain import plain
from deltarule.report.typesetting.tex import tex_document, tex_equations, tex_escape
from deltarule.report.words import Words

# Characters that a line of a LaTeX table holds, also in small print, and those of a short column.
_LINE, _SMALL_LINE, _SHORT = 76, 110, 22
# Signs that are markup in Markdown.
_SIGNS = ("\\", "|", "*", "_", "`", "<", "[", "#")


@dataclass(frozen=True)
class Table:
    """Rows of text under a header."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Part:
    """One part of a report, in this order: heading, sentences, formulas, table, pictures (in pages alone).

    formulas   lines of LaTeX, which may be aligned at &=
    """

    heading: str = ""
    sentences: Sequence[str] = ()
    formulas: Sequence[str] = ()
    table: Table | None = None
    pictures: Sequence[Markup] = ()


def written(form: str, title: str, parts: Sequence[Part], words: Words) -> str:
    """The report in one of the forms html, latex, markdown and text."""
    if form == "html":
        return document(title, *sections_of(parts), words=words)
    if form == "latex":
        return _latex(title, parts, words)
    return _markdown(title, parts) if form == "markdown" else _text(title, parts)


def sections_of(parts: Sequence[Part], level: int = 2) -> list[Markup]:
    """The parts as sections of a page, with headings of this level; one without a heading is text alone."""
    sections = []
    for part in parts:
        children = [
            *(tag("p", sentence) for sentence in part.sentences),
            *(mathml(formula.replace("&=", "="), display=True) for formula in part.formulas),
            table(part.table.header, part.table.rows) if part.table and part.table.rows else None,
            # Side by side where the page is wide enough.
            tag("div", *part.pictures, class_="charts") if part.pictures else None,
        ]
        sections.append(
            section(part.heading, *children, level=level) if part.heading else tag("section", *children)
        )
    return sections


def _latex(title: str, parts: Sequence[Part], words: Words) -> str:
    """The LaTeX document."""
    written = []
    for part in parts:
        if part.heading:
            written.append(rf"\section*{{{tex_escape(part.heading)}}}")
        written += [tex_escape(sentence) for sentence in part.sentences]
        if part.formulas:
            written.append(tex_equations(list(part.formulas)))
        if part.table and part.table.rows:
            written.append(_tabular(part.table))
    return tex_document(title, *written, words=words)


def _markdown(title: str, parts: Sequence[Part]) -> str:
    """Markdown, formulas between dollar signs."""
    blocks = [f"# {_escaped(title)}"]
    for part in parts:
        if part.heading:
            blocks.append(f"## {_escaped(part.heading)}")
        blocks += [_escaped(sentence) for sentence in part.sentences]
        if part.formulas:
            lines = " \\\\\n".join(part.formulas)
            blocks.append(f"$$\\begin{{aligned}}\n{lines}\n\\end{{aligned}}$$")
        if part.table and part.table.rows:
            rows = [part.table.header, ["---"] * len(part.table.header), *part.table.rows]
            escaped = [
                row if number == 1 else [_escaped(cell) for cell in row] for number, row in enumerate(rows)
            ]
            blocks.append("\n".join(f"| {' | '.join(row)} |" for row in escaped))
    return "\n\n".join(blocks) + "\n"


def _text(title: str, parts: Sequence[Part]) -> str:
    """Plain text for a terminal."""
    blocks = [title]
    for part in parts:
        if part.heading:
            blocks.append(f"{part.heading}\n{'-' * _width(part.heading)}")
        blocks += list(part.sentences)
        blocks += [f"    {plain(formula.replace('&=', '='))}" for formula in part.formulas]
        if part.table and part.table.rows:
            blocks.append(_columns(part.table))
    return "\n\n".join(blocks) + "\n"


def _tabular(found: Table) -> str:
    every = (found.header, *found.rows)
    widths = [max(_width(row[column]) for row in every) for column in range(len(found.header))]
    columns, size = f"l{'r' * (len(found.header) - 1)}", ""
    if sum(widths) > _LINE:
        # Cells of long columns break; these share what the short ones leave of the line.
        long = [width if width > _SHORT else 0 for width in widths]
        left = max(0.3, 0.95 - (sum(widths) - sum(long)) / _SMALL_LINE)
        columns = "".join(
            rf"p{{{left * width / sum(long):.3f}\linewidth}}" if width else column
            for width, column in zip(long, columns, strict=True)
        )
        size = "\\footnotesize\\setlength{\\tabcolsep}{2pt}\n"
    rows = [" & ".join(tex_escape(cell) for cell in row) for row in every]
    body = " \\\\\n".join([f"{rows[0]} \\\\ \\hline", *rows[1:]]).replace("\\hline \\\\", "\\hline")
    return (
        f"\\begin{{center}}\n{size}\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n\\end{{center}}"
    )


def _columns(found: Table) -> str:
    rows = [found.header, *found.rows]
    widths = [max(_width(row[column]) for row in rows) for column in range(len(found.header))]
    lines = []
    for row in rows:
        cells = [
            cell + " " * (width - _width(cell)) if number == 0 else " " * (width - _width(cell)) + cell
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _width(text: str) -> int:
    """Columns of a terminal: Chinese signs take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _escaped(text: str) -> str:
    for sign in _SIGNS:
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
