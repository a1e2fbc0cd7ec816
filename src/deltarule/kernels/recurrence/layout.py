"""How the recurrent kernels lay out time, and the gate function they share.

Kernels run on time-major memory, so that every step is one contiguous block, and always from the
first block to the last: a reverse layer hands its blocks over in reverse order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def time_major(sequence: Array, reverse: bool) -> Array:
    """(batch, time, ...) as contiguous (time, batch, ...), in the order of computation."""
    swapped = sequence.swapaxes(0, 1)
    return np.ascontiguousarray(swapped[::-1] if reverse else swapped)


def batch_major(blocks: Array, reverse: bool) -> Array:
    """(time, batch, ...) in the order of computation as a (batch, time, ...) view."""
    return (blocks[::-1] if reverse else blocks).swapaxes(0, 1)


def mask_columns(mask: Array | None, reverse: bool) -> Array | None:
    """A (batch, time) mask as (time, batch, 1) booleans in the order of computation."""
    return None if mask is None else time_major(mask, reverse)[:, :, None]


def without_padding(inputs: Array, columns: Array | None) -> Array:
    """Inputs with zeros at masked steps: what stands there (NaN, say) must not reach any sum."""
    return inputs if columns is None else np.where(columns, inputs, np.zeros((), inputs.dtype))


def flat(blocks: Array) -> Array:
    """(time, batch, units) as one matrix with a row for each step of each sequence."""
    steps, batch, units = blocks.shape
    return blocks.reshape(steps * batch, units)


def project(inputs: Array, weight: Array) -> Array:
    """inputs @ weight.T for all steps in one matrix product: (time, batch, rows of weight)."""
    return np.matmul(flat(inputs), weight.T).reshape(*inputs.shape[:2], len(weight))


def sigmoid_in_place(preactivation: Array) -> None:
    """σ(a) = ½ + ½ tanh(a/2): one vectorised tanh, no overflow, no temporary arrays."""
    preactivation *= 0.5
    np.tanh(preactivation, out=preactivation)
    preactivation *= 0.5
    preactivation += 0.5


def times_sigmoid_slope(upstream: Array, gate: Array, out: Array) -> None:
    """out = upstream · s(1 − s), computed in `out`."""
    np.subtract(1.0, gate, out=out)
    out *= gate
    out *= upstream


def times_tanh_slope(upstream: Array, value: Array, out: Array) -> None:
    """out = upstream · (1 − y²), computed in `out`."""
    np.multiply(value, value, out=out)
    np.subtract(1.0, out, out=out)
    out *= upstream


def parameter_gradients(
    delta: Array, inputs: Array, states: Array, weight_ih: Array, needs: tuple[bool, ...], reverse: bool
) -> tuple[Array | None, Array | None, Array | None, Array | None]:
    """Gradients of x, weight_ih, weight_hh and a bias, from the errors of all steps at once.

    delta    (time, batch, gates · hidden), errors of the pre-activations
    states   (time + 1, batch, hidden), the first block being the initial state
    needs    which of the four are wanted
    """
    errors = flat(delta)
    grad_x = grad_weight_ih = grad_weight_hh = grad_bias = None
    if needs[0]:
        grad_x = batch_major(np.matmul(errors, weight_ih).reshape(inputs.shape), reverse)
    if needs[1]:
        grad_weight_ih = np.matmul(errors.T, flat(inputs))
    if needs[2]:
        grad_weight_hh = np.matmul(errors.T, flat(states[:-1]))
    if needs[3]:
        grad_bias = np.add.reduce(errors, axis=0)
    return grad_x, grad_weight_ih, grad_weight_hh, grad_bias
