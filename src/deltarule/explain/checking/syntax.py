"""Formulas of users as trees that remember their text: before it is known what shapes their symbols have.

Whether `δ W` is a product of matrices or of numbers is decided when the tree is bound to arrays
(`binding.py`); until then a small change of the tree is a small change of the formula (`corrections.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
             "*" (Hadamard) or "@" (matrix product); of a number that stands for an array of ones "ones"
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


def index_names(term: Term) -> set[str]:
    """Every letter that a formula reads as an index."""
    found: set[str] = set()
    for _, part in walk(term):
        if part.kind == "element":
            found.update(
                each.text for index in part.parts for each in (index, *index.parts) if each.kind == "name"
            )
    return found


def indexed(term: Term) -> bool:
    """Whether the formula is in index form: with sums over indices, or elements."""
    own = term.kind in ("over", "element") or (term.kind == "call" and term.text in ("diag", "matrix"))
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
    infix = _INFIX.get(term.kind)
    if infix is not None:
        sign, left, right = infix
        return f"{written(term.parts[0], left)}{sign}{written(term.parts[1], right)}"
    return _FORMS[term.kind](term)


def _listed(terms: Sequence[Term]) -> str:
    return ", ".join(_written(each) for each in terms)


def _product(term: Term) -> str:
    sign = {"*": " ⊙ ", "@": " @ ", "·": " · ", "×": " × "}.get(term.text, " ")
    return f"{written(term.parts[0], 4 if _mixed(term) else 3)}{sign}{written(term.parts[1], 4)}"


def _call(term: Term) -> str:
    if term.text == "matrix":
        width = term.options["shape"][1]
        rows = (term.parts[start : start + width] for start in range(0, len(term.parts), width))
        return f"[{', '.join(f'[{_listed(row)}]' for row in rows)}]"
    options = "".join(f", {key}={value}" for key, value in term.options.items())
    return f"{term.text}({_listed(term.parts)}{options})"


# Kind -> sign, and the strengths that the operands before and behind it need.
_INFIX = {"add": (" + ", 1, 2), "subtract": (" - ", 1, 2), "divide": (" / ", 3, 4)}
_FORMS: dict[str, Callable[[Term], str]] = {
    "number": lambda term: "𝟙" if term.text == "ones" else f"{term.value:g}",
    "name": lambda term: titled(term.text),
    "slice": lambda term: ":",
    "element": lambda term: f"{titled(term.text)}[{_listed(term.parts)}]",
    "product": _product,
    "power": lambda term: f"{_raisable(term.parts[0])}^{written(term.parts[1], 5)}",
    "transpose": lambda term: f"{_raisable(term.parts[0])}ᵀ",
    "negative": lambda term: f"-{written(term.parts[0], 3)}",
    "compare": lambda term: f"[{written(term.parts[0])} {term.text} {written(term.parts[1])}]",
    "over": lambda term: f"Σ_{{{', '.join(term.names)}}} {written(term.parts[0], 3)}",
    "call": _call,
}
