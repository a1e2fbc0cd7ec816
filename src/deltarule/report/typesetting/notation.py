"""Notation: reads the LaTeX that formulas are written in into a small tree, for MathML and plain text.

It knows the commands that deltarule's own formulas use, no more: anything else is a mistake of ours and
raises AssertionError. One command is not LaTeX's: `\\ref{KEY}{part}` marks a part of a formula, so that a
page can light it up with the number, node or line of the same key; `unmarked` takes the marks out again.
"""

from __future__ import annotations

import re

from deltarule.report.typesetting.formula_tree import (
    Accent,
    Atom,
    Fence,
    Fraction,
    Marked,
    Name,
    Part,
    Root,
    Row,
    Scripts,
    Space,
    Stacked,
    Table,
    Word,
)
from deltarule.report.typesetting.signs import (
    ACCENTS,
    BINARY,
    CLOSING,
    DELIMITERS,
    ENVIRONMENTS,
    LARGE,
    LETTERS,
    LIMITED,
    NAMED,
    OPENING,
    PREFIXES,
    RELATIONS,
    SPACES,
    STYLES,
)
from deltarule.report.words import Words

_RELATION_SIGNS = "=<>:"
_MATCHING = {"pmatrix": ("(", ")"), "bmatrix": ("[", "]"), "vmatrix": ("|", "|")}
_TOKEN = re.compile(r"\\([A-Za-z]+|.)|\s+|(\d+(?:\.\d+)?)|(.)", re.DOTALL)
_WORDS = ("if", "otherwise", "descending", "initial", "reverse")
_KEY = re.compile(r"[A-Za-z0-9_.-]+")


def read(latex: str) -> Part:
    """The tree of a formula. Lines aligned at & become a table, one such line just a row.

    >>> read("x_i").base
    Atom(kind='letter', text='x')
    """
    reader = _Reader(latex)
    rows = reader.rows()
    reader.wanted("")
    if len(rows) == 1:
        parts = [part for cell in rows[0] for part in (cell.parts if isinstance(cell, Row) else (cell,))]
        return _row(parts)
    return Table("aligned", rows)


def in_language(latex: str, words: Words) -> str:
    """The same formula with its words, such as "if" and "otherwise", in the language of a report.

    >>> in_language(r"0 & \\text{otherwise}", Words("zh"))
    '0 & \\\\text{其他情况}'
    """
    if words.language == "en":
        return latex
    return re.sub(
        r"\\text\{([a-z]+)( ?)\}",
        lambda match: (
            rf"\text{{{words('formula.' + match[1])}{match[2]}}}" if match[1] in _WORDS else match[0]
        ),
        latex,
    )


def unmarked(latex: str) -> str:
    """The same formula without marks, as LaTeX proper.

    >>> unmarked(r"\\ref{layer1.weight}{W}^{2} + \\ref{b}{b + \\ref{c}{c}}")
    '{W}^{2} + b + c'
    """
    place = latex.find(r"\ref{")
    while place >= 0:
        key_end = latex.index("}", place)
        start = key_end + 2
        end = _closing_brace(latex, start)
        inner, before, after = latex[start:end], latex[:place], latex[end + 1 :]
        # Braces hold together what takes a script or is one; elsewhere they would change the spacing.
        large = inner.lstrip("\\") in (*LARGE, *LIMITED)
        if (after[:1] in ("^", "_") and not large) or before[-1:] in ("^", "_"):
            inner = f"{{{inner}}}"
        elif re.search(r"\\[A-Za-z]+$", inner) and after[:1].isalpha():
            inner += " "
        latex = before + inner + after
        place = latex.find(r"\ref{", place)
    return latex


