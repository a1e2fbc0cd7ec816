"""RNN, GRU, LSTM: recurrent layers over sequences; several layers, one direction or both.

Every layer and direction is one group operation, which opens into its steps; the cells, for loops of
your own, are in `recurrent_cells.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.nn.recurrent_base import Recurrent, mask_from_lengths
from deltarule.nn.recurrent_cells import GRUCell, LSTMCell, RNNCell, state_pair
from deltarule.nn.sizes import choice
from deltarule.operations.recurrence import gru, lstm, rnn

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell", "detach_state", "mask_from_lengths"]


class RNN(Recurrent):
    """Simple recurrent layers: h[t] = φ(W_ih x[t] + b_ih + W_hh h[t−1] + b_hh).

    input_size, hidden_size   features of x and units of the state
    num_layers                layers, each reading the output of the one below
    nonlinearity              φ: "tanh" or "relu"
    bias                      False leaves both biases out
    batch_first               False for x, output and mask as (time, batch, ...)
    dropout                   probability of dropping an element between layers, while training; with
                              one layer there is no place for it
    bidirectional             a second set of weights runs from the last step to the first, and the
                              outputs of both stand side by side
    checkpoint_segments       parts of the sequence, at most one for each step, of which backward runs
                              each again instead of keeping what lies within: less memory for one more
                              forward; "sqrt" takes ⌈√time⌉, None keeps everything. Sums over time are
                              then formed part by part, which rounds differently

    x        (batch, time, input_size)
    state    (layers · directions, batch, hidden_size), or None for zeros
    lengths  steps of each sequence, (batch,) integers from 0 to time, or
    mask     (batch, time) of zeros and ones: where 0, the state stays, the output is 0
    returns  output (batch, time, directions · hidden_size) of the last layer, and the last state
             (layers · directions, batch, hidden_size), of each sequence at its own end

    Parameters have PyTorch's names and layouts (weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0,
    ..._reverse). For back-propagation truncated in time, cut the sequence and pass
    `detach_state(state)` on. Differs from PyTorch in batch_first being True unless said otherwise,
    and in lengths or a mask in place of packed sequences.
    Raises ArgumentError for options out of range, ShapeError where shapes do not fit,
    OutOfBoundsError for lengths beyond the sequence. Source: Elman 1990; with ReLU and identity
    weights (`dr.nn.init.identity_`): Le, Jaitly & Hinton 2015.

    >>> import deltarule as dr
    >>> layer = dr.nn.RNN(3, 4, num_layers=2)
    >>> output, state = layer(dr.zeros((2, 5, 3)))
    >>> output.shape, state.shape
    ((2, 5, 4), (2, 2, 4))
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = None,
        *,
        checkpoint_segments: int | str | None = None,
    ):
        self.nonlinearity = choice("RNN", "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            dtype,
            checkpoint_segments=checkpoint_segments,
        )

    def run_direction(
        self, x: Tensor, states: Sequence[Any], weights: Sequence[Any], mask: Any, *, reverse: bool
    ) -> tuple[Tensor, ...]:
        return rnn(x, *states, *weights, mask=mask, nonlinearity=self.nonlinearity, reverse=reverse)

    def forward(
        self, x: Any, state: Any = None, *, lengths: Any = None, mask: Any = None
    ) -> tuple[Tensor, Tensor]:
        output, (last,) = self.run_layers(x, (state,), lengths, mask)
        return output, last


class GRU(Recurrent):
    """Layers of gated recurrent units, in the equations of `dr.gru`.

    Options, shapes, parameter names and errors are those of `RNN`, without nonlinearity; the weights
    hold the rows of reset gate, update gate and candidate, in this order.
    Source: Cho et al. 2014; the reset gate acts after the hidden product, as in PyTorch.

    >>> import deltarule as dr
    >>> layer = dr.nn.GRU(3, 4, bidirectional=True)
    >>> output, state = layer(dr.zeros((2, 5, 3)), lengths=[5, 2])
    >>> output.shape, state.shape
    ((2, 5, 8), (2, 2, 4))
    """

    gates = 3

    def run_direction(
        self, x: Tensor, states: Sequence[Any], weights: Sequence[Any], mask: Any, *, reverse: bool
    ) -> tuple[Tensor, ...]:
        return gru(x, *states, *weights, mask=mask, reverse=reverse)

    def forward(
        self, x: Any, state: Any = None, *, lengths: Any = None, mask: Any = None
    ) -> tuple[Tensor, Tensor]:
        output, (last,) = self.run_layers(x, (state,), lengths, mask)
        return output, last


class LSTM(Recurrent):
    """Layers of long short-term memory, in the equations of `dr.lstm`.

    Options, shapes, parameter names and errors are those of `RNN`, without nonlinearity; the state is
    a pair (hidden states, cell states), and the weights hold the rows of input gate, forget gate,
    candidate and output gate, in this order. A larger forget-gate bias at the start, which lets
    gradients pass through more steps: `dr.nn.init.forget_gate_bias_`.
    Source: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000.

    >>> import deltarule as dr
    >>> layer = dr.nn.LSTM(3, 4)
    >>> output, (hidden, cell) = layer(dr.zeros((2, 5, 3)))
    >>> output.shape, hidden.shape, cell.shape
    ((2, 5, 4), (1, 2, 4), (1, 2, 4))
    """

    gates = 4

    def run_direction(
        self, x: Tensor, states: Sequence[Any], weights: Sequence[Any], mask: Any, *, reverse: bool
    ) -> tuple[Tensor, ...]:
        return lstm(x, *states, *weights, mask=mask, reverse=reverse)

    def forward(
        self, x: Any, state: Any = None, *, lengths: Any = None, mask: Any = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        output, (hidden, cell) = self.run_layers(x, state_pair("LSTM", state), lengths, mask)
        return output, (hidden, cell)


def detach_state(state: Any) -> Any:
    """The state outside the graph, for back-propagation truncated in time: gradients stop here.

    state    what a recurrent layer returned: a tensor, tuples or lists of tensors, or None

    Source: Williams & Peng 1990.

    >>> import deltarule as dr
    >>> layer, state = dr.nn.LSTM(3, 4), None
    >>> for part in (dr.ones((2, 5, 3)), dr.ones((2, 5, 3))):
    ...     output, state = layer(part, state)
    ...     output.sum().backward()
    ...     state = dr.nn.detach_state(state)
    >>> state[0].requires_grad
    False
    """
    if isinstance(state, (tuple, list)):
        return type(state)(detach_state(part) for part in state)
    return state.detach() if isinstance(state, Tensor) else state
