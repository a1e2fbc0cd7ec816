"""Derivation: the back-propagation of a loss written out, as one would by hand, and checked line by line.

    forward     every value from those before it
    errors      δ of each layer as a recursion from the last layer back, with what leads from one to the next
    gradients   of all parameters and inputs

Every statement comes from the formula records of the recorded operations: the names of one operation's
formula are replaced by those of the whole computation, gradients that meet at a value are added, and a
gradient that is used once is put where it is used. Each is then evaluated and compared with the engine.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import Element, Equation, Expression, Index, Line, Loop, Symbol, letters
from deltarule.autodiff.formula.formula import Form
from deltarule.autodiff.formula.latex import SYMBOLS
from deltarule.autodiff.formula.rewriting import (
    defined_by,
    inlined,
    name_of,
    occurrences,
    read_by,
    reindexed,
    renamed,
    simplified,
    size,
    with_distinct_indices,
    with_expressions,
    without_broadcasts,
)
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError
from deltarule.explain.formula_check import FormulaCheck
from deltarule.explain.level import Level
from deltarule.explain.notation import Notation
from deltarule.explain.sign import raised
from deltarule.explain.shown import Shown
from deltarule.explain.trace import Step, Trace

# Larger gradients keep a line of their own; a line grows no larger than this by what is put into it.
_MOST_INLINED = 24
_MOST_PARTS = 48


@dataclass(eq=False)
class Statement:
    """One line, or one loop, of a derivation.

    kind         "forward", "delta" (error term of a layer), "gradient", or "intermediate" (what only the next
                 lines use)
    steps        the operations that it speaks of
    defines      identifiers that it defines
    reads        identifiers that it reads
    value        number of the value that it defines, or whose gradient; None for intermediates
    index        the statement in index form, matrix: in matrix form; one line each, but where one form needs
                 intermediates that the other does not
    index_error, matrix_error   largest difference from the engine, relative to the largest element; None
                 where the engine has no such array
    checked      how many elements of the index form were compared
    """

    kind: str
    steps: tuple[int, ...]
    value: int | None
    index: tuple[Line, ...]
    matrix: tuple[Line, ...]
    defines: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset()
    index_error: float | None = None
    matrix_error: float | None = None
    checked: int = 0

    def __post_init__(self) -> None:
        self.defines = tuple(dict.fromkeys(name for line in self.matrix for name in defined_by(line)))
        own = {name for line in (*self.index, *self.matrix) for name in defined_by(line)}
        read = set().union(*(read_by(line) for line in (*self.index, *self.matrix)))
        self.reads = frozenset(read - own)

    @property
    def equations(self) -> tuple[Equation, Equation] | None:
        """(index form, matrix form) where each is a single equation."""
        if len(self.index) == len(self.matrix) == 1:
            index, matrix = self.index[0], self.matrix[0]
            if isinstance(index, Equation) and isinstance(matrix, Equation):
                return index, matrix
        return None


@dataclass(eq=False)
class Derivation(Shown):
    """The formulas of a whole computation.

    trace        what was recorded
    notation     the sign of every value
    forward, backward   statements in the order of computation
    names        identifier -> (scalar LaTeX, whole LaTeX)
    largest_error       of all statements, in index and matrix form, against the engine
    """

    trace: Trace
    notation: Notation
    forward: list[Statement]
    backward: list[Statement]
    names: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def errors(self) -> list[Statement]:
        """The δ recursion: error terms, and what leads from one to the next."""
        leaves = {value.number for value in self.trace.values if value.made_by is None}
        return [each for each in self.backward if each.value not in leaves]

    @property
    def gradients(self) -> list[Statement]:
        """The gradients of leaves: parameters and inputs."""
        leaves = {value.number for value in self.trace.values if value.made_by is None}
        return [each for each in self.backward if each.value in leaves]

    @property
    def statements(self) -> list[Statement]:
        return self.forward + self.backward

    @property
    def largest_error(self) -> float:
        found = [
            error
            for each in self.statements
            for error in (each.index_error, each.matrix_error)
            if error is not None
        ]
        return max(found, default=0.0)


def derive(
    loss: Tensor,
    *,
    upstream: Any = None,
    names: dict[str, Tensor] | None = None,
    model: Any = None,
    open: Collection[str] | Callable[[Step], bool] = (),
) -> Derivation:
    """The formulas of forward and backward of a loss, each checked against the engine.

    loss      a recorded tensor
    upstream  ∂L/∂loss where it has several elements
    names     name -> tensor, for symbols; a module's parameters are found without
    model     Module whose parameter names label the legend
    open      names of groups to derive from what is inside them ("sigmoid"), or a function of a Step

    Raises GraphError for a tensor without a graph.

    >>> import deltarule as dr
    >>> W, x = dr.tensor([[1.0, 2.0]], requires_grad=True), dr.tensor([[3.0], [4.0]])
    >>> print(derive(dr.tanh(W @ x), upstream=[[1.0]], names={"W": W, "x": x}).largest_error < 1e-6)
    True
    """
    opened = as_opened(open)
    trace = Trace(loss, upstream=upstream, names=known_names(names, model), most_steps=0 if not open else 2000)
    return derivation_of(trace, opened)


def known_names(names: dict[str, Tensor] | None, model: Any) -> dict[str, Tensor]:
    """Names of tensors: those of a model's parameters, and the user's own."""
    found: dict[str, Tensor] = dict(model.named_parameters()) if model is not None else {}
    found.update(names or {})
    for name, tensor in found.items():
        if not isinstance(tensor, Tensor):
            raise ArgumentError(
                "explain",
                f"names expects name -> tensor, got {type(tensor).__name__} for {name!r}",
                "Give the tensors of the computation.",
            )
    return found


def as_opened(open: Collection[str] | Callable[[Step], bool]) -> Callable[[Step], bool]:
    """Whether a step is looked into, as a function. A checkpoint always is: it has no formula of its own."""
    chosen = open if callable(open) else {open} if isinstance(open, str) else set(open)

    def is_open(step: Step) -> bool:
        if step.node.operation.reopens:
            return True
        return chosen(step) if callable(chosen) else step.operation in chosen

    return is_open


def derivation_of(trace: Trace, is_open: Callable[[Step], bool] = as_opened(())) -> Derivation:
    """The derivation of a trace with some groups open."""
    steps = trace.frontier(is_open)
    notation = Notation(trace, steps)
    writer = _Writer(trace, notation, steps)
    derivation = Derivation(
        trace, notation, writer.forward(), _condensed(writer.backward(), notation), writer.names
    )
    shapes = {name: np.shape(array) for name, array in known_arrays(trace, notation).items()}
    for statement in derivation.statements:
        statement.matrix = tuple(_without_broadcasts(line, shapes) for line in statement.matrix)
    formula_check = FormulaCheck(environment_of(derivation))
    for statement in derivation.statements:
        formula_check.check(statement)
    return derivation


def statements_inside(
    trace: Trace, notation: Notation, group: Step, arrays: Mapping[str, Array]
) -> tuple[list[Statement], dict[str, tuple[str, str]]]:
    """Checked statements of what is inside an opened group, step by step, and the names of its intermediates.

    arrays   what `known_arrays` gives
    """
    steps = [trace.steps[number] for number in group.children]
    writer = _Writer(trace, notation, steps, group)
    statements = writer.forward() + writer.backward()
    formula_check = FormulaCheck(ChainMap(writer.level.arrays(), dict(arrays)))
    for statement in statements:
        formula_check.check(statement)
    return statements, writer.names


def environment_of(derivation: Derivation) -> dict[str, Array]:
    """Every array that a statement may read, in float64, by identifier."""
    return known_arrays(derivation.trace, derivation.notation)


def known_arrays(trace: Trace, notation: Notation) -> dict[str, Array]:
    """Values and gradients as the engine computed them, in float64, by identifier."""
    environment: dict[str, Array] = {}
    for value in trace.values:
        is_float = value.array.dtype.kind == "f"
        array = value.array.astype(np.float64) if is_float else value.array
        environment[notation.signs[value.number].identifier] = array
        if value.gradient is not None:
            environment[notation.gradient(value.number)] = np.asarray(value.gradient, np.float64)
    return environment


class _Writer:
    """Writes the statements of some steps: those that one sees, or those inside of an opened group."""

    def __init__(self, trace: Trace, notation: Notation, steps: Sequence[Step], group: Step | None = None):
        self.trace, self.notation, self.steps = trace, notation, steps
        self.level = Level(trace, notation, steps, group)
        self.names = {**notation.latex_names(), **self.level.names()}
        self._intermediates = set(self.names)
        self._formulas = {step.number: step.node.operation.formula(step.node.operation.call(step.node)) for step in steps}
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
            names[f"grad_{name}"] = self._upstream(number)
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
        if value.kind == "constant" and value.array.ndim == 0:
            return value.array.item()
        return self.notation.signs[number].identifier

    def _upstream(self, number: int) -> str | float:
        """What stands for ∂L/∂value: 1 for the loss itself, 0 for a result that nobody uses."""
        value = self.trace.values[number]
        contributions = self.level.contributions(number)
        if not contributions:
            if number == self.trace.loss and value.array.size == 1 and np.all(value.gradient == 1):
                return 1.0
            arrived = self.level.arrived(number)
            if arrived is None or (number != self.trace.loss and not np.any(arrived)):
                return 0.0
        return self.level.gradient(number)

    def _intermediate(self, name: str, step: Step) -> str:
        """An identifier of its own for what a formula defines on its way, with its notation."""
        layer = self.notation.signs[step.outputs[0]].layer
        digits = str(layer) if self.notation.layers > 1 and layer else ""
        time = self.trace.times.get(step.number)
        end, above = f"{digits}", f"({digits})" if digits else ""
        if time is not None:
            end, above = f"{digits}_t{time}", rf"{above}\langle {time} \rangle"
        if self.notation.is_inside(f"{name}_t{time}", step):
            # A value inside of the step has this name, being the same.
            return f"{name}_t{time}"
        if f"{name}{end}" in self._intermediates or (self.level.group is not None and time is None):
            end, above = f"{digits}_s{step.number}", f"[{step.number}]"
        identifier = f"{name}{end}"
        self._intermediates.add(identifier)
        # The writer of formulas makes ∂L/∂… of the prefix by itself.
        self.names.setdefault(identifier.removeprefix("grad_"), self._letters(name.removeprefix("grad_"), above, step))
        return identifier

    def _letters(self, name: str, above: str, step: Step) -> tuple[str, str]:
        default = (name, name.upper()) if len(name) == 1 else (rf"\mathit{{{name.replace('_', ' ')}}}",) * 2
        scalar, whole = step.node.operation.symbols.get(name) or SYMBOLS.get(name) or default
        return raised(scalar, above), raised(whole, above)

    # ---- statements

    def forward(self) -> list[Statement]:
        statements = []
        for step in self.steps:
            names = self._locals[step.number]
            outputs = {self.notation.signs[number].identifier: number for number in step.outputs}
            for index, matrix in _paired(self._formulas[step.number].value):
                statement = _statement("forward", step, None, index, matrix, names)
                statement.value = next((outputs[name] for name in statement.defines if name in outputs), None)
                statements.append(statement)
        return statements

    def backward(self) -> list[Statement]:
        statements: list[Statement] = []
        # What has come to a value that is used several times.
        waiting: dict[int, list[Statement]] = {}
        for step in reversed(self.steps):
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
        return _without_unused(statements)

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
                    yield None, _statement("intermediate", step, None, index, matrix, self._locals[step.number])
                    continue
                place = inputs.index(answer.removeprefix("grad_"))
                target = step.inputs[place]
                known = dict(self._locals[step.number])
                uses = self.level.parts(target)
                if place == position or (uses == 1 and step.contributions[place] is not None):
                    written[id(matrix[-1])] = ""
                    known[answer] = self.level.gradient(target)
                    kind = "delta" if target in self.notation.deltas else "gradient"
                    yield target, _statement(kind, step, target, index, matrix, known)
                else:
                    # Named apart, as further contributions come to the same value.
                    known[answer] = f"{self.level.gradient(target)}_s{step.number}"
                    written[id(matrix[-1])] = known[answer]
                    yield None, _statement("intermediate", step, None, index, matrix, known)

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
        first, *others = parts
        pairs = [part.equations for part in parts]
        assert all(pairs), "a gradient's last line is one equation"
        (index, matrix), *rest = [pair for pair in pairs if pair is not None]
        for other_index, other_matrix in rest:
            index = Equation(index.left, index.right + _aligned(other_index, index.left))
            matrix = Equation(matrix.left, matrix.right + other_matrix.right)
        steps = tuple(dict.fromkeys(step for part in parts for step in part.steps))
        return replace(first, steps=steps, index=(_tidy(index),), matrix=(_tidy(matrix),))


def _statement(
    kind: str,
    step: Step,
    value: int | None,
    index: tuple[Line, ...],
    matrix: tuple[Line, ...],
    names: Mapping[str, str | float],
) -> Statement:
    return Statement(
        kind,
        (step.number,),
        value,
        tuple(_tidy(renamed(line, names)) for line in index),
        tuple(_tidy(renamed(line, names)) for line in matrix),
    )


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


def _without_unused(statements: list[Statement]) -> list[Statement]:
    """The same without intermediates that no later line reads."""
    kept: list[Statement] = []
    read: set[str] = set()
    for statement in reversed(statements):
        if statement.kind != "intermediate" or read.intersection(statement.defines):
            kept.append(statement)
            read |= statement.reads
    return kept[::-1]


def _without_broadcasts(line: Any, shapes: dict[str, tuple[int, ...]]) -> Any:
    """Matrix form without what only repeats an array into a shape that it gets anyway."""
    if isinstance(line, Loop) or not isinstance(line.left, Symbol):
        return line
    return Equation(line.left, simplified(without_broadcasts(line.right, shapes)))


def _tidy(line: Any) -> Any:
    line = with_expressions(line, simplified)
    if isinstance(line, Loop):
        return Loop(line.index, tuple(with_distinct_indices(each) for each in line.equations), line.reverse)
    return with_distinct_indices(line)


def _aligned(equation: Equation, left: Expression) -> Expression:
    """The right side with the indices of another left side."""
    if not isinstance(left, Element) or not isinstance(equation.left, Element):
        return equation.right
    pairs = zip(equation.left.indices, left.indices, strict=True)
    return reindexed(equation.right, {own: other for own, other in pairs if isinstance(own, Index)})


def _condensed(statements: list[Statement], notation: Notation) -> list[Statement]:
    """The same with gradients that are used once put where they are used."""
    trace = notation.trace
    kept = list(statements)
    position = 0
    while position < len(kept):
        statement = kept[position]
        users = [each for each in kept[position + 1 :] if statement.defines[0] in each.reads]
        joined = None
        if _may_go(statement, trace) and len(users) == 1:
            joined = _joined(users[0], statement)
        if joined is None:
            position += 1
            continue
        kept[kept.index(users[0])] = joined
        del kept[position]
    return kept


def _may_go(statement: Statement, trace: Trace) -> bool:
    if statement.kind != "gradient" or statement.value is None or statement.equations is None:
        return False
    value = trace.values[statement.value]
    largest = max(size(equation.right) for equation in statement.equations)
    return value.made_by is not None and not value.label and largest <= _MOST_INLINED


def _joined(user: Statement, definition: Statement) -> Statement | None:
    if user.equations is None or definition.equations is None or user.kind == "intermediate":
        return None
    found = []
    for equation, own in zip(user.equations, definition.equations, strict=True):
        if occurrences(equation.right, name_of(own.left)) > 1 and size(own.right) > 3:
            return None
        joined = inlined(equation, own)
        if joined is None or size(joined.right) > _MOST_PARTS:
            return None
        found.append(_tidy(joined))
    steps = tuple(dict.fromkeys((*definition.steps, *user.steps)))
    return replace(user, steps=steps, index=(found[0],), matrix=(found[1],))
