"""From wrong gradients to causes: which mistake in the right backward pass gives just these numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.arrays import TOLERANCE, Reading, close, readings
from deltarule.explain.checking.claims import deviation
from deltarule.explain.checking.describing import described
from deltarule.explain.checking.findings import Cause, Place
from deltarule.explain.checking.problem import Trial, gates_of
from deltarule.explain.checking.suspects import (
    MISFITS,
    Suspect,
    suspects,
    together,
)

# What a mistake may be multiplied with besides: factors that people forget or add.
_USUAL = (2.0, 0.5, -1.0, -2.0, -0.5)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was claimed on every trial, and what is right.

    trials   the first is the one that is searched; the others prove what is found
    given    name -> claimed gradient, for each trial
    short    for recurrent layers: sequences of one step, and what was claimed there
    steps    the time steps at which a mistake of a single step may lie, where that is known
    light    whether formulas can be computed on the trials with every sum written out
    shown    the trial whose sizes causes are written with
    until    when the search ends (time.monotonic), found or not
    """

    trials: Sequence[Trial]
    given: Sequence[dict[str, Array]]
    tolerance: float = TOLERANCE
    short: tuple[Trial, dict[str, Array]] | None = None
    steps: tuple[int, ...] | None = None
    light: bool = True
    shown: Trial | None = None
    until: float = float("inf")

    @property
    def over(self) -> bool:
        """Whether the time for the search is over."""
        return time.monotonic() > self.until

    def wrong(self, name: str) -> bool:
        """Whether the claimed gradient is wrong on the trial that is searched."""
        return not close(self.given[0][name], self.trials[0].gradients[name], self.tolerance)


@dataclass(frozen=True, eq=False)
class Match:
    """Suspects, mostly one, that give the claimed numbers for some terms, times a factor."""

    suspects: tuple[Suspect, ...]
    factor: float
    terms: tuple[str, ...]
    denied: int

    @property
    def order(self) -> tuple[float, ...]:
        """Small for what is named first."""
        penalty = 0 if self.factor == 1 else 40
        first = self.suspects[0]
        return (-len(self.terms), self.denied, first.rank + penalty, len(first.nodes) == 1)


# A cause, and the suspect that it was found as where it was.
Named = tuple[Cause, Suspect | None]


def diagnose(evidence: Evidence, names: Sequence[str]) -> tuple[list[Named], list[str]]:
    """Causes of the wrong gradients, and the names of those that are left without one."""
    causes: list[Named] = []
    left = [name for name in names if evidence.wrong(name)]
    for phase in _phases(evidence):
        while left:
            found = phase(left)
            if not found:
                break
            causes.extend(found)
            left = [name for name in left if not any(name in cause.terms for cause, _ in found)]
        if not left:
            break
    return causes, left


def _phases(evidence: Evidence) -> list[Callable[[list[str]], list[Named]]]:
    if not evidence.light:
        return [
            lambda left: _by_arrays(evidence, left, plain=True),
            lambda left: _by_arrays(evidence, left, plain=False),
            lambda left: _by_gates(evidence, left),
        ]
    return [
        lambda left: _by_arrays(evidence, left, plain=True),
        lambda left: _by_suspects(evidence, left, False),
        lambda left: _by_one_step(evidence, left),
        lambda left: _by_suspects(evidence, left, False, single_steps=True),
        lambda left: _by_suspects(evidence, left, False, weak=True),
        lambda left: _by_suspects(evidence, left, True),
        lambda left: _by_suspects(evidence, left, True, weak=True),
        lambda left: _by_arrays(evidence, left, plain=False),
        lambda left: _by_gates(evidence, left),
        lambda left: _by_suspects(evidence, left, False, scaled=True),
        lambda left: _by_suspects(evidence, left, True, scaled=True),
        lambda left: _by_pairs(evidence, left),
    ]


# ---- mistakes of the arrays


def _by_arrays(evidence: Evidence, left: list[str], *, plain: bool) -> list[Named]:
    """A mistake of one gradient as a whole; `plain` leaves out factors: a suspect may explain them better."""
    gates = gates_of(evidence.trials[0])
    for name in left:
        given = [each[name] for each in evidence.given]
        right = [trial.gradients[name] for trial in evidence.trials]
        for reading in readings(given, right, evidence.trials, gates.get(name, ()), evidence.tolerance):
            if plain and reading.kind == "factor":
                continue
            terms = _sharing(evidence, left, name, reading)
            return [(_cause_of(reading, terms, len(evidence.trials)), None)]
    return []


