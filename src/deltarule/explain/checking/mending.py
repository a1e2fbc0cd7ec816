"""Mends a user's formulas: the change that makes them right, on all numbers, says what the mistake was."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.arrays import close
from deltarule.explain.checking.claims import deviation
from deltarule.explain.checking.constant_factor import ratio_of, scaled_formulas
from deltarule.explain.checking.corrections import Correction, corrections
from deltarule.explain.checking.findings import Cause, Place
from deltarule.explain.checking.formula_claim import FormulaClaim, Statement, array_or_none
from deltarule.explain.checking.formula_parts import left_side, meaning_of, used_by
from deltarule.explain.checking.problem import Trial
from deltarule.explain.checking.syntax import (
    Term,
    at,
    names_in,
    written,
)

# Kinds that make a formula wrong by a constant factor.
_FACTORS = ("sign", "summand_sign", "mean_for_sum", "sum_for_mean", "extra_factor", "extra_sum_index")


# Of pairs of changes, so many firsts are tried; none where there are more changes than take a moment each.
_FIRSTS, _MOST = 8, 1500


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


def mend(
    claim: FormulaClaim, trials: Sequence[Trial], names: Sequence[str], until: float = float("inf")
) -> tuple[list[tuple[Cause, Mended]], list[str]]:
    """Causes found by mending formulas, and the gradients that no small change makes right.

    until    when the search ends (time.monotonic)
    """
    causes: list[tuple[Cause, Mended]] = []
    left = list(names)
    as_written = claim.statements
    claim.computed.clear()
    while left:
        mended = _best(claim, trials, left, until)
        found = [mended] if mended is not None else _pair(claim, trials, left, until)
        if not found:
            break
        for each in found:
            causes.append((_cause(claim, each, trials), each))
            claim.statements = claim.with_term(each.position, each.correction.term)
        left = [name for name in left if name not in found[-1].terms]
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


def _best(claim: FormulaClaim, trials: Sequence[Trial], left: Sequence[str], until: float) -> Mended | None:
    """The correction that makes most of the wrong gradients right, and none of the right ones wrong."""
    found: list[tuple[tuple[float, ...], Mended]] = []
    for position, own, options in _changeable(claim, trials, left):
        factor = _factor(claim, position, trials, own)
        if factor is not None:
            # What may look like a factor, and says more.
            found.append(((-len(factor.terms), 50, -position), factor))
            options = [each for each in options if each.kind in _FACTORS]
        for option in options:
            if time.monotonic() > until:
                break
            terms = _mends(claim, position, option.term, trials[0], own)
            worst = _holds(claim, position, option.term, trials, terms) if terms else None
            if worst is not None:
                key = (-len(terms), option.rank[0], option.rank[1] - position * 0.001)
                found.append((key, _mended(claim, position, option, terms, worst)))
                if len(terms) == len(left):
                    return found[-1][1]
                break
    return min(found, key=lambda each: each[0])[1] if found else None


def _pair(claim: FormulaClaim, trials: Sequence[Trial], left: Sequence[str], until: float) -> list[Mended]:
    """Two corrections that make a gradient right together: the first brings it nearest, but for a factor."""
    changeable = [*_changeable(claim, trials, left)]
    if sum(len(options) for *_, options in changeable) > _MOST:
        return []
    nearest: list[tuple[float, tuple[int, int], int, Correction]] = []
    for position, own, options in changeable:
        for option in options:
            answers = _changed(claim, position, option.term, trials[0])
            far = min(_distance(answers.get(name), trials[0].gradients[name]) for name in own)
            nearest.append((round(far, 6), option.rank, position, option))
    as_written = claim.statements
    for far, _, position, option in sorted(nearest, key=lambda each: each[:3])[:_FIRSTS]:
        if far >= 1 or time.monotonic() > until:
            break
        claim.statements = claim.with_term(position, option.term)
        second = _best(claim, trials, left, until)
        claim.statements = as_written
        if second is not None:
            first = _mended(claim, position, option, second.terms, second.error)
            # In one line, the other change is part of what makes it right.
            return [replace(first, after=second.after) if second.position == position else first, second]
    return []


def _distance(value: Any, right: Array) -> float:
    """1 − |cos| of the angle between both: 0 where they differ by a factor alone; 1 where shapes differ."""
    own = array_or_none(value)
    if own is None or own.shape != right.shape or not np.all(np.isfinite(own)):
        return 1.0
    size = float(np.linalg.norm(own) * np.linalg.norm(right))
    return 1.0 - abs(float(np.sum(own * right))) / size if size > 0 else 1.0


def _changeable(
    claim: FormulaClaim, trials: Sequence[Trial], left: Sequence[str]
) -> Iterator[tuple[int, list[str], list[Correction]]]:
    """Statements that may be wrong: position, the wrong gradients that use it, its corrections by rank.

    Those that give a gradient of the record come last: it may be the wrong one.
    """
    arrays_of = _arrays(claim)
    values = claim.evaluated(trials[0])[1]
    targets = {each.target: used_by(claim, each.target) for each in claim.statements if each.target}
    places: list[tuple[bool, int, list[str]]] = []
    for position, statement in enumerate(claim.statements):
        users = {target for target, used in targets.items() if position in used}
        # A line that a right gradient is computed from is right itself, and so is a value of the record.
        meaning = "" if statement.target else meaning_of(trials[0], values.get(statement.title))
        if users and users <= {*left} and (not meaning or meaning.startswith("∂")):
            places.append((bool(meaning), position, [name for name in left if name in users]))
    for _, position, own in sorted(places):
        statement = claim.statements[position]
        used = sorted(names_in(statement.term))
        options = corrections(statement.term, arrays_of(position), used, statement.indices)
        yield position, own, sorted(options, key=lambda each: each.rank)


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


def _changed(claim: FormulaClaim, position: int, term: Term, trial: Trial) -> dict[str, Any]:
    """Claimed gradients with another formula in one line."""
    changed = claim.with_term(position, term)
    # Lines that do not use the changed one stay as they are.
    touched = {changed[position].title}
    again = [changed[position]]
    for statement in changed[position + 1 :]:
        if names_in(statement.term) & touched:
            touched.add(statement.title)
            again.append(statement)
    return claim.evaluated(trial, again, _before(claim, position, trial))[0]


def _mends(claim: FormulaClaim, position: int, term: Term, trial: Trial, left: Sequence[str]) -> list[str]:
    """Gradients that become right on one trial."""
    answers = _changed(claim, position, term, trial)
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
    """A constant factor in one statement."""
    name = next((name for name in left if position in used_by(claim, name)), None)
    if name is None:
        return None
    for text, term in scaled_formulas(claim, claim.statements[position].term, name, trials):
        terms = _mends(claim, position, term, trials[0], left)
        worst = _holds(claim, position, term, trials, terms) if terms else None
        if worst is not None:
            correction = Correction("missing_factor", (), term, text, "factor")
            return _mended(claim, position, correction, terms, worst)
    return None


def _cause(claim: FormulaClaim, mended: Mended, trials: Sequence[Trial]) -> Cause:
    statement, correction = mended.before, mended.correction
    part = at(statement.term, correction.path)
    kind = correction.kind
    factor = None
    used = correction.used
    if kind == "missing_factor" and used == "factor":
        kind, used = "factor", ""
        value = array_or_none(claim.evaluated(trials[-1])[0][mended.terms[0]])
        ratio = ratio_of(value, trials[-1].gradients[mended.terms[0]])
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
        corrected=f"{left_side(statement)} = {written(mended.after.term)}",
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
