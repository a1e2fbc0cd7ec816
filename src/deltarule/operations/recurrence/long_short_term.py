"""Long short-term memory: `lstm_cell`, one step, and `lstm`, a whole sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltarule.autodiff.formula.expression import Equation, Line, function
from deltarule.autodiff.formula.formula import Call, Formula
from deltarule.autodiff.operation import apply, register
from deltarule.autodiff.tensor import Tensor
from deltarule.kernels.recurrence import lstm as kernel
from deltarule.operations.activations import sigmoid
from deltarule.operations.arithmetic import add, multiply
from deltarule.operations.functions import tanh
from deltarule.operations.joining import split
from deltarule.operations.linear import linear
from deltarule.operations.recurrence.arguments import prepared
from deltarule.operations.recurrence.groups import CellGroup, SequenceGroup
from deltarule.operations.recurrence.notation import SYMBOLS, Notation, both_forms

_SYMBOLS = {
    **SYMBOLS,
    "input_gate": ("i", "i"),
    "forget_gate": ("f", "f"),
    "candidate": ("g", "g"),
    "output_gate": ("o", "o"),
    "delta_input": (r"\delta^{i}", r"\delta^{i}"),
    "delta_forget": (r"\delta^{f}", r"\delta^{f}"),
    "delta_candidate": (r"\delta^{g}", r"\delta^{g}"),
    "delta_output": (r"\delta^{o}", r"\delta^{o}"),
}


def _step(form: Notation, before: tuple[str, str], after: tuple[str, str]) -> list[Equation]:
    """Four gates, then c = f c⁻ + i g and h = o tanh(c)."""
    (previous_hidden, previous_cell), (hidden, cell) = before, after
    names = ("input_gate", "forget_gate", "candidate", "output_gate")
    equations = []
    for gate, name in enumerate(names):
        preactivation = form.input_part(gate) + form.recurrent_part(previous_hidden, gate)
        squash = "tanh" if name == "candidate" else "sigmoid"
        equations.append(Equation(form.at(name), function(squash, preactivation)))
    input_gate, forget_gate, candidate, output_gate = (form.at(name) for name in names)
    new_cell = forget_gate * form.at(previous_cell) + input_gate * candidate
    new_hidden = output_gate * function("tanh", form.at(cell))
    return [
        *equations,
        Equation(form.at(cell), form.kept(new_cell, form.at(previous_cell))),
        Equation(form.at(hidden), form.kept(new_hidden, form.at(previous_hidden))),
    ]


def _step_back(
    form: Notation,
    before: tuple[str, str],
    after: tuple[str, str],
    later: tuple[Equation, ...],
    arriving: Any,
) -> list[Equation]:
    """Errors of the four gates, and the gradients of the states that the step started from.

    later     equations that define the gradient of the hidden state, where a loop needs one
    arriving  what comes to the gradient of the cell state from later
    """
    (previous_hidden, previous_cell), (hidden, cell) = before, after
    names = ("input_gate", "forget_gate", "candidate", "output_gate")
    i, f, g, o = (form.at(name) for name in names)
    squashed = function("tanh", form.at(cell))
    grad_h, grad_c = form.at(f"grad_{hidden}"), form.at("grad_memory")
    errors = ("delta_input", "delta_forget", "delta_candidate", "delta_output")
    return [
        *later,
        Equation(grad_c, arriving + form.seen(grad_h * o * (1.0 - squashed * squashed))),
        Equation(form.at("delta_input"), form.seen(grad_c * g * i * (1.0 - i))),
        Equation(form.at("delta_forget"), form.seen(grad_c * form.at(previous_cell) * f * (1.0 - f))),
        Equation(form.at("delta_candidate"), form.seen(grad_c * i * (1.0 - g * g))),
        Equation(form.at("delta_output"), form.seen(grad_h * squashed * o * (1.0 - o))),
        form.packed("delta", errors),
        Equation(form.at(f"grad_{previous_hidden}"), form.unseen(form.handed_back("delta"), grad_h)),
        Equation(form.at(f"grad_{previous_cell}"), form.unseen(form.seen(grad_c * f), grad_c)),
    ]


class _LSTMCell(CellGroup):
    name = "lstm_cell"
    inputs = ("x", "hidden_state", "cell_state", "weight_ih", "weight_hh", "bias_ih", "bias_hh")
    outputs = ("next_hidden", "next_cell")
    symbols = {**_SYMBOLS, "memory": (r"\hat{c}", r"\hat{c}")}
    gates = 4
    states = ("hidden_state", "cell_state")
    kernel = kernel

    def open(
        self,
        x: Tensor,
        hidden_state: Tensor,
        cell_state: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
    ) -> tuple[Tensor, Tensor]:
        preactivation = add(linear(x, weight_ih, bias_ih), linear(hidden_state, weight_hh, bias_hh))
        a_input, a_forget, a_candidate, a_output = split(preactivation, 4, axis=-1)
        kept = multiply(sigmoid(a_forget), cell_state)
        next_cell = add(kept, multiply(sigmoid(a_input), tanh(a_candidate)))
        return multiply(sigmoid(a_output), tanh(next_cell)), next_cell

    def formula(self, call: Call) -> Formula:
        before, after = ("hidden_state", "cell_state"), ("next_hidden", "next_cell")

        def write(form: Notation) -> tuple[Sequence[Line], dict[str, Sequence[Line]]]:
            back = _step_back(form, before, after, (), form.at("grad_next_cell"))
            ends = form.parameter_gradients("delta", "delta", "hidden_state")
            gradients = {name: [*back, end] for name, end in ends.items()}
            return _step(form, before, after), {**gradients, "hidden_state": back, "cell_state": back}

        return both_forms(call, self.gates, self.looped, write)


class _LSTM(SequenceGroup):
    name = "lstm"
    inputs = ("x", "h0", "c0", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "mask")
    outputs = ("output", "h_n", "c_n")
    symbols = {**_SYMBOLS, "memory": ("c", "c")}
    gates = 4
    states = ("h0", "c0")
    kernel = kernel

    def formula(self, call: Call) -> Formula:
        before, after = ("previous_hidden", "previous_cell"), ("hidden", "cell")

        def write(form: Notation) -> tuple[Sequence[Line], dict[str, Sequence[Line]]]:
            steps = form.loop(
                [
                    form.start("previous_hidden", "hidden", "h0"),
                    form.start("previous_cell", "cell", "c0"),
                    *_step(form, before, after),
                ]
            )
            arriving = form.seen(form.given("grad_output", form.t)) + form.arriving(
                "previous_hidden", "grad_h_n"
            )
            later = (Equation(form.at("grad_hidden"), arriving),)
            back = form.loop(
                _step_back(form, before, after, later, form.arriving("previous_cell", "grad_c_n")),
                backwards=True,
            )
            ends = form.parameter_gradients("delta", "delta", "previous_hidden")
            ends["h0"] = form.initial_gradient("h0", "previous_hidden")
            ends["c0"] = form.initial_gradient("c0", "previous_cell")
            value = [steps, form.output("hidden"), form.final("h_n", "hidden"), form.final("c_n", "cell")]
            return value, {name: [back, end] for name, end in ends.items()}

        return both_forms(call, self.gates, self.looped, write)


LSTM_CELL = register(_LSTMCell)
_LSTM.cell = LSTM_CELL
LSTM = register(_LSTM)


def lstm_cell(
    x: Any,
    hidden_state: Any,
    cell_state: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
) -> tuple[Tensor, Tensor]:
    """One step of long short-term memory.

    a = W_ih x + b_ih + W_hh h + b_hh, its rows stacked for the gates i, f, g, o
    i = σ(a_i)   f = σ(a_f)   g = tanh(a_g)   o = σ(a_o)
    c' = f ⊙ c + i ⊙ g        h' = o ⊙ tanh(c')

    x             (batch, features)
    hidden_state  (batch, hidden), or None for zeros
    cell_state    (batch, hidden), or None for zeros
    weight_ih     (4 · hidden, features), rows of input, forget, candidate and output gate
    weight_hh     (4 · hidden, hidden)
    bias_ih       (4 · hidden,) or None; bias_hh likewise
    returns       next hidden state and next cell state, each (batch, hidden)

    It opens into two linear maps, their sum, a split, and the gates' arithmetic. Raises ShapeError
    where shapes do not fit. Differs from PyTorch's functional form in taking the two states apart.
    Source: Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000.

    >>> import deltarule as dr
    >>> hidden, cell = dr.lstm_cell([[1.0]], [[0.0]], [[1.0]], dr.zeros((4, 1)), dr.zeros((4, 1)))
    >>> cell.tolist()
    [[0.5]]
    """
    states = (hidden_state, cell_state)
    return apply(LSTM_CELL, *prepared("lstm_cell", x, states, weight_ih, weight_hh, bias_ih, bias_hh))


def lstm(
    x: Any,
    h0: Any,
    c0: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    mask: Any = None,
    *,
    reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """A layer of long short-term memory over whole sequences, in one direction.

    i, f, o = σ(W x[t] + W_hh h[t−1] + b) and g = tanh(…), each with its rows of the weights
    c[t] = f ⊙ c[t−1] + i ⊙ g        h[t] = o ⊙ tanh(c[t])

    Going back through time the cell state hands its gradient on through the forget gate alone:
    ∂L/∂c[t] = ∂L/∂h[t] ⊙ o ⊙ (1 − tanh²(c[t])) + f[t+1] ⊙ ∂L/∂c[t+1],
    ∂L/∂h[t] = ∂L/∂output[t] + W_hhᵀ δ[t+1], with δ the errors of the four gates' pre-activations

    x          (batch, time, features), at least one step
    h0, c0     (batch, hidden), or None for zeros
    weight_ih  (4 · hidden, features), rows of input, forget, candidate and output gate
    weight_hh  (4 · hidden, hidden)
    bias_ih    (4 · hidden,) or None; bias_hh likewise
    mask       (batch, time) of zeros and ones, or None: where it is 0 the states stay as they are,
               the output is 0, and no element of x is looked at
    reverse    from the last step to the first; masked steps at the end then keep the initial states
    returns    output (batch, time, hidden), in the order of x; last hidden and last cell state

    It opens into one `lstm_cell` a step. Raises ShapeError where shapes do not fit, DTypeError for a
    mask of other numbers.
    Source: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000; gate order of PyTorch.

    >>> import deltarule as dr
    >>> output, h_n, c_n = dr.lstm(dr.ones((2, 5, 3)), None, None, dr.zeros((16, 3)), dr.zeros((16, 4)))
    >>> output.shape, h_n.shape, c_n.shape
    ((2, 5, 4), (2, 4), (2, 4))
    """
    tensors = prepared("lstm", x, (h0, c0), weight_ih, weight_hh, bias_ih, bias_hh, mask)
    return apply(LSTM, *tensors, reverse=bool(reverse))
