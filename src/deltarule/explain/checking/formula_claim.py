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
from deltarule.explain.checking.equations import bound_equation
from deltarule.explain.checking.names import COUNTS, Names, canonical
from deltarule.explain.checking.parse import parse
from deltarule.explain.checking.problem import WHO, FunctionProblem, Problem, Trial
from deltarule.explain.checking.sympy_reader import is_sympy, read_sympy
from deltarule.explain.checking.syntax import Term, names_in


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
        for left, right in _lines(given):
            self.statements.append(self._statement(left, right))
        if not any(each.target for each in self.statements):
            raise ArgumentError(
                WHO,
                f"the formulas define no gradient of {', '.join(problem.varied)}",
                'Write a line such as "dW = ..." or a dictionary {"W": "..."}.',
            )

    def _statement(self, left: str, right: Any) -> Statement:
        base, indices = _left_side(left)
        single = re.fullmatch(r"(.+)_\{?([a-z])\}?", base)
        if single and not indices and alias(base, self.problem.varied) is None:
            # b_k: one index of a vector.
            vector = alias(single[1], self.problem.varied) or self._by_alias(single[1])
            if vector is not None and self.problem.start[vector].ndim == 1:
                base, indices = single[1], (single[2],)
        found = alias(base, self.problem.varied) or self._by_alias(base)
        title = f"grad_{found}" if found else base
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
            raise ArgumentError(WHO, f"formula for {left}: {error.problem}", error.fix) from None
        statement = Statement(own, found or "", indices, text, term)
        ndim = len(shape) if shape is not None else self._ndim(statement)
        self.names.known[canonical(own)] = (own, ndim)
        others = (f"d{found}", f"∂{found}", f"dL/d{found}") if found else ()
        for other in (base, *others):
            if not found or other in others or self.names.find(other) is None:
                self.names.known[canonical(other)] = (own, ndim)
        return statement

    def _by_alias(self, base: str) -> str | None:
        """A gradient's name through another name of its array: dW1 for the first layer's weight."""
        for pattern in (r"(?:d|∂)(?:L|E|J|ℓ)?/?(?:d|∂)?(.+)", r"grad_(.+)", r"(.+)"):
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
                    answers[statement.target] = np.asarray(environment[statement.title], np.float64)
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


def _lines(given: Mapping[Any, Any] | str) -> list[tuple[str, Any]]:
    """(left side, right side) of every line: text with several lines defines what its last one uses."""
    found: list[tuple[str, Any]] = []
    if isinstance(given, str):
        for line in _split_lines(given):
            left, right = _equation(line)
            if left is None:
                raise ArgumentError(
                    WHO,
                    f"expected lines such as 'dW = δᵀ x', got {line!r}",
                    "Put a left side and '=' before it.",
                )
            found.append((left, right))
        return found
    for key, value in given.items():
        if isinstance(value, str):
            *before, last = _split_lines(value) or [""]
            for line in before:
                left, right = _equation(line)
                if left is None:
                    raise ArgumentError(
                        WHO, f"formula for {key}: expected 'name = ...' before its last line, got {line!r}",
                        "Define what the last line uses.",
                    )  # fmt: skip
                found.append((left, right))
            left, right = _equation(last)
            found.append((str(key), last if left is None else right))
            if left is not None and _left_side(left)[1] and not _left_side(str(key))[1]:
                found[-1] = (left, right)
        elif is_sympy(value):
            found.append((str(key), value))
        else:
            raise ArgumentError(
                WHO, f"formula for {key}: expected text or a SymPy expression, got {type(value).__name__}",
                "A NumPy function of the inputs is handed in by itself, as backward.",
            )  # fmt: skip
    return found


def _split_lines(text: str) -> list[str]:
    lines = re.split(r"\n|;(?![^\[]*\])|\\\\(?![A-Za-z])", text)
    return [line.strip().strip("$").strip() for line in lines if line.strip().strip("$").strip()]


def _equation(line: str) -> tuple[str | None, str]:
    """Left and right side; None where there is no single '='."""
    match = re.match(r"^([^=<>!\[\]]*(?:\[[^\]=]*\])?[^=<>!\[\]]*?)(?<![<>!=])=(?!=)(.*)$", line, re.S)
    if match is None or re.search(r"[Σ∑]|\\sum|sum_", match[1]):
        return None, line
    # A parenthesis on the left belongs to a name, as in δ^{(1)}, or else to the options of a call.
    if "(" in re.sub(r"\^\s*\{?\([^()]*\)\}?", "", match[1]):
        return None, line
    return match[1].strip().rstrip("&").strip(), match[2].strip()


def _left_side(text: str) -> tuple[str, tuple[str, ...]]:
    """Name and indices: dW[o, i], \\frac{\\partial L}{\\partial W_{oi}}, δ_{n,j}, h[n,t,j]."""
    text = text.strip().strip("$").strip()
    fraction = re.fullmatch(
        r"\\[dt]?frac\s*\{\s*(?:\\partial|d|∂)\s*(?:L|E|J|\\ell|\\mathcal\{L\})\s*\}"
        r"\s*\{\s*(?:\\partial|d|∂)\s*(.+)\}",
        text,
    )
    if fraction:
        inner, indices = _left_side(fraction[1])
        return f"∂L/∂{inner}", indices
    bracket = re.fullmatch(r"(.+?)\s*\[([^\]]+)\]", text)
    if bracket and not bracket[1].endswith("^"):
        return bracket[1], tuple(each.strip() for each in bracket[2].split(","))
    below = re.fullmatch(r"(.+?)_\{([a-z](?:\s*,\s*[a-z]|[a-z])*)\}", text)
    if (
        below
        and (len(below[2]) > 1 or below[1] in ("\\delta", "δ"))
        and below[2] not in ("hh", "ih", "xh", "hy", "in", "out")
    ):
        parts = below[2].split(",") if "," in below[2] else list(below[2])
        return below[1], tuple(each.strip() for each in parts)
    return text, ()


def _written_name(title: str) -> str:
    """A name from the left side of a line, without the commands of LaTeX."""
    return canonical(title) if "\\" in title or "{" in title else title.replace(" ", "")


def array_or_none(value: Any) -> Array | None:
    """A claimed gradient as an array; None for one that could not be computed."""
    return None if isinstance(value, Exception) else np.asarray(value, np.float64)
