"""From wrong gradients to causes: which mistake in the right backward pass gives just these numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from deltarule.explain.checking.array_causes import by_arrays, by_gates
from deltarule.explain.checking.evidence import Evidence, Named
from deltarule.explain.checking.gate_causes import by_gates_apart, gate_at_fault
from deltarule.explain.checking.joint_causes import (
    by_known_and_reading,
    by_known_and_suspect,
    by_pairs,
    by_suspect_and_reading,
)
from deltarule.explain.checking.suspect_causes import by_suspects
from deltarule.explain.checking.suspects import Suspect

# Looks at the gradients that are left, with the suspects found before.
Phase = Callable[[list[str], list[Suspect]], list[Named]]


def diagnose(evidence: Evidence, names: Sequence[str]) -> tuple[list[Named], list[str]]:
    """Causes of the wrong gradients, and the names of those that no simple mistake explains."""
    causes: list[Named] = []
    left = [name for name in names if evidence.wrong(name)]
    plain = _plain(evidence)
    for phase in _phases(evidence, plain) if evidence.light else plain:
        # What is read off the arrays takes no time.
        while left and (phase in plain or not evidence.over):
            earlier = [suspect for _, suspect in _merged(causes, names) if suspect is not None]
            known = [suspect for suspect in earlier if suspect.fault is not None]
            found = phase(left, known)
            if not found:
                break
            causes.extend(found)
            left = [name for name in left if not any(name in cause.terms for cause, _ in found)]
    if left:
        causes.extend(gate_at_fault(evidence, left))
    return _merged(causes, names), left


def _plain(evidence: Evidence) -> list[Phase]:
    """Mistakes that are read off the arrays: those that say most, those of one gate, factors."""
    return [
        lambda left, _: by_arrays(evidence, left, lambda reading: reading.kind != "factor"),
        lambda left, _: by_gates(evidence, left),
        lambda left, _: by_arrays(evidence, left, lambda reading: True),
    ]


def _phases(evidence: Evidence, plain: Sequence[Phase]) -> list[Phase]:
    """Where mistakes are looked for: first those that say most."""
    whole, gates, factors = plain
    return [
        whole,
        lambda left, _: by_suspects(evidence, left, False),
        gates,
        lambda left, _: by_gates_apart(evidence, left),
        lambda left, _: by_suspects(evidence, left, False, single_steps=True),
        lambda left, _: by_suspects(evidence, left, False, weak=True),
        lambda left, _: by_suspects(evidence, left, False, single_steps=True, weak=True),
        lambda left, known: by_known_and_reading(evidence, left, known),
        lambda left, _: by_arrays(evidence, left, lambda reading: bool(reading.extent)),
        lambda left, _: by_suspects(evidence, left, True),
        lambda left, _: by_suspects(evidence, left, True, weak=True),
        factors,
        lambda left, known: by_known_and_suspect(evidence, left, known),
        lambda left, _: by_suspect_and_reading(evidence, left, False),
        lambda left, _: by_suspect_and_reading(evidence, left, True),
        lambda left, _: by_pairs(evidence, left),
        lambda left, known: by_known_and_reading(evidence, left, known),
    ]


def _merged(causes: Sequence[Named], names: Sequence[str]) -> list[Named]:
    """Each mistake once, with all gradients that it was found for."""
    found: dict[object, Named] = {}
    for cause, suspect in causes:
        factor = None if cause.factor is None else round(cause.factor, 9)
        key = replace(cause, terms=(), factor=factor, error=0.0, trials=0)
        earlier = found.get(key)
        if earlier is not None:
            terms = {*cause.terms, *earlier[0].terms}
            cause = replace(
                cause,
                terms=tuple(name for name in names if name in terms),
                error=max(cause.error, earlier[0].error),
            )
        found[key] = (cause, suspect)
    return list(found.values())
