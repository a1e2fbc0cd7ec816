"""RNNCell, GRUCell, LSTMCell: one step of a recurrent layer, for loops that you write yourself."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.nn import init
from deltarule.nn.module import Module
from deltarule.nn.sizes import choice, new_parameter, whole_number
from deltarule.operations.recurrence import gru_cell, lstm_cell, rnn_cell


class RecurrentCell(Module):
    """What the three cells share: four parameters under PyTorch's names, from U(−1/√hidden, 1/√hidden).

    gates   blocks of rows in the weights
    """

    gates: ClassVar[int]

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = None):
        who = type(self).__name__
        self.input_size = whole_number(who, "input_size", input_size)
        self.hidden_size = whole_number(who, "hidden_size", hidden_size)
        rows = self.gates * self.hidden_size
        self.weight_ih = new_parameter(rows, self.input_size, dtype=dtype)
        self.weight_hh = new_parameter(rows, self.hidden_size, dtype=dtype)
        self.register_parameter("bias_ih", new_parameter(rows, dtype=dtype) if bias else None)
        self.register_parameter("bias_hh", new_parameter(rows, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights and biases."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def extra_repr(self) -> str:
        return (
            f"input_size={self.input_size}, hidden_size={self.hidden_size}, bias={self.bias_ih is not None}"
        )


class RNNCell(RecurrentCell):
    """One step of a simple recurrent layer: h' = φ(W_ih x + b_ih + W_hh h + b_hh).

    input_size, hidden_size   features of x and units of the state
    bias                      False leaves both biases out
    nonlinearity              φ: "tanh" or "relu"
    x             (batch, input_size)
    hidden_state  (batch, hidden_size), or None for zeros
    returns       (batch, hidden_size)

    Raises ArgumentError for sizes below 1 or another nonlinearity, ShapeError where shapes do not fit.
    Source: Elman 1990.

    >>> import deltarule as dr
    >>> cell = dr.nn.RNNCell(3, 4)
    >>> cell(dr.zeros((2, 3))).shape
    (2, 4)
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: Any = None,
    ):
        self.nonlinearity = choice("RNNCell", "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(input_size, hidden_size, bias, dtype)

    def forward(self, x: Any, hidden_state: Any = None) -> Tensor:
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return rnn_cell(x, hidden_state, *weights, nonlinearity=self.nonlinearity)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, nonlinearity={self.nonlinearity!r}"


class GRUCell(RecurrentCell):
    """One step of a gated recurrent unit, in the equations of `dr.gru_cell`.

    input_size, hidden_size   features of x and units of the state
    bias                      False leaves both biases out
    x             (batch, input_size)
    hidden_state  (batch, hidden_size), or None for zeros
    returns       (batch, hidden_size)

    Raises ArgumentError for sizes below 1, ShapeError where shapes do not fit. Source: Cho et al. 2014.

    >>> import deltarule as dr
    >>> dr.nn.GRUCell(3, 4)(dr.zeros((2, 3))).shape
    (2, 4)
    """

    gates = 3

    def forward(self, x: Any, hidden_state: Any = None) -> Tensor:
        return gru_cell(x, hidden_state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class LSTMCell(RecurrentCell):
    """One step of long short-term memory, in the equations of `dr.lstm_cell`.

    input_size, hidden_size   features of x and units of each state
    bias                      False leaves both biases out
    x        (batch, input_size)
    state    (hidden state, cell state), each (batch, hidden_size), or None for zeros
    returns  the next state: (hidden state, cell state)

    Raises ArgumentError for sizes below 1 or a state that is no pair, ShapeError where shapes do not
    fit. A larger forget-gate bias at the start: `dr.nn.init.forget_gate_bias_`.
    Source: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000.

    >>> import deltarule as dr
    >>> hidden, cell = dr.nn.LSTMCell(3, 4)(dr.zeros((2, 3)))
    >>> hidden.shape, cell.shape
    ((2, 4), (2, 4))
    """

    gates = 4

    def forward(self, x: Any, state: Any = None) -> tuple[Tensor, Tensor]:
        hidden, cell = state_pair("LSTMCell", state)
        return lstm_cell(x, hidden, cell, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


def state_pair(who: str, state: Any) -> tuple[Any, Any]:
    """The hidden and the cell state, or two Nones for zeros."""
    if state is None:
        return None, None
    if not isinstance(state, (tuple, list)) or len(state) != 2:
        got = f"{len(state)} parts" if isinstance(state, (tuple, list)) else type(state).__name__
        raise ArgumentError(
            who,
            f"state expected a pair (hidden state, cell state), got {got}",
            "Pass both: layer(x, (h, c)).",
        )
    return state[0], state[1]
