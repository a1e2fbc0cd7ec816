"""Mends a user's formulas: the change that makes them right, on all numbers, says what the mistake was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.arrays import close
from deltarule.explain.checking.claims import deviation
from deltarule.explain.checking.corrections import Correction, corrections
from deltarule.explain.checking.findings import Cause, Place
from deltarule.explain.checking.formula_claim import FormulaClaim, Statement, array_or_none
from deltarule.explain.checking.formula_parts import left_side, meaning_of, used_by
from deltarule.explain.checking.problem import Trial
from deltarule.explain.checking.syntax import Term, at, names_in, product, replaced, walk, written

# Kinds that make a formula wrong by a constant factor.
_FACTORS = ("sign", "summand_sign", "mean_for_sum", "sum_for_mean", "extra_factor", "extra_sum_index")


@dataclass(frozen=True, eq=False)
class Mended:
    """A correction of one statement that makes gradients right.

    position        which statement
    before, after   the statement, as it was and mended
    """

    position: int
    correction: Correction
    terms: tuple[str, ...]
    error: float
    before: Statement
    after: Statement


def read_well(claim: FormulaClaim, trials: Sequence[Trial]) -> None:
    """Takes a product side by side as element by element where only that makes a formula right.

    `δ (1 - h²)` is a matrix product where the shapes allow one; a user who means ⊙ is not wrong.
    """
    for _ in range(4):
        wrong = _wrong(claim, claim.statements, trials[0])
        if not wrong:
            return
        for position, statement in enumerate(claim.statements):
            places = [
                path
                for path, part in walk(statement.term)
                if part.kind == "product" and part.text in ("", "·", "×")
            ]
            for path in places:
                part = at(statement.term, path)
                changed = replaced(statement.term, path, Term(**{**vars(part), "text": "*"}))
                statements = claim.with_term(position, changed)
                if all(
                    len(_wrong(claim, statements, each)) < len(_wrong(claim, claim.statements, each))
                    for each in trials
                ):
                    claim.statements = statements
                    break
            else:
                continue
            break
        else:
            return


def _wrong(claim: FormulaClaim, statements: Sequence[Statement], trial: Trial) -> set[str]:
    """Gradients that statements get wrong on a trial."""
    found, _ = claim.evaluated(trial, statements)
    return {
        name
        for name, value in found.items()
        if isinstance(value, Exception) or not close(value, trial.gradients[name])
    }


def mend(
    claim: FormulaClaim, trials: Sequence[Trial], names: Sequence[str]
) -> tuple[list[tuple[Cause, Mended]], list[str]]:
    """Causes found by mending formulas, and the gradients that no small change makes right."""
    causes: list[tuple[Cause, Mended]] = []
    left = list(names)
    as_written = claim.statements
    claim.computed.clear()
    while left:
        mended = _best(claim, trials, left)
        if mended is None:
            break
        causes.append((_cause(claim, mended, trials), mended))
        claim.statements = claim.with_term(mended.position, mended.correction.term)
        left = [name for name in left if name not in mended.terms]
    claim.statements = as_written
    return [(_concerning(claim, cause, mended, names, left), mended) for cause, mended in causes], left


def _concerning(
    claim: FormulaClaim, cause: Cause, mended: Mended, names: Sequence[str], left: Sequence[str]
) -> Cause:
    """A cause with all gradients that its line is used for, those with a further mistake too."""
    terms = [
        name
        for name in names
        if name in cause.terms or (name not in left and mended.position in used_by(claim, name))
    ]
    return replace(cause, terms=tuple(terms))


def _best(claim: FormulaClaim, trials: Sequence[Trial], left: Sequence[str]) -> Mended | None:
    """The correction that makes most of the wrong gradients right, and none of the right ones wrong."""
    found: list[tuple[tuple[float, ...], Mended]] = []
    users = {
        position: {each.target for place, each in enumerate(claim.statements)
                   if each.target and position in used_by(claim, each.target)}
        for position in range(len(claim.statements))
    }  # fmt: skip
    arrays_of = _arrays(claim)
    values = claim.evaluated(trials[0])[1]
    for position, statement in enumerate(claim.statements):
        # A line that a right gradient is computed from is right itself.
        if not users[position] or not users[position] <= {*left}:
            continue
        # So is one that is a value of the record; a gradient of the record may be the wrong one.
        meaning = "" if statement.target else meaning_of(trials[0], values.get(statement.title))
        if meaning and not meaning.startswith("∂"):
            continue
        own = [name for name in left if name in users[position]]
        arrays = arrays_of(position)
        used = sorted(names_in(statement.term))
        options = sorted(
            corrections(statement.term, arrays, used, statement.indices), key=lambda each: each.rank
        )
        factor = _factor(claim, position, trials, own)
        if factor is not None:
            # What may look like a factor, and says more.
            found.append(((-len(factor.terms), 50, -position), factor))
            options = [each for each in options if each.kind in _FACTORS]
        for option in options:
            terms = _mends(claim, position, option.term, trials[0], own)
            worst = _holds(claim, position, option.term, trials, terms) if terms else None
            if worst is not None:
                key = (-len(terms), option.rank[0], option.rank[1] - position * 0.001)
                found.append((key, _mended(claim, position, option, terms, worst)))
                if len(terms) == len(left):
                    return found[-1][1]
                break
    return min(found, key=lambda each: each[0])[1] if found else None


def _mended(
    claim: FormulaClaim, position: int, correction: Correction, terms: Sequence[str], error: float
) -> Mended:
    before = claim.statements[position]
    after = claim.with_term(position, correction.term)[position]
    return Mended(position, correction, tuple(terms), error, before, after)


def _arrays(claim: FormulaClaim):
    """Position of a statement -> arrays that its formula may use, with their numbers of axes."""
    given = {name: int(np.ndim(value)) for name, value in claim.arrays.items() if np.ndim(value)}

    def known(position: int) -> dict[str, int]:
        found = dict(given)
        for statement in claim.statements[:position]:
            ndim = claim.names.find(statement.title)
            if ndim is not None:
                found[statement.title] = ndim[1]
        return found

    return known


def _mends(claim: FormulaClaim, position: int, term: Term, trial: Trial, left: Sequence[str]) -> list[str]:
    """Gradients that become right on one trial."""
    changed = claim.with_term(position, term)
    # Lines that do not use the changed one stay as they are.
    touched = {changed[position].title}
    again = [changed[position]]
    for statement in changed[position + 1 :]:
        if names_in(statement.term) & touched:
            touched.add(statement.title)
            again.append(statement)
    answers, _ = claim.evaluated(trial, again, _before(claim, position, trial))
    return [
        name
        for name in left
        if (value := array_or_none(answers.get(name, Exception()))) is not None
        and close(value, trial.gradients[name])
    ]


def _before(claim: FormulaClaim, position: int, trial: Trial) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the statements before one give on a trial, computed once."""
    key = (tuple(id(each.term) for each in claim.statements), position, id(trial))
    if key not in claim.computed:
        titles = {claim.statements[position].title}
        for statement in claim.statements[position:]:
            if names_in(statement.term) & titles:
                titles.add(statement.title)
        kept = [each for each in claim.statements if each.title not in titles]
        claim.computed[key] = claim.evaluated(trial, kept)
    return claim.computed[key]


