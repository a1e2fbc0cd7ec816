"""The smallest numbers that show a mistake: sizes 1 and 2, whole and half numbers, one element worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import Element, Equation, Loop
from deltarule.autodiff.formula.latex import escape, latex_lines
from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.claims import Claim, deviation
from deltarule.explain.checking.drawing import attempted, by_hand, resized, shrinkings
from deltarule.explain.checking.findings import Example, Line
from deltarule.explain.checking.formula_claim import FormulaClaim, Statement
from deltarule.explain.checking.problem import Problem, Trial
from deltarule.explain.checking.suspects import MISFITS, Suspect, local_formula
from deltarule.explain.checking.tokens import GREEK
from deltarule.explain.checking.worked import arithmetic, value_of

# So large a relative error is seen by eye.
_VISIBLE = 0.02
_SEEDS = 6
_GREEK = {letter: f"\\{name}" for name, letter in GREEK.items()}

Claimed = Callable[[Trial], dict[str, Array] | None]
Lines = Callable[[Trial], tuple[Line, ...]]


def smallest(
    problem: Problem,
    claim: Claim,
    trial: Trial,
    term: str,
    right: Sequence[str],
    claimed: Claimed,
    lines: Lines,
    proves: Callable[[Trial, dict[str, Array]], bool],
) -> Example | None:
    """An example for one gradient, as small as it can be made.

    right     gradients that the user has right: they must stay right, or the sizes are to blame
    claimed   the claimed gradients on a trial, or None where they cannot be computed
    lines     one element worked out on a trial
    proves    whether the mistake explains the claimed numbers of a trial
    """
    if claim.fixed:
        given = claimed(trial)
        return (
            None if given is None or term not in given else _example(problem, trial, term, given[term], lines)
        )

    def shows(candidate: Trial | None) -> Array | None:
        if candidate is None:
            return None
        given = claimed(candidate)
        if given is None or term not in given or not np.all(np.isfinite(given[term])):
            return None
        expected = candidate.gradients[term]
        if given[term].shape == expected.shape and not _VISIBLE < deviation(given[term], expected):
            return None
        if not np.any(expected) and not np.any(given[term]):
            return None
        if any(
            name in given and not deviation_fits(given[name], candidate.gradients[name]) for name in right
        ):
            return None
        return given[term] if proves(candidate, given) else None

    sizes = [*shrinkings(problem, trial)]
    plan: dict[int, int] = {}
    best = _first(problem, trial, plan, shows)
    if best is None:
        # Code that fails for its shapes alone runs where all extents are alike.
        plan = dict.fromkeys(sizes, 2)
        best = _first(problem, trial, plan, shows)
    for extent in sizes:
        for new in range(1, min(extent, plan.get(extent, 3))):
            answer = _first(problem, trial, {**plan, extent: new}, shows)
            if answer is not None:
                best, plan = answer, {**plan, extent: new}
                break
    if best is None:
        given = shows(trial)
        return None if given is None else _example(problem, trial, term, given, lines)
    return _example(problem, best[0], term, best[1], lines)


def deviation_fits(given: Array, expected: Array) -> bool:
    """Whether a gradient is right enough to be called right."""
    return given.shape == expected.shape and deviation(given, expected) < 1e-4


def _first(
    problem: Problem, trial: Trial, plan: Mapping[int, int], shows: Callable[[Trial | None], Array | None]
) -> tuple[Trial, Array] | None:
    for seed in range(_SEEDS):
        fill = by_hand(np.random.default_rng(seed))
        if plan:
            candidate = resized(problem, trial, plan, fill, seed)
        else:
            numbers = {
                name: fill(name, array.shape) if name in problem.free else array
                for name, array in problem.start.items()
            }
            candidate = attempted(problem, numbers, seed)
        given = shows(candidate)
        if given is not None and candidate is not None:
            return candidate, given
    return None


def _example(problem: Problem, trial: Trial, term: str, given: Array, lines: Lines) -> Example:
    expected = trial.gradients[term]
    if given.shape == expected.shape and expected.size:
        place = np.unravel_index(int(np.argmax(np.abs(given - expected))), expected.shape)
        element = tuple(int(each) for each in place)
    else:
        element = ()
    try:
        worked = lines(trial)
    except MISFITS:
        worked = ()
    numbers = {
        name: np.asarray(array) for name, array in trial.numbers.items() if name not in problem.unnamed
    }
    return Example(term, numbers, tuple(trial.upstream), expected, given, element, worked)


def lines_of_suspect(suspect: Suspect) -> Lines:
    """The faulty equation beside the right one, at the element where they differ most."""

    def lines(trial: Trial) -> tuple[Line, ...]:
        nodes = trial.pass_(suspect.opened).nodes
        for node, (site, fault) in suspect.changes(trial).items():
            local = local_formula(trial, node)
            assert local is not None and node in nodes
            environment = local.solved(trial.pass_(suspect.opened).arriving[node])
            faulty = Equation(fault.left or site.equation.left, fault.right)
            return compared(site.equation, faulty, environment, local.symbols)
        return ()

    return lines


def lines_of_statement(claim: FormulaClaim, before: Statement, after: Statement) -> Lines:
    """The user's statement beside the mended one."""

    def lines(trial: Trial) -> tuple[Line, ...]:
        environment = claim.evaluated(trial)[1]
        pair: list[Equation] = []
        for statement in (after, before):
            bound = claim.line(statement, trial, by_index=True)
            if bound is None:
                continue
            line = bound[0]
            pair.append(line.equations[0] if isinstance(line, Loop) else line)
        if not pair:
            return ()
        names = notations(environment)
        if len(pair) == 1:
            return compared(pair[0], None, environment, names)
        return compared(pair[0], pair[1], environment, names)

    return lines


