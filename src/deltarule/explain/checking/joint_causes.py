"""Several mistakes at once: two in one backward pass, one in the pass and one in what was made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.array_causes import cause_of
from deltarule.explain.checking.arrays import Reading, close, readings
from deltarule.explain.checking.claims import deviation
from deltarule.explain.checking.evidence import Evidence, Named
from deltarule.explain.checking.problem import Trial
from deltarule.explain.checking.suspect_causes import Match, causes_of, matched, proved, spoilt
from deltarule.explain.checking.suspects import MISFITS, Suspect, suspects, together

# Records of so many operations and fewer have pairs of mistakes tried.
_SMALL = 12
# What a gradient may be multiplied with besides: factors that people forget or add.
_USUAL = (2.0, 0.5, -1.0, -2.0, -0.5)

Faulty = tuple[tuple[Suspect, ...], dict[str, Array]]


def by_known_and_suspect(evidence: Evidence, left: list[str], known: Sequence[Suspect]) -> list[Named]:
    """What was found for other gradients, and one more mistake in the pass."""
    first = evidence.trials[0]
    matches: list[Match] = []
    for faulty in ((one, other) for one in known for other in _pool(evidence, left)):
        gradients = None if evidence.over else together(faulty, first)
        match = None if gradients is None else matched(evidence, left, faulty, gradients)
        # What the known one explains is no longer left.
        if match is not None:
            matches.append(match)
    return proved(evidence, matches)


def by_pairs(evidence: Evidence, left: list[str]) -> list[Named]:
    """Two mistakes at once: one of those that leave least, with any other."""
    pool = _pool(evidence, left)
    pairs = [(first, second) for first in pool[:4] for second in pool[:60] if first is not second]
    return tried(evidence, left, pairs)


def by_several(evidence: Evidence, left: list[str], known: Sequence[Suspect]) -> list[Named]:
    """Several known mistakes, and one more besides where they do not explain everything."""
    found = tried(evidence, left, [tuple(known)])
    return found or tried(evidence, left, [(*known, other) for other in _pool(evidence, left)])


def _pool(evidence: Evidence, left: list[str]) -> list[Suspect]:
    """Suspects of a small record, those that come nearest to the claimed numbers first."""
    trial, given = evidence.trials[0], evidence.given[0]
    if len(trial.pass_(False).nodes) > _SMALL:
        return []
    pool: list[tuple[float, Suspect]] = []
    for (suspect,), gradients in _singly(evidence, False):
        if suspect.fault is not None:
            names = [name for name in left if given[name].shape == gradients[name].shape]
            pool.append((sum(deviation(given[name], gradients[name]) for name in names), suspect))
    return [suspect for _, suspect in sorted(pool, key=lambda each: each[0])]


def tried(evidence: Evidence, left: list[str], sets: Sequence[tuple[Suspect, ...]]) -> list[Named]:
    """The first of several sets of suspects that together give all the claimed numbers."""
    for faulty in sets:
        if evidence.over:
            break
        gradients = together(faulty, evidence.trials[0])
        match = None if gradients is None else matched(evidence, left, faulty, gradients)
        if match is not None and len(match.terms) == len(left):
            found = proved(evidence, [match])
            if found:
                return found
    return []


def by_known_and_reading(evidence: Evidence, left: list[str], known: Sequence[Suspect]) -> list[Named]:
    """What was found for other gradients, and a mistake of this one besides: slope lost, and transposed."""
    sets = [each for count in (1, 2, 3) for each in combinations(known, count)]
    found = ((faulty, spoilt(faulty, evidence.trials[0])) for faulty in sets)
    return _read(evidence, left, [(faulty, each) for faulty, each in found if each is not None])


def by_suspect_and_reading(evidence: Evidence, left: list[str], opened: bool) -> list[Named]:
    """A mistake in the pass, and one in what was made of it: a sign, a factor, a transpose, a sum lost."""
    return _read(evidence, left, _singly(evidence, opened))


def _singly(evidence: Evidence, opened: bool) -> Iterator[Faulty]:
    """Every suspect with its gradients, while there is time."""
    first = evidence.trials[0]
    try:
        for suspect, gradients in chain(suspects(first, opened), suspects(first, opened, weak=True)):
            if evidence.over:
                return
            yield (suspect,), gradients
    except MISFITS:
        # A group that cannot be opened on these numbers has no finer suspects.
        return


def _read(
    evidence: Evidence, left: list[str], candidates: Iterator[Faulty] | Sequence[Faulty]
) -> list[Named]:
    """The suspects that explain most gradients with a reading of each besides."""
    first, given = evidence.trials[0], evidence.given[0]
    found: list[tuple[int, float, tuple[Suspect, ...], list[str]]] = []
    for faulty, gradients in candidates:
        terms = [
            name
            for name in left
            if not close(gradients[name], first.gradients[name], evidence.tolerance)
            and _reading([given[name]], [gradients[name]], [first], evidence.tolerance) is not None
        ]
        if terms:
            found.append((-len(terms), faulty[0].rank, faulty, terms))
    for _, _, faulty, terms in sorted(found, key=lambda each: each[:2]):
        passes = [spoilt(faulty, trial) for trial in evidence.trials]
        whole = [each for each in passes if each is not None]
        if len(whole) < len(passes):
            continue
        own: dict[str, Reading] = {}
        for name in terms:
            right = [each[name] for each in whole]
            reading = _reading(evidence.claimed(name), right, evidence.trials, evidence.tolerance)
            if reading is not None:
                own[name] = reading
        if own:
            count = len(evidence.trials)
            error = max(reading.error for reading in own.values())
            besides: list[Named] = [(cause_of(each, (name,), count), None) for name, each in own.items()]
            return [*causes_of(evidence, faulty, tuple(own), error), *besides]
    return []


def _reading(
    given: Sequence[Array], right: Sequence[Array], trials: Sequence[Trial], tolerance: float
) -> Reading | None:
    """How claimed gradients differ from faulty ones, where that is a mistake by itself."""
    if not all(np.any(each) for each in (*given, *right)):
        return None
    for reading in readings(given, right, trials, (), tolerance):
        factor = reading.factor or 1.0
        usual = reading.kind != "factor" or reading.extent or any(np.isclose(factor, each) for each in _USUAL)
        if usual and reading.kind != "extra_sum":
            return reading
    return None
