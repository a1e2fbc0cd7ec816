"""Long short-term memory over a whole sequence: one matrix product for all inputs, one per step for
the recurrence; gates are computed in place and kept for the way back.

    a = W_ih x[t] + W_hh h[t-1] + b,   i, f, o = σ(a_i), σ(a_f), σ(a_o),   g = tanh(a_g)
    c[t] = f c[t-1] + i g              h[t] = o tanh(c[t])
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from deltarule.kernels.native import recurrence as native
from deltarule.kernels.native.recurrence_cells import LongShortTerm
from deltarule.kernels.recurrence.layout import (
    Array,
    batch_major,
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
    cells: Array
    gates: Array
    squashed: Array
    mask: Array | None


_CELL = LongShortTerm()


def forward(
    x: Array,
    h0: Array,
    c0: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array,
    bias_hh: Array,
    mask: Array | None = None,
    *,
    reverse: bool = False,
) -> tuple[tuple[Array, Array, Array], Saved | native.Saved]:
    """((output, last hidden state, last cell state), what backward needs)."""
    found: Any = native.forward(_CELL, x, (h0, c0), weight_ih, weight_hh, bias_ih, bias_hh, mask, reverse)
    if found is not None:
        return found
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    return plain_forward(x, h0, c0, *weights, mask, reverse=reverse)


def backward(
    saved: Saved | native.Saved,
    weight_ih: Array,
    weight_hh: Array,
    grad_output: Array,
    grad_h_n: Array,
    grad_c_n: Array,
    needs: tuple[bool, ...],
    *,
    reverse: bool = False,
) -> tuple[Array | None, ...]:
    """Gradients of x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh; those not needed may be None."""
    grad_last = (grad_h_n, grad_c_n)
    if isinstance(saved, native.Saved):
        return native.backward(saved, weight_ih, weight_hh, grad_output, grad_last, needs, reverse)
    return plain_backward(saved, weight_ih, weight_hh, grad_output, *grad_last, needs, reverse=reverse)


def plain_forward(
    x: Array,
    h0: Array,
    c0: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array,
    bias_hh: Array,
    mask: Array | None = None,
    *,
    reverse: bool = False,
) -> tuple[tuple[Array, Array, Array], Saved]:
    """The same in NumPy, for all types."""
    columns = mask_columns(mask, reverse)
    inputs = without_padding(time_major(x, reverse), columns)
    hidden = weight_hh.shape[1]
    gates = project(inputs, weight_ih)
    gates += bias_ih + bias_hh
    steps, batch = gates.shape[:2]
    states = np.empty((steps + 1, batch, hidden), gates.dtype)
    cells = np.empty_like(states)
    squashed = np.empty_like(states[1:])
    states[0], cells[0] = h0, c0
    recurrent = weight_hh.T
    product = np.empty((batch, 4 * hidden), gates.dtype)
    written = np.empty((batch, hidden), gates.dtype)
    for t in range(steps):
        gate, cell, state = gates[t], cells[t + 1], states[t + 1]
        np.matmul(states[t], recurrent, out=product)
        gate += product
        sigmoid_in_place(gate[:, : 2 * hidden])
        np.tanh(gate[:, 2 * hidden : 3 * hidden], out=gate[:, 2 * hidden : 3 * hidden])
        sigmoid_in_place(gate[:, 3 * hidden :])
        np.multiply(gate[:, hidden : 2 * hidden], cells[t], out=cell)
        np.multiply(gate[:, :hidden], gate[:, 2 * hidden : 3 * hidden], out=written)
        cell += written
        np.tanh(cell, out=squashed[t])
        np.multiply(gate[:, 3 * hidden :], squashed[t], out=state)
        if columns is not None:
            skipped = ~columns[t]
            np.copyto(cell, cells[t], where=skipped)
            np.copyto(state, states[t], where=skipped)
    visible = states[1:] if columns is None else states[1:] * columns
    output = batch_major(visible, reverse)
    # Copies: someone may write into the last states, which the way back reads.
    last = output, states[-1].copy(), cells[-1].copy()
    return last, Saved(inputs, states, cells, gates, squashed, columns)


def plain_backward(
    saved: Saved,
    weight_ih: Array,
    weight_hh: Array,
    grad_output: Array,
    grad_h_n: Array,
    grad_c_n: Array,
    needs: tuple[bool, ...],
    *,
    reverse: bool = False,
) -> tuple[Array | None, ...]:
    """The same in NumPy, after plain_forward."""
    inputs, states, cells, gates, squashed, columns = saved
    hidden = weight_hh.shape[1]
    upstream = time_major(grad_output, reverse)
    grad_state, grad_cell = grad_h_n.copy(), grad_c_n.copy()
    delta = np.empty_like(gates)
    scratch = np.empty_like(grad_state)
    handed_on = np.empty_like(grad_state)
    for t in reversed(range(len(gates))):
        gate, error = gates[t], delta[t]
        input_gate, forget_gate = gate[:, :hidden], gate[:, hidden : 2 * hidden]
        candidate, output_gate = gate[:, 2 * hidden : 3 * hidden], gate[:, 3 * hidden :]
        if columns is None:
            grad_state += upstream[t]
        else:
            grad_state += upstream[t] * columns[t]
        # h = o tanh(c)
        np.multiply(grad_state, squashed[t], out=scratch)
        times_sigmoid_slope(scratch, output_gate, error[:, 3 * hidden :])
        times_tanh_slope(grad_state, squashed[t], scratch)
        scratch *= output_gate
        if columns is not None:
            scratch *= columns[t]
        grad_cell += scratch
        # c[t] = f c[t-1] + i g
        np.multiply(grad_cell, candidate, out=scratch)
        times_sigmoid_slope(scratch, input_gate, error[:, :hidden])
        np.multiply(grad_cell, cells[t], out=scratch)
        times_sigmoid_slope(scratch, forget_gate, error[:, hidden : 2 * hidden])
        np.multiply(grad_cell, input_gate, out=scratch)
        times_tanh_slope(scratch, candidate, error[:, 2 * hidden : 3 * hidden])
        if columns is None:
            grad_cell *= forget_gate
            np.matmul(error, weight_hh, out=grad_state)
        else:
            error *= columns[t]
            np.multiply(grad_cell, forget_gate, out=grad_cell, where=columns[t])
            np.matmul(error, weight_hh, out=handed_on)
            grad_state *= ~columns[t]
            grad_state += handed_on
    grad_x, grad_weight_ih, grad_weight_hh, grad_bias = parameter_gradients(
        delta, inputs, states, weight_ih, (needs[0], needs[3], needs[4], needs[5] or needs[6]), reverse
    )
    return grad_x, grad_state, grad_cell, grad_weight_ih, grad_weight_hh, grad_bias, grad_bias
