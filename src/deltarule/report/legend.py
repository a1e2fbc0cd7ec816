"""Legend: every symbol that formulas show, with its meaning, its shape and the user's own name."""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.explain.derivations.derivation import Derivation
from deltarule.report.meaning import meaning
from deltarule.report.numbers import shape_text
from deltarule.report.words import Words


@dataclass(frozen=True)
class LegendRow:
    """One symbol. key: what a page lights up with it, "" for intermediates of formulas."""

    latex: str
    meaning: str
    shape: str
    name: str
    key: str


def legend(derivation: Derivation, words: Words) -> list[LegendRow]:
    """Values in the order of computation, each with its error term, and what formulas define on their way."""
    notation, trace = derivation.notation, derivation.trace
    called = notation.called_inside
    shown = {name for each in derivation.statements for name in (*each.defines, *each.reads)}
    rows = []
    for value in trace.values:
        sign, gradient = notation.signs[value.number], notation.gradient(value.number)
        own = {sign.identifier, f"grad_{sign.identifier}"}
        shape = shape_text(value.array.shape)
        if shown & own:
            latex = sign.whole if value.array.ndim else sign.scalar
            said = meaning(notation, value.number, words)
            if value.number in called:
                said = _said(derivation, *called[value.number], words)
            rows.append(LegendRow(latex, said, shape, value.label, f"v{value.number}"))
        if value.number in notation.deltas and gradient in shown:
            latex = derivation.names[gradient][1]
            said = words("derivation.delta", layer=notation.deltas[value.number])
            rows.append(LegendRow(latex, said, shape, "", f"g{value.number}"))
    for each in derivation.intermediates.values():
        # The gradient of h is read off h.
        latex = derivation.names[each.identifier.removeprefix("grad_")][1]
        if latex not in [row.latex for row in rows]:
            said = _said(derivation, each.step, each.name, words)
            rows.append(LegendRow(latex, said, shape_text(each.shape), "", ""))
    return rows


def _said(derivation: Derivation, number: int, name: str, words: Words) -> str:
    """What the formula of a step means by a name."""
    step = derivation.trace.steps[number]
    layer = derivation.notation.signs[step.outputs[0]].layer or 1
    known = words.under("derivation.inner")
    text = known.get(f"{step.operation}-{name}") or known.get(name) or known["other"]
    return text.format(layer=layer, operation=step.operation)
