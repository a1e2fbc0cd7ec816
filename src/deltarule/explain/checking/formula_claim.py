"""Gradients that are claimed as formulas: lines of text or SymPy expressions, evaluated on any numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.expression import Line
from deltarule.autodiff.tensor import Array
from deltarule.errors import ArgumentError
from deltarule.explain.checking.arrays import extents_by_role
from deltarule.explain.checking.binding import Misfit
from deltarule.explain.checking.claims import Claim, alias
from deltarule.explain.checking.equation_text import equations, left_side, stem_and_letters
from deltarule.explain.checking.equations import bound_equation
from deltarule.explain.checking.function_problem import FunctionProblem
from deltarule.explain.checking.names import COUNTS, Names, canonical
from deltarule.explain.checking.parse import parse
from deltarule.explain.checking.problem import WHO, Problem, Trial
from deltarule.explain.checking.sympy_reader import read_sympy
from deltarule.explain.checking.syntax import Term, index_names, names_in


@dataclass(frozen=True, eq=False)
class Statement:
    """One line: what is defined, and the formula.

    title     the array that it defines; of a gradient "grad_" and the name
    target    the array whose gradient it claims, or "" for an intermediate
    indices   those on the left side
    text      the right side as the user wrote it
    """

    title: str
    target: str
    indices: tuple[str, ...]
    text: str
    term: Term


class FormulaClaim(Claim):
    """Formulas for gradients, and for what they use.

    statements   lines in their order
    """

    def __init__(self, given: Mapping[Any, Any] | str, problem: Problem, trial: Trial):
        self.problem, self.first = problem, trial
        # What the first statements gave on a trial, while later ones are changed.
        self.computed: dict[Any, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._counted: dict[Trial, dict[str, float]] = {}
        self.names = Names()
        self.arrays = _environment(problem, trial)
        for title, array in self.arrays.items():
            self.names.add(title, np.ndim(array), *_aliases(title, problem, trial))
        taken = set(self.names.known)
        for letter in COUNTS:
            if canonical(letter) not in taken:
                self.names.add(letter, 0)
        self.statements: list[Statement] = []
        for left, right in equations(given):
            self.statements.append(self._statement(left, right))
        if not any(each.target for each in self.statements):
            raise ArgumentError(
                WHO,
                f"the formulas define no gradient of {', '.join(problem.varied)}",
                'Write a line such as "dW = ..." or a dictionary {"W": "..."}.',
            )

    def _statement(self, left: str, right: Any) -> Statement:
        base, indices, found = self._defined(left, right)
        inner = base.removeprefix("∂L/∂")
        known = self.names.find(inner)
        title = (
            f"grad_{found or (known[0] if known else _written_name(inner))}"
            if found or inner != base
            else base
        )
        own = _written_name(title)
        shape = self.problem.start[found].shape if found else None
        text = right if isinstance(right, str) else str(right)
        if indices and found and shape is not None and len(indices) != len(shape):
            raise ArgumentError(
                WHO,
                f"{left!r} has {len(indices)} indices, {found} has {len(shape)} axes",
                "Write one for each.",
            )
        if indices:
            # A recurrence reads its own elements.
            self.names.add(own, len(indices), *(() if found else (base,)))
        try:
            term = parse(right, self.names) if isinstance(right, str) else read_sympy(right, self.names)
        except ArgumentError as error:
            fix = error.fix
            stem = (stem_and_letters(base) or ("",))[0]
            if isinstance(right, str) and stem and f"{stem}_" in right:
                fix = f"Write a recurrence with all indices, such as {stem}[t, j] = ... {stem}[t+1, k] ..."
            raise ArgumentError(WHO, f"formula for {left}: {error.problem}", fix) from None
        statement = Statement(own, found or "", indices, text, term)
        ndim = len(shape) if shape is not None else self._ndim(statement)
        self.names.known[canonical(own)] = (own, ndim)
        others = (f"d{own[5:]}", f"∂{own[5:]}", f"dL/d{own[5:]}") if own.startswith("grad_") else ()
        for other in (base, *others):
            if not found or other in others or self.names.find(other) is None:
                self.names.known[canonical(other)] = (own, ndim)
        return statement

    def _defined(self, left: str, right: Any) -> tuple[str, tuple[str, ...], str | None]:
        """What a line defines: its name, the indices behind it, and the array whose gradient it claims."""
        base, indices = left_side(left)
        found = self._target(base)
        parts = None if indices or found else stem_and_letters(base)
        if parts is not None:
            stem, letters = parts
            target = self._target(stem)
            axes = None if target is None else self.problem.start[target].ndim
            if axes == len(letters) or (axes is None and self._runs(letters, right)):
                return stem, letters, target
        return base, indices, found

    def _target(self, base: str) -> str | None:
        return alias(base, self.problem.varied) or self._by_alias(base)

    def _runs(self, letters: tuple[str, ...], right: Any) -> bool:
        """Whether letters below a new name are indices: they stand as such in its formula."""
        if not isinstance(right, str):
            return False
        try:
            return {*letters} <= index_names(parse(right, self.names))
        except ArgumentError:
            # A recurrence reads the name that it defines.
            return len(letters) > 1

    def _by_alias(self, base: str) -> str | None:
        """A gradient's name through another name of its array: dW1 for the first layer's weight."""
        for pattern in (r"(?:∂L/∂|d|∂)(.+)", r"grad_(.+)", r"(.+)"):
            match = re.fullmatch(pattern, canonical(base))
            known = self.names.find(match[1]) if match else None
            if known is not None and known[0] in self.problem.varied:
                return known[0]
        return None

    def _ndim(self, statement: Statement) -> int:
        """How many axes an intermediate has, from the given numbers; those written where it misfits."""
        environment = dict(self.arrays)
        try:
            self._solve([*self.statements, statement], environment, self.counts(self.first))
        except (Misfit, IndexError, ValueError, AssertionError, KeyError):
            return len(statement.indices) or 2
        return int(np.ndim(environment[statement.title]))

    def counts(self, trial: Trial) -> dict[str, float]:
        """Letters that count something, such as N, and what they count to."""
        if trial in self._counted:
            return self._counted[trial]
        roles = extents_by_role(trial)
        found: dict[str, float] = {letter: roles[role] for letter, role in COUNTS.items() if role in roles}
        found["classes"] = roles.get("classes", 0)
        own = {canonical(name) for name in self.arrays}
        self._counted[trial] = {name: value for name, value in found.items() if canonical(name) not in own}
        return self._counted[trial]

    def gradients(self, trial: Trial) -> dict[str, Any]:
        found, _ = self.evaluated(trial)
        return found

    def evaluated(
        self,
        trial: Trial,
        statements: Sequence[Statement] | None = None,
        before: tuple[dict[str, Any], dict[str, Any]] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Claimed gradients by array, and every array of the formulas; a Misfit stands for what failed.

        statements   others than the user's own
        before       what earlier statements gave, which then need not be computed again
        """
        if before is None:
            environment, answers = _environment(self.problem, trial), {}
        else:
            answers, environment = dict(before[0]), dict(before[1])
        counts = self.counts(trial)
        for statement in self.statements if statements is None else statements:
            target = trial.gradients[statement.target].shape if statement.target else None
            try:
                line, _ = self._bound(statement, environment, counts, target)
                with np.errstate(all="ignore"):
                    solve([line], environment)
                if statement.target:
                    own = np.asarray(environment[statement.title], np.float64)
                    if statement.term.text == "matrix" and target is not None and own.size == np.prod(target):
                        # A matrix of one column may stand for a vector.
                        own = own.reshape(target)
                    answers[statement.target] = own
            except Misfit as error:
                environment[statement.title] = error
            except (IndexError, ValueError, AssertionError, KeyError) as error:
                environment[statement.title] = Misfit(statement.term, str(error))
            if statement.target and isinstance(environment[statement.title], Misfit):
                answers[statement.target] = environment[statement.title]
        return answers, environment

    def _bound(
        self,
        statement: Statement,
        environment: Mapping[str, Any],
        counts: Mapping[str, float],
        target: tuple[int, ...] | None,
        by_index: bool = False,
    ) -> tuple[Line, bool]:
        for name in names_in(statement.term):
            earlier = environment.get(name)
            if isinstance(earlier, Misfit):
                raise earlier
        shapes = {
            name: np.shape(value)
            for name, value in environment.items()
            if name != statement.title and not isinstance(value, Misfit)
        }
        return bound_equation(
            statement.title, statement.indices, statement.term, shapes, counts, target, by_index=by_index
        )

    def _solve(
        self, statements: Sequence[Statement], environment: dict[str, Any], counts: Mapping[str, float]
    ) -> None:
        for statement in statements:
            shape = self.problem.start[statement.target].shape if statement.target else None
            line, _ = self._bound(statement, environment, counts, shape)
            with np.errstate(all="ignore"):
                solve([line], environment)

    def line(self, statement: Statement, trial: Trial, *, by_index: bool = False) -> tuple[Line, bool] | None:
        """A statement bound to a trial's shapes, and whether in index form; None where it misfits."""
        environment = self.evaluated(trial)[1]
        target = trial.gradients[statement.target].shape if statement.target else None
        try:
            return self._bound(statement, environment, self.counts(trial), target, by_index)
        except (Misfit, KeyError):
            return None

    def with_term(self, position: int, term: Term) -> list[Statement]:
        """The statements with another formula in one of them."""
        changed = list(self.statements)
        changed[position] = replace(changed[position], term=term)
        return changed


