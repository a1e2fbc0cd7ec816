"""Layers for JAX over a dictionary of PyTorch's parameter names, since JAX itself brings none.

Convolutions are (batch, channels, height, width): channels last took the same time on the machine of
docs/performance.md (161 against 160 ms for the four convolutions of the row "cnn").
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Values = dict[str, Any]

relu, tanh, concatenate = jax.nn.relu, jnp.tanh, jnp.concatenate


def gelu(x: Any) -> Any:
    return jax.nn.gelu(x, approximate=False)


def flatten(x: Any) -> Any:
    return x.reshape(x.shape[0], -1)


def linear(values: Values, name: str, x: Any) -> Any:
    return x @ values[f"{name}.weight"].T + values[f"{name}.bias"]


def convolve(x: Any, weight: Any, stride: int = 1, padding: int = 0) -> Any:
    return lax.conv_general_dilated(x, weight, (stride, stride), ((padding, padding), (padding, padding)))


def conv2d(values: Values, name: str, x: Any, stride: int = 1, padding: int = 0) -> Any:
    """With a bias where the values have one."""
    y = convolve(x, values[f"{name}.weight"], stride, padding)
    bias = values.get(f"{name}.bias")
    return y if bias is None else y + bias[:, None, None]


def pad_images(x: Any, width: int, value: float) -> Any:
    return jnp.pad(x, ((0, 0), (0, 0), (width, width), (width, width)), constant_values=value)


def max_pool(x: Any) -> Any:
    """Of 2x2 pixels."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def batch_norm(values: Values, name: str, x: Any) -> Any:
    """In training mode; writes the new running mean and variance into `values`."""
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    count = x.size // x.shape[1]
    for kind, seen in (("mean", mean), ("var", variance * (count / (count - 1)))):
        key = f"{name}.running_{kind}"
        values[key] = 0.9 * values[key] + 0.1 * lax.stop_gradient(seen)
    scale = values[f"{name}.weight"] * lax.rsqrt(variance + 1e-5)
    shift = values[f"{name}.bias"] - mean * scale
    return x * scale[:, None, None] + shift[:, None, None]


def layer_norm(values: Values, name: str, x: Any) -> Any:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * values[f"{name}.weight"] + values[f"{name}.bias"]


def causal_attention(values: Values, name: str, x: Any, heads: int) -> Any:
    batch, time, width = x.shape
    projected = x @ values[f"{name}.in_proj_weight"].T + values[f"{name}.in_proj_bias"]
    query, key, value = jnp.moveaxis(projected.reshape(batch, time, 3, heads, -1), 2, 0)
    joined = jax.nn.dot_product_attention(query, key, value, is_causal=True)
    return linear(values, f"{name}.out_proj", joined.reshape(batch, time, width))


def _rnn(projected: Any, hidden_state: Any, weight: Any, bias: Any, cell: Any) -> tuple[Any, Any]:
    return jnp.tanh(projected + hidden_state @ weight + bias), cell


def _gru(projected: Any, hidden_state: Any, weight: Any, bias: Any, cell: Any) -> tuple[Any, Any]:
    reset_x, update_x, new_x = jnp.split(projected, 3, -1)
    reset_h, update_h, new_h = jnp.split(hidden_state @ weight + bias, 3, -1)
    update = jax.nn.sigmoid(update_x + update_h)
    new = jnp.tanh(new_x + jax.nn.sigmoid(reset_x + reset_h) * new_h)
    return (1 - update) * new + update * hidden_state, cell


def _lstm(projected: Any, hidden_state: Any, weight: Any, bias: Any, cell: Any) -> tuple[Any, Any]:
    gates = jnp.split(projected + hidden_state @ weight + bias, 4, -1)
    input_gate, forget_gate, output_gate = (jax.nn.sigmoid(gates[place]) for place in (0, 1, 3))
    cell = forget_gate * cell + input_gate * jnp.tanh(gates[2])
    return output_gate * jnp.tanh(cell), cell


STEPS = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}


def recurrent_layer(kind: str, values: Values, layer: str, x: Any, both_directions: bool) -> Any:
    """One layer; the inputs of all time steps are projected in one product before the loop."""
    outputs = [_direction(kind, values, layer, x, reverse=False)]
    if both_directions:
        outputs.append(_direction(kind, values, f"{layer}_reverse", x, reverse=True))
    return outputs[0] if len(outputs) == 1 else jnp.concatenate(outputs, -1)


def _direction(kind: str, values: Values, suffix: str, x: Any, *, reverse: bool) -> Any:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weight_ih, weight_hh, bias_ih, bias_hh = (values[f"recurrent.{name}_{suffix}"] for name in names)
    projected = jnp.swapaxes(x @ weight_ih.T + bias_ih, 0, 1)
    transposed = weight_hh.T

    def step(state: Any, inputs: Any) -> tuple[Any, Any]:
        state = STEPS[kind](inputs, state[0], transposed, bias_hh, state[1])
        return state, state[0]

    zeros = jnp.zeros((x.shape[0], weight_hh.shape[1]), x.dtype)
    _, outputs = lax.scan(step, (zeros, zeros), projected, reverse=reverse)
    return jnp.swapaxes(outputs, 0, 1)


def cross_entropy(logits: Any, targets: Any) -> Any:
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], 1)
    return -chosen.mean()


def mse_loss(output: Any, targets: Any) -> Any:
    return jnp.mean((output - targets) ** 2)
