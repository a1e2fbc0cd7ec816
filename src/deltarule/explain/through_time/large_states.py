"""Jacobians of wide layers, never formed: norms and radii from products of them with a few vectors.

    rows · J       the way back, from the cell's formula
    J · columns    the way forward, from the opened cell (`dr.jvp`)

A norm of a product over a lag comes from subspace iteration on J Jᵀ, started at the answer for the lag
before: it never exceeds the norm, and is near it after two rounds, since the leading directions at the
last step hardly change with the lag. A radius comes from Arnoldi's iteration.
Source: Golub & Van Loan, Matrix Computations, 4th ed., sections 8.2 and 10.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from deltarule.autodiff.tensor import Array, Tensor
from deltarule.autodiff.transforms import jvp
from deltarule.explain.through_time.loss_steps import LossSteps
from deltarule.explain.through_time.recurrent_layers import WEIGHTS, RecurrentLayer
from deltarule.explain.through_time.recurrent_step import Environment, RecurrentStep
from deltarule.explain.through_time.step_jacobians import SampleStep

VECTORS = 8
ROUNDS = 4
KRYLOV = 24


class StepOperator:
    """The Jacobian of one step of one sample as what it does to vectors."""

    def __init__(self, loss_steps: LossSteps, layer: RecurrentLayer, where: SampleStep, sample: int):
        self._step: RecurrentStep = loss_steps.steps[layer]
        self._layer = layer
        row = slice(sample, sample + 1)
        self._values: Environment = loss_steps.inputs[where.call].values(where.position, row)

    def back(self, rows: Array, *, past: bool = False) -> tuple[Array, Environment]:
        """(rows · J, all that was computed); only past the recurrent weights on request."""
        upstream = np.split(rows[:, None], len(self._step.states), axis=2)
        environment = self._step.back(self._values, upstream, without_recurrent_weight=past)
        found = [environment[f"grad_{name}"][:, 0] for name in self._step.states]
        return np.concatenate(
            [np.broadcast_to(each, (len(rows), each.shape[-1])) for each in found], 1
        ), environment

    def pull(self, rows: Array) -> Array:
        return self.back(rows)[0]

    def push(self, columns: Array) -> Array:
        """(J · columns)ᵀ, for columns given as rows."""
        step, cell = self._step, self._layer.cell
        count = len(columns)
        x = Tensor(np.repeat(self._values["x"], count, axis=0))
        weights = [Tensor(step.weights[name]) for name in WEIGHTS]
        states = [Tensor(np.repeat(self._values[name], count, axis=0)) for name in step.states]
        moves = [Tensor(each) for each in np.split(columns, len(step.states), axis=1)]
        parameters = self._layer.calls[0].parameters

        def run(*given: Tensor) -> tuple[Tensor, ...]:
            after = cell.open(x, *given, *weights, **parameters)
            return after if isinstance(after, tuple) else (after,)

        _, moved = jvp(run, states, moves)
        return np.concatenate([each.numpy() for each in moved], axis=1)

    def slopes(self, states: int) -> tuple[Array, Array] | None:
        """(|D| of each hidden unit, (gates, hidden); what each unit carries past the weights).

        None if a unit's gates act on other units too, as in no cell here: told by a change of signs.
        """
        hidden = self._layer.hidden
        signs = np.where(np.arange(hidden) % 2, 1.0, -1.0)
        to_hidden, to_last = np.zeros((2, 2, states * hidden))
        to_hidden[:, :hidden] = to_last[:, -hidden:] = np.stack([np.ones(hidden), signs])
        carried = self.back(to_last, past=True)[0][:, -hidden:]
        _, environment = self.back(to_hidden)
        errors = self._step.factors("weight_hh", environment)[0][:, 0].reshape(2, -1, hidden)
        apart = np.allclose(carried[1], signs * carried[0]) and np.allclose(errors[1], signs * errors[0])
        return (np.abs(errors[0]), carried[0]) if apart else None


def log_norms_over_lags(
    operator: Callable[[int], StepOperator], count: int, lags: Sequence[int], size: int
) -> list[float]:
    """Logarithms of ‖J[t] ⋯ J[t − lag + 1]‖; `operator(number)` gives the steps, numbered up to count − 1."""
    rows = _orthonormal(np.random.default_rng(0).standard_normal((VECTORS, size)))
    found = []
    for lag in lags:
        for round_ in range(ROUNDS):
            pulled, log = rows, 0.0
            for number in range(count - 1, count - 1 - lag, -1):
                pulled, log = _scaled(operator(number).pull(pulled), log)
            if round_ == ROUNDS - 1 or not pulled.any():
                break
            for number in range(count - lag, count):
                pulled, _ = _scaled(operator(number).push(pulled), 0.0)
            rows = _orthonormal(pulled)
        norm = float(np.linalg.norm(pulled, 2))
        found.append(math.log(norm) + log if norm > 0 else -math.inf)
    return found


def radius(operator: StepOperator, size: int) -> float:
    """Largest absolute value of an eigenvalue, from a Krylov space of the way back."""
    basis = np.zeros((KRYLOV + 1, size))
    projected = np.zeros((KRYLOV + 1, KRYLOV))
    start = np.random.default_rng(0).standard_normal(size)
    basis[0] = start / np.linalg.norm(start)
    for column in range(KRYLOV):
        new = operator.pull(basis[column : column + 1])[0]
        for _ in range(2):
            parts = basis[: column + 1] @ new
            new = new - parts @ basis[: column + 1]
            projected[: column + 1, column] += parts
        length = float(np.linalg.norm(new))
        if length < 1e-12:
            return _largest(projected[: column + 1, : column + 1])
        projected[column + 1, column] = length
        basis[column + 1] = new / length
    return _largest(projected[:KRYLOV])


def _largest(matrix: Array) -> float:
    return float(np.max(np.abs(np.linalg.eigvals(matrix)), initial=0.0))


def _scaled(rows: Array, log: float) -> tuple[Array, float]:
    largest = float(np.max(np.abs(rows), initial=0.0))
    return (rows / largest, log + math.log(largest)) if largest > 0 else (rows, log)


def _orthonormal(rows: Array) -> Array:
    return np.ascontiguousarray(np.linalg.qr(rows.T)[0].T)
