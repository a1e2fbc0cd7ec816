"""The simple recurrent layer of Elman: `rnn_cell`, one step, and `rnn`, a whole sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltarule.autodiff.formula.expression import Equation, Line, function, greater
from deltarule.autodiff.formula.formula import Call, Formula
from deltarule.autodiff.operation import apply, register
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.kernels.recurrence import rnn as kernel
from deltarule.operations.activations import relu
from deltarule.operations.arithmetic import add
from deltarule.operations.functions import tanh
from deltarule.operations.linear import linear
from deltarule.operations.recurrence.arguments import prepared
from deltarule.operations.recurrence.groups import CellGroup, SequenceGroup
from deltarule.operations.recurrence.notation import Notation, both_forms


def _step(form: Notation, previous: str, hidden: str, nonlinearity: str) -> list[Equation]:
    """h = φ(W_ih x + b_ih + W_hh h⁻ + b_hh)."""
    preactivation = form.input_part() + form.recurrent_part(previous)
    value = (
        function("maximum", preactivation, 0.0) if nonlinearity == "relu" else function("tanh", preactivation)
    )
    return [Equation(form.at(hidden), form.kept(value, form.at(previous)))]


def _step_back(form: Notation, previous: str, hidden: str, nonlinearity: str) -> list[Equation]:
    """δ = ∂L/∂h · φ'(a), and ∂L/∂h⁻ = W_hhᵀ δ."""
    h, grad_h = form.at(hidden), form.at(f"grad_{hidden}")
    slope = greater(h, 0.0) if nonlinearity == "relu" else 1.0 - h * h
    return [
        Equation(form.at("delta"), form.seen(grad_h * slope)),
        Equation(form.at(f"grad_{previous}"), form.unseen(form.handed_back("delta"), grad_h)),
    ]


class _RNNCell(CellGroup):
    name = "rnn_cell"
    inputs = ("x", "hidden_state", "weight_ih", "weight_hh", "bias_ih", "bias_hh")
    outputs = ("next_hidden",)
    gates = 1
    states = ("hidden_state",)
    kernel = kernel

    def open(
        self,
        x: Tensor,
        hidden_state: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
        *,
        nonlinearity: str,
    ) -> Tensor:
        preactivation = add(linear(x, weight_ih, bias_ih), linear(hidden_state, weight_hh, bias_hh))
        return relu(preactivation) if nonlinearity == "relu" else tanh(preactivation)

    def formula(self, call: Call) -> Formula:
        nonlinearity = call.parameters["nonlinearity"]

        def write(form: Notation) -> tuple[Sequence[Line], dict[str, Sequence[Line]]]:
            back = _step_back(form, "hidden_state", "next_hidden", nonlinearity)
            ends = form.parameter_gradients("delta", "delta", "hidden_state")
            gradients = {name: [*back, end] for name, end in ends.items()}
            return _step(form, "hidden_state", "next_hidden", nonlinearity), {
                **gradients,
                "hidden_state": back,
            }

        return both_forms(call, self.gates, self.looped, write)


class _RNN(SequenceGroup):
    name = "rnn"
    inputs = ("x", "h0", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "mask")
    outputs = ("output", "h_n")
    gates = 1
    states = ("h0",)
    kernel = kernel

    def formula(self, call: Call) -> Formula:
        nonlinearity = call.parameters["nonlinearity"]

        def write(form: Notation) -> tuple[Sequence[Line], dict[str, Sequence[Line]]]:
            steps = form.loop(
                [
                    form.start("previous_hidden", "hidden", "h0"),
                    *_step(form, "previous_hidden", "hidden", nonlinearity),
                ]
            )
            arriving = form.seen(form.given("grad_output", form.t)) + form.arriving(
                "previous_hidden", "grad_h_n"
            )
            back = form.loop(
                [
                    Equation(form.at("grad_hidden"), arriving),
                    *_step_back(form, "previous_hidden", "hidden", nonlinearity),
                ],
                backwards=True,
            )
            ends = form.parameter_gradients("delta", "delta", "previous_hidden")
            ends["h0"] = form.initial_gradient("h0", "previous_hidden")
            value = [steps, form.output("hidden"), form.final("h_n", "hidden")]
            return value, {name: [back, end] for name, end in ends.items()}

        return both_forms(call, self.gates, self.looped, write)


