"""Local names: what the names in one operation's formula are called in the whole computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.formula.expression import ArrayFunction, Loop, Symbol
from deltarule.autodiff.formula.formula import Formula
from deltarule.autodiff.formula.latex import SYMBOLS, raised
from deltarule.autodiff.formula.rewriting import defined_by, walk
from deltarule.autodiff.tensor import Array
from deltarule.explain.record.level import Level
from deltarule.explain.record.trace import Step, Value


@dataclass(frozen=True)
class Intermediate:
    """What a formula defines on its way: a gate, the mean of a batch.

    name   in the operation's own formula; step: number of the step whose formula it is
    """

    identifier: str
    name: str
    step: int
    shape: tuple[int, ...] = ()


class LocalNames:
    """Names of steps that stand side by side.

    level      of the steps
    formulas   number of a step -> what its operation says of itself

    of_step         number of a step -> name in its formula -> identifier, or number, in the whole computation
    names           identifier -> (scalar LaTeX, whole LaTeX)
    intermediates   identifier -> what a formula defines on its way
    constants       number of a step -> its results whose gradient is one number everywhere, each with that
    """

    def __init__(self, level: Level, formulas: Mapping[int, Formula]):
        self.level, self.trace, self.notation = level, level.trace, level.notation
        self.names = {**self.notation.latex_names(), **level.names()}
        self.intermediates: dict[str, Intermediate] = {}
        self.constants: dict[int, list[tuple[int, float]]] = {}
        self._formulas = formulas
        self._taken = set(self.names)
        self._written: set[tuple[str, str]] = set()
        # (name in a formula, step) -> what was chosen to tell it from others of the name.
        self._endings: dict[tuple[str, int], tuple[str, str]] = {}
        self.of_step = {step.number: self._local_names(step) for step in level.steps}

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
                    if name not in names and not is_answer(name, inputs):
                        names[name] = self._intermediate(name, step)
        return names

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
                self.constants.setdefault(step.number, []).append((number, 1.0))
            arrived = self.level.arrived(number)
            if arrived is None:
                return 0.0
            if number != self.trace.loss and self._is_unused(value, arrived):
                if not _is_rearranged(f"grad_{name}", self._formulas[step.number]):
                    return 0.0
                self.constants.setdefault(step.number, []).append((number, 0.0))
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


def is_answer(name: str, inputs: Sequence[str]) -> bool:
    """Whether what a formula defines is the gradient of an input."""
    return name.startswith("grad_") and name.removeprefix("grad_") in inputs


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
