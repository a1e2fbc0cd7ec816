"""The benefit of the doubt: a formula that can be read in two ways is read in the one that is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deltarule.explain.checking.arrays import close
from deltarule.explain.checking.formula_claim import FormulaClaim, Statement
from deltarule.explain.checking.problem import Trial
from deltarule.explain.checking.syntax import at, replaced, walk


def read_well(claim: FormulaClaim, trials: Sequence[Trial]) -> None:
    """Takes products side by side as element by element where only that makes a formula right.

    `δ (1 - h²)` is a matrix product where the shapes allow one; a user who means ⊙ is not wrong.
    """
    for _ in range(4):
        better = _better(claim, trials)
        if better is None:
            return
        claim.statements = better


def _better(claim: FormulaClaim, trials: Sequence[Trial]) -> list[Statement] | None:
    """The statements with one product taken element by element, where fewer gradients are wrong then."""
    if not _wrong(claim, claim.statements, trials[0]):
        return None
    for position, statement in enumerate(claim.statements):
        for path, part in walk(statement.term):
            if part.kind != "product" or part.text not in ("", "·", "×"):
                continue
            changed = replaced(statement.term, path, replace(at(statement.term, path), text="*"))
            statements = claim.with_term(position, changed)
            if all(
                len(_wrong(claim, statements, each)) < len(_wrong(claim, claim.statements, each))
                for each in trials
            ):
                return statements
    return None


def _wrong(claim: FormulaClaim, statements: Sequence[Statement], trial: Trial) -> set[str]:
    """Gradients that statements get wrong on a trial."""
    found, _ = claim.evaluated(trial, statements)
    return {
        name
        for name, value in found.items()
        if isinstance(value, Exception) or not close(value, trial.gradients[name])
    }
