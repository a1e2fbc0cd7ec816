"""Shows a Derivation: forward, the δ recursion and the gradients, in both forms, with their errors."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deltarule.autodiff.formula.latex import latex_lines
from deltarule.explain.derivations.derivation import Derivation, Statement
from deltarule.explain.derivations.program import program_of
from deltarule.report.document import document, section, table
from deltarule.report.legend import legend
from deltarule.report.markup import Markup, joined, tag
from deltarule.report.numbers import figure
from deltarule.report.typesetting.mathml import mathml
from deltarule.report.typesetting.notation import in_language
from deltarule.report.typesetting.plain import plain
from deltarule.report.typesetting.tex import tex_document, tex_equations, tex_escape
from deltarule.report.words import Words

# Sizes of letters in LaTeX, with how many of one width fit on a line.
_SIZES = (("normalsize", 88), ("small", 97), ("footnotesize", 110), ("scriptsize", 124), ("tiny", 175))


def parts(derivation: Derivation) -> list[tuple[str, Sequence[Statement]]]:
    """(key of the heading, statements) of the three parts."""
    return [
        ("derivation.forward", derivation.forward),
        ("derivation.errors", derivation.errors),
        ("derivation.gradients", derivation.gradients),
    ]


def lines_of(derivation: Derivation, statement: Statement, words: Words, *, matrix: bool) -> list[str]:
    """A statement as lines of LaTeX, its words in the language of the report."""
    lines = statement.written if matrix else statement.index
    return [in_language(line, words) for line in latex_lines(lines, matrix=matrix, names=derivation.names)]


def forms_of(derivation: Derivation, statement: Statement, words: Words) -> list[list[str]]:
    """A statement in index form and in matrix form; of single numbers, in the one form that they have."""
    index, matrix = (lines_of(derivation, statement, words, matrix=matrix) for matrix in (False, True))
    return [index] if index == matrix else [index, matrix]


def _forms(derivation: Derivation, words: Words) -> list[tuple[str, bool]]:
    """(title, whether it is the matrix form) of each form; what is of numbers alone has one."""
    has_arrays = any(len(forms_of(derivation, each, words)) > 1 for each in derivation.statements)
    forms = [(words("derivation.index_form"), False), (words("derivation.matrix_form"), True)]
    return forms if has_arrays else forms[:1]


def formulas(derivation: Derivation) -> list[str]:
    """Errors and gradients in matrix form, aligned at the equals sign."""
    words = Words()
    return [
        _aligned(line)
        for statement in derivation.backward
        for line in lines_of(derivation, statement, words, matrix=True)
    ]


def _aligned(line: str) -> str:
    return line.replace(" = ", " &= ", 1)


def _error(statement: Statement, words: Words) -> str:
    found = [each for each in (statement.index_error, statement.matrix_error) if each is not None]
    if statement.value is None or not found:
        return words("derivation.not_compared")
    return figure(max(found))


def html(derivation: Derivation, words: Words) -> str:
    """A page of formulas, without a script."""
    sections: list[Markup] = [joined(*(tag("p", sentence) for sentence in _said(derivation, words)))]
    for heading, statements in parts(derivation):
        if statements:
            sections.append(section(words(heading), _equations(derivation, statements, words)))
    rows = [(mathml(row.latex), row.meaning, row.shape, row.name) for row in legend(derivation, words)]
    heads = ("derivation.symbol", "derivation.meaning", "derivation.shape", "derivation.name")
    sections.append(section(words("derivation.legend"), table([words(each) for each in heads], rows)))
    program = tag("pre", tag("code", str(program_of(derivation))))
    sections.append(section(words("derivation.program"), program))
    return document(words("derivation.title"), *sections, words=words)


def _equations(derivation: Derivation, statements: Sequence[Statement], words: Words) -> Markup:
    forms = _forms(derivation, words)
    rows = []
    for statement in statements:
        written = [lines_of(derivation, statement, words, matrix=matrix) for _, matrix in forms]
        cells = [joined(*(mathml(line, display=True) for line in lines)) for lines in written]
        rows.append((*cells, _error(statement, words)))
    return table([*(title for title, _ in forms), words("derivation.error")], rows)


def _said(derivation: Derivation, words: Words) -> list[str]:
    """What stands above the formulas: how they were checked, and how arrays are written if there are any."""
    checked = words("derivation.checked", error=figure(derivation.largest_error))
    return [checked, words("derivation.rows")] if len(_forms(derivation, words)) > 1 else [checked]


def latex(derivation: Derivation, words: Words) -> str:
    """A document with both forms of every statement, the symbols and the program."""
    return tex_document(words("derivation.title"), *tex_parts(derivation, words), words=words)


def tex_parts(derivation: Derivation, words: Words) -> list[str]:
    """The body of the LaTeX document."""
    pieces = [tex_escape(sentence) for sentence in _said(derivation, words)]
    forms = _forms(derivation, words)
    for heading, statements in parts(derivation):
        if not statements:
            continue
        pieces.append(rf"\section*{{{tex_escape(words(heading))}}}")
        for title, matrix in forms:
            lines = [
                _aligned(line)
                for each in statements
                for line in lines_of(derivation, each, words, matrix=matrix)
            ]
            if len(forms) > 1:
                pieces.append(rf"\subsection*{{{tex_escape(title)}}}")
            pieces.append(tex_equations(lines))
    pieces.append(rf"\section*{{{tex_escape(words('derivation.legend'))}}}")
    rows = [
        rf"\item ${row.latex}$: {tex_escape(', '.join(filter(None, (row.meaning, row.shape, row.name))))}"
        for row in legend(derivation, words)
    ]
    pieces.append("\n".join((r"\begin{itemize}", *rows, r"\end{itemize}")))
    pieces.append(rf"\section*{{{tex_escape(words('derivation.program'))}}}")
    pieces.append(_verbatim(str(program_of(derivation)).rstrip()))
    return pieces


def _verbatim(code: str) -> str:
    """Lines of code, in the largest letters in which the longest one fits on the page."""
    longest = max(map(len, code.splitlines()))
    size = next((name for name, most in _SIZES if longest <= most), _SIZES[-1][0])
    return f"{{\\{size}\n\\begin{{verbatim}}\n{code}\n\\end{{verbatim}}\n}}"


def markdown(derivation: Derivation, words: Words, *, level: int = 1) -> str:
    """Formulas between dollar signs, which renderers of Markdown typeset."""
    head = "#" * level
    pieces = [f"{head} {words('derivation.title')}", *_said(derivation, words)]
    for heading, statements in parts(derivation):
        if not statements:
            continue
        pieces.append(f"{head}# {words(heading)}")
        for statement in statements:
            written = forms_of(derivation, statement, words)
            pieces += [f"$$\n{line}\n$$" for lines in written for line in lines]
            pieces.append(f"{words('derivation.error')}: {_error(statement, words)}")
    pieces.append(f"{head}# {words('derivation.legend')}")
    heads = ("derivation.symbol", "derivation.meaning", "derivation.shape", "derivation.name")
    rows = [f"| {' | '.join(words(each) for each in heads)} |", "| --- | --- | --- | --- |"]
    for row in legend(derivation, words):
        described = (_plain_in_table(each) for each in (row.meaning, row.shape, row.name))
        cells = (f"${_in_table(row.latex)}$", *described)
        rows.append(f"| {' | '.join(cells)} |")
    pieces.append("\n".join(rows))
    pieces.append(f"{head}# {words('derivation.program')}")
    pieces.append(f"```python\n{program_of(derivation)}```")
    return "\n\n".join(pieces) + "\n"


def _in_table(text: str) -> str:
    """A formula that does not end its cell."""
    return text.replace("|", r"\|").replace("\n", " ")


def _plain_in_table(text: str) -> str:
    """Text that Markdown takes as it is: no link, no HTML, no end of its cell."""
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", " ".join(text.split()))
    return escaped.replace("<", "&lt;")


def text(derivation: Derivation, words: Words) -> str:
    """Formulas in Unicode, one a line, with their errors behind."""
    lines = _said(derivation, words)[:1]
    for heading, statements in parts(derivation):
        if not statements:
            continue
        lines += ["", words(heading)]
        rows = []
        for statement in statements:
            written = [plain(line) for line in lines_of(derivation, statement, words, matrix=True)]
            error = _error(statement, words) if statement.value is not None else ""
            rows += [(line, "") for line in written[:-1]] + [(written[-1], error)]
        width = max((len(row[0]) for row in rows if len(row[0]) <= 80), default=0)
        lines += [f"  {row[0]:<{width}}   {row[1]}".rstrip() for row in rows]
    return "\n".join(lines) + "\n"