def _holds(
    claim: FormulaClaim, position: int, term: Term, trials: Sequence[Trial], terms: list[str]
) -> float | None:
    """The error that is left over all trials, or None where the change does not hold."""
    worst = 0.0
    for trial in trials:
        answers, _ = claim.evaluated(trial, claim.with_term(position, term))
        for name in terms:
            value = array_or_none(answers[name])
            if value is None or not close(value, trial.gradients[name]):
                return None
            worst = max(worst, deviation(value, trial.gradients[name]))
    return worst


def _factor(
    claim: FormulaClaim, position: int, trials: Sequence[Trial], left: Sequence[str]
) -> Mended | None:
    """A constant factor that is missing or too much: a number, or a count such as N."""
    statement = claim.statements[position]
    dependent = [name for name in left if position in used_by(claim, name)]
    if not dependent:
        return None
    name = dependent[0]
    ratios: list[float] = []
    for trial in trials:
        value = array_or_none(claim.evaluated(trial)[0][name])
        ratio = _ratio(value, trial.gradients[name])
        if ratio is None:
            return None
        ratios.append(ratio)
    counts = [claim.counts(trial) for trial in trials]
    options: list[tuple[str, Term]] = []
    if np.ptp(ratios) < 1e-6 * abs(ratios[0]):
        options.append(_number_factor(statement.term, ratios[0]))
    for letter in ("N", "T", "K"):
        if all(own.get(letter, 1) > 1 for own in counts):
            symbol = Term("name", text=letter)
            for base in (1.0, 2.0, 0.5):
                scaled = statement.term if base == 1 else product(_constant(base), statement.term, "*")
                title = letter if base == 1 else f"{base:g} {letter}"
                if all(np.isclose(r, base * own[letter]) for r, own in zip(ratios, counts, strict=True)):
                    options.insert(0, (title, product(symbol, scaled, "*")))
                if all(np.isclose(r, base / own[letter]) for r, own in zip(ratios, counts, strict=True)):
                    options.insert(0, (f"{base:g}/{letter}", Term("divide", (scaled, symbol))))
    for text, term in options:
        terms = _mends(claim, position, term, trials[0], left)
        if terms:
            worst = _holds(claim, position, term, trials, terms)
            if worst is not None:
                kind = "factor"
                return _mended(
                    claim, position, Correction("missing_factor", (), term, text, kind), terms, worst
                )
    return None


