"""Every formula that the table of operation cases writes, in both forms."""

from __future__ import annotations

from functools import cache

from deltarule.autodiff.formula.latex import latex_lines
from tests.operations.cases import CASES
from tests.operations.harness import outputs_of


@cache
def written_formulas() -> tuple[str, ...]:
    """Values and gradients, each formula once."""
    found: dict[str, None] = {}
    for case in CASES:
        node = outputs_of(case.call(case.tensors()))[0].node
        if node is None:
            continue
        formula = node.operation.formula(node.operation.call(node))
        for form in (formula.value, *formula.gradients.values()):
            for lines, matrix in ((form.index, False), (form.matrix, True)):
                found.update(dict.fromkeys(latex_lines(lines, matrix=matrix, names=node.operation.symbols)))
    return tuple(found)
