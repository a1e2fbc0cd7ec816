"""Causes that are mistakes in the backward pass: the suspect that gives the claimed numbers, proved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.arrays import close
from deltarule.explain.checking.claims import deviation
from deltarule.explain.checking.describing import described
from deltarule.explain.checking.evidence import Evidence, Named
from deltarule.explain.checking.problem import Trial
from deltarule.explain.checking.suspects import MISFITS, Suspect, suspects, together


@dataclass(frozen=True, eq=False)
class Match:
    """Suspects, mostly one, that give the claimed numbers for some terms, and deny some that are right."""

    suspects: tuple[Suspect, ...]
    terms: tuple[str, ...]
    denied: int

    @property
    def order(self) -> tuple[float, ...]:
        """Small for what is named first."""
        first = self.suspects[0]
        return (-len(self.terms), self.denied, first.rank, len(first.nodes) == 1)


def by_suspects(
    evidence: Evidence, left: list[str], opened: bool, *, single_steps: bool = False, weak: bool = False
) -> list[Named]:
    """The suspect that explains most of what is left."""
    first = evidence.trials[0]
    matches: list[Match] = []
    try:
        for suspect, gradients in suspects(
            first, opened, single_steps=single_steps, weak=weak, steps=evidence.steps
        ):
            if evidence.over:
                break
            match = matched(evidence, left, (suspect,), gradients)
            if match is not None:
                matches.append(match)
                # They come with the ones to be named first at the start: a complete one ends the search.
                if len(match.terms) == len(left) and not match.denied:
                    found = proved(evidence, [match])
                    if found:
                        return found
    except MISFITS:
        # A group that cannot be opened on these numbers has no finer suspects.
        return []
    return proved(evidence, matches)


def matched(
    evidence: Evidence, left: Sequence[str], faulty: tuple[Suspect, ...], gradients: dict[str, Array]
) -> Match | None:
    """Which terms suspects explain on the trial that is searched."""
    given, right = evidence.given[0], evidence.trials[0].gradients
    terms = tuple(name for name in left if _fits(given[name], gradients[name], evidence.tolerance))
    if not terms:
        return None
    denied = sum(
        close(own, right[name], evidence.tolerance) and not close(own, gradients[name], evidence.tolerance)
        for name, own in given.items()
        if name not in left
    )
    return Match(faulty, terms, denied)


def _fits(given: Array, faulty: Array, tolerance: float) -> bool:
    if given.shape == faulty.shape and not np.any(given):
        # Nothing at all is what a lost upstream gradient gives, however it comes about.
        return not np.any(faulty)
    return bool(np.any(faulty)) and close(given, faulty, tolerance)


def proved(evidence: Evidence, matches: Sequence[Match]) -> list[Named]:
    """The best match that holds on all trials, as causes."""
    for match in _by_either_end(sorted(matches, key=lambda each: each.order)):
        terms = list(match.terms)
        worst = 0.0
        for trial, given in zip(evidence.trials, evidence.given, strict=True):
            gradients = spoilt(match.suspects, trial)
            if gradients is None:
                terms = []
                break
            for name in [*terms]:
                wrong = gradients[name]
                # What is left once the mistake is taken out: the right gradient, off by what did not match.
                error = deviation(given[name], wrong) if given[name].shape == wrong.shape else float("inf")
                if error > evidence.tolerance * 10:
                    terms.remove(name)
                else:
                    worst = max(worst, error)
        if terms:
            return causes_of(evidence, match.suspects, tuple(terms), worst)
    return []


def causes_of(
    evidence: Evidence, faulty: Sequence[Suspect], terms: tuple[str, ...], error: float
) -> list[Named]:
    """Suspects that were proved, as causes."""
    first, shown, count = evidence.trials[0], evidence.shown, len(evidence.trials)
    return [(described(first, shown, each, terms, error, count), each) for each in faulty]


def _by_either_end(matches: Sequence[Match]) -> Iterator[Match]:
    """Matches; one at a single step first with the step counted from the start, then from the end."""
    for match in matches:
        yield match
        first = match.suspects[0]
        if len(match.suspects) == 1 and first.fault is not None and first.fault.step is not None:
            yield replace(match, suspects=(replace(first, from_end=True),))


def spoilt(faulty: Sequence[Suspect], trial: Trial) -> dict[str, Array] | None:
    """The gradients with one mistake or several; None where they cannot be had."""
    return faulty[0].gradients(trial) if len(faulty) == 1 else together(faulty, trial)