def _sharing(evidence: Evidence, left: list[str], name: str, reading: Reading) -> tuple[str, ...]:
    """Other gradients with the same mistake."""
    found = [name]
    for other in left:
        if other == name:
            continue
        given = [each[other] for each in evidence.given]
        right = [trial.gradients[other] for trial in evidence.trials]
        own = gates_of(evidence.trials[0]).get(other, ())
        for each in readings(given, right, evidence.trials, own, evidence.tolerance):
            alike = (each.kind, each.extent, each.axes, each.gate, each.other) == (
                reading.kind, reading.extent, reading.axes, reading.gate, reading.other,
            )  # fmt: skip
            if alike and (each.factor == reading.factor or np.isclose(each.factor or 0, reading.factor or 0)):
                found.append(other)
                break
    return tuple(each for each in left if each in found)


def _cause_of(reading: Reading, terms: tuple[str, ...], trials: int, place: Place | None = None) -> Cause:
    return Cause(
        kind=reading.kind,
        terms=terms,
        place=place or Place(gate=reading.gate),
        used=reading.other,
        factor=reading.factor,
        extent=reading.extent,
        axes=reading.axes,
        error=reading.error,
        trials=trials,
    )


def _by_gates(evidence: Evidence, left: list[str]) -> list[Named]:
    """One gate's rows wrong in a simple way, the others right."""
    gates = gates_of(evidence.trials[0])
    for name in left:
        own = gates.get(name, ())
        if not own or any(
            each[name].shape != t.gradients[name].shape
            for each, t in zip(evidence.given, evidence.trials, strict=True)
        ):
            continue
        for place, gate in enumerate(own):
            given = [np.split(each[name], len(own))[place] for each in evidence.given]
            right = [np.split(trial.gradients[name], len(own))[place] for trial in evidence.trials]
            others_right = all(
                close(a, b, evidence.tolerance)
                for each, trial in zip(evidence.given, evidence.trials, strict=True)
                for position, (a, b) in enumerate(
                    zip(
                        np.split(each[name], len(own)), np.split(trial.gradients[name], len(own)), strict=True
                    )
                )
                if position != place
            )
            if not others_right:
                continue
            reading = next(iter(readings(given, right, evidence.trials, (), evidence.tolerance)), None)
            if reading is not None:
                return [(_cause_of(reading, (name,), len(evidence.trials), Place(gate=gate)), None)]
    return []


# ---- mistakes in the backward pass


def _by_suspects(
    evidence: Evidence,
    left: list[str],
    opened: bool,
    *,
    single_steps: bool = False,
    weak: bool = False,
    scaled: bool = False,
) -> list[Named]:
    """The suspect that explains most of what is left.

    scaled   whether a usual factor may come in besides
    """
    first = evidence.trials[0]
    matches: list[Match] = []
    try:
        for suspect, gradients in suspects(
            first, opened, single_steps=single_steps, weak=weak, steps=evidence.steps
        ):
            if evidence.over:
                break
            match = _matched(evidence, left, (suspect,), gradients, _USUAL if scaled else ())
            if match is not None:
                matches.append(match)
                # They come with the ones to be named first at the start: a complete one ends the search.
                if len(match.terms) == len(left) and not match.denied and match.factor == 1:
                    found = _proved(evidence, [match])
                    if found:
                        return found
    except MISFITS:
        # A group that cannot be opened on these numbers has no finer suspects.
        return []
    return _proved(evidence, matches)


def _matched(
    evidence: Evidence,
    left: Sequence[str],
    faulty: tuple[Suspect, ...],
    gradients: dict[str, Array],
    usual: tuple[float, ...] = (),
) -> Match | None:
    """Which terms a suspect explains on the trial that is searched, with the factor that fits most."""
    given, right = evidence.given[0], evidence.trials[0].gradients
    fits: dict[float, list[str]] = {}
    for name in left:
        for factor in (1.0, *usual):
            if given[name].shape == gradients[name].shape and np.any(gradients[name]):
                if close(given[name], factor * gradients[name], evidence.tolerance):
                    fits.setdefault(factor, []).append(name)
                    break
            elif not np.any(given[name]) and given[name].shape == gradients[name].shape:
                fits.setdefault(1.0, []).append(name)
                break
    if not fits:
        return None
    factor = max(fits, key=lambda each: (len(fits[each]), each == 1.0))
    denied = sum(
        1
        for name, own in given.items()
        if name not in left
        and own.shape == right[name].shape
        and close(own, right[name], evidence.tolerance)
        and not close(own, factor * gradients[name], evidence.tolerance)
    )
    return Match(faulty, factor, tuple(fits[factor]), denied)


