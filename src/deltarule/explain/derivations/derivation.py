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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from deltarule.autodiff.formula.depth import deep_formulas
from deltarule.autodiff.formula.expression import Equation, Loop, Symbol
from deltarule.autodiff.formula.simplifying import simplified, without_broadcasts
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError
from deltarule.explain.derivations.condensing import condensed
from deltarule.explain.derivations.formula_check import FormulaCheck
from deltarule.explain.derivations.handwriting import handwritten
from deltarule.explain.derivations.local_names import Intermediate
from deltarule.explain.derivations.statement import Statement
from deltarule.explain.derivations.statement_writer import StatementWriter
from deltarule.explain.record.notation import Notation
from deltarule.explain.record.trace import MOST_STEPS, Step, Trace, states_formula
from deltarule.explain.shown import Shown
from deltarule.nn.module import Module


@dataclass(eq=False, repr=False)
class Derivation(Shown):
    """The formulas of a whole computation.

    trace        what was recorded
    notation     the sign of every value
    forward, backward   statements in the order of computation
    names        identifier -> (scalar LaTeX, whole LaTeX)
    intermediates       identifier -> what a formula defines on its way
    largest_error       of all statements, in index and matrix form, against the engine
    """

    trace: Trace
    notation: Notation
    forward: list[Statement]
    backward: list[Statement]
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    intermediates: dict[str, Intermediate] = field(default_factory=dict)

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
    most_steps = MOST_STEPS if open else 0
    trace = Trace(loss, upstream=upstream, names=known_names(names, model), most_steps=most_steps)
    require_operations(open, trace)
    return derivation_of(trace, opened)


def known_names(names: Any, model: Any, who: str = "explain") -> dict[str, Tensor]:
    """Names of tensors: those of a model's parameters, and the user's own.

    Raises ArgumentError unless they are a Module, and a mapping from names to tensors.
    """
    if model is not None and not isinstance(model, Module):
        raise ArgumentError(
            who, f"model expects a Module, got {type(model).__name__}", "Leave it out for functions."
        )
    if names is not None and not isinstance(names, Mapping):
        raise ArgumentError(
            who,
            f"names expects name -> tensor, got {type(names).__name__}",
            "For a model: dict(model.named_parameters()).",
        )
    found: dict[str, Tensor] = dict(model.named_parameters()) if model is not None else {}
    found.update(names or {})
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ArgumentError(
                who,
                f"names expects name -> tensor, got {type(tensor).__name__} for {name!r}",
                "Give the tensors of the computation.",
            )
    return found


def require_operations(open: Any, trace: Trace, who: str = "explain") -> None:
    """Raises ArgumentError for a name to open that no operation of the computation has."""
    if callable(open):
        return
    there = sorted({step.operation for step in trace.steps})
    for name in [open] if isinstance(open, str) else open:
        if name not in there:
            problem = f"open: there is no {name!r} in the graph"
            raise ArgumentError(who, problem, f"It has {', '.join(there)}.")


def as_opened(open: Collection[str] | Callable[[Step], bool]) -> Callable[[Step], bool]:
    """Whether a step is looked into, as a function. Checkpoints and groups without a formula always are."""
    if not callable(open) and not isinstance(open, Collection):
        raise ArgumentError(
            "explain",
            f"open expects names of operations or a function of a step, got {type(open).__name__}",
            'For example ["sigmoid"].',
        )
    chosen = open if callable(open) else {open} if isinstance(open, str) else set(open)

    def is_open(step: Step) -> bool:
        if not states_formula(step.node.operation):
            return True
        return chosen(step) if callable(chosen) else step.operation in chosen

    return is_open


@deep_formulas()
def derivation_of(trace: Trace, is_open: Callable[[Step], bool]) -> Derivation:
    """The derivation of a trace with some groups open."""
    steps = trace.frontier(is_open)
    notation = Notation(trace, steps)
    writer = StatementWriter(trace, notation, steps)
    backward = writer.backward()
    # A graph of numbers, as one draws it by hand, keeps the gradient at each gate.
    if any(trace.values[number].array.size > 1 for step in notation.steps for number in step.outputs):
        backward = condensed(backward, notation)
    forward = _without_last_states(writer.forward(), backward, trace)
    arrays = known_arrays(trace, notation)
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    for statement in (*forward, *backward):
        statement.matrix = tuple(_without_broadcasts(line, shapes) for line in statement.matrix)
    inner = _checked([*forward, *backward], writer, arrays)
    return Derivation(trace, notation, forward, backward, writer.names, inner)


@deep_formulas()
def statements_inside(
    trace: Trace, notation: Notation, group: Step, arrays: Mapping[str, Array]
) -> tuple[list[Statement], dict[str, tuple[str, str]]]:
    """Checked statements of what is inside an opened group, step by step, and the names of its intermediates.

    arrays   what `known_arrays` gives
    """
    steps = [trace.steps[number] for number in group.children]
    writer = StatementWriter(trace, notation, steps, group)
    statements = writer.forward() + writer.backward()
    _checked(statements, writer, ChainMap(writer.level.arrays(), dict(arrays)))
    return statements, writer.names


def _checked(
    statements: Sequence[Statement], writer: StatementWriter, arrays: Mapping[str, Array]
) -> dict[str, Intermediate]:
    """Compares the statements with the engine and writes them by hand; answers with their intermediates."""
    dtype = writer.trace.values[writer.trace.loss].array.dtype
    formula_check = FormulaCheck(arrays, dtype)
    for statement in statements:
        formula_check.check(statement, _arriving(statement, writer.trace))
    shapes = {name: np.shape(array) for name, array in formula_check.arrays.items()}
    for statement in statements:
        statement.written = tuple(handwritten(line, shapes) for line in statement.matrix)
    defined = {name for statement in statements for name in statement.defines}
    return {
        name: replace(each, shape=shapes.get(name, ()))
        for name, each in writer.intermediates.items()
        if name in defined
    }


def _arriving(statement: Statement, trace: Trace) -> float:
    """The largest gradient that arrives at the groups that a statement about gradients is inside of."""
    if statement.kind == "forward":
        return 0.0
    parents = {trace.steps[number].parent for number in statement.steps}
    arrays = [array for each in parents if each is not None for array in trace.steps[each].upstream]
    return max((float(np.max(np.abs(each), initial=0.0)) for each in arrays if each is not None), default=0.0)


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
    for step in notation.steps:
        # What an opened group gives may be used inside of it: its gradient here has those parts too.
        for number, gradient in zip(step.outputs, step.upstream, strict=False):
            if step.parent is not None and gradient is not None:
                environment[notation.gradient(number)] = np.asarray(gradient, np.float64)
    return environment


def _without_last_states(
    forward: list[Statement], backward: Sequence[Statement], trace: Trace
) -> list[Statement]:
    """Forward without results, of several of one step, that nothing reads: an LSTM's last states, say."""
    kept: list[Statement] = []
    read = {name for statement in backward for name in statement.reads}
    for statement in reversed(forward):
        alone = len(trace.steps[statement.steps[0]].outputs) == 1
        if alone or statement.value in (None, trace.loss) or read.intersection(statement.defines):
            kept.append(statement)
            read |= statement.reads
    return kept[::-1]


def _without_broadcasts(line: Any, shapes: dict[str, tuple[int, ...]]) -> Any:
    """Matrix form without what only repeats an array into a shape that it gets anyway."""
    if isinstance(line, Loop) or not isinstance(line.left, Symbol):
        return line
    return Equation(line.left, simplified(without_broadcasts(line.right, shapes)))
