"""Jacobians of wide layers, never formed: norms and radii from products of them with a few vectors.

    rows · J       the way back, from the cell's formula
    J · columns    the way forward, from the opened cell (`dr.jvp`)

A norm of a product over a lag comes from subspace iteration on J Jᵀ, started at the answer for the lag
before: it never exceeds the norm, and is near it after two rounds, since the leading directions at the
last step hardly change with the lag. A radius comes from the growth of powers.
Source: Golub & Van Loan, Matrix Computations, 4th ed., section 8.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.autodiff.tensor import Array, Tensor
from deltarule.autodiff.transforms import jvp
from deltarule.explain.through_time.loss_steps import LossSteps
from deltarule.explain.through_time.recurrent_layers import WEIGHTS, RecurrentLayer
from deltarule.explain.through_time.recurrent_step import Environment, RecurrentStep
from deltarule.explain.through_time.spectra import estimated_radius, log_of, rescaled, spectral_norm
from deltarule.explain.through_time.step_jacobians import SampleStep

VECTORS = 8
ROUNDS = 4


class StepOperator:
    """The Jacobian of one step of one sample as what it does to vectors.

    size   of its rows: the states together
    """

    def __init__(self, loss_steps: LossSteps, layer: RecurrentLayer, where: SampleStep, sample: int):
        self._step: RecurrentStep = loss_steps.steps[layer]
        self._layer = layer
        self.size = layer.hidden * len(self._step.states)
        row = slice(sample, sample + 1)
        self._values: Environment = loss_steps.inputs[where.call].values(where.position, row)

    def pull(self, rows: Array) -> Array:
        """rows · J."""
        return self._states(self._back(rows))

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

    def norm(self) -> float:
        """The spectral norm, estimated from below."""
        return float(np.exp(log_norms_over_lags([self], [1])[0]))

    def radius(self) -> float:
        """The spectral radius, estimated."""
        return estimated_radius(self.pull, self.size)

    def parts(self) -> tuple[Array, Array]:
        """(|D| of each hidden unit, (gates, hidden); what each unit carries past the weights).

        A unit's gates act on that unit alone, so one row of ones for all units together gives both.
        """
        hidden = self._layer.hidden
        to_hidden, to_last = np.zeros((2, 1, self.size))
        to_hidden[:, :hidden] = to_last[:, -hidden:] = 1.0
        carried = self._states(self._back(to_last, past=True))[0, -hidden:]
        errors, _ = self._step.factors("weight_hh", self._back(to_hidden))
        return np.abs(errors.reshape(-1, hidden)), carried

    def _back(self, rows: Array, *, past: bool = False) -> Environment:
        """All that the way back computes from these rows; only past the recurrent weights on request."""
        upstream = np.split(rows[:, None], len(self._step.states), axis=2)
        return self._step.back(self._values, upstream, without_recurrent_weight=past)

    def _states(self, environment: Environment) -> Array:
        return np.concatenate([environment[f"grad_{name}"][:, 0] for name in self._step.states], axis=1)


def log_norms_over_lags(operators: Sequence[StepOperator], lags: Sequence[int]) -> list[float]:
    """Logarithms of ‖J[t] ⋯ J[t − lag + 1]‖ for lags that grow; the operators are J[1] to J[t]."""
    if not lags:
        return []
    rows = _orthonormal(np.random.default_rng(0).standard_normal((VECTORS, operators[0].size)))
    found = []
    for lag in lags:
        passed = operators[len(operators) - lag :]
        for round_ in range(ROUNDS):
            pulled, log = rows, 0.0
            for operator in reversed(passed):
                pulled, log = rescaled(operator.pull(pulled), log)
            if round_ == ROUNDS - 1 or not pulled.any():
                break
            for operator in passed:
                pulled, _ = rescaled(operator.push(pulled), 0.0)
            rows = _orthonormal(pulled)
        found.append(log_of(spectral_norm(pulled)) + log)
    return found


def _orthonormal(rows: Array) -> Array:
    return np.ascontiguousarray(np.linalg.qr(rows.T)[0].T)
