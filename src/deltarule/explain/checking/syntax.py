"""Formulas of users as trees that remember their text: before it is known what shapes their symbols have.

Whether `δ W` is a product of matrices or of numbers is decided when the tree is bound to arrays
(`binding.py`); until then a small change of the tree is a small change of the formula (`corrections.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

Path = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Term:
    """A part of a formula.

    kind     number, name, element (name with indices), slice, add, subtract, product, divide, power,
             negative, transpose, call, over (a sum over indices), compare
    parts    operands; the indices of an element; the body of a sum
    text     the name, the function, the comparison; of a product its sign: "" (side by side), "·", "×",
             "*" (Hadamard) or "@" (matrix product)
    value    of a number
    names    indices that a sum runs over
    options  of a call: axis, keepdims
    start    where the part begins and ends in the text
    """

    kind: str
    parts: tuple[Term, ...] = ()
    text: str = ""
    value: float = 0.0
    names: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    start: int = 0
    end: int = 0


def number(value: float) -> Term:
    """A constant."""
    return Term("number", value=float(value))


def name(text: str) -> Term:
    """A symbol."""
    return Term("name", text=text)


def product(left: Term, right: Term, sign: str = "") -> Term:
    """A product."""
    return Term("product", (left, right), sign, start=left.start, end=right.end)


def call(function: str, *parts: Term, **options: Any) -> Term:
    """A function."""
    return Term("call", parts, function, options=options)


def walk(term: Term, path: Path = ()) -> Iterator[tuple[Path, Term]]:
    """Every part with its path, the whole first; indices are not gone into."""
    yield path, term
    if term.kind != "element":
        for place, part in enumerate(term.parts):
            yield from walk(part, (*path, place))


def at(term: Term, path: Path) -> Term:
    """The part at a path."""
    for place in path:
        term = term.parts[place]
    return term


def replaced(term: Term, path: Path, part: Term) -> Term:
    """The same tree with another part at a path."""
    if not path:
        return part
    parts = list(term.parts)
    parts[path[0]] = replaced(parts[path[0]], path[1:], part)
    return replace(term, parts=tuple(parts))


def names_in(term: Term) -> set[str]:
    """Every symbol that a formula reads, indices not counted."""
    found = {term.text} if term.kind in ("name", "element") else set()
    if term.kind != "element":
        for part in term.parts:
            found |= names_in(part)
    return found


def indexed(term: Term) -> bool:
    """Whether the formula is in index form: with sums over indices, or elements."""
    own = term.kind in ("over", "element") or (term.kind, term.text) == ("call", "diag")
    return own or any(indexed(part) for part in term.parts)


_STRENGTH = {
    "add": 1, "subtract": 1, "negative": 2, "product": 3, "divide": 3, "over": 3, "power": 4,
    "transpose": 4,
}  # fmt: skip


def written(term: Term, place: int = 0) -> str:
    """A formula as text, in Unicode."""
    text = _written(term)
    return f"({text})" if _STRENGTH.get(term.kind, 5) < place else text


def _mixed(term: Term) -> bool:
    """Whether the left factor of a product of matrices goes element by element, so that it needs brackets."""
    left = term.parts[0]
    if left.kind != "product" or left.text != "*" or term.text == "*":
        return False
    return all(part.kind != "number" for part in (*left.parts, term.parts[1]))


def _raisable(term: Term) -> str:
    """What an exponent or ᵀ stands at: a gradient, written as a fraction, in brackets."""
    text = written(term, 5)
    return f"({text})" if term.kind in ("name", "element") and text.startswith("∂L/") else text


def titled(text: str) -> str:
    """A symbol as it is written: gradients as ∂L/∂x."""
    return f"∂L/∂{text.removeprefix('grad_')}" if text.startswith("grad_") else text


def _written(term: Term) -> str:
    parts = term.parts
    if term.kind == "number":
        return f"{term.value:g}"
    if term.kind == "name":
        return titled(term.text)
    if term.kind == "slice":
        return ":"
    if term.kind == "element":
        return f"{titled(term.text)}[{', '.join(_written(part) for part in parts)}]"
    if term.kind == "add":
        return f"{written(parts[0], 1)} + {written(parts[1], 2)}"
    if term.kind == "subtract":
        return f"{written(parts[0], 1)} - {written(parts[1], 2)}"
    if term.kind == "product":
        sign = {"*": " ⊙ ", "@": " @ ", "·": " · ", "×": " × "}.get(term.text, " ")
        return f"{written(parts[0], 4 if _mixed(term) else 3)}{sign}{written(parts[1], 4)}"
    if term.kind == "divide":
        return f"{written(parts[0], 3)} / {written(parts[1], 4)}"
    if term.kind == "power":
        return f"{_raisable(parts[0])}^{written(parts[1], 5)}"
    if term.kind == "transpose":
        return f"{_raisable(parts[0])}ᵀ"
    if term.kind == "negative":
        return f"-{written(parts[0], 3)}"
    if term.kind == "compare":
        return f"[{written(parts[0])} {term.text} {written(parts[1])}]"
    if term.kind == "over":
        return f"Σ_{{{', '.join(term.names)}}} {written(parts[0], 3)}"
    options = "".join(f", {key}={value}" for key, value in term.options.items())
    return f"{term.text}({', '.join(written(part) for part in parts)}{options})"
