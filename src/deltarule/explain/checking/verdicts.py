"""Right, wrong or not shown: one claimed gradient on several sets of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.answers import Answers
from deltarule.explain.checking.arrays import close
from deltarule.explain.checking.claims import deviation
from deltarule.explain.checking.drawing import attempted
from deltarule.explain.checking.problem import Problem, Trial


@dataclass(frozen=True)
class Verdict:
    """status, error on the given numbers, which numbers show it ("given" or "other"), elements on a kink.

    finite   whether the right gradient on the given numbers is made of numbers, without NaN and infinities
    """

    status: str
    error: float
    shown_by: str = "given"
    kinks: tuple[tuple[int, ...], ...] = ()
    finite: bool = True


def verdict(
    name: str,
    trials: Sequence[Trial],
    given: Sequence[dict[str, Array] | None],
    problem: Problem,
    answers: Answers,
) -> Verdict:
    """The verdict on one gradient.

    trials   the given numbers first
    given    what was claimed on each
    """
    own = trials[0].gradients[name]
    answered = given[0] is not None and name in given[0] and given[0][name].shape == own.shape
    if answered and not np.all(np.isfinite(own)):
        # With NaN and infinities nothing can be compared: other numbers have to tell.
        if len(trials) == 1:
            return Verdict("not shown", float("nan"), "other", finite=False)
        others = verdict(name, trials[1:], given[1:], problem, answers)
        return replace(others, error=float("nan"), shown_by="other", finite=False)
    errors: list[float] = []
    shown: list[bool] = []
    for trial, answer in zip(trials, given, strict=True):
        right = trial.gradients[name]
        if answer is None or name not in answer or answer[name].shape != right.shape:
            errors.append(float("inf"))
            shown.append(True)
            continue
        errors.append(deviation(answer[name], right))
        # A gradient of zeros is met by any wrong formula that has a factor zero.
        shown.append(bool(np.any(right)) or bool(np.any(answer[name])))
    if trials[0] is not answers.first:
        # The given numbers are of no use, or the claim cannot be computed on them.
        if all(error <= answers.tolerance for error in errors):
            return Verdict("right" if any(shown) else "not shown", max(errors), "other")
        return Verdict("wrong", errors[0], "other")
    bad = [not error <= answers.tolerance for error in errors]
    if bad[0] and not any(bad[1:]) and np.isfinite(errors[0]) and not answers.claim.fixed:
        kinks = _kinks(name, given[0], trials[0], problem, answers)
        if kinks:
            return Verdict("right", 0.0, "given", kinks)
    if any(bad):
        return Verdict("wrong", errors[0], "given" if bad[0] else "other")
    if not any(shown):
        return Verdict("not shown", errors[0], "other")
    return Verdict("right", errors[0], "given" if shown[0] else "other")


def _kinks(
    name: str, answer: dict[str, Array] | None, first: Trial, problem: Problem, answers: Answers
) -> tuple[tuple[int, ...], ...]:
    """Elements that differ at the given numbers but not beside them, to either side."""
    assert answer is not None
    generator = np.random.default_rng(first.seed)
    for _ in range(3):
        numbers = dict(problem.start)
        for title in problem.free:
            array = numbers[title]
            scale = float(np.max(np.abs(array), initial=0.0)) or 1.0
            numbers[title] = np.asarray(array + generator.normal(0.0, 1e-6 * scale, array.shape))
        trial = attempted(problem, numbers, first.seed)
        given = None if trial is None else answers(trial)
        if trial is None or given is None or not close(given[name], trial.gradients[name], answers.tolerance):
            return ()
    right = first.gradients[name]
    limit = answers.tolerance * max(float(np.max(np.abs(right), initial=0.0)), 1e-300)
    wrong = np.argwhere(np.abs(answer[name] - right) > limit)
    return tuple(tuple(int(place) for place in element) for element in wrong)
