"""Elman's recurrent layer over a whole sequence: h[t] = φ(W_ih x[t] + W_hh h[t-1] + b), φ tanh or ReLU."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from deltarule.kernels.native import recurrence as native
from deltarule.kernels.native.recurrence_cells import Elman
from deltarule.kernels.recurrence.layout import (
    Array,
    batch_major,
    mask_columns,
    parameter_gradients,
    project,
    time_major,
    times_tanh_slope,
    without_padding,
)


class Saved(NamedTuple):
    """What the way back in NumPy needs, time-major in the order of computation."""

    inputs: Array
    states: Array
    mask: Array | None


_CELLS = {name: Elman(name) for name in ("tanh", "relu")}


def forward(
    x: Array,
    h0: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array,
    bias_hh: Array,
    mask: Array | None = None,
    *,
    nonlinearity: str = "tanh",
    reverse: bool = False,
) -> tuple[tuple[Array, Array], Saved | native.Saved]:
    """((output, last hidden state), what backward needs)."""
    found: Any = native.forward(
        _CELLS[nonlinearity], x, (h0,), weight_ih, weight_hh, bias_ih, bias_hh, mask, reverse
    )
    if found is not None:
        return found
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    return plain_forward(x, h0, *weights, mask, nonlinearity=nonlinearity, reverse=reverse)


def backward(
    saved: Saved | native.Saved,
    weight_ih: Array,
    weight_hh: Array,
    grad_output: Array,
    grad_h_n: Array,
    needs: tuple[bool, ...],
    *,
    nonlinearity: str = "tanh",
    reverse: bool = False,
) -> tuple[Array | None, ...]:
    """Gradients of x, h0, weight_ih, weight_hh, bias_ih, bias_hh; those not needed may be None."""
    grad_last = (grad_h_n,)
    if isinstance(saved, native.Saved):
        return native.backward(saved, weight_ih, weight_hh, grad_output, grad_last, needs, reverse)
    return plain_backward(
        saved,
        weight_ih,
        weight_hh,
        grad_output,
        *grad_last,
        needs,
        nonlinearity=nonlinearity,
        reverse=reverse,
    )


def plain_forward(
    x: Array,
    h0: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array,
    bias_hh: Array,
    mask: Array | None = None,
    *,
    nonlinearity: str = "tanh",
    reverse: bool = False,
) -> tuple[tuple[Array, Array], Saved]:
    """The same in NumPy, for all types."""
    columns = mask_columns(mask, reverse)
    inputs = without_padding(time_major(x, reverse), columns)
    driven = project(inputs, weight_ih)
    driven += bias_ih + bias_hh
    steps, batch, hidden = driven.shape
    states = np.empty((steps + 1, batch, hidden), driven.dtype)
    states[0] = h0
    recurrent = weight_hh.T
    for t in range(steps):
        state = states[t + 1]
        np.matmul(states[t], recurrent, out=state)
        state += driven[t]
        if nonlinearity == "tanh":
            np.tanh(state, out=state)
        else:
            np.maximum(state, 0.0, out=state)
        if columns is not None:
            np.copyto(state, states[t], where=~columns[t])
    visible = states[1:] if columns is None else states[1:] * columns
    # A copy: someone may write into the last state, which the way back reads.
    return (batch_major(visible, reverse), states[-1].copy()), Saved(inputs, states, columns)


def plain_backward(
    saved: Saved,
    weight_ih: Array,
    weight_hh: Array,
    grad_output: Array,
    grad_h_n: Array,
    needs: tuple[bool, ...],
    *,
    nonlinearity: str = "tanh",
    reverse: bool = False,
) -> tuple[Array | None, ...]:
    """The same in NumPy, after plain_forward."""
    inputs, states, columns = saved
    upstream = time_major(grad_output, reverse)
    grad_state = grad_h_n.copy()
    handed_on = np.empty_like(grad_state)
    delta = np.empty_like(states[1:])
    for t in reversed(range(len(delta))):
        error, state = delta[t], states[t + 1]
        if columns is None:
            grad_state += upstream[t]
        else:
            grad_state += upstream[t] * columns[t]
        if nonlinearity == "tanh":
            times_tanh_slope(grad_state, state, error)
        else:
            np.multiply(grad_state, state > 0, out=error)
        if columns is None:
            np.matmul(error, weight_hh, out=grad_state)
        else:
            error *= columns[t]
            np.matmul(error, weight_hh, out=handed_on)
            grad_state *= ~columns[t]
            grad_state += handed_on
    grad_x, grad_weight_ih, grad_weight_hh, grad_bias = parameter_gradients(
        delta, inputs, states, weight_ih, (needs[0], needs[2], needs[3], needs[4] or needs[5]), reverse
    )
    return grad_x, grad_state, grad_weight_ih, grad_weight_hh, grad_bias, grad_bias
