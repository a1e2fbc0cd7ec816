"""The arrays of a node under the names of its formula, and the intermediates that its gradients read."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import Element, Equation, Line, Loop, symbols_in
from deltarule.autodiff.node import Node
from deltarule.autodiff.tensor import Array
from deltarule.explain.per_sample.evaluator import Evaluator, UnreadableError
from deltarule.explain.per_sample.labelling import formula_of, label_reader, names_of, signature_of
from deltarule.explain.per_sample.labels import LabelReader, Labels, no_labels
from deltarule.explain.per_sample.lines import defined_by, names_defined, needed
from deltarule.explain.per_sample.recurrence import solve_loops


class NodeArrays:
    """Arrays and labels of a node's formula, computed once for all of its inputs.

    upstream      gradient of each output
    labels        by name, of the gradients of the outputs (`grad_y`) and, without by_upstream, of the inputs
    by_upstream   whether the gradients of the outputs say which sample an element belongs to
    """

    def __init__(
        self, node: Node, upstream: Sequence[Array], labels: dict[str, Labels], *, by_upstream: bool
    ):
        self.node = node
        self.formula = formula_of(node)
        outputs = node.operation.outputs
        self.arrays: dict[str, Any] = {
            **{name: tensor._array for name, tensor in zip(names_of(node), node.inputs, strict=True)},
            **dict(zip(outputs, node.values, strict=True)),
            **{f"grad_{name}": array for name, array in zip(outputs, upstream, strict=True)},
        }
        self.labels = labels
        self.by_upstream = by_upstream
        self._looped = False
        self._reader: LabelReader | None = None

    def complete(self, name: str) -> None:
        """Computes everything that the equation for the gradient of an input reads."""
        before, last = self._gradient_lines(name)
        wanted = needed(self._lines(before), frozenset(symbols_in(last.right) - set(self.arrays)))
        if any(isinstance(line, Loop) for line in wanted):
            self._solve_loops(name)
        else:
            evaluator = Evaluator(self.arrays)
            for line in wanted:
                assert isinstance(line, Equation)
                symbol, running = defined_by(line)
                if symbol.name not in self.arrays:
                    value = evaluator.value(line.right, running)
                    self.arrays[symbol.name] = np.broadcast_to(value, [index.extent for index in running])

    def reader(self, name: str) -> LabelReader:
        """Labels of everything that the equation for this input reads."""
        if self._reader is None:
            self._reader = label_reader(self.node, self._with_outputs())
        before, last = self._gradient_lines(name)
        known = {*self._reader.labels, *names_of(self.node)}
        self._reader.solve(needed(self._lines(before), frozenset(symbols_in(last.right) - known)))
        return self._reader

    def gradient_line(self, name: str) -> Equation:
        """The equation that gives the gradient of an input."""
        return self._gradient_lines(name)[1]

    def signature(self, name: str) -> Hashable:
        """What decides how this gradient is split; None where integers of the data do, too."""
        found = signature_of(self.node, self.formula, self.labels)
        return None if found is None else (name, self.by_upstream, found)

    def _lines(self, before: Sequence[Line]) -> tuple[Line, ...]:
        return (*self.formula.value.index, *before)

    def _with_outputs(self) -> dict[str, Labels]:
        """Labels, with none for the outputs where their gradients say which sample an element is of."""
        if not self.by_upstream:
            return self.labels
        outputs = zip(self.node.operation.outputs, self.node.values, strict=True)
        return {**self.labels, **{name: no_labels(value.ndim, False) for name, value in outputs}}

    def _gradient_lines(self, name: str) -> tuple[list[Line], Equation]:
        """(the lines before, the one that gives the gradient of this input)."""
        form = self.formula.gradients.get(name)
        for number, line in enumerate(() if form is None else form.index):
            if isinstance(line, Equation) and defined_by(line)[0].name == f"grad_{name}":
                return list(form.index[:number]), line  # type: ignore[union-attr]
        raise UnreadableError("the formula has no line for this gradient")

    def _solve_loops(self, name: str) -> None:
        """A recurrence runs in matrix form, whose intermediates have the same names and axes."""
        if not self._looped:
            self._know_states()
        form = self.formula.gradients[name]
        lines = [*(() if self._looped else self.formula.value.matrix), *form.matrix]
        wanted = [
            line
            for line in lines
            if not set(names_defined(line)) <= set(self.arrays) and names_defined(line) != [f"grad_{name}"]
        ]
        solve_loops(wanted, self.arrays, self.node.values[0].dtype)
        self._looped = True

    def _know_states(self) -> None:
        """An output that is an intermediate with its axes in another order gives that intermediate."""
        for line in self.formula.value.index:
            if isinstance(line, Loop) or not isinstance(line.right, Element):
                continue
            output, order = defined_by(line)
            symbol, read = line.right.symbol, line.right.indices
            if symbol.name not in self.arrays and set(read) == set(order) and len(read) == len(order):
                places = [order.index(index) for index in read]  # type: ignore[arg-type]
                self.arrays[symbol.name] = self.arrays[output.name].transpose(places)
