"""MathML: formulas that browsers set by themselves, from the LaTeX of our writer.

Only elements of MathML Core, so that every current browser shows the same.
"""

from __future__ import annotations

from typing import Any

from deltarule.report.markup import Markup, tag
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
from deltarule.report.typesetting.notation import read, unmarked

__all__ = ["mathml", "unmarked"]

_STYLES = {
    "italic": "font-style:italic",
    "sans": "font-family:sans-serif",
    "bold": "font-weight:bold",
    "code": "font-family:monospace",
}
_DOUBLE = dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True))
_THIN = 1 / 6


def mathml(latex: str, *, display: bool = False) -> Markup:
    """A formula as MathML, its marked parts as <mrow data-ref="KEY">.

    latex     what `latex`, `latex_lines` and the rows of operations write, and `\\ref{KEY}{part}`
    display   on a line of its own, limits below the sums

    Raises AssertionError for a command that our formulas do not use.

    >>> mathml(r"x^{2}")
    '<math><msup><mi>x</mi><mn>2</mn></msup></math>'
    >>> mathml(r"\\ref{loss}{L}")
    '<math><mrow data-ref="loss"><mi>L</mi></mrow></math>'
    """
    return tag("math", _write(read(latex)), display="block" if display else None)


def _write(part: Part) -> Markup:
    return _WRITERS[type(part)](part)


def _atom(atom: Atom) -> Markup:
    kind, text = atom.kind, atom.text
    if kind == "letter":
        return tag("mi", text, mathvariant="normal" if text in "∞…⋯⋮⋱′″∅∇" else None)
    if kind == "number":
        return tag("mn", text)
    if kind == "large":
        return tag("mo", text, movablelimits="true", form="prefix")
    if kind in ("opening", "closing", "bar"):
        form = {"opening": "prefix", "closing": "postfix"}.get(kind)
        return tag("mo", text, stretchy="false", form=form, lspace="0", rspace="0")
    if kind == "prefix":
        return tag("mo", text, form="prefix", lspace="0", rspace="0")
    if kind == "comma":
        return tag("mo", text, lspace="0", rspace=f"{_THIN:.4f}em")
    # TeX's medium space about binary signs, its thick space about relations.
    room = f"{(2 / 9 if kind == 'binary' else 5 / 18):.4f}em"
    return tag("mo", text, form="infix", lspace=room, rspace=room)


def _name(name: Name) -> Markup:
    if name.limited:
        return tag("mo", name.text, movablelimits="true", form="prefix", lspace="0", rspace="0")
    return tag("mi", name.text, mathvariant="normal" if len(name.text) == 1 else None)


def _word(word: Word) -> Markup:
    if word.style == "text":
        # A space at the end of <mtext> is dropped where it stands, a hard one is not.
        return tag("mtext", word.text.replace(" ", "\N{NO-BREAK SPACE}"))
    if word.style == "double" and word.text in _DOUBLE:
        return tag("mi", _DOUBLE[word.text])
    element = "mn" if word.text.isdigit() else "mi"
    style = None if word.style == "italic" and len(word.text) == 1 else _STYLES.get(word.style)
    upright = element == "mi" and len(word.text) == 1 and word.style != "italic"
    return tag(element, word.text, mathvariant="normal" if upright else None, style=style)


def _space(space: Space) -> Markup:
    return tag("mspace", width=f"{space.width:.4f}em") if space.width else Markup("")


def _row(row: Row) -> Markup:
    return tag("mrow", *_spaced(row.parts))


def _spaced(parts: tuple[Part, ...]) -> list[Markup]:
    """The parts, with a thin space between a function's name and a letter or number beside it."""
    written: list[Markup] = []
    for position, part in enumerate(parts):
        previous = parts[position - 1] if position else None
        if previous is not None and (
            (_is_name(previous) and _is_operand(part))
            or (_is_name(part) and (_is_operand(previous) or isinstance(previous, Fence)))
        ):
            written.append(_space(Space(_THIN)))
        written.append(_write(part))
    return written


def _is_name(part: Part) -> bool:
    while isinstance(part, (Scripts, Marked)):
        part = part.base if isinstance(part, Scripts) else part.body
    return isinstance(part, Name)


