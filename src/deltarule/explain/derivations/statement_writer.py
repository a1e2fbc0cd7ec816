"""Writes the statements of steps that stand side by side, from the formula records of their operations.

The names of one operation's formula are replaced by those of the whole computation, and gradients that meet
at a value are added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Index,
    Line,
    Symbol,
    array_function,
    as_expression,
    letters,
)
from deltarule.autodiff.formula.formula import Form
from deltarule.autodiff.formula.rewriting import added, defined_by, reindexed, renamed
from deltarule.explain.derivations.brackets import without_idle_brackets
from deltarule.explain.derivations.local_names import LocalNames, is_answer
from deltarule.explain.derivations.statement import Statement, tidy
from deltarule.explain.derivations.step_formula import formula_of
from deltarule.explain.record.level import Level
from deltarule.explain.record.notation import Notation
from deltarule.explain.record.trace import Step, Trace


class StatementWriter:
    """Writes the statements of some steps: those that one sees, or those inside of an opened group."""

    def __init__(self, trace: Trace, notation: Notation, steps: Sequence[Step], group: Step | None = None):
        self.trace, self.notation, self.steps = trace, notation, steps
        self.level = Level(trace, notation, steps, group)
        self._formulas = {step.number: formula_of(step) for step in steps}
        self._local = LocalNames(self.level, self._formulas)
        self.names, self.intermediates = self._local.names, self._local.intermediates

    def _statement(
        self,
        kind: str,
        step: Step,
        value: int | None,
        index: tuple[Line, ...],
        matrix: tuple[Line, ...],
        names: Mapping[str, str | float],
    ) -> Statement:
        operation = step.node.operation
        local = (*operation.input_names(len(step.inputs)), *operation.outputs)
        numbers = (*step.inputs, *step.outputs)
        arrays = {name: self.trace.values[number].array for name, number in zip(local, numbers, strict=True)}

        def written(line: Line) -> Line:
            return tidy(renamed(without_idle_brackets(line, arrays), names))

        return Statement(kind, (step.number,), value, tuple(map(written, index)), tuple(map(written, matrix)))

    def forward(self) -> list[Statement]:
        statements = []
        for step in self.steps:
            names = self._local.of_step[step.number]
            outputs = {self.notation.signs[number].identifier: number for number in step.outputs}
            for index, matrix in _paired(self._formulas[step.number].value):
                statement = self._statement("forward", step, None, index, matrix, names)
                statement.value = next((outputs[name] for name in statement.defines if name in outputs), None)
                statements.append(statement)
        return statements

    def backward(self) -> list[Statement]:
        statements: list[Statement] = []
        # What has come to a value that is used several times.
        waiting: dict[int, list[Statement]] = {}
        for step in reversed(self.steps):
            constants = self._local.constants.get(step.number, ())
            statements += [self._constant(step, number, content) for number, content in constants]
            for number, statement in self._contributed(step):
                if number is None or self.level.parts(number) == 1:
                    statements.append(statement)
                    continue
                parts = waiting.setdefault(number, [])
                parts.append(statement)
                if len(parts) == len(self.level.contributions(number)):
                    if self.level.comes_in(number):
                        parts.insert(0, self._come_in(number))
                    statements.append(self._sum(parts))
        return _without_unused(_without_repeated(statements))

    def _contributed(self, step: Step) -> Iterator[tuple[int | None, Statement]]:
        """What a step says about the gradients of its inputs, each with the value, None for intermediates."""
        if not step.contributions:
            return
        inputs = step.node.operation.input_names(len(step.inputs))
        gradients = self._formulas[step.number].gradients
        # Lines that stand in the formulas of several inputs, by their identity.
        written: dict[int, str] = {}
        for position, (number, name) in enumerate(zip(step.inputs, inputs, strict=True)):
            if step.contributions[position] is None or name not in gradients:
                continue
            for index, matrix in _paired(gradients[name]):
                if id(matrix[-1]) in written:
                    if f"grad_{name}" in _defined(matrix) and written[id(matrix[-1])]:
                        yield number, self._handed_on(step, number, written[id(matrix[-1])])
                    continue
                answer = next((each for each in _defined(matrix) if is_answer(each, inputs)), None)
                if answer is None:
                    written[id(matrix[-1])] = ""
                    names = self._local.of_step[step.number]
                    yield None, self._statement("intermediate", step, None, index, matrix, names)
                    continue
                place = inputs.index(answer.removeprefix("grad_"))
                target = step.inputs[place]
                known = dict(self._local.of_step[step.number])
                uses = self.level.parts(target)
                if place == position or (uses == 1 and step.contributions[place] is not None):
                    written[id(matrix[-1])] = ""
                    known[answer] = self.level.gradient(target)
                    kind = "delta" if target in self.notation.deltas else "gradient"
                    yield target, self._statement(kind, step, target, index, matrix, known)
                else:
                    # Named apart, as further contributions come to the same value.
                    part = f"{self.level.gradient(target)}_s{step.number}"
                    known[answer] = written[id(matrix[-1])] = part
                    yield None, self._statement("intermediate", step, None, index, matrix, known)

    def _constant(self, step: Step, number: int, content: float) -> Statement:
        """The gradient of the loss itself, and of a result that nobody uses."""
        shape = self.trace.values[number].array.shape
        left = Symbol(self.level.gradient(number), len(shape))
        whole = array_function("broadcast_to", content, shape=shape)
        index, matrix = Equation(left.at(letters(shape)), as_expression(content)), Equation(left, whole)
        return Statement("gradient", (step.number,), number, (index,), (matrix,))

    def _handed_on(self, step: Step, number: int, name: str) -> Statement:
        """A contribution that has a name of its own already."""
        array = self.trace.values[number].array
        left, right = Symbol(self.level.gradient(number), array.ndim), Symbol(name, array.ndim)
        own = letters(array.shape)
        kind = "delta" if number in self.notation.deltas else "gradient"
        return Statement(
            kind, (step.number,), number, (Equation(left.at(own), right.at(own)),), (Equation(left, right),)
        )

    def _come_in(self, number: int) -> Statement:
        """The gradient that arrives at a group's result from outside, beside what comes from inside."""
        step = self.level.maker(number)
        return self._handed_on(step, number, self.level.outside_gradient(number))

    def _sum(self, parts: list[Statement]) -> Statement:
        """The contributions to one gradient, added up."""
        first = parts[0]
        pairs = [part.equations for part in parts]
        assert all(pairs), "a gradient's last line is one equation"
        known = [pair for pair in pairs if pair is not None]
        index, matrix = known[0]
        index = Equation(index.left, added([_aligned(each, index.left) for each, _ in known]))
        matrix = Equation(matrix.left, added([each.right for _, each in known]))
        steps = tuple(dict.fromkeys(step for part in parts for step in part.steps))
        return replace(first, steps=steps, index=(tidy(index),), matrix=(tidy(matrix),))


