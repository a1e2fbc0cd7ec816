"""Writes the formulas of recurrent operations: one set of equations for a step serves a cell and a
whole sequence, in index form and in matrix form.

Indices: t time, n sequence of the batch, j hidden unit, k hidden unit one step before, u input
feature, p row of the stacked gates. Intermediates of a sequence are time-major: h[t, n, j], in
matrix form h[t]. A superscript − marks the state that a step starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Line,
    Loop,
    Sum,
    Symbol,
    array_function,
    equal,
    less,
    where,
)
from deltarule.autodiff.formula.formula import Call, Form, Formula
from deltarule.autodiff.formula.functions import POWER, define_array_function
from deltarule.autodiff.formula.shape_rules import joined, swapped

define_array_function(
    "at_time",
    lambda x, t: x[:, int(t)],
    "{{{0}}}_{{{1}}}",
    shape=lambda x, t: (x[0], *x[2:]),
    source="{0}[:, {1}]",
    places=(POWER,),
)
define_array_function(
    "column_at_time",
    lambda x, t: x[:, int(t), None],
    "{{{0}}}_{{{1}}}",
    shape=lambda x, t: (x[0], 1, *x[2:]),
    source="{0}[:, {1}, None]",
    places=(POWER,),
)
define_array_function(
    "column", lambda x: x[..., None], "{0}", shape=lambda x: (*x, 1), source="{0}[..., None]"
)
define_array_function(
    "rows",
    lambda x, start, stop: x[start:stop],
    "{{{0}}}_{{[{start}:{stop}]}}",
    shape=lambda x, start, stop: (stop - start, *x[1:]),
    source="{0}[{start}:{stop}]",
    places=(POWER,),
)
define_array_function(
    "time_first",
    lambda x: np.swapaxes(x, 0, 1),
    r"\operatorname{{time\_first}}\left({0}\right)",
    shape=swapped,
    source="{0}.swapaxes(0, 1)",
)
define_array_function(
    "batch_first",
    lambda x: np.swapaxes(x, 0, 1),
    r"\operatorname{{batch\_first}}\left({0}\right)",
    shape=swapped,
    source="{0}.swapaxes(0, 1)",
)


def _gates_shape(*gates: tuple[int, ...]) -> tuple[int, ...]:
    return joined(*gates, axis=-1)


define_array_function(
    "three_gates",
    lambda *gates: np.concatenate(gates, axis=-1),
    r"\left[{0} \;\; {1} \;\; {2}\right]",
    shape=_gates_shape,
    source="np.concatenate([{all}], axis=-1)",
)
define_array_function(
    "four_gates",
    lambda *gates: np.concatenate(gates, axis=-1),
    r"\left[{0} \;\; {1} \;\; {2} \;\; {3}\right]",
    shape=_gates_shape,
    source="np.concatenate([{all}], axis=-1)",
)

# Notation that all recurrent operations share: name -> (as an element, as a whole).
SYMBOLS: dict[str, tuple[str, str]] = {
    "h0": ("h^{0}", "h^{0}"),
    "c0": ("c^{0}", "c^{0}"),
    "h_n": (r"h^{\mathrm{last}}", r"h^{\mathrm{last}}"),
    "c_n": (r"c^{\mathrm{last}}", r"c^{\mathrm{last}}"),
    "output": ("y", "Y"),
    "previous_hidden": ("h^{-}", "h^{-}"),
    "previous_cell": ("c^{-}", "c^{-}"),
    "cell": ("c", "c"),
    "next_hidden": ("h'", "h'"),
    "next_cell": ("c'", "c'"),
    "weight_ih": ("w^{ih}", "W_{ih}"),
    "weight_hh": ("w^{hh}", "W_{hh}"),
    "bias_ih": ("b^{ih}", "b_{ih}"),
    "bias_hh": ("b^{hh}", "b_{hh}"),
    "mask": ("m", "m"),
    "delta": (r"\delta", r"\delta"),
}


class Notation:
    """How the equations of one step are written: in a loop over time or alone, indexed or whole."""

    def __init__(self, call: Call, gates: int, *, looped: bool, matrix: bool):
        shapes = call.shapes
        self.gates, self.looped, self.matrix = gates, looped, matrix
        self.hidden = shapes["weight_hh"][1]
        self.reverse = bool(call.parameters.get("reverse", False))
        self.masked = "mask" in shapes
        self.steps = shapes["x"][1] if looped else 1
        self.t = Index("t", self.steps)
        self.n = Index("n", shapes["x"][0])
        self.j, self.k = Index("j", self.hidden), Index("k", self.hidden)
        self.u, self.p = Index("u", shapes["x"][-1]), Index("p", gates * self.hidden)
        self.first, self.last = (self.steps - 1, 0) if self.reverse else (0, self.steps - 1)

    # ---- values at this step

    def at(self, name: str, unit: Index | None = None) -> Expression:
        """An intermediate at this step: unit j of sequence n, or all of them."""
        symbol, time = Symbol(name, 3 if self.looped else 2), (self.t,) if self.looped else ()
        return symbol.at(time if self.matrix else (*time, self.n, unit or self.j))

    def beside(self, name: str, offset: int, unit: Index | None = None) -> Expression:
        """An intermediate at the step computed before (-1) or after (+1) this one; 0 outside."""
        forwards = -offset if self.reverse else offset
        time = self.t + 1 if forwards > 0 else self.t - 1
        symbol = Symbol(name, 3)
        return symbol.at((time,) if self.matrix else (time, self.n, unit or self.j), outside=0.0)

    def given(self, name: str, time: Index | None) -> Expression:
        """A state or its gradient as it is given, or a batch-first sequence at this step."""
        if time is None:
            symbol = Symbol(name, 2)
            return symbol if self.matrix else symbol.at((self.n, self.j))
        symbol = Symbol(name, 3)
        return array_function("at_time", symbol, time) if self.matrix else symbol.at((self.n, time, self.j))

    # ---- parts of equations

    def input_part(self, gate: int = 0) -> Expression:
        """W_ih x + b_ih of one gate."""
        weight, bias = self._gate(gate, "ih")
        if self.matrix:
            x = Symbol("x", 3 if self.looped else 2)
            return (array_function("at_time", x, self.t) if self.looped else x) @ weight.T + bias
        return Sum(self._x() * weight, self.u) + bias

    def recurrent_part(self, previous: str, gate: int = 0) -> Expression:
        """W_hh h⁻ + b_hh of one gate."""
        weight, bias = self._gate(gate, "hh")
        if self.matrix:
            return self.at(previous) @ weight.T + bias
        return Sum(self.at(previous, self.k) * weight, self.k) + bias

    def _gate(self, gate: int, kind: str) -> tuple[Expression, Expression]:
        weight, bias = Symbol(f"weight_{kind}", 2), Symbol(f"bias_{kind}", 1)
        start = gate * self.hidden
        if self.matrix:
            if self.gates == 1:
                return weight, bias
            span = {"start": start, "stop": start + self.hidden}
            return array_function("rows", weight, **span), array_function("rows", bias, **span)
        row = self.j + start if start else self.j
        return weight.at((row, self.u if kind == "ih" else self.k)), bias.at((row,))

    def _x(self) -> Expression:
        return (
            Symbol("x", 3).at((self.n, self.t, self.u))
            if self.looped
            else Symbol("x", 2).at((self.n, self.u))
        )

    def mask(self) -> Expression:
        """1 where the sequence has this step, else 0."""
        if self.matrix:
            return array_function("column_at_time", Symbol("mask", 2), self.t)
        return Symbol("mask", 2).at((self.n, self.t))

    def seen(self, value: Expression) -> Expression:
        """The value where the sequence has this step, else 0."""
        return self.mask() * value if self.masked else value

    def unseen(self, value: Expression, kept: Expression) -> Expression:
        """The value, and what is kept besides where the step is masked."""
        return value + (1.0 - self.mask()) * kept if self.masked else value

    def kept(self, value: Expression, previous: Expression) -> Expression:
        """The value, or the state before where the step is masked."""
        return where(self.mask(), value, previous) if self.masked else value

    def packed(self, name: str, parts: Sequence[str | Expression]) -> Equation:
        """Errors of all gates side by side, as the weights' rows are."""
        left = self.at(name, self.p)
        if self.matrix:
            pieces = [self.at(part) if isinstance(part, str) else part for part in parts]
            return Equation(left, array_function("three_gates" if len(parts) == 3 else "four_gates", *pieces))
        time = (self.t,) if self.looped else ()
        right: Expression | None = None
        for gate, part in reversed(list(enumerate(parts))):
            assert isinstance(part, str)
            row = self.p - gate * self.hidden if gate else self.p
            value = Symbol(part, 3 if self.looped else 2).at((*time, self.n, row), outside=0.0)
            right = value if right is None else where(less(self.p, (gate + 1) * self.hidden), value, right)
        assert right is not None
        return Equation(left, right)

    def handed_back(self, delta: str) -> Expression:
        """W_hhᵀ δ: what the errors of this step say about the state it started from."""
        weight = Symbol("weight_hh", 2)
        if self.matrix:
            return self.at(delta) @ weight
        return Sum(self.at(delta, self.p) * weight.at((self.p, self.j)), self.p)

    # ---- whole formulas

    def start(self, previous: str, state: str, initial: str) -> Equation:
        """The state that a step starts from: the initial one, or that of the step before."""
        right = where(equal(self.t, self.first), self.given(initial, None), self.beside(state, -1))
        return Equation(self.at(previous), right)

    def arriving(self, previous: str, final: str) -> Expression:
        """What comes to a state's gradient from later: the next step, or the last state."""
        return where(equal(self.t, self.last), self.given(final, None), self.beside(f"grad_{previous}", +1))

    def final(self, name: str, state: str) -> Equation:
        """The last state as an output."""
        symbol = Symbol(state, 3)
        left = Symbol(name, 2)
        if self.matrix:
            return Equation(left, symbol.at((self.last,)))
        return Equation(left.at((self.n, self.j)), symbol.at((self.last, self.n, self.j)))

    def output(self, state: str) -> Equation:
        """The states of all steps, 0 where masked, as the output sequence."""
        left, symbol = Symbol("output", 3), Symbol(state, 3)
        if self.matrix:
            visible = array_function("batch_first", symbol)
            if self.masked:
                visible = array_function("column", Symbol("mask", 2)) * visible
            return Equation(left, visible)
        return Equation(left.at((self.n, self.t, self.j)), self.seen(symbol.at((self.t, self.n, self.j))))

    def initial_gradient(self, name: str, previous: str) -> Equation:
        """Gradient of an initial state: that of the state which the first step starts from."""
        left, symbol = Symbol(f"grad_{name}", 2), Symbol(f"grad_{previous}", 3)
        if self.matrix:
            return Equation(left, symbol.at((self.first,)))
        return Equation(left.at((self.n, self.j)), symbol.at((self.first, self.n, self.j)))

    def loop(self, equations: Sequence[Equation], *, backwards: bool = False) -> Line:
        return Loop(self.t, tuple(equations), reverse=self.reverse != backwards)

    def parameter_gradients(self, delta_input: str, delta_hidden: str, previous: str) -> dict[str, Equation]:
        """Gradients of x, weights and biases from the errors: sums of products over time and batch."""
        ndim = 3 if self.looped else 2
        x, states = Symbol("x", ndim), Symbol(previous, ndim)
        input_errors, hidden_errors = Symbol(delta_input, ndim), Symbol(delta_hidden, ndim)
        weight_ih = Symbol("weight_ih", 2)
        rows = self.gates * self.hidden
        if self.matrix:
            grad_x = input_errors @ weight_ih
            grad_weight_ih = input_errors.T @ (array_function("time_first", x) if self.looped else x)
            grad_weight_hh = hidden_errors.T @ states
            if self.looped:
                grad_x = array_function("batch_first", grad_x)
                grad_weight_ih = array_function("sum", grad_weight_ih, axis=0)
                grad_weight_hh = array_function("sum", grad_weight_hh, axis=0)
            return {
                "x": Equation(Symbol("grad_x", ndim), grad_x),
                "weight_ih": Equation(Symbol("grad_weight_ih", 2), grad_weight_ih),
                "weight_hh": Equation(Symbol("grad_weight_hh", 2), grad_weight_hh),
                "bias_ih": Equation(
                    Symbol("grad_bias_ih", 1), array_function("sum_to", input_errors, shape=(rows,))
                ),
                "bias_hh": Equation(
                    Symbol("grad_bias_hh", 1), array_function("sum_to", hidden_errors, shape=(rows,))
                ),
            }
        input_error, hidden_error = self.at(delta_input, self.p), self.at(delta_hidden, self.p)
        summed = (self.t, self.n) if self.looped else (self.n,)
        x_indices = (self.n, self.t, self.u) if self.looped else (self.n, self.u)
        return {
            "x": Equation(
                Symbol("grad_x", ndim).at(x_indices),
                Sum(input_error * weight_ih.at((self.p, self.u)), self.p),
            ),
            "weight_ih": Equation(
                Symbol("grad_weight_ih", 2).at((self.p, self.u)), Sum(input_error * self._x(), *summed)
            ),
            "weight_hh": Equation(
                Symbol("grad_weight_hh", 2).at((self.p, self.k)),
                Sum(hidden_error * self.at(previous, self.k), *summed),
            ),
            "bias_ih": Equation(Symbol("grad_bias_ih", 1).at((self.p,)), Sum(input_error, *summed)),
            "bias_hh": Equation(Symbol("grad_bias_hh", 1).at((self.p,)), Sum(hidden_error, *summed)),
        }


def both_forms(
    call: Call,
    gates: int,
    looped: bool,
    write: Callable[[Notation], tuple[Sequence[Line], dict[str, Sequence[Line]]]],
) -> Formula:
    """A formula from a writer of (lines of the value, input -> lines of its gradient)."""
    index_value, index_gradients = write(Notation(call, gates, looped=looped, matrix=False))
    matrix_value, matrix_gradients = write(Notation(call, gates, looped=looped, matrix=True))
    return Formula(
        Form(tuple(index_value), tuple(matrix_value)),
        {name: Form(tuple(lines), tuple(matrix_gradients[name])) for name, lines in index_gradients.items()},
    )