def _proved(evidence: Evidence, matches: list[Match]) -> list[Named]:
    """The best match that holds on all trials, as causes."""
    for match in _by_either_end(sorted(matches, key=lambda each: each.order)):
        terms = list(match.terms)
        worst = 0.0
        for trial, given in zip(evidence.trials, evidence.given, strict=True):
            gradients = _spoilt(match, trial)
            if gradients is None:
                terms = []
                break
            for name in [*terms]:
                wrong = match.factor * gradients[name]
                # What is left once the mistake is taken out: the right gradient, off by what did not match.
                error = deviation(given[name], wrong) if given[name].shape == wrong.shape else float("inf")
                if error > evidence.tolerance * 10:
                    terms.remove(name)
                else:
                    worst = max(worst, error)
        if terms:
            count = len(evidence.trials)
            return [
                (
                    described(
                        evidence.trials[0], evidence.shown, suspect, match.factor, tuple(terms), worst, count
                    ),
                    suspect,
                )
                for suspect in match.suspects
            ]
    return []


def _by_either_end(matches: list[Match]) -> Iterator[Match]:
    """Matches; one at a single step first with the step counted from the start, then from the end."""
    for match in matches:
        yield match
        first = match.suspects[0]
        if len(match.suspects) == 1 and first.fault is not None and first.fault.step is not None:
            yield replace(match, suspects=(replace(first, from_end=True),))


def _spoilt(match: Match, trial: Trial) -> dict[str, Array] | None:
    if len(match.suspects) == 1:
        return match.suspects[0].gradients(trial)
    return together(match.suspects, trial)


def _by_pairs(evidence: Evidence, left: list[str]) -> list[Named]:
    """Two mistakes at once: one of those that leave least, with any other."""
    pool = _pool(evidence, left)
    pairs = [(first, second) for first in pool[:4] for second in pool[:60] if first is not second]
    return _tried(evidence, left, pairs)


def _by_one_step(evidence: Evidence, left: list[str]) -> list[Named]:
    """Mistakes of several gates, found apart in a sequence of one step, and one more besides."""
    known = _at_one_step(evidence, left)
    if len(known) < 2:
        return []
    found = _tried(evidence, left, [known])
    return found or _tried(evidence, left, [(*known, other) for other in _pool(evidence, left)])


def _pool(evidence: Evidence, left: list[str]) -> list[Suspect]:
    """Suspects of a small record, those that come nearest to the claimed numbers first."""
    trial, given = evidence.trials[0], evidence.given[0]
    if len(trial.pass_(False).nodes) > 12:
        return []
    pool: list[tuple[float, Suspect]] = []
    try:
        for suspect, gradients in suspects(trial, False):
            if evidence.over:
                break
            if suspect.fault is not None:
                distance = sum(
                    deviation(given[name], gradients[name])
                    for name in left
                    if given[name].shape == gradients[name].shape
                )
                pool.append((distance, suspect))
    except MISFITS:
        return []
    return [suspect for _, suspect in sorted(pool, key=lambda each: each[0])]


def _tried(evidence: Evidence, left: list[str], sets: Sequence[tuple[Suspect, ...]]) -> list[Named]:
    """The first of several sets of suspects that together give all the claimed numbers."""
    for faulty in sets:
        if evidence.over:
            break
        gradients = together(faulty, evidence.trials[0])
        match = None if gradients is None else _matched(evidence, left, faulty, gradients)
        if match is not None and len(match.terms) == len(left):
            found = _proved(evidence, [match])
            if found:
                return found
    return []


def _at_one_step(evidence: Evidence, left: list[str]) -> tuple[Suspect, ...]:
    """Mistakes of single gates: in a sequence of one step no gate's error reaches another's rows."""
    if evidence.short is None:
        return ()
    trial, given = evidence.short
    gates = gates_of(trial)
    names = [name for name in left if name in gates and given[name].shape == trial.gradients[name].shape]
    if not names:
        return ()
    count = len(gates[names[0]])

    def block(arrays: dict[str, Array], name: str, place: int) -> Array:
        return np.split(arrays[name], count)[place]

    found: list[Suspect] = []
    wanted = {
        place
        for place in range(count)
        for name in names
        if not close(block(given, name, place), block(trial.gradients, name, place), evidence.tolerance)
    }
    for weak in (False, True):
        for suspect, gradients in suspects(trial, False, weak=weak):
            if evidence.over or not wanted:
                break
            for place in sorted(wanted):
                changed = [
                    name
                    for name in names
                    if not close(block(gradients, name, place), block(trial.gradients, name, place))
                ]
                if (
                    changed
                    and suspect.fault is not None
                    and all(
                        close(block(given, name, place), block(gradients, name, place), evidence.tolerance)
                        for name in names
                    )
                ):
                    found.append(suspect)
                    wanted.discard(place)
                    break
    return () if wanted else tuple(found)
