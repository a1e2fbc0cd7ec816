"""Recurrent layers in plain NumPy: one sequence after the other, one step after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit


def rnn_step(
    x: Any, states: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any, nonlinearity: str
) -> Any:
    a = weight_ih @ x + bias_ih + weight_hh @ states[0] + bias_hh
    return (np.tanh(a) if nonlinearity == "tanh" else np.where(a > 0, a, 0.0),)


def gru_step(x: Any, states: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any) -> Any:
    (h,) = states
    x_r, x_z, x_n = np.split(weight_ih @ x + bias_ih, 3)
    h_r, h_z, h_n = np.split(weight_hh @ h + bias_hh, 3)
    r, z = expit(x_r + h_r), expit(x_z + h_z)
    return ((1 - z) * np.tanh(x_n + r * h_n) + z * h,)


def lstm_step(x: Any, states: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any) -> Any:
    h, c = states
    i, f, g, o = np.split(weight_ih @ x + bias_ih + weight_hh @ h + bias_hh, 4)
    c = expit(f) * c + expit(i) * np.tanh(g)
    return expit(o) * np.tanh(c), c


def sequence(step: Any, count: int, x: Any, *rest: Any, reverse: bool = False, **options: Any) -> Any:
    """Each sequence alone; a masked step is left out altogether."""
    states, weights = rest[:count], rest[count : count + 4]
    mask = rest[count + 4] if len(rest) > count + 4 else np.ones(x.shape[:2])
    output = np.zeros((*x.shape[:2], states[0].shape[1]))
    last = [state.copy() for state in states]
    for n in range(len(x)):
        current = tuple(state[n] for state in states)
        order = range(x.shape[1])
        for t in reversed(order) if reverse else order:
            if mask[n, t]:
                current = step(x[n, t], current, *weights, **options)
                output[n, t] = current[0]
        for state, value in zip(last, current, strict=True):
            state[n] = value
    return (output, *last)


def cell(step: Any, count: int, x: Any, *rest: Any, **options: Any) -> Any:
    """One step of each row of the batch."""
    states, weights = rest[:count], rest[count:]
    new = [state.copy() for state in states]
    for n in range(len(x)):
        for state, value in zip(new, step(x[n], [s[n] for s in states], *weights, **options), strict=True):
            state[n] = value
    return new