def _environment(problem: Problem, trial: Trial) -> dict[str, Any]:
    """Every array that formulas may use: inputs, outputs, upstream gradients."""
    found: dict[str, Any] = {name: np.asarray(value) for name, value in trial.numbers.items()}
    outputs = trial.all_outputs
    if not problem.is_loss and isinstance(problem, FunctionProblem):
        names = ["y"] if len(outputs) == 1 else [f"y{place}" for place in range(len(outputs))]
        for place, output in enumerate(outputs):
            found.setdefault(names[place], output._array)
        for place, gradient in enumerate(trial.upstream):
            title = "grad_y" if len(trial.upstream) == 1 else f"grad_y{place}"
            found.setdefault(title, gradient)
    return found


def _aliases(title: str, problem: Problem, trial: Trial) -> list[str]:
    """Other names of an array."""
    if title == "grad_y":
        return ["dy", "∂y", "dL/dy", "upstream", "g", "dout", "d_out", "grad_output", "∂L/∂y", "δy"]
    if title.startswith("grad_y"):
        return [f"d{title[5:]}", f"∂{title[5:]}"]
    if title == "y" and title not in trial.numbers:
        return ["output", "out", *(["h"] if len(trial.all_outputs[0].shape) == 3 else [])]
    found = []
    if title.startswith("weight_"):
        rest = title.removeprefix("weight_")
        found += [f"W_{rest}", f"U_{rest}", f"W_{rest.removesuffix('_l0')}"]
    if title.startswith("bias_"):
        rest = title.removeprefix("bias_")
        found += [f"b_{rest}", f"b_{rest.removesuffix('_l0')}"]
    for stem, letter in (("weight", "W"), ("bias", "b")):
        own = [
            name for name in problem.start
            if name.rpartition(".")[2] == stem and name.rpartition(".")[0]
        ]  # fmt: skip
        if title in own:
            found.append(f"{letter}{own.index(title) + 1}")
    if title == "weight":
        found.append("W")
    if title == "bias":
        found.append("b")
    return found


def _written_name(title: str) -> str:
    """A name from the left side of a line, without the commands of LaTeX."""
    return canonical(title) if "\\" in title or "{" in title else title.replace(" ", "")


def array_or_none(value: Any) -> Array | None:
    """A claimed gradient as an array; None for one that could not be computed."""
    return None if isinstance(value, Exception) else np.asarray(value, np.float64)
