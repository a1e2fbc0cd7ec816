"""Gated recurrent units: `gru_cell`, one step, and `gru`, a whole sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltarule.autodiff.formula.expression import Equation, Line, function
from deltarule.autodiff.formula.formula import Call, Formula
from deltarule.autodiff.operation import apply, register
from deltarule.autodiff.tensor import Tensor
from deltarule.kernels.recurrence import gru as kernel
from deltarule.operations.activations import sigmoid
from deltarule.operations.arithmetic import add, multiply, subtract
from deltarule.operations.functions import tanh
from deltarule.operations.joining import split
from deltarule.operations.linear import linear
from deltarule.operations.recurrence.arguments import prepared
from deltarule.operations.recurrence.groups import CellGroup, SequenceGroup
from deltarule.operations.recurrence.notation import SYMBOLS, Notation, both_forms

_SYMBOLS = {
    **SYMBOLS,
    "reset_gate": ("r", "r"),
    "update_gate": ("z", "z"),
    "candidate": (r"\tilde{h}", r"\tilde{h}"),
    "recalled": ("s", "s"),
    "delta_reset": (r"\delta^{r}", r"\delta^{r}"),
    "delta_update": (r"\delta^{z}", r"\delta^{z}"),
    "delta_candidate": (r"\delta^{\tilde{h}}", r"\delta^{\tilde{h}}"),
    "delta_recalled": (r"\delta^{s}", r"\delta^{s}"),
    "delta_ih": (r"\delta^{ih}", r"\delta^{ih}"),
    "delta_hh": (r"\delta^{hh}", r"\delta^{hh}"),
}


def _step(form: Notation, previous: str, hidden: str) -> list[Equation]:
    """Reset and update gate, the candidate from what the reset gate lets through, and the blend."""
    reset, update, candidate = (form.at(name) for name in ("reset_gate", "update_gate", "candidate"))
    before = form.at(previous)
    return [
        Equation(reset, function("sigmoid", form.input_part(0) + form.recurrent_part(previous, 0))),
        Equation(update, function("sigmoid", form.input_part(1) + form.recurrent_part(previous, 1))),
        Equation(form.at("recalled"), form.recurrent_part(previous, 2)),
        Equation(candidate, function("tanh", form.input_part(2) + reset * form.at("recalled"))),
        Equation(form.at(hidden), form.kept((1.0 - update) * candidate + update * before, before)),
    ]


def _step_back(form: Notation, previous: str, hidden: str) -> list[Equation]:
    """Errors of the gates; the candidate's reaches the hidden weights through the reset gate."""
    r, z, candidate = (form.at(name) for name in ("reset_gate", "update_gate", "candidate"))
    before, grad_h, delta = form.at(previous), form.at(f"grad_{hidden}"), form.at("delta_candidate")
    return [
        Equation(delta, form.seen(grad_h * (1.0 - z) * (1.0 - candidate * candidate))),
        Equation(form.at("delta_update"), form.seen(grad_h * (before - candidate) * z * (1.0 - z))),
        Equation(form.at("delta_reset"), delta * form.at("recalled") * r * (1.0 - r)),
        Equation(form.at("delta_recalled"), delta * r),
        form.packed("delta_ih", ("delta_reset", "delta_update", "delta_candidate")),
        form.packed("delta_hh", ("delta_reset", "delta_update", "delta_recalled")),
        Equation(
            form.at(f"grad_{previous}"),
            form.unseen(form.seen(grad_h * z) + form.handed_back("delta_hh"), grad_h),
        ),
    ]


class _GRUCell(CellGroup):
    name = "gru_cell"
    inputs = ("x", "hidden_state", "weight_ih", "weight_hh", "bias_ih", "bias_hh")
    outputs = ("next_hidden",)
    symbols = _SYMBOLS
    gates = 3
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
    ) -> Tensor:
        x_reset, x_update, x_candidate = split(linear(x, weight_ih, bias_ih), 3, axis=-1)
        h_reset, h_update, recalled = split(linear(hidden_state, weight_hh, bias_hh), 3, axis=-1)
        reset, update = sigmoid(add(x_reset, h_reset)), sigmoid(add(x_update, h_update))
        candidate = tanh(add(x_candidate, multiply(reset, recalled)))
        return add(multiply(subtract(1.0, update), candidate), multiply(update, hidden_state))

    def formula(self, call: Call) -> Formula:
        def write(form: Notation) -> tuple[Sequence[Line], dict[str, Sequence[Line]]]:
            back = _step_back(form, "hidden_state", "next_hidden")
            ends = form.parameter_gradients("delta_ih", "delta_hh", "hidden_state")
            gradients = {name: [*back, end] for name, end in ends.items()}
            return _step(form, "hidden_state", "next_hidden"), {**gradients, "hidden_state": back}

        return both_forms(call, self.gates, self.looped, write)


class _GRU(SequenceGroup):
    name = "gru"
    inputs = ("x", "h0", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "mask")
    outputs = ("output", "h_n")
    symbols = _SYMBOLS
    gates = 3
    states = ("h0",)
    kernel = kernel

    def formula(self, call: Call) -> Formula:
        def write(form: Notation) -> tuple[Sequence[Line], dict[str, Sequence[Line]]]:
            start = form.start("previous_hidden", "hidden", "h0")
            steps = form.loop([start, *_step(form, "previous_hidden", "hidden")])
            arriving = form.seen(form.given("grad_output", form.t)) + form.arriving(
                "previous_hidden", "grad_h_n"
            )
            back = form.loop(
                [Equation(form.at("grad_hidden"), arriving), *_step_back(form, "previous_hidden", "hidden")],
                backwards=True,
            )
            ends = form.parameter_gradients("delta_ih", "delta_hh", "previous_hidden")
            ends["h0"] = form.initial_gradient("h0", "previous_hidden")
            value = [steps, form.output("hidden"), form.final("h_n", "hidden")]
            return value, {name: [back, end] for name, end in ends.items()}

        return both_forms(call, self.gates, self.looped, write)


GRU_CELL = register(_GRUCell)
_GRU.cell = GRU_CELL
GRU = register(_GRU)


def gru_cell(
    x: Any,
    hidden_state: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
) -> Tensor:
    """One step of a gated recurrent unit.

    r = σ(W_ir x + b_ir + W_hr h + b_hr)            reset gate
    z = σ(W_iz x + b_iz + W_hz h + b_hz)            update gate
    n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))   candidate
    h' = (1 − z) ⊙ n + z ⊙ h

    x             (batch, features)
    hidden_state  (batch, hidden), or None for zeros
    weight_ih     (3 · hidden, features), rows of reset gate, update gate and candidate
    weight_hh     (3 · hidden, hidden)
    bias_ih       (3 · hidden,) or None; bias_hh likewise
    returns       (batch, hidden): the next hidden state

    It opens into two linear maps, two splits, and the gates' arithmetic. Raises ShapeError where
    shapes do not fit. As in PyTorch (and cuDNN) the reset gate acts after the hidden product and
    bias, where the paper lets it act before, and z keeps the old state.
    Source: Cho et al. 2014, section 2.3.

    >>> import deltarule as dr
    >>> dr.gru_cell([[1.0]], [[0.5]], dr.zeros((3, 1)), dr.zeros((3, 1))).tolist()
    [[0.25]]
    """
    return apply(GRU_CELL, *prepared("gru_cell", x, (hidden_state,), weight_ih, weight_hh, bias_ih, bias_hh))


def gru(
    x: Any,
    h0: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    mask: Any = None,
    *,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """A layer of gated recurrent units over whole sequences, in one direction.

    r, z = σ(W x[t] + b + W_hh h[t−1] + b_hh), each with its rows of the weights
    n = tanh(W_in x[t] + b_in + r ⊙ (W_hn h[t−1] + b_hn))
    h[t] = (1 − z) ⊙ n + z ⊙ h[t−1]

    Going back through time the old state's gradient comes directly and through the gates:
    ∂L/∂h[t] = ∂L/∂output[t] + z[t+1] ⊙ ∂L/∂h[t+1] + W_hhᵀ δ[t+1], with δ the errors of the hidden
    products

    x          (batch, time, features), at least one step
    h0         (batch, hidden), or None for zeros
    weight_ih  (3 · hidden, features), rows of reset gate, update gate and candidate
    weight_hh  (3 · hidden, hidden)
    bias_ih    (3 · hidden,) or None; bias_hh likewise
    mask       (batch, time) of zeros and ones, or None: where it is 0 the state stays as it is,
               the output is 0, and no element of x is looked at
    reverse    from the last step to the first; masked steps at the end then keep h0
    returns    output (batch, time, hidden), in the order of x; last hidden state (batch, hidden)

    It opens into one `gru_cell` a step. Raises ShapeError where shapes do not fit, DTypeError for a
    mask of other numbers. Source: Cho et al. 2014, section 2.3; reset gate and gate order of PyTorch.

    >>> import deltarule as dr
    >>> output, h_n = dr.gru(dr.ones((2, 5, 3)), None, dr.zeros((12, 3)), dr.zeros((12, 4)))
    >>> output.shape, h_n.shape
    ((2, 5, 4), (2, 4))
    """
    return apply(
        GRU, *prepared("gru", x, (h0,), weight_ih, weight_hh, bias_ih, bias_hh, mask), reverse=bool(reverse)
    )