def notation(name: str) -> str:
    """A user's name as LaTeX, which takes subscripts: W1 is W^{(1)}, W_hh is W^{hh}."""
    stem = name.rstrip("0123456789")
    layer = name[len(stem) :]
    letter, _, above = stem.partition("_")
    if letter in ("weight", "bias"):
        letter = letter[0].upper() if letter == "weight" else "b"
    text = _GREEK.get(letter, letter)
    if len(letter) > 1:
        text = rf"\mathit{{{escape(letter)}}}"
    marks = [rf"\mathit{{{escape(above)}}}"] if above else []
    marks += [f"({layer})"] if layer and stem else []
    return f"{text}^{{{' '.join(marks)}}}" if marks else text


def notations(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Notation of all names; that of a gradient follows from its array's."""
    return {name: (notation(name), notation(name)) for name in names if not name.startswith("grad_")}


def compared(
    right: Equation, faulty: Equation | None, environment: Mapping[str, Any], names: Mapping[str, Any]
) -> tuple[Line, ...]:
    """Two equations for the same element, with their arithmetic."""
    expected = value_of(right, environment)
    element: tuple[int, ...] = tuple(0 for _ in expected.shape)
    given = None if faulty is None else value_of(faulty, environment)
    if given is not None and given.shape == expected.shape and expected.size:
        place = np.unravel_index(int(np.argmax(np.abs(given - expected))), expected.shape)
        element = tuple(int(each) for each in place)
    found = [_line(right, expected, environment, names, element, True)]
    if faulty is not None and given is not None:
        own = element if given.shape == expected.shape else tuple(0 for _ in given.shape)
        found.append(_line(faulty, given, environment, names, own, False))
    return tuple(found)


def _line(
    equation: Equation,
    values: Array,
    environment: Mapping[str, Any],
    names: Mapping[str, Any],
    element: tuple[int, ...],
    right: bool,
) -> Line:
    left = equation.left
    places = ""
    if isinstance(left, Element) and element:
        places = ", ".join(
            f"{index.name} = {place}"  # type: ignore[union-attr]
            for index, place in zip(left.indices, element, strict=True)
        )
    formula = latex_lines([equation], names=names)[0]
    if places:
        formula += rf", \qquad {places}"
    return Line(formula, arithmetic(equation, environment, element), float(values[element]), right)
