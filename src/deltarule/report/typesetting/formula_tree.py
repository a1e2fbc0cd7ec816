"""The tree of a formula as it is written: what notation.py reads, and MathML and plain text are made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Atom:
    """One sign. kind: letter, number, binary, relation, prefix, opening, closing, bar, comma or large."""

    kind: str
    text: str


@dataclass(frozen=True)
class Name:
    """The name of a function in upright letters; a limit stands below it, as below max."""

    text: str
    limited: bool = False


@dataclass(frozen=True)
class Word:
    """Letters that belong together. style: italic, upright, sans, bold, code, double, script or text."""

    text: str
    style: str


@dataclass(frozen=True)
class Space:
    """Room of so many em."""

    width: float


@dataclass(frozen=True)
class Row:
    """Parts one after the other."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Scripts:
    """A base with what stands below and above to its right."""

    base: Part
    below: Part | None
    above: Part | None


@dataclass(frozen=True)
class Fraction:
    """A fraction; `small` for \\tfrac."""

    top: Part
    bottom: Part
    small: bool = False


@dataclass(frozen=True)
class Root:
    """A square root, or one of the degree that it names."""

    body: Part
    degree: Part | None = None


@dataclass(frozen=True)
class Fence:
    """A body between two signs that grow with it; "" for none."""

    left: str
    body: Part
    right: str


@dataclass(frozen=True)
class Accent:
    """A sign over its body."""

    sign: str
    body: Part


@dataclass(frozen=True)
class Stacked:
    """A body with a note right below or above it. brace: a brace between the two."""

    body: Part
    note: Part
    above: bool
    brace: bool


@dataclass(frozen=True)
class Table:
    """Rows of cells. kind: one of ENVIRONMENTS."""

    kind: str
    rows: tuple[tuple[Part, ...], ...]


@dataclass(frozen=True)
class Marked:
    """A part that carries a key."""

    key: str
    body: Part


Part = (
    Atom | Name | Word | Space | Row | Scripts | Fraction | Root | Fence | Accent | Stacked | Table | Marked
)
