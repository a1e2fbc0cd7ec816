"""A constant factor that a formula lacks or has too much: a number, or a count such as N."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.arrays import close
from deltarule.explain.checking.formula_claim import FormulaClaim, array_or_none
from deltarule.explain.checking.problem import Trial
from deltarule.explain.checking.syntax import Term, number, product


def scaled_formulas(
    claim: FormulaClaim, term: Term, name: str, trials: Sequence[Trial]
) -> Iterator[tuple[str, Term]]:
    """The formula times what its gradient lacks on all trials, with that factor as text; counts first."""
    ratios: list[float] = []
    for trial in trials:
        ratio = ratio_of(array_or_none(claim.evaluated(trial)[0][name]), trial.gradients[name])
        if ratio is None:
            return
        ratios.append(ratio)
    counts = [claim.counts(trial) for trial in trials]
    for letter in ("K", "T", "N"):
        if not all(own.get(letter, 1) > 1 for own in counts):
            continue
        symbol = Term("name", text=letter)
        for base in (-1.0, 0.5, 2.0, 1.0):
            scaled = _times(term, base)
            if all(np.isclose(r, base / own[letter]) for r, own in zip(ratios, counts, strict=True)):
                yield f"{base:g}/{letter}", Term("divide", (scaled, symbol))
            if all(np.isclose(r, base * own[letter]) for r, own in zip(ratios, counts, strict=True)):
                yield letter if base == 1 else f"{base:g} {letter}", product(symbol, scaled, "*")
    if np.ptp(ratios) < 1e-6 * abs(ratios[0]):
        inverse = 1 / ratios[0]
        if abs(inverse - round(inverse)) < 1e-6 and abs(inverse) > 1.5:
            yield f"1/{round(inverse)}", Term("divide", (term, number(round(inverse))))
        else:
            yield f"{ratios[0]:.6g}", product(number(float(f"{ratios[0]:.9g}")), term, "*")


def _times(term: Term, base: float) -> Term:
    """A formula times a number, as it is written by hand."""
    if abs(base) == 1:
        return term if base == 1 else Term("negative", (term,))
    return product(number(base), term, "*")


def ratio_of(value: Array | None, right: Array) -> float | None:
    """right / value where that is one number other than 1."""
    if value is None or value.shape != right.shape:
        return None
    scale = float(np.sum(value * value))
    if scale == 0 or not np.isfinite(scale):
        return None
    ratio = float(np.sum(value * right)) / scale
    if ratio == 0 or abs(ratio - 1) < 1e-9 or not close(ratio * value, right):
        return None
    return ratio
