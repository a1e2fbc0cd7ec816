"""Plain text: a formula in one line of Unicode, for terminals."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

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
from deltarule.report.typesetting.notation import read

_ABOVE = dict(
    zip(
        "0123456789+−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWαβγδεθφχ",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵅᵝᵞᵟᵋᶿᵠᵡ",
        strict=True,
    )
)
_BELOW = dict(
    zip("0123456789+−=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True)
)
_COMBINING = {"^": "\u0302", "~": "\u0303", "¯": "\u0304", "˙": "\u0307", "¨": "\u0308", "→": "\u20d7"}
_ACCENT_NAMES = {"^": "hat", "~": "tilde", "¯": "bar", "˙": "dot", "¨": "ddot", "→": "vec"}
_DOUBLE = dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True))


def plain(latex: str) -> str:
    """A formula as one line of text. Raises AssertionError for a command that our formulas do not use.

    A superscript or subscript is raised or lowered where Unicode has all its characters; else an index
    stands in brackets, an exponent behind ^. Products are written side by side.

    >>> plain(r"\\frac{\\partial L}{\\partial W^{(1)}} = {\\delta^{(1)}}^{\\mathsf{T}} \\, x")
    '∂L/∂W⁽¹⁾ = δ⁽¹⁾ᵀ x'
    >>> plain(r"y_{i, 0} = \\sum_{k} w_{ik} \\, \\frac{x_{k}}{1 + e^{-x_{k}}}")
    'y[i,0] = Σₖ wᵢₖ xₖ/(1 + exp(−xₖ))'
    """
    text = re.sub(r"(?<=\S)  ?(?=\S)", " ", _write(read(latex))).strip()
    return unicodedata.normalize("NFC", text)


def _write(part: Part | None) -> str:
    return "" if part is None else _WRITERS[type(part)](part)


def _atom(atom: Atom) -> str:
    if atom.kind in ("binary", "relation"):
        return f" {atom.text} "
    if atom.kind == "comma":
        return f"{atom.text} "
    return {"∑": "Σ", "∏": "Π"}.get(atom.text, atom.text)


def _word(word: Word) -> str:
    return _DOUBLE.get(word.text, word.text) if word.style == "double" else word.text


def _space(space: Space) -> str:
    return "" if not space.width else "   " if space.width >= 1 else " "


def _row(row: Row) -> str:
    written = ""
    for position, part in enumerate(row.parts):
        text = _write(part)
        following = row.parts[position + 1] if position + 1 < len(row.parts) else None
        if _is_fraction(part) and _is_factor(row.parts[position + 1 :]):
            text = f"({text})"
        if following is not None and _takes_operand(part, following):
            text += " "
        written += text
    return written


def _takes_operand(part: Part, following: Part) -> bool:
    """Whether a space stands between the two: behind ln and Σ, but not before the brackets of ln(...)."""
    if isinstance(following, Fence) and not _is_large(part):
        return False
    return _is_name(part) and not _is_sign(following)


def _is_factor(following: tuple[Part, ...]) -> bool:
    """Whether what follows multiplies: a slash before it would reach too far."""
    if following and isinstance(following[0], Space) and following[0].width < 1:
        following = following[1:]
    return bool(following) and not _is_sign(following[0]) and not isinstance(following[0], Space)


def _is_sign(part: Part | None) -> bool:
    kinds = ("binary", "relation", "comma", "closing", "bar")
    return isinstance(part, Atom) and part.kind in kinds


def _is_fraction(part: Part) -> bool:
    return _is_fraction(part.body) if isinstance(part, Marked) else isinstance(part, Fraction)


def _bare(part: Part) -> Part:
    """A part without its marks and scripts."""
    while isinstance(part, (Scripts, Marked)):
        part = part.base if isinstance(part, Scripts) else part.body
    return part


def _is_large(part: Part) -> bool:
    part = _bare(part)
    return isinstance(part, Atom) and part.kind == "large"


def _is_name(part: Part) -> bool:
    return isinstance(_bare(part), Name) or _is_large(part)


def _scripts(scripts: Scripts) -> str:
    base = _write(scripts.base)
    if _is_fraction(scripts.base) or (isinstance(scripts.base, Row) and " " in base):
        base = f"({base})"
    if base == "e" and scripts.below is None:
        raised = _raised(scripts.above)
        return f"e{raised}" if not raised.startswith("^") else f"exp({_write(scripts.above).strip()})"
    above, below = _raised(scripts.above), _lowered(scripts.below)
    # A power stands last; what belongs to the name, as in W⁽¹⁾, stands next to it.
    power = (isinstance(scripts.above, Atom) and scripts.above.kind in ("number", "letter")) or (
        isinstance(scripts.above, Word) and scripts.above.style == "sans"
    )
    return f"{base}{below}{above}" if power or above.startswith("^") else f"{base}{above}{below}"


def _compact(part: Part) -> str:
    return re.sub(r"\s+", "", _write(part))


def _raised(part: Part | None) -> str:
    if part is None:
        return ""
    text = _compact(part)
    if text.strip("′") == "":
        return text
    if all(character in _ABOVE for character in text):
        return "".join(_ABOVE[character] for character in text)
    alone = len(text) == 1 or re.fullmatch(r"⊙\d", text)
    return f"^{text}" if alone else f"^({_write(part).strip()})"


def _lowered(part: Part | None) -> str:
    if part is None:
        return ""
    text = _compact(part)
    if all(character in _BELOW for character in text):
        return "".join(_BELOW[character] for character in text)
    # Indices that stand side by side are told apart by commas.
    if isinstance(part, Row) and all(isinstance(each, Atom) and each.kind == "letter" for each in part.parts):
        text = ",".join(text)
    return text if text[:1] == "[" and text[-1:] == "]" else f"[{text}]"


def _fraction(fraction: Fraction) -> str:
    top, bottom = _write(fraction.top).strip(), _write(fraction.bottom).strip()
    if _needs_brackets(fraction.top):
        top = f"({top})"
    partial = bottom.startswith("∂") and " " not in bottom
    if not partial and (isinstance(fraction.bottom, Row) or _needs_brackets(fraction.bottom)):
        bottom = f"({bottom})"
    return f"{top}/{bottom}"


def _needs_brackets(part: Part) -> bool:
    """Whether a part, left of a slash, would fall apart."""
    if isinstance(part, Marked):
        return _needs_brackets(part.body)
    if isinstance(part, Row):
        # A function with its brackets holds together.
        pairs = zip(part.parts, (*part.parts[1:], None), strict=True)
        return any(
            _needs_brackets(each)
            for each, following in pairs
            if not (_is_name(each) and not _is_large(each) and isinstance(following, Fence))
        )
    return (
        isinstance(part, (Fraction, Table))
        or _is_name(part)
        or (isinstance(part, Atom) and part.kind in ("binary", "relation"))
    )


def _root(root: Root) -> str:
    body = _write(root.body).strip()
    sign = f"{_raised(root.degree)}√"
    return f"{sign}({body})" if isinstance(root.body, (Row, Fraction)) else f"{sign}{body}"


def _fence(fence: Fence) -> str:
    return f"{fence.left}{_write(fence.body).strip()}{fence.right}"


def _accent(accent: Accent) -> str:
    body = _write(accent.body)
    if len(body) == 1:
        return f"{body}{_COMBINING[accent.sign]}"
    return f"{_ACCENT_NAMES[accent.sign]}({body})"


def _stacked(stacked: Stacked) -> str:
    return f"{_write(stacked.body)} ({_write(stacked.note).strip()})"


def _table(table: Table) -> str:
    between = {"aligned": "", "cases": " "}.get(table.kind, ", ")
    text = "; ".join(between.join(_write(cell) for cell in row).strip() for row in table.rows)
    return f"{{{text}}}" if table.kind == "cases" else text


def _marked(marked: Marked) -> str:
    return _write(marked.body)


_WRITERS: dict[type, Any] = {
    Accent: _accent,
    Atom: _atom,
    Fence: _fence,
    Fraction: _fraction,
    Marked: _marked,
    Name: lambda name: name.text,
    Root: _root,
    Row: _row,
    Scripts: _scripts,
    Space: _space,
    Stacked: _stacked,
    Table: _table,
    Word: _word,
}
