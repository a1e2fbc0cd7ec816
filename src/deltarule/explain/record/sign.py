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