RNN_CELL = register(_RNNCell)
_RNN.cell = RNN_CELL
RNN = register(_RNN)


def _require_nonlinearity(who: str, nonlinearity: str) -> None:
    if nonlinearity not in ("tanh", "relu"):
        raise ArgumentError(who, f"nonlinearity expected 'tanh' or 'relu', got {nonlinearity!r}")


def rnn_cell(
    x: Any,
    hidden_state: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    *,
    nonlinearity: str = "tanh",
) -> Tensor:
    """One step of a simple recurrent layer.

    h'[n, j] = φ(Σ_u x[n, u] · weight_ih[j, u] + bias_ih[j] + Σ_k h[n, k] · weight_hh[j, k] + bias_hh[j])

    x             (batch, features)
    hidden_state  (batch, hidden), or None for zeros
    weight_ih     (hidden, features)
    weight_hh     (hidden, hidden)
    bias_ih       (hidden,) or None; bias_hh likewise
    nonlinearity  φ: "tanh" or "relu"
    returns       (batch, hidden): the next hidden state

    It opens into two linear maps, their sum and φ. Raises ShapeError where shapes do not fit,
    ArgumentError for another nonlinearity. Source: Elman 1990.

    >>> import deltarule as dr
    >>> round(dr.rnn_cell([[1.0, 2.0]], [[0.5]], [[0.3, 0.1]], [[0.2]]).item(), 3)
    0.537
    """
    _require_nonlinearity("rnn_cell", nonlinearity)
    tensors = prepared("rnn_cell", x, (hidden_state,), weight_ih, weight_hh, bias_ih, bias_hh)
    return apply(RNN_CELL, *tensors, nonlinearity=nonlinearity)


def rnn(
    x: Any,
    h0: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    mask: Any = None,
    *,
    nonlinearity: str = "tanh",
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """A simple recurrent layer over whole sequences, in one direction.

    h[t] = φ(W_ih x[t] + b_ih + W_hh h[t−1] + b_hh),   t = 0, …, time − 1,   h[−1] = h0

    Going back through time, with δ[t] the error of the pre-activation:
    ∂L/∂h[t] = ∂L/∂output[t] + W_hhᵀ δ[t+1],   δ[t] = ∂L/∂h[t] ⊙ φ'(…),
    ∂L/∂W_hh = Σ_t δ[t] h[t−1]ᵀ,   ∂L/∂W_ih = Σ_t δ[t] x[t]ᵀ

    x             (batch, time, features), at least one step
    h0            (batch, hidden), or None for zeros
    weight_ih     (hidden, features)
    weight_hh     (hidden, hidden)
    bias_ih       (hidden,) or None; bias_hh likewise
    mask          (batch, time) of zeros and ones, or None: where it is 0 the state stays as it is,
                  the output is 0, and no element of x is looked at
    nonlinearity  φ: "tanh" or "relu"
    reverse       from the last step to the first; masked steps at the end then keep h0, so that
                  each sequence starts from its own last step
    returns       output (batch, time, hidden), in the order of x; last hidden state (batch, hidden)

    It opens into one `rnn_cell` a step. Raises ShapeError where shapes do not fit, ArgumentError for
    another nonlinearity, DTypeError for a mask of other numbers.
    Source: Elman 1990; back-propagation through time: Werbos 1990.

    >>> import deltarule as dr
    >>> output, last = dr.rnn([[[1.0], [0.0]]], None, [[1.0]], [[0.5]], nonlinearity="relu")
    >>> output.tolist(), last.tolist()
    ([[[1.0], [0.5]]], [[0.5]])
    """
    _require_nonlinearity("rnn", nonlinearity)
    tensors = prepared("rnn", x, (h0,), weight_ih, weight_hh, bias_ih, bias_hh, mask)
    return apply(RNN, *tensors, nonlinearity=nonlinearity, reverse=bool(reverse))
