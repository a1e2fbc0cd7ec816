"""What there is to find a mistake by: claimed gradients and right ones, on several sets of numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.arrays import TOLERANCE, close
from deltarule.explain.checking.findings import Cause
from deltarule.explain.checking.problem import Trial
from deltarule.explain.checking.suspects import Suspect

# A cause, and the suspect that it was found as where it was.
Named = tuple[Cause, Suspect | None]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was claimed on every trial, and what is right.

    trials   the first is the one that is searched; the others prove what is found
    given    name -> claimed gradient, for each trial
    apart    for recurrent layers: the same with recurrent weights of zero, and what was claimed there
    steps    the time steps at which a mistake of a single step may lie, where that is known
    light    whether formulas can be computed on the trials with every sum written out
    shown    the trial whose sizes causes are written with
    until    when the search ends (time.monotonic), found or not
    """

    trials: Sequence[Trial]
    given: Sequence[dict[str, Array]]
    tolerance: float = TOLERANCE
    apart: tuple[Trial, dict[str, Array]] | None = None
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

    def claimed(self, name: str) -> list[Array]:
        """One claimed gradient on every trial."""
        return [each[name] for each in self.given]

    def right(self, name: str) -> list[Array]:
        """One right gradient on every trial."""
        return [trial.gradients[name] for trial in self.trials]
