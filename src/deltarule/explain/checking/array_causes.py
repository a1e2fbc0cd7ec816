"""Causes that are read off the arrays alone: of a gradient as a whole, or of one gate's rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deltarule.explain.checking.arrays import Reading, close, readings
from deltarule.explain.checking.evidence import Evidence, Named
from deltarule.explain.checking.findings import Cause, Place
from deltarule.explain.checking.problem import gates_of


def by_arrays(evidence: Evidence, left: list[str], counts: Callable[[Reading], bool]) -> list[Named]:
    """A mistake of one gradient as a whole, and of others alike.

    counts   which readings may be named: a suspect may explain a factor better
    """
    gates = gates_of(evidence.trials[0])

    def read(name: str) -> list[Reading]:
        own = gates.get(name, ())
        found = readings(
            evidence.claimed(name), evidence.right(name), evidence.trials, own, evidence.tolerance
        )
        return [each for each in found if counts(each)]

    for name in left:
        for reading in read(name)[:1]:
            terms = [
                other for other in left if other == name or any(_alike(each, reading) for each in read(other))
            ]
            return [(cause_of(reading, tuple(terms), len(evidence.trials)), None)]
    return []


def _alike(left: Reading, right: Reading) -> bool:
    """Whether two gradients have the same mistake."""
    same = (left.kind, left.extent, left.axes, left.gate, left.other) == (
        right.kind, right.extent, right.axes, right.gate, right.other,
    )  # fmt: skip
    return same and (left.factor == right.factor or bool(np.isclose(left.factor or 0, right.factor or 0)))


def cause_of(reading: Reading, terms: tuple[str, ...], trials: int, place: Place | None = None) -> Cause:
    """A reading as a cause."""
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


def by_gates(evidence: Evidence, left: list[str]) -> list[Named]:
    """One gate's rows wrong in a simple way, the others right."""
    gates = gates_of(evidence.trials[0])
    for name in left:
        own = gates.get(name, ())
        given, right = evidence.claimed(name), evidence.right(name)
        if not own or any(a.shape != b.shape for a, b in zip(given, right, strict=True)):
            continue
        pairs = [
            list(zip(np.split(a, len(own)), np.split(b, len(own)), strict=True))
            for a, b in zip(given, right, strict=True)
        ]
        wrong = [
            place
            for place in range(len(own))
            if not all(close(*pair[place], evidence.tolerance) for pair in pairs)
        ]
        if len(wrong) != 1:
            continue
        blocks = [pair[wrong[0]] for pair in pairs]
        found = readings(
            [a for a, _ in blocks], [b for _, b in blocks], evidence.trials, (), evidence.tolerance
        )
        reading = next(found, None)
        if reading is not None:
            place = Place(gate=own[wrong[0]])
            return [(cause_of(reading, (name,), len(evidence.trials), place), None)]
    return []
