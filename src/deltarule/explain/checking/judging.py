"""One check from beginning to end: numbers drawn, the claim compared, mistakes searched for and shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import ArrayFunction, Expression, Loop
from deltarule.autodiff.formula.latex import latex_lines
from deltarule.autodiff.tensor import Array
from deltarule.errors import ArgumentError
from deltarule.explain.checking.answers import Answers, read_claim
from deltarule.explain.checking.arrays import blocks, close
from deltarule.explain.checking.drawing import attempted, redrawn, square
from deltarule.explain.checking.findings import Block, Cause, Example, Part, Step, Term
from deltarule.explain.checking.formula_claim import FormulaClaim, Statement
from deltarule.explain.checking.formula_parts import parts_of
from deltarule.explain.checking.patterns import pattern_of
from deltarule.explain.checking.problem import WHO, Problem, Trial, gates_of
from deltarule.explain.checking.reading_well import read_well
from deltarule.explain.checking.searching import Finding, Search
from deltarule.explain.checking.smallest import (
    Lines,
    lines_of_statement,
    lines_of_suspect,
    notations,
    smallest,
)
from deltarule.explain.checking.trees import walk
from deltarule.explain.checking.verdicts import Verdict, verdict

# Numbers of this many other draws, besides the given ones, have to agree.
_DRAWS = 2


class Judge:
    """Judges one claim about one problem.

    trials          on how many sets of numbers gradients were compared
    form            the form of the claim
    """

    def __init__(self, problem: Problem, claim: Any, tolerance: float, seed: int, patience: float):
        self.problem, self.seed, self.patience = problem, seed, patience
        # Where the numbers are outside its domain, the verdict says so.
        with np.errstate(all="ignore"):
            self.first = problem.run(problem.start, seed)
        self.form, self.claim = read_claim(claim, problem, self.first)
        self.answers = Answers(self.claim, problem, self.first, tolerance)
        self.trials = 1
        # Names of the arrays whose gradients are claimed.
        self.claimed: list[str] = []

    @property
    def forward_error(self) -> float | None:
        """Relative error of the forward values of the user's own object; None without one."""
        return getattr(self.claim, "forward_error", None)

    def judged(self) -> tuple[tuple[Term, ...], tuple[Cause, ...], tuple[Example | None, ...]]:
        """Terms, causes, and an example for each cause."""
        trials, given = [self.first], [self.answers(self.first)]
        names = self._names(given[0])
        self.claimed = names
        if not names:
            raise ArgumentError(
                WHO, "the claim has no gradient", f"Claim one of {', '.join(self.problem.varied)}."
            )
        self.problem.claim(names)
        empty = next((name for name in names if not self.problem.start[name].size), None)
        if empty is not None:
            raise ArgumentError(
                WHO,
                f"{empty} has shape {self.problem.start[empty].shape}: there are no elements to compare",
                "Use arrays with elements.",
            )
        for draw in range(0 if self.claim.fixed else _DRAWS):
            trial = redrawn(self.problem, self.seed + draw + 1)
            answer = None if trial is None else self.answers(trial)
            if trial is not None and answer is not None:
                trials.append(trial)
                given.append(answer)
        if given[0] is None and not self.claim.fixed:
            trials, given = self._where_it_runs(trials, given)
        if isinstance(self.claim, FormulaClaim):
            read_well(self.claim, trials)
            given = [self.answers(trial) for trial in trials]
        self.trials = len(trials)
        verdicts = {name: verdict(name, trials, given, self.problem, self.answers) for name in names}
        wrong = [name for name in names if verdicts[name].status == "wrong"]
        right = [name for name in names if verdicts[name].status == "right"]
        start = 0
        if len(trials) > 1 and given[0] is not None and not trials[0].finite():
            # NaN and infinities tell nothing about a mistake.
            start = 1
        findings, left = Search(self.problem, trials[start], self.answers, self.patience).run(
            wrong, trials[start:], given[start:]
        )
        examples = tuple(self._example(finding, findings, right) for finding in findings)
        terms = tuple(self._term(name, verdicts[name], given[0], findings, name in left) for name in names)
        return terms, tuple(finding.cause for finding in findings), examples

    def _where_it_runs(
        self, trials: list[Trial], given: list[dict[str, Array] | None]
    ) -> tuple[list[Trial], list[dict[str, Array] | None]]:
        """Arrays of equal extents: code that fails for its shapes alone may run on them."""
        found: list[Trial] = []
        answers: list[dict[str, Array] | None] = []
        for extent in (3, 2):
            trial = square(self.problem, self.first, extent, self.seed)
            answer = None if trial is None else self.answers(trial)
            if trial is not None and answer is not None:
                found.append(trial)
                answers.append(answer)
        return (found, answers) if found else (trials, given)

    def _names(self, given: dict[str, Array] | None) -> list[str]:
        """Gradients that are claimed, in the order of the inputs."""
        if isinstance(self.claim, FormulaClaim):
            claimed = {each.target for each in self.claim.statements if each.target}
        elif given is not None:
            claimed = {*given}
        else:
            claimed = {*getattr(self.claim, "order", self.problem.varied)}
        return [name for name in self.problem.varied if name in claimed]

    def reference_error(self) -> float | None:
        """Relative difference between the engine's gradient and central differences along one direction.

        None where the computation is not defined beside the given numbers.

        Source of the differences: Abramowitz & Stegun 1964, 25.3.6 (four points).
        """
        problem, trial = self.problem, self.first
        generator = np.random.default_rng(self.seed)
        directions = {}
        for name in self.claimed:
            array = problem.start[name]
            # A step that is small as a whole, so that it crosses no kink.
            size = max(float(np.linalg.norm(array)), 1e-2)
            direction = generator.normal(0.0, 1.0, array.shape)
            directions[name] = direction * (size / max(float(np.linalg.norm(direction)), 1e-300))
        exact = sum(float(np.sum(trial.gradients[name] * each)) for name, each in directions.items())
        step = 1e-5
        values: list[float] = []
        for offset in (-2, -1, 1, 2):
            numbers = dict(problem.start)
            for name, direction in directions.items():
                numbers[name] = np.asarray(numbers[name] + offset * step * direction)
            moved = attempted(problem, numbers, trial.seed)
            if moved is None:
                return None
            pairs = zip(moved.outputs, trial.upstream, strict=True)
            values.append(float(sum(np.sum(output._array * weight) for output, weight in pairs)))
        a, b, c, d = values
        slope = (a - 8 * b + 8 * c - d) / (12 * step)
        # The parts of the slope may cancel.
        scale = sum(float(np.sum(np.abs(trial.gradients[name] * each))) for name, each in directions.items())
        return abs(slope - exact) / max(scale, abs(slope), 1e-12)

    # ---- examples and terms

    def _example(self, finding: Finding, findings: Sequence[Finding], right: Sequence[str]) -> Example | None:
        cause = finding.cause
        if cause.kind == "raises":
            return None
        if finding.suspect is not None and finding.suspect.site is not None:
            lines: Lines = lines_of_suspect(finding.suspect)
        elif finding.mended is not None and isinstance(self.claim, FormulaClaim):
            lines = lines_of_statement(self.claim, finding.mended.before, finding.mended.after)
        else:
            lines = _no_lines
        term = cause.terms[0] if finding.mended is None else finding.mended.terms[0]

        def proves(trial: Trial, given: dict[str, Array]) -> bool:
            if cause.kind in ("missing_sum", "extra_sum") and given[term].size == trial.gradients[term].size:
                # A sum over one element shows nothing.
                return False
            if finding.mended is not None:
                return self._mends(finding, trial, term)
            if finding.suspect is None or not finding.alone:
                return True
            found = finding.suspect.gradients(trial)
            return found is not None and close(given[term], found[term], 1e-4)

        with self._others_mended(finding, findings):
            return smallest(self.problem, self.claim, self.first, term, right, self.answers, lines, proves)

    @contextmanager
    def _others_mended(self, finding: Finding, findings: Sequence[Finding]) -> Iterator[None]:
        """While one mistake of several in the user's formulas is shown, the others are corrected."""
        claim = self.claim
        if not isinstance(claim, FormulaClaim):
            yield
            return
        as_written = claim.statements
        claim.statements = list(as_written)
        for each in findings:
            if each.mended is not None and each.mended.position != finding.mended_at:
                claim.statements[each.mended.position] = each.mended.after
        try:
            yield
        finally:
            claim.statements = as_written

    def _mends(self, finding: Finding, trial: Trial, term: str) -> bool:
        """Whether a gradient is right with this correction, and wrong without it."""
        assert isinstance(self.claim, FormulaClaim) and finding.mended is not None
        statements = list(self.claim.statements)
        without = self.claim.evaluated(trial, statements)[0][term]
        statements[finding.mended.position] = finding.mended.after
        mended = self.claim.evaluated(trial, statements)[0][term]
        right = trial.gradients[term]
        if isinstance(mended, Exception) or not close(mended, right):
            return False
        return (
            isinstance(without, Exception) or without.shape != right.shape or not close(without, right, 1e-2)
        )

    def _term(
        self,
        name: str,
        found: Verdict,
        given: dict[str, Array] | None,
        findings: Sequence[Finding],
        unexplained: bool,
    ) -> Term:
        right = self.first.gradients[name]
        own = None if given is None else given.get(name)
        if "" in self.answers.problems:
            own = None
        pattern = None
        if found.status == "wrong" and found.finite and unexplained and own is not None:
            again = None if self.claim.fixed else self.answers
            pattern = pattern_of(self.problem, self.first, name, own, again)
        formula, tex, parts = self._formula(name, findings)
        return Term(
            name=name,
            status=found.status,
            error=found.error,
            shown_by=found.shown_by,
            expected=right,
            given=own,
            formula=formula,
            latex=tex,
            parts=parts,
            blocks=self._blocks(name, own, right) if found.finite else (),
            steps=self._steps(own, right) if found.finite else (),
            pattern=pattern,
            kinks=found.kinks,
            problem=self.answers.problem_of(name),
            finite=found.finite,
        )

    def _blocks(self, name: str, own: Array | None, right: Array) -> tuple[Block, ...]:
        if own is None or own.shape != right.shape:
            return ()
        scale = float(np.max(np.abs(right), initial=0.0)) or 1.0
        found = []
        for gate, start, stop in blocks(gates_of(self.first), name, len(right) if right.ndim else 0):
            error = float(np.max(np.abs(own[start:stop] - right[start:stop]))) / scale
            found.append(Block(gate, start, stop, error, error <= self.answers.tolerance))
        return tuple(found)

    def _steps(self, own: Array | None, right: Array) -> tuple[Step, ...]:
        """Time steps of the gradient of a sequence."""
        if own is None or own.shape != right.shape or right.ndim != 3:
            return ()
        scale = float(np.max(np.abs(right), initial=0.0)) or 1.0
        errors = [float(np.max(np.abs(own[:, t] - right[:, t]))) / scale for t in range(right.shape[1])]
        return tuple(Step(t, error, error <= self.answers.tolerance) for t, error in enumerate(errors))

    def _formula(self, name: str, findings: Sequence[Finding]) -> tuple[str, str, tuple[Part, ...]]:
        """The user's formula, as it was understood, and its parts."""
        claim = self.claim
        if not isinstance(claim, FormulaClaim):
            return "", "", ()
        statement = next(each for each in claim.statements if each.target == name)
        paths = {
            finding.mended.position: finding.mended.correction.path
            for finding in findings
            if finding.mended is not None and name in finding.cause.terms
        }
        tex = self._understood(claim, statement)
        return statement.text, tex, parts_of(claim, claim.statements, name, self.first, paths)

    def _understood(self, claim: FormulaClaim, statement: Statement) -> str:
        titles = [*claim.arrays, *(each.title for each in claim.statements)]
        for asked in (False, True):
            bound = claim.line(statement, self.first, by_index=asked)
            if bound is None:
                return ""
            line, by_index = bound
            equation = line.equations[0] if isinstance(line, Loop) else line
            # An outer product is clearer in index form than as a product of reshaped vectors.
            if by_index or not _reshapes(equation.right):
                break
        return latex_lines([equation], matrix=not by_index, names=notations(titles))[0]


def _reshapes(expression: Expression) -> bool:
    return any(isinstance(part, ArrayFunction) and part.name == "reshape" for _, part in walk(expression))


def _no_lines(trial: Any) -> tuple[()]:
    return ()
