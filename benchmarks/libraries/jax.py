"""The rows in JAX: the whole step, loss, gradients and update, is one jit that writes over its parameters."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.libraries import jax_layers
from benchmarks.rows.row import Row

# PyTorch's defaults, which are deltarule's.
BETA1, BETA2, EPSILON, WEIGHT_DECAY = 0.9, 0.999, 1e-8, 0.01


def first_state(row: Row) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """(parameters, buffers, state of the optimiser)."""
    parameters = {name: jnp.asarray(array) for name, array in row.weights().items()}
    buffers = {name: jnp.asarray(array) for name, array in row.buffers().items()}
    if row.optimizer == "sgd":
        return parameters, buffers, {}
    first = {name: jnp.zeros_like(value) for name, value in parameters.items()}
    second = {name: jnp.zeros_like(value) for name, value in parameters.items()}
    return parameters, buffers, {"count": jnp.zeros((), jnp.int32), "first": first, "second": second}


def sgd(row: Row, parameters: Any, gradients: Any, state: Any) -> tuple[Any, Any]:
    rate = row.learning_rate
    return {name: value - rate * gradients[name] for name, value in parameters.items()}, state


def adamw(row: Row, parameters: Any, gradients: Any, state: Any) -> tuple[Any, Any]:
    """Loshchilov & Hutter 2019, algorithm 2."""
    count = state["count"] + 1
    rate = row.learning_rate
    moved, first, second = {}, {}, {}
    for name, gradient in gradients.items():
        first[name] = BETA1 * state["first"][name] + (1 - BETA1) * gradient
        second[name] = BETA2 * state["second"][name] + (1 - BETA2) * gradient**2
        root = jnp.sqrt(second[name] / (1 - BETA2**count)) + EPSILON
        shrunk = parameters[name] * (1 - rate * WEIGHT_DECAY)
        moved[name] = shrunk - rate * first[name] / (1 - BETA1**count) / root
    return moved, {"count": count, "first": first, "second": second}


class Training:
    """Forward, backward, update."""

    def __init__(self, row: Row):
        self.state = first_state(row)
        self.batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in row.batches()]
        loss_of = getattr(jax_layers, row.loss)
        update = {"sgd": sgd, "adamw": adamw}[row.optimizer]

        def loss(parameters: Any, buffers: Any, x: Any, y: Any) -> tuple[Any, Any]:
            # batch_norm writes the new running values into this dictionary, a copy.
            values = parameters | buffers
            found = loss_of(row.in_jax(jax_layers, values, x), y)
            return found, {name: values[name] for name in buffers}

        def step(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
            parameters, buffers, moments = state
            (found, buffers), gradients = jax.value_and_grad(loss, has_aux=True)(parameters, buffers, x, y)
            parameters, moments = update(row, parameters, gradients, moments)
            return found, (parameters, buffers, moments)

        self.compiled = jax.jit(step, donate_argnums=0)

    def step(self, count: int) -> Any:
        x, y = self.batches[count % len(self.batches)]
        loss, self.state = self.compiled(self.state, x, y)
        return loss

    def numbers(self, result: Any) -> list[float]:
        jax.block_until_ready(self.state)
        return [float(result)]


class Inference:
    """Forward."""

    def __init__(self, row: Row):
        parameters, buffers, _ = first_state(row)
        self.values = parameters | buffers
        self.batches = [jnp.asarray(x) for x, _ in row.batches()]
        self.compiled = jax.jit(lambda values, x: row.in_jax(jax_layers, dict(values), x))

    def step(self, count: int) -> Any:
        return self.compiled(self.values, self.batches[count % len(self.batches)])

    def numbers(self, result: Any) -> list[float]:
        return result.ravel().tolist()


def prepare(row: Row) -> Training | Inference:
    return Training(row) if row.training else Inference(row)