def _is_operand(part: Part) -> bool:
    while isinstance(part, (Scripts, Marked)):
        part = part.base if isinstance(part, Scripts) else part.body
    if isinstance(part, Atom):
        return part.kind in ("letter", "number", "large")
    return isinstance(part, (Name, Fraction, Root, Accent, Table, Row)) or (
        isinstance(part, Word) and part.style != "text"
    )


def _scripts(scripts: Scripts) -> Markup:
    parts = [_write(each) for each in (scripts.base, scripts.below, scripts.above) if each is not None]
    under, over, both = ("munder", "mover", "munderover") if _limited(scripts.base) else _BESIDE
    return tag(over if scripts.below is None else under if scripts.above is None else both, *parts)


_BESIDE = ("msub", "msup", "msubsup")


def _limited(part: Part) -> bool:
    if isinstance(part, Marked):
        return _limited(part.body)
    return part.limited if isinstance(part, Name) else isinstance(part, Atom) and part.kind == "large"


def _fraction(fraction: Fraction) -> Markup:
    written = tag("mfrac", _write(fraction.top), _write(fraction.bottom))
    return tag("mstyle", written, displaystyle="false", scriptlevel="+1") if fraction.small else written


def _root(root: Root) -> Markup:
    if root.degree is None:
        return tag("msqrt", _write(root.body))
    return tag("mroot", _write(root.body), _write(root.degree))


def _fence(fence: Fence) -> Markup:
    tall = _is_tall(fence.body)
    left, right = _delimiter(fence.left, "prefix", tall), _delimiter(fence.right, "postfix", tall)
    return tag("mrow", left, _write(fence.body), right)


def _delimiter(sign: str, form: str, tall: bool) -> Markup | None:
    # Browsers leave room for the widest size of a sign that may grow, so only those that must grow may.
    stretchy = "true" if tall else "false"
    return tag("mo", sign, stretchy=stretchy, form=form, lspace="0", rspace="0") if sign else None


def _is_tall(part: Part | None) -> bool:
    """Whether a part is higher than a line: brackets about it have to grow."""
    if isinstance(part, (Fraction, Table, Root, Stacked)):
        return True
    if isinstance(part, Row):
        return any(_is_tall(each) for each in part.parts)
    if isinstance(part, Scripts):
        return _limited(part.base) or _is_tall(part.base)
    if isinstance(part, (Fence, Accent, Marked)):
        return _is_tall(part.body)
    return False


def _accent(accent: Accent) -> Markup:
    sign = tag("mo", accent.sign, stretchy="false")
    return tag("mover", _write(accent.body), sign, accent="true")


def _stacked(stacked: Stacked) -> Markup:
    element = "mover" if stacked.above else "munder"
    body = _write(stacked.body)
    if stacked.brace:
        body = tag(element, body, tag("mo", "⏞" if stacked.above else "⏟", stretchy="true"))
    return tag(element, body, _write(stacked.note))


def _table(table: Table) -> Markup:
    rows = [
        tag("mtr", *[tag("mtd", _write(cell), style=_cell_style(table, i)) for i, cell in enumerate(row)])
        for row in table.rows
    ]
    written = tag("mtable", *rows, displaystyle="true" if table.kind in ("aligned", "cases") else None)
    return tag("mrow", _delimiter("{", "prefix", tall=True), written) if table.kind == "cases" else written


def _cell_style(table: Table, column: int) -> str | None:
    if table.kind == "aligned":
        side = "right" if column % 2 == 0 else "left"
        # The second word reaches what Chromium lays out as a block inside the cell.
        return f"text-align:{side};text-align:-webkit-{side};padding:0.25em 0"
    if table.kind == "cases":
        return "text-align:left;padding:0.15em 0.5em 0.15em 0.2em"
    return None


def _marked(marked: Marked) -> Markup:
    return tag("mrow", _write(marked.body), data_ref=marked.key)


_WRITERS: dict[type, Any] = {
    Atom: _atom,
    Name: _name,
    Word: _word,
    Space: _space,
    Row: _row,
    Scripts: _scripts,
    Fraction: _fraction,
    Root: _root,
    Fence: _fence,
    Accent: _accent,
    Stacked: _stacked,
    Table: _table,
    Marked: _marked,
}
