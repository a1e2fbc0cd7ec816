"""Mistakes of single gates of a recurrent layer, found where no gate's error reaches another.

With recurrent weights of zero, what a gate's error does to its own rows is all that it does.
"""

from __future__ import annotations

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.arrays import close
from deltarule.explain.checking.evidence import Evidence, Named
from deltarule.explain.checking.findings import Cause, Place
from deltarule.explain.checking.joint_causes import by_several
from deltarule.explain.checking.problem import gates_of
from deltarule.explain.checking.suspects import Suspect, suspects


def by_gates_apart(evidence: Evidence, left: list[str]) -> list[Named]:
    """Mistakes of several gates, each found in its own rows, and one more besides."""
    known = _suspects_apart(evidence, left)
    return by_several(evidence, left, known) if len(known) > 1 else []


def _suspects_apart(evidence: Evidence, left: list[str]) -> tuple[Suspect, ...]:
    """For each gate with wrong rows a suspect that gives them; none unless all have one."""
    names, wanted = _wrong_gates(evidence, left)
    if evidence.apart is None or not wanted:
        return ()
    trial, given = evidence.apart
    count = len(gates_of(trial)[names[0]])
    found: list[Suspect] = []
    for weak in (False, True):
        for suspect, gradients in suspects(trial, False, weak=weak):
            if evidence.over or not wanted:
                break
            if suspect.fault is None:
                continue
            for place in sorted(wanted):
                own = [
                    [_rows(arrays[name], count, place) for name in names]
                    for arrays in (given, gradients, trial.gradients)
                ]
                changed = any(not close(spoilt, right) for _, spoilt, right in zip(*own, strict=True))
                if changed and all(
                    close(claimed, spoilt, evidence.tolerance)
                    for claimed, spoilt, _ in zip(*own, strict=True)
                ):
                    found.append(suspect)
                    wanted.discard(place)
                    break
    return () if wanted else tuple(found)


def _wrong_gates(evidence: Evidence, left: list[str]) -> tuple[list[str], set[int]]:
    """Parameters of stacked gates, and the gates whose rows are wrong in them when gates are apart."""
    if evidence.apart is None:
        return [], set()
    trial, given = evidence.apart
    gates = gates_of(trial)
    names = [name for name in left if name in gates and given[name].shape == trial.gradients[name].shape]
    count = len(gates[names[0]]) if names else 0
    wrong = {
        place
        for place in range(count)
        for name in names
        if not close(
            _rows(given[name], count, place), _rows(trial.gradients[name], count, place), evidence.tolerance
        )
    }
    return names, wrong


def _rows(array: Array, count: int, place: int) -> Array:
    return np.split(array, count)[place]


def gate_at_fault(evidence: Evidence, left: list[str]) -> list[Named]:
    """The one gate whose error term is wrong, whatever the mistake, and the time step if it is one alone."""
    names, wrong = _wrong_gates(evidence, left)
    if evidence.apart is None or len(wrong) != 1:
        return []
    trial, given = evidence.apart
    gate = gates_of(trial)[names[0]][wrong.pop()]
    steps: set[int] = set()
    length = 0
    for name, right in trial.gradients.items():
        if right.ndim == 3 and name in given and given[name].shape == right.shape:
            length = right.shape[1]
            steps |= {
                step
                for step in range(length)
                if not close(given[name][:, step], right[:, step], evidence.tolerance)
            }
    step = steps.pop() if len(steps) == 1 < length else None
    return [(Cause("wrong_gate", tuple(left), Place(gate=gate, step=step)), None)]