def _constant(value: float) -> Term:
    return Term("number", value=value)


def _number_factor(term: Term, ratio: float) -> tuple[str, Term]:
    inverse = 1 / ratio
    if abs(inverse - round(inverse)) < 1e-6 and abs(inverse) > 1.5:
        return f"1/{round(inverse)}", Term("divide", (term, _constant(round(inverse))))
    return f"{ratio:.6g}", product(_constant(float(f"{ratio:.9g}")), term, "*")


def _ratio(value: Array | None, right: Array) -> float | None:
    """right / value where that is one number."""
    if value is None or value.shape != right.shape:
        return None
    scale = float(np.sum(value * value))
    if scale == 0 or not np.isfinite(scale):
        return None
    ratio = float(np.sum(value * right)) / scale
    if ratio == 0 or abs(ratio - 1) < 1e-9 or not close(ratio * value, right):
        return None
    return ratio


def _cause(claim: FormulaClaim, mended: Mended, trials: Sequence[Trial]) -> Cause:
    statement = claim.statements[mended.position]
    correction = mended.correction
    part = at(statement.term, correction.path)
    kind = correction.kind
    factor = None
    used = correction.used
    if kind == "missing_factor" and used == "factor":
        kind, used = "factor", ""
        value = array_or_none(claim.evaluated(trials[-1])[0][mended.terms[0]])
        ratio = _ratio(value, trials[-1].gradients[mended.terms[0]])
        factor = None if ratio is None else 1 / ratio
    if kind == "wrong_symbol" and _is_point(trials[0], claim, part.text, correction):
        kind = "wrong_point"
    start, end = part.start, part.end
    text = statement.text[start:end] if end > start else written(part)
    return Cause(
        kind=kind,
        terms=mended.terms,
        place=Place(value=statement.title),
        subject=correction.subject,
        used=used,
        factor=factor,
        part=text,
        position=(start, end) if end > start else None,
        corrected=f"{left_side(statement)} = {written(correction.term)}",
        error=mended.error,
        trials=len(trials),
    )


def _is_point(trial: Trial, claim: FormulaClaim, name: str, correction: Correction) -> bool:
    """Whether the wrong array is the input or output of the function whose slope is meant."""
    environment = claim.evaluated(trial)[1]
    wrong = environment.get(name)
    right = environment.get(correction.subject.partition("[")[0])
    if wrong is None or right is None:
        return False
    for node in trial.pass_(False).nodes:
        if len(node.inputs) == 1:
            pair = (node.inputs[0]._array, node.values[0])
            for a, b in (pair, pair[::-1]):
                if np.shape(a) == np.shape(wrong) and np.shape(b) == np.shape(right):
                    if np.array_equal(a, wrong) and np.array_equal(b, right):
                        return True
    return False
