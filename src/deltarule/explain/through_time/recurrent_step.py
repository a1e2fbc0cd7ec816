"""One step of a recurrent layer, evaluated from the formula of its cell: its value, and its way back for
many upstream gradients at once.

Nothing here knows an architecture: states, errors and what a weight's gradient is a product of are read
from the cell's formula record. An upstream gradient may have further axes in front, (..., batch, hidden).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.evaluate import evaluate, solve
from deltarule.autodiff.formula.expression import ArrayFunction, Equation, Expression, Line
from deltarule.autodiff.formula.formula import Call
from deltarule.autodiff.tensor import Array
from deltarule.explain.through_time.recurrent_layers import WEIGHTS, RecurrentCall, RecurrentLayer

Environment = dict[str, Any]


class RecurrentStep:
    """The formulas of a layer's step, with its weights.

    states    names of the states that a step starts from, the hidden state first
    after     names of the same states after it
    weights   name -> array, in float64
    """

    def __init__(self, layer: RecurrentLayer):
        call, cell = layer.calls[0], layer.cell
        self.states = cell.states
        self.after = cell.outputs[: len(cell.states)]
        self.weights: dict[str, Array] = {name: float64(call.input(name)._array) for name in WEIGHTS}
        batch, hidden = call.node.inputs[0].shape[0], layer.hidden
        shapes = {"x": (batch, call.input("x").shape[-1])}
        shapes.update(dict.fromkeys((*self.states, *self.after), (batch, hidden)))
        shapes.update({name: array.shape for name, array in self.weights.items()})
        formula = cell.formula(Call(shapes, call.parameters))
        self._value = formula.value.matrix
        self._gradients = {name: form.matrix for name, form in formula.gradients.items()}
        self._to_states = _unique([self._gradients[name] for name in self.states])
        self._to_states_and_x = _unique([self._gradients[name] for name in (*self.states, "x")])
        self._factors = {name: _factors(self._gradients[name][-1]) for name in WEIGHTS}

    # A network that explodes is what one looks at here: inf and nan are answers, no cause for warnings.
    @np.errstate(over="ignore", invalid="ignore")
    def values(self, x: Array, states: Sequence[Array]) -> Environment:
        """Everything that a step computes, by name."""
        environment = {"x": x, **dict(zip(self.states, states, strict=True)), **self.weights}
        return solve(self._value, environment)

    @np.errstate(over="ignore", invalid="ignore")
    def back(
        self,
        values: Mapping[str, Any],
        upstream: Sequence[Array],
        *,
        to_x: bool = False,
        without_recurrent_weight: bool = False,
    ) -> Environment:
        """What the way back computes from the gradients of the states after the step.

        to_x                       the gradient of x too, as "grad_x"
        without_recurrent_weight   only along paths that avoid weight_hh
        """
        environment = dict(values)
        environment.update({f"grad_{name}": each for name, each in zip(self.after, upstream, strict=True)})
        if without_recurrent_weight:
            environment["weight_hh"] = np.zeros_like(self.weights["weight_hh"])
        return solve(self._to_states_and_x if to_x else self._to_states, environment)

    def factors(self, weight: str, environment: Mapping[str, Any]) -> tuple[Array, Array | None]:
        """What a weight's gradient is a product of: errors (..., batch, rows) and inputs (batch, columns).

        The gradient is Σ over the batch of error · inputᵀ; of a bias, which has no inputs, of the errors.
        """
        errors, inputs = self._factors[weight]
        return evaluate(errors, environment), None if inputs is None else evaluate(inputs, environment)


class StepInputs:
    """What each step of one recorded call starts from, computed from the formula, in float64.

    states   name -> (steps, batch, hidden): the state that the step at each position starts from
    """

    def __init__(self, call: RecurrentCall, step: RecurrentStep):
        self._call, self._step = call, step
        self._x = call.node.inputs[0]._array
        states = [float64(call.input(name)._array) for name in step.states]
        self.states = [np.empty((call.steps, *state.shape)) for state in states]
        for position in call.positions():
            for kept, state in zip(self.states, states, strict=True):
                kept[position] = state
            if position == call.positions()[-1]:
                break
            seen = self.seen(position)
            new = self._step.values(self._features(position, slice(None)), states)
            after = [new[name] for name in step.after]
            if seen is not None:
                after = [np.where(seen, each, state) for each, state in zip(after, states, strict=True)]
            states = after

    def seen(self, position: int) -> Array | None:
        """(batch, 1): whether a sequence has this step; None where all have."""
        mask = self._call.mask
        return None if mask is None else mask[:, position : position + 1].astype(bool)

    def values(self, position: int, rows: slice = slice(None)) -> Environment:
        """Everything that the step at a position computes, for some rows of the batch."""
        return self._step.values(
            self._features(position, rows), [each[position, rows] for each in self.states]
        )

    def _features(self, position: int, rows: slice) -> Array:
        x = float64(self._x[rows, position] if self._call.is_sequence else self._x[rows])
        seen = self.seen(position)
        # Padding may hold anything, even NaN.
        return x if seen is None else np.where(seen[rows], x, 0.0)


def float64(array: Array) -> Array:
    """The array in the precision that everything here is computed in."""
    return np.asarray(array, np.float64)


def _unique(groups: Sequence[Sequence[Line]]) -> list[Line]:
    """The lines of several gradients, each once: they share what leads to the errors."""
    found: dict[int, Line] = {}
    for lines in groups:
        for line in lines:
            found.setdefault(id(line), line)
    return list(found.values())


def _factors(line: Line) -> tuple[Expression, Expression | None]:
    """The two factors of errorsᵀ inputs, or the one of a sum over errors."""
    assert isinstance(line, Equation) and isinstance(line.right, ArrayFunction)
    product = line.right
    if product.name == "matmul":
        transposed, inputs = product.arguments
        assert isinstance(transposed, ArrayFunction) and transposed.name == "transpose"
        return transposed.arguments[0], inputs
    assert product.name == "sum_to"
    return product.arguments[0], None
