"""Gated recurrent units over a whole sequence, the reset gate acting after the hidden product.

r, z = σ(W_ih x[t] + b_ih + W_hh h[t-1] + b_hh)      s = W_hn h[t-1] + b_hn
n = tanh(W_in x[t] + b_in + r s)                     h[t] = (1 − z) n + z h[t-1]
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from deltarule.kernels.native import recurrence as native
from deltarule.kernels.native.recurrence_cells import GatedUnit
from deltarule.kernels.recurrence.layout import (
    Array,
    batch_major,
    flat,
    mask_columns,
    parameter_gradients,
    project,
    sigmoid_in_place,
    time_major,
    times_sigmoid_slope,
    times_tanh_slope,
    without_padding,
)


class Saved(NamedTuple):
    """What the way back in NumPy needs, time-major in the order of computation."""

    inputs: Array
    states: Array
    gates: Array
    recalled: Array
    mask: Array | None


_CELL = GatedUnit()


def forward(
    x: Array,
    h0: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array,
    bias_hh: Array,
    mask: Array | None = None,
    *,
    reverse: bool = False,
) -> tuple[tuple[Array, Array], Saved | native.Saved]:
    """((output, last hidden state), what backward needs)."""
    found: Any = native.forward(_CELL, x, (h0,), weight_ih, weight_hh, bias_ih, bias_hh, mask, reverse)
    if found is not None:
        return found
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    return plain_forward(x, h0, *weights, mask, reverse=reverse)


def backward(
    saved: Saved | native.Saved,
    weight_ih: Array,
    weight_hh: Array,
    grad_output: Array,
    grad_h_n: Array,
    needs: tuple[bool, ...],
    *,
    reverse: bool = False,
) -> tuple[Array | None, ...]:
    """Gradients of x, h0, weight_ih, weight_hh, bias_ih, bias_hh; those not needed may be None."""
    grad_last = (grad_h_n,)
    if isinstance(saved, native.Saved):
        return native.backward(saved, weight_ih, weight_hh, grad_output, grad_last, needs, reverse)
    return plain_backward(saved, weight_ih, weight_hh, grad_output, *grad_last, needs, reverse=reverse)


def plain_forward(
    x: Array,
    h0: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array,
    bias_hh: Array,
    mask: Array | None = None,
    *,
    reverse: bool = False,
) -> tuple[tuple[Array, Array], Saved]:
    """The same in NumPy, for all types."""
    columns = mask_columns(mask, reverse)
    inputs = without_padding(time_major(x, reverse), columns)
    hidden = weight_hh.shape[1]
    gates = project(inputs, weight_ih)
    gates += bias_ih
    steps, batch = gates.shape[:2]
    states = np.empty((steps + 1, batch, hidden), gates.dtype)
    recalled = np.empty_like(states[1:])
    states[0] = h0
    recurrent = weight_hh.T
    product = np.empty((batch, 3 * hidden), gates.dtype)
    for t in range(steps):
        switches, candidate, state = gates[t, :, : 2 * hidden], gates[t, :, 2 * hidden :], states[t + 1]
        np.matmul(states[t], recurrent, out=product)
        product += bias_hh
        switches += product[:, : 2 * hidden]
        sigmoid_in_place(switches)
        recalled[t] = product[:, 2 * hidden :]
        np.multiply(switches[:, :hidden], recalled[t], out=state)
        candidate += state
        np.tanh(candidate, out=candidate)
        np.subtract(states[t], candidate, out=state)
        state *= switches[:, hidden:]
        state += candidate
        if columns is not None:
            np.copyto(state, states[t], where=~columns[t])
    visible = states[1:] if columns is None else states[1:] * columns
    # A copy: someone may write into the last state, which the way back reads.
    return (batch_major(visible, reverse), states[-1].copy()), Saved(inputs, states, gates, recalled, columns)


def plain_backward(
    saved: Saved,
    weight_ih: Array,
    weight_hh: Array,
    grad_output: Array,
    grad_h_n: Array,
    needs: tuple[bool, ...],
    *,
    reverse: bool = False,
) -> tuple[Array | None, ...]:
    """The same in NumPy, after plain_forward."""
    inputs, states, gates, recalled, columns = saved
    hidden = weight_hh.shape[1]
    upstream = time_major(grad_output, reverse)
    grad_state = grad_h_n.copy()
    scratch, handed_on = np.empty_like(grad_state), np.empty_like(grad_state)
    # The candidate's error reaches the input weights as it is, the hidden weights times the reset gate.
    delta_input, delta_hidden = np.empty_like(gates), np.empty_like(gates)
    for t in reversed(range(len(gates))):
        gate, error = gates[t], delta_input[t]
        reset, update, candidate = gate[:, :hidden], gate[:, hidden : 2 * hidden], gate[:, 2 * hidden :]
        error_candidate = error[:, 2 * hidden :]
        if columns is None:
            grad_state += upstream[t]
        else:
            grad_state += upstream[t] * columns[t]
        np.subtract(1.0, update, out=scratch)
        scratch *= grad_state
        times_tanh_slope(scratch, candidate, error_candidate)
        np.subtract(states[t], candidate, out=scratch)
        scratch *= grad_state
        times_sigmoid_slope(scratch, update, error[:, hidden : 2 * hidden])
        np.multiply(error_candidate, recalled[t], out=scratch)
        times_sigmoid_slope(scratch, reset, error[:, :hidden])
        if columns is not None:
            error *= columns[t]
        delta_hidden[t, :, : 2 * hidden] = error[:, : 2 * hidden]
        np.multiply(error_candidate, reset, out=delta_hidden[t, :, 2 * hidden :])
        np.matmul(delta_hidden[t], weight_hh, out=handed_on)
        if columns is None:
            grad_state *= update
        else:
            np.multiply(grad_state, update, out=grad_state, where=columns[t])
        grad_state += handed_on
    grad_x, grad_weight_ih, _, grad_bias_ih = parameter_gradients(
        delta_input, inputs, states, weight_ih, (needs[0], needs[2], False, needs[4]), reverse
    )
    errors = flat(delta_hidden)
    grad_weight_hh = np.matmul(errors.T, flat(states[:-1])) if needs[3] else None
    grad_bias_hh = np.add.reduce(errors, axis=0) if needs[5] else None
    return grad_x, grad_state, grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh
