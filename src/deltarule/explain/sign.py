"""Sign: how one value is written, in the program and in formulas."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sign:
    """How a value is written.

    identifier   in the program
    scalar       LaTeX of an element's letter, without indices; whole: of the array
    role         what it is, a key for words: "weight", "pre_activation", ...
    layer        number of its layer, 0 where layers are not counted
    """

    identifier: str
    scalar: str
    whole: str
    role: str
    layer: int = 0


def raised(latex: str, above: str) -> str:
    """A letter with something above it, the number of its layer say; beside an exponent that is there.

    >>> raised("W", "(1)"), raised("w^{hh}", "(1)")
    ('W^{(1)}', 'w^{hh,(1)}')
    """
    if not above:
        return latex
    if "^{" in latex:
        head, _, rest = latex.partition("^{")
        return f"{head}^{{{rest.removesuffix('}')},{above}}}"
    return f"{latex}^{{{above}}}"
