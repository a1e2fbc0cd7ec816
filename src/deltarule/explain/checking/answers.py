"""A claim of any form, asked for its gradients on any numbers; what the user's code raises is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.errors import ArgumentError
from deltarule.explain.checking.claims import BackwardClaim, Claim, NumbersClaim
from deltarule.explain.checking.formula_claim import FormulaClaim
from deltarule.explain.checking.problem import WHO, Problem, Trial
from deltarule.explain.checking.sympy_reader import is_sympy

# Claims that come in single precision may be off by this.
_SINGLE = 1e-4


def read_claim(claim: Any, problem: Problem, first: Trial) -> tuple[str, Claim]:
    """The form of a claim ("function", "object", "formula", "sympy", "numbers"), and the claim."""
    if isinstance(claim, str):
        return "formula", FormulaClaim(claim, problem, first)
    if is_sympy(claim):
        if len(problem.varied) != 1:
            raise ArgumentError(
                WHO, "a single SymPy expression needs a single input", 'Use {"W": expression}.'
            )
        return "sympy", FormulaClaim({problem.varied[0]: claim}, problem, first)
    if isinstance(claim, Mapping):
        if any(is_sympy(value) for value in claim.values()):
            return "sympy", FormulaClaim(claim, problem, first)
        if any(isinstance(value, str) for value in claim.values()):
            return "formula", FormulaClaim(claim, problem, first)
        return "numbers", NumbersClaim(claim, problem)
    return ("object" if hasattr(claim, "backward") else "function"), BackwardClaim(claim, problem)


class Answers:
    """What a claim answers on each trial.

    problems    name of a gradient -> why it could not be computed on the given numbers; "" for all of them
    tolerance   relative deviation that is right: that of float32 once the claim answered in it
    """

    def __init__(self, claim: Claim, problem: Problem, first: Trial, tolerance: float):
        self.claim, self.problem, self.first, self.tolerance = claim, problem, first, tolerance
        self.problems: dict[str, str] = {}

    def __call__(self, trial: Trial) -> dict[str, Array] | None:
        """Claimed gradients that are arrays; None where the user's code raises."""
        try:
            with np.errstate(all="ignore"), self.problem.holding(trial):
                answers = self.claim.gradients(trial)
        except ArgumentError:
            raise
        # Code of the user may raise anything.
        except Exception as error:
            if trial is self.first:
                self.problems[""] = f"{type(error).__name__}: {error}"
            return None
        found: dict[str, Array] = {}
        for name, value in answers.items():
            if isinstance(value, Exception):
                if trial is self.first:
                    self.problems[name] = _misfit(value)
                continue
            array = np.asarray(value)
            if array.dtype.kind not in "fiub":
                raise ArgumentError(
                    WHO, f"the gradient of {name} has elements of type {array.dtype}, expected numbers"
                )
            if array.dtype in (np.float32, np.float16):
                self.tolerance = max(self.tolerance, _SINGLE)
            found[name] = array.astype(np.float64)
        return found

    def problem_of(self, name: str) -> str:
        """Why a gradient could not be computed, or ""."""
        return self.problems.get(name) or self.problems.get("", "")


def _misfit(error: Exception) -> str:
    problem = getattr(error, "problem", "") or str(error)
    shapes = getattr(error, "shapes", ())
    return f"{problem}: {' and '.join(map(str, shapes))}" if shapes else problem
