"""The search for the mistakes: formulas are mended, backward functions compared with faulty passes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.answers import Answers
from deltarule.explain.checking.arrays import TOLERANCE, close
from deltarule.explain.checking.diagnosis import diagnose
from deltarule.explain.checking.drawing import attempted, is_light, smaller
from deltarule.explain.checking.evidence import Evidence
from deltarule.explain.checking.findings import Cause
from deltarule.explain.checking.formula_claim import FormulaClaim
from deltarule.explain.checking.mending import Mended, mend
from deltarule.explain.checking.problem import Problem, Trial, recurrent_weights
from deltarule.explain.checking.suspects import Suspect
from deltarule.operations.recurrence.groups import RecurrentGroup

Given = dict[str, Array]


@dataclass(frozen=True, eq=False)
class Finding:
    """A cause, and what proves it: the suspect that gives the same numbers, or the correction of a formula.

    alone   whether the suspect gives the same numbers without others
    """

    cause: Cause
    suspect: Suspect | None = None
    alone: bool = True
    mended: Mended | None = None

    @property
    def mended_at(self) -> int | None:
        """The position of the formula that was mended."""
        return None if self.mended is None else self.mended.position


def _proofs(causes: Sequence[tuple[Cause, Suspect | None]]) -> list[Finding]:
    """Causes with their suspects; those that explain the same gradient do so together."""
    named = [name for cause, _ in causes for name in cause.terms]
    return [
        Finding(cause, suspect, alone=all(named.count(name) == 1 for name in cause.terms))
        for cause, suspect in causes
    ]


class Search:
    """The search for what makes some gradients of one claim wrong."""

    def __init__(self, problem: Problem, first: Trial, answers: Answers, patience: float):
        self.until = time.monotonic() + patience
        self.problem, self.first, self.answers = problem, first, answers
        self.fixed = answers.claim.fixed

    def run(
        self, wrong: list[str], trials: Sequence[Trial], given: Sequence[Given | None]
    ) -> tuple[list[Finding], list[str]]:
        """Causes, and the gradients that no simple mistake explains.

        trials, given   the given numbers first, and what was claimed on each
        """
        if not wrong:
            return [], []
        found: list[Finding] = []
        left = list(wrong)
        small = [] if self.fixed else self._small(wrong)
        claim = self.answers.claim
        if isinstance(claim, FormulaClaim):
            # A matrix that is written out element by element has no smaller sizes.
            quick = [trial for trial, answer in small[:1] if all(name in answer for name in wrong)]
            searched = [*quick, *reversed(trials)]
            mended, left = mend(claim, searched, wrong, self.until)
            found.extend(Finding(cause, mended=how) for cause, how in mended)
            unread = [name for name in left if name in self.answers.problems]
            found.extend(self._raised(unread))
            left = [name for name in left if name not in unread]
        elif given[0] is None:
            return self._raised(left), []
        if not left:
            return found, []
        usable = [
            (trial, answer)
            for trial, answer in zip(trials, given, strict=True)
            if answer is not None and all(name in answer for name in left)
        ]
        own = [pair for pair in small if all(name in pair[1] for name in left)]
        light = is_light(self.first)
        if own and not light:
            # Formulas with every sum written out would take long on the given sizes.
            usable = own
        elif own:
            usable = [own[0], *usable]
        usable = self._telling(usable, left)
        evidence = Evidence(
            [trial for trial, _ in usable],
            [each for _, each in usable],
            max(self.answers.tolerance, TOLERANCE),
            self._apart(left),
            self._steps(usable[0][0], left),
            bool(own) or light,
            self.first if light else usable[0][0],
            self.until,
        )
        causes, left = diagnose(evidence, left)
        return [*found, *_proofs(causes)], left

    def _small(self, wrong: list[str]) -> list[tuple[Trial, Given]]:
        """Small random arrays, and what is claimed on them.

        Where a gradient that is right is wrong on them, a number in the computation stands for a size (the
        5 of a sum over five samples, divided by 5), and they prove nothing.
        """
        found = []
        for draw in range(3):
            trial = smaller(self.problem, self.first, self.first.seed + 100 + draw)
            answer = None if trial is None else self.answers(trial)
            if trial is None or answer is None:
                break
            if not all(
                close(own, trial.gradients[name], max(self.answers.tolerance, TOLERANCE))
                for name, own in answer.items()
                if name not in wrong and name in trial.gradients
            ):
                return []
            found.append((trial, answer))
        return found

    def _steps(self, trial: Trial, names: Sequence[str]) -> tuple[int, ...] | None:
        """For a sequence as output: the first and the last step at which a loss makes a gradient wrong.

        A mistake at one time step shows where the loss looks at that step or a later one (an earlier one, in
        a reverse layer), and not before.
        """
        output = trial.outputs[0]
        if (
            self.fixed
            or output.ndim != 3
            or not any(isinstance(node.operation, RecurrentGroup) for node in trial.pass_(False).nodes)
        ):
            return None
        wrong = []
        for step in range(output.shape[1]):
            upstream = [np.zeros(each.shape) for each in trial.upstream]
            upstream[0][:, step] = trial.upstream[0][:, step]
            alone = trial.with_upstream(upstream)
            answer = self.answers(alone)
            if answer is None:
                return None
            if any(
                name in answer and not close(answer[name], alone.gradients[name], self.answers.tolerance)
                for name in names
            ):
                wrong.append(step)
        return (wrong[0], wrong[-1]) if wrong else None

    def _telling(self, usable: list[tuple[Trial, Given]], left: list[str]) -> list[tuple[Trial, Given]]:
        """The trial first on which most of what is wrong shows."""

        def shown(pair: tuple[Trial, Given]) -> int:
            trial, answer = pair
            return sum(
                not close(answer[name], trial.gradients[name], self.answers.tolerance) for name in left
            )

        best = max(range(len(usable)), key=lambda place: (shown(usable[place]), -place))
        return [usable[best], *usable[:best], *usable[best + 1 :]]

    def _apart(self, names: list[str]) -> tuple[Trial, Given] | None:
        """Recurrent weights of zero, for layers with gates: no gate's error reaches another."""
        weights = [] if self.fixed else recurrent_weights(self.first)
        if not weights:
            return None
        numbers = {name: self.first.numbers[name] for name in self.problem.start}
        numbers.update({name: np.zeros_like(numbers[name]) for name in weights})
        trial = attempted(self.problem, numbers, self.first.seed)
        answer = None if trial is None else self.answers(trial)
        if trial is None or answer is None or any(name not in answer for name in names):
            return None
        return trial, answer

    def _raised(self, names: Sequence[str]) -> list[Finding]:
        """What the user's code raised, or which shapes of a formula do not fit, as a cause."""
        if names and "" in self.answers.problems:
            return [Finding(Cause("raises", tuple(names), used=self.answers.problems[""]))]
        return [Finding(Cause("raises", (name,), used=self.answers.problem_of(name))) for name in names]