def _closing_brace(latex: str, start: int) -> int:
    depth = 1
    for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(latex, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    raise AssertionError(f"formula without its closing brace: {latex}")


def _row(parts: list[Part]) -> Part:
    return parts[0] if len(parts) == 1 else Row(tuple(parts))


class _Reader:
    """Reads tokens from left to right; each method reads one construct and stands behind it."""

    def __init__(self, latex: str):
        self.latex = latex
        self.place = 0

    def token(self) -> str:
        """The next token, not taken: a command with its backslash, a number, a character, or ""."""
        while match := _TOKEN.match(self.latex, self.place):
            if not match[0].isspace():
                return match[0]
            self.place = match.end()
        return ""

    def take(self) -> str:
        token = self.token()
        self.place += len(token)
        return token

    def wanted(self, token: str) -> None:
        found = self.take()
        assert found == token, (
            f"expected {token or 'the end'}, got {found or 'the end'} in formula {self.latex}"
        )

    def rows(self) -> tuple[tuple[Part, ...], ...]:
        """Cells and lines up to something that ends a group."""
        rows: list[tuple[Part, ...]] = []
        cells = [self.sequence()]
        while self.token() in ("&", r"\\"):
            if self.take() == "&":
                cells.append(self.sequence())
            else:
                rows.append(tuple(cells))
                cells = [self.sequence()]
        if not rows or cells != [Row(())]:
            rows.append(tuple(cells))
        return tuple(rows)

    def sequence(self) -> Part:
        parts: list[Part] = []
        while (token := self.token()) not in ("", "}", "]", "&", r"\\", r"\right", r"\end") or (
            token == "]" and not self.in_option
        ):
            if token in ("^", "_", "'"):
                base = parts.pop() if parts else Row(())
                parts.append(self.scripts(base))
            else:
                parts.append(self.part(parts))
        return _row(parts)

    in_option = False

    def scripts(self, base: Part) -> Part:
        below: Part | None = None
        above: Part | None = None
        primes = ""
        while self.token() in ("^", "_", "'"):
            sign = self.take()
            if sign == "'":
                primes += "′"
            elif sign == "_":
                assert below is None, f"two subscripts in formula {self.latex}"
                below = self.argument()
            else:
                assert above is None, f"two exponents in formula {self.latex}"
                above = self.argument()
        if primes:
            sign = Atom("letter", primes)
            above = sign if above is None else Row((sign, above))
        if isinstance(base, Stacked) and base.brace and base.note == Row(()):
            note = above if base.above else below
            return Stacked(base.body, note or Row(()), base.above, True)
        return Scripts(base, below, above)

    def argument(self) -> Part:
        if self.token() != "{":
            return self.part([])
        self.take()
        body = self.sequence_in(False)
        self.wanted("}")
        return body

    def sequence_in(self, option: bool) -> Part:
        """What stands between braces, or between the brackets of an option."""
        outer, self.in_option = self.in_option, option
        body = self.sequence()
        self.in_option = outer
        return body

    def part(self, before: list[Part]) -> Part:
        token = self.token()
        if token == "{":
            return self.argument()
        self.take()
        if token.startswith("\\"):
            return self.command(token[1:])
        return self.character(token, before)

    def character(self, token: str, before: list[Part]) -> Part:
        if token[0].isdigit():
            return Atom("number", token)
        if token == "-" and self.latex.startswith(">", self.place):
            self.take()
            return Atom("relation", "→")
        if token in "+-*/":
            sign = {"-": "−", "*": "∗"}.get(token, token)
            return Atom("prefix" if _starts_operand(before) and token in "+-" else "binary", sign)
        if token in _RELATION_SIGNS:
            return Atom("relation", token)
        if token in OPENING:
            return Atom("opening", token)
        if token in CLOSING:
            return Atom("closing", token)
        if token in ",;":
            return Atom("comma", token)
        if token == "|":
            return Atom("bar", token)
        assert token not in "$#%~^_&}" and token.isprintable(), f"{token!r} in formula {self.latex}"
        if token.isalnum() or token in '.!?@"`' or ord(token) > 127:
            return Atom("letter", token)
        raise AssertionError(f"{token!r} in formula {self.latex}")

    def command(self, name: str) -> Part:
        if name in LETTERS:
            return Atom("letter", LETTERS[name])
        if name in BINARY:
            return Atom("binary", BINARY[name])
        if name in RELATIONS:
            return Atom("relation", RELATIONS[name])
        if name in PREFIXES:
            return Atom("prefix", PREFIXES[name])
        if name in LARGE:
            return Atom("large", LARGE[name])
        if name in LIMITED:
            return Name(name, limited=True)
        if name in NAMED:
            return Name(name)
        if name in SPACES:
            return Space(SPACES[name])
        if name in DELIMITERS:
            sign = DELIMITERS[name]
            opening = sign in OPENING or name in ("lVert", "lvert")
            closing = sign in CLOSING or name in ("rVert", "rvert")
            return Atom("opening" if opening else "closing" if closing else "bar", sign)
        if name in "_%$&#":
            return Atom("letter", name)
        if name in ACCENTS:
            return Accent(ACCENTS[name], self.argument())
        if name in STYLES:
            return self.styled(STYLES[name])
        if name in ("text", "textrm"):
            return Word(self.letters(), "text")
        if name == "operatorname":
            limited = self.token() == "*"
            if limited:
                self.take()
            return Name(self.letters(), limited)
        if name in ("frac", "tfrac", "dfrac"):
            return Fraction(self.argument(), self.argument(), small=name == "tfrac")
        if name == "sqrt":
            return self.root()
        if name == "left":
            return self.fence()
        if name == "begin":
            return self.environment()
        if name == "ref":
            key = self.letters()
            assert _KEY.fullmatch(key), f"{key!r} is no key of a mark, in formula {self.latex}"
            return Marked(key, self.argument())
        if name in ("underbrace", "overbrace"):
            return Stacked(self.argument(), Row(()), above=name == "overbrace", brace=True)
        if name in ("overset", "underset"):
            note = self.argument()
            return Stacked(self.argument(), note, above=name == "overset", brace=False)
        if name in ("mathbin", "mathrel", "mathord"):
            return self.classed({"mathbin": "binary", "mathrel": "relation", "mathord": "prefix"}[name])
        if name in ("displaystyle", "textstyle", "limits"):
            return Space(0.0)
        raise AssertionError(f"report: no such command: \\{name} in formula {self.latex}")

    def styled(self, style: str) -> Part:
        """Letters in a style. A single sign of another kind stays what it is, as in \\mathbf{\\theta}."""
        place = self.place
        self.wanted("{")
        inner = self.latex[self.place : _closing_brace(self.latex, self.place)]
        if re.fullmatch(r"\s*\\[A-Za-z]+\s*", inner) and inner.strip()[1:] in LETTERS:
            self.place = place
            body = self.argument()
            assert isinstance(body, Atom)
            return Word(body.text, style)
        self.place = place
        return Word(self.letters(), style)

    def letters(self) -> str:
        """A group read as text: spaces count, special characters stand behind a backslash."""
        self.wanted("{")
        end = _closing_brace(self.latex, self.place)
        inner = self.latex[self.place : end]
        self.place = end + 1
        inner = inner.replace(r"\hat{}", "^").replace(r"\sim{}", "~").replace(r"\textbackslash{}", "\\")
        inner = inner.replace(r"\textasciicircum{}", "^").replace(r"\textasciitilde{}", "~")
        inner = re.sub(r"\\[,;: ]", " ", inner)
        return re.sub(r"\\([_%$&#{}])", r"\1", inner)

    def root(self) -> Part:
        degree = None
        if self.token() == "[":
            self.take()
            degree = self.sequence_in(True)
            self.wanted("]")
        return Root(self.argument(), degree)

    def delimiter(self) -> str:
        token = self.take()
        if token == ".":
            return ""
        if token.startswith("\\"):
            assert token[1:] in DELIMITERS, f"{token} is no delimiter, in formula {self.latex}"
            return DELIMITERS[token[1:]]
        assert token in ("(", ")", "[", "]", "|", "/", "<", ">"), f"{token!r} is no delimiter in {self.latex}"
        return {"<": "⟨", ">": "⟩"}.get(token, token)

    def fence(self) -> Part:
        left = self.delimiter()
        body = self.sequence_in(False)
        self.wanted(r"\right")
        return Fence(left, body, self.delimiter())

    def environment(self) -> Part:
        kind = self.letters()
        assert kind in ENVIRONMENTS, f"no such environment: {kind} in formula {self.latex}"
        outer, self.in_option = self.in_option, False
        table = Table(kind, self.rows())
        self.in_option = outer
        self.wanted(r"\end")
        assert self.letters() == kind, f"{kind} has another end in formula {self.latex}"
        left, right = _MATCHING.get(kind, ("", ""))
        return Fence(left, table, right) if left else table

    def classed(self, kind: str) -> Part:
        body = self.argument()
        assert isinstance(body, Atom), f"a class for more than one sign in formula {self.latex}"
        return Atom(kind, body.text)


def _starts_operand(before: list[Part]) -> bool:
    """Whether a sign behind these parts stands before its operand: the minus of −x."""
    solid = [part for part in before if not isinstance(part, Space)]
    if not solid:
        return True
    last = solid[-1]
    return isinstance(last, Atom) and last.kind in ("binary", "relation", "prefix", "opening", "comma")
