"""Meaning: what a symbol of a computation stands for, in words."""

from __future__ import annotations

from deltarule.explain.record.notation import Notation
from deltarule.report.words import Words


def meaning(notation: Notation, number: int, words: Words) -> str:
    """What a value is: "weights of layer 2"."""
    trace = notation.trace
    sign, value = notation.signs[number], trace.values[number]
    operation = "" if value.made_by is None else trace.steps[value.made_by].operation
    role = "input" if sign.role in ("inner", "step", "result") and not operation else sign.role
    known = words.under("derivation.role")
    if role not in known:
        role = "input"
    return known[role].format(layer=sign.layer or 1, operation=operation)
