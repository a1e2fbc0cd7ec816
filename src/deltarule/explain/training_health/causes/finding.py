"""Finding and Remedy: a named cause with the numbers that speak for it, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Number = float | int | str


@dataclass(frozen=True)
class Remedy:
    """What would help. `explain.remedy` tries those that can be tried; others are advice to the user.

    key         name of the remedy, one of `causes.REMEDIES`
    arguments   its numbers and names, as the list in `causes` says

    >>> Remedy("learning_rate", {"factor": 0.1}).arguments["factor"]
    0.1
    """

    key: str
    arguments: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One cause for a network not to train.

    cause      name of the cause, one of `causes.CAUSES`
    layer      the layer that it sits in; "" where it is of the whole network or of its data
    severity   in [0, 1]: how far beyond its limit the measured quantity is. 1/2 at ten times the limit
    evidence   name -> number that was measured, as the list in `causes` says
    remedy     what would help
    step       the step at which it was seen

    >>> finding = Finding("not_connected", "2", 1.0, {"parameters": 2}, Remedy("connect", {"layer": "2"}))
    >>> finding.cause, finding.layer
    ('not_connected', '2')
    """

    cause: str
    layer: str
    severity: float
    evidence: Mapping[str, Number]
    remedy: Remedy
    step: int = 0


def severity(measured: float, limit: float) -> float:
    """How far a positive quantity is beyond its limit: x / (x + 10) of x = measured / limit; 1 at infinity.

    >>> severity(10.0, 1.0), severity(float("inf"), 1.0)
    (0.5, 1.0)
    """
    times = measured / limit if limit else float("inf")
    return 1.0 if times == float("inf") or times != times else times / (times + 10.0)
