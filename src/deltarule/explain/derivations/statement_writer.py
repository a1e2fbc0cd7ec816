"""Writes the statements of steps that stand side by side, from the formula records of their operations.

The names of one operation's formula are replaced by those of the whole computation, and gradients that meet
at a value are added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Element,
    Equation,
    Expression,
    Index,
    Line,
    Loop,
    Symbol,
    array_function,
    as_expression,
    letters,
)
from deltarule.autodiff.formula.formula import Form, Formula
from deltarule.autodiff.formula.latex import SYMBOLS, raised
from deltarule.autodiff.formula.rewriting import added, defined_by, reindexed, renamed, walk
from deltarule.autodiff.tensor import Array
from deltarule.explain.derivations.brackets import without_idle_brackets
from deltarule.explain.derivations.statement import Statement, tidy
from deltarule.explain.derivations.step_formula import formula_of
from deltarule.explain.record.level import Level
from deltarule.explain.record.notation import Notation
from deltarule.explain.record.trace import Step, Trace, Value


@dataclass(frozen=True)
class Intermediate:
    """What a formula defines on its way: a gate, the mean of a batch.

    name   in the operation's own formula; step: number of the step whose formula it is
    """

    identifier: str
    name: str
    step: int
    shape: tuple[int, ...] = ()


class StatementWriter:
    """Writes the statements of some steps: those that one sees, or those inside of an opened group."""

    def __init__(self, trace: Trace, notation: Notation, steps: Sequence[Step], group: Step | None = None):
        self.trace, self.notation, self.steps = trace, notation, steps
        self.level = Level(trace, notation, steps, group)
        self.names = {**notation.latex_names(), **self.level.names()}
        self.intermediates: dict[str, Intermediate] = {}
        self._taken = set(self.names)
        self._written: set[tuple[str, str]] = set()
        # (name in a formula, step) -> what was chosen to tell it from others of the name.
        self._endings: dict[tuple[str, int], tuple[str, str]] = {}
        self._formulas = {step.number: formula_of(step) for step in steps}
        # Step -> (result, the number that its gradient is everywhere).
        self._constants: dict[int, list[tuple[int, float]]] = {}
        self._locals = {step.number: self._local_names(step) for step in steps}

    def _local_names(self, step: Step) -> dict[str, str | float]:
        """Name in the operation's own formula -> identifier, or number, in the whole computation."""
        operation = step.node.operation
        names: dict[str, str | float] = {}
        inputs = operation.input_names(len(step.inputs))
        for name, number in zip(inputs, step.inputs, strict=True):
            names[name] = self._known(number)
        for name, number in zip(operation.outputs, step.outputs, strict=True):
            names[name] = self.notation.signs[number].identifier
            names[f"grad_{name}"] = self._upstream(number, step, name)
        formula = self._formulas[step.number]
        for lines in (formula.value, *formula.gradients.values()):
            for line in (*lines.index, *lines.matrix):
                for name in defined_by(line):
                    if name not in names and not self._is_answer(name, inputs):
                        names[name] = self._intermediate(name, step)
        return names

    def _is_answer(self, name: str, inputs: Sequence[str]) -> bool:
        return name.startswith("grad_") and name.removeprefix("grad_") in inputs

    def _known(self, number: int) -> str | float:
        value = self.trace.values[number]
        if value.kind == "constant":
            return value.array.item()
        return self.notation.signs[number].identifier

    def _upstream(self, number: int, step: Step, name: str) -> str | float:
        """What stands for ∂L/∂value: 1 for the loss itself, 0 for a result that nobody uses.

        Where the formula does more with it than arithmetic it stays an array, and so does the 1 of a loss
        that has axes, of length 1.
        """
        value = self.trace.values[number]
        contributions = self.level.contributions(number)
        if not contributions:
            if number == self.trace.loss and value.array.size == 1 and np.all(value.gradient == 1):
                if value.array.ndim == 0:
                    return 1.0
                self._constants.setdefault(step.number, []).append((number, 1.0))
            arrived = self.level.arrived(number)
            if arrived is None:
                return 0.0
            if number != self.trace.loss and self._is_unused(value, arrived):
                if not _is_rearranged(f"grad_{name}", self._formulas[step.number]):
                    return 0.0
                self._constants.setdefault(step.number, []).append((number, 0.0))
        return self.level.gradient(number)

    def _is_unused(self, value: Value, arrived: Array) -> bool:
        """Whether a result, one of several of its step, leads nowhere."""
        alone = value.made_by is None or len(self.trace.steps[value.made_by].outputs) == 1
        return not alone and (self.level.group is None or arrived.size > 0) and not np.any(arrived)

    def _intermediate(self, name: str, step: Step) -> str:
        """An identifier of its own for what a formula defines on its way, with its notation."""
        known = self.notation.inside(step, name)
        if known:
            # A value inside of the step is the same.
            return known
        stem = name.removeprefix("grad_")
        end, above = self._ending(stem, step, own=stem == name)
        identifier = f"{name}{end}"
        # The writer of formulas makes ∂L/∂… of the prefix by itself.
        self.names.setdefault(f"{stem}{end}", self._letters(stem, above, step))
        self.intermediates[identifier] = Intermediate(identifier, name, step.number)
        return identifier

    def _ending(self, stem: str, step: Step, *, own: bool) -> tuple[str, str]:
        """What an intermediate's identifier ends in, and what stands above its letter; its gradient's too.

        own   whether it is itself defined, so that no other may have its letter
        """
        if (stem, step.number) in self._endings:
            return self._endings[stem, step.number]
        digits = self.notation.digits(self.notation.signs[step.outputs[0]].layer)
        time = self.trace.times.get(step.number)
        end, above = digits, f"({digits})" if digits else ""
        if time is not None:
            end, above = f"{digits}_t{time}", rf"{above}\langle {time} \rangle"
        inside = self.level.group is not None and time is None
        if inside or self._taken.intersection((f"{stem}{end}", f"grad_{stem}{end}")):
            end = f"{digits}_s{step.number}"
        letters_of = self._letters(stem, above, step)
        if inside or (own and (self.notation.is_written(*letters_of) or letters_of in self._written)):
            above = f"[{step.number}]"
        self._taken |= {f"{stem}{end}", f"grad_{stem}{end}"}
        if own:
            self._written.add(self._letters(stem, above, step))
        self._endings[stem, step.number] = end, above
        return end, above

    def _letters(self, name: str, above: str, step: Step) -> tuple[str, str]:
        default = (name, name.upper()) if len(name) == 1 else (rf"\mathit{{{name.replace('_', ' ')}}}",) * 2
        scalar, whole = step.node.operation.symbols.get(name) or SYMBOLS.get(name) or default
        return raised(scalar, above), raised(whole, above)

    # ---- statements

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
            names = self._locals[step.number]
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
            constants = self._constants.get(step.number, ())
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
                answer = next((each for each in _defined(matrix) if self._is_answer(each, inputs)), None)
                if answer is None:
                    written[id(matrix[-1])] = ""
                    names = self._locals[step.number]
                    yield None, self._statement("intermediate", step, None, index, matrix, names)
                    continue
                place = inputs.index(answer.removeprefix("grad_"))
                target = step.inputs[place]
                known = dict(self._locals[step.number])
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


def _is_rearranged(name: str, formula: Formula) -> bool:
    """Whether a whole-array function takes a symbol, as np.sum or a slice does."""
    for form in formula.gradients.values():
        for line in form.matrix:
            for equation in line.equations if isinstance(line, Loop) else (line,):
                for part in walk(equation.right):
                    if isinstance(part, ArrayFunction):
                        if any(isinstance(each, Symbol) and each.name == name for each in walk(part)):
                            return True
    return False