def _defined(lines: Sequence[Line]) -> list[str]:
    return [name for line in lines for name in defined_by(line)]


def _paired(form: Form) -> list[tuple[tuple[Line, ...], tuple[Line, ...]]]:
    """Index form and matrix form line by line, or all together where their lines define different things."""
    index, matrix = form.index, form.matrix
    if len(index) == len(matrix) and all(
        defined_by(own) == defined_by(other) for own, other in zip(index, matrix, strict=True)
    ):
        return [((own,), (other,)) for own, other in zip(index, matrix, strict=True)]
    return [(index, matrix)]


def _without_repeated(statements: list[Statement]) -> list[Statement]:
    """The same with intermediates once that the formulas of several inputs define alike."""
    kept: list[Statement] = []
    seen: set[tuple[str, ...]] = set()
    for statement in statements:
        if statement.kind != "intermediate" or (*map(str, statement.steps), *statement.defines) not in seen:
            kept.append(statement)
        seen.add((*map(str, statement.steps), *statement.defines))
    return kept


def _without_unused(statements: list[Statement]) -> list[Statement]:
    """The same without intermediates that no later line reads."""
    kept: list[Statement] = []
    read: set[str] = set()
    for statement in reversed(statements):
        if statement.kind != "intermediate" or read.intersection(statement.defines):
            kept.append(statement)
            read |= statement.reads
    return kept[::-1]


def _aligned(equation: Equation, left: Expression) -> Expression:
    """The right side with the indices of another left side."""
    if not isinstance(left, Element) or not isinstance(equation.left, Element):
        return equation.right
    pairs = zip(equation.left.indices, left.indices, strict=True)
    return reindexed(equation.right, {own: other for own, other in pairs if isinstance(own, Index)})
