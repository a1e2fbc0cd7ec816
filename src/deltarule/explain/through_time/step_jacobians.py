"""The Jacobian of each step of one sample: how the state after it depends on the state before it.

    J[k] = ∂s[k]/∂s[k−1] = D[k] W_hh + carried[k],    s = h, or (h, c) where there is a cell state

D is the derivative of the new state for the sums that W_hh enters: the activation's derivative of a simple
recurrent layer, diag(φ'), or those of all gates side by side. `carried` is the way past the
recurrent weights: none in a simple recurrent layer, diag(z) in a GRU, that of the cell through the forget
gate, diag(f), in an LSTM. All three are computed from the cell's formula, by sending the rows of the
identity back through it.
Source: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", 2013.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.through_time.loss_steps import LossSteps
from deltarule.explain.through_time.recurrent_layers import RecurrentCall, RecurrentLayer
from deltarule.explain.through_time.recurrent_step import RecurrentStep


@dataclass(frozen=True, eq=False)
class StepJacobian:
    """One step's Jacobian and its parts; rows are states after the step, columns states before it.

    time       which step
    whole      (states, states): J = recurrent + carried
    slopes     (states, rows of the weight): D, derivative of the new state for W_hh h
    weight     (rows, hidden): W_hh
    carried    (states, states): the way past the recurrent weight
    """

    time: int
    whole: Array
    slopes: Array
    weight: Array
    carried: Array

    @property
    def recurrent(self) -> Array:
        """D W_hh, in the columns of the hidden state, which comes first."""
        through = np.zeros_like(self.whole)
        through[:, : self.weight.shape[1]] = self.slopes @ self.weight
        return through


@dataclass(frozen=True)
class SampleStep:
    """Where a step of one sample stands: in which call, at which position, and its time."""

    call: RecurrentCall
    position: int
    time: int


def sample_steps(loss_steps: LossSteps, layer: RecurrentLayer, sample: int) -> list[SampleStep]:
    """The steps of a sample in the order of computation, masked ones left out.

    Where the state was not handed on from one call to the next, unchanged and with its gradient, only what
    comes after the last such place.
    """
    found: list[SampleStep] = []
    before: RecurrentCall | None = None
    for call in layer.calls:
        if before is not None and not _continues(before, call, sample):
            found = []
        inputs = loss_steps.inputs[call]
        for position in call.positions():
            seen = inputs.seen(position)
            if seen is None or seen[sample, 0]:
                found.append(SampleStep(call, position, call.first + position))
        before = call
    return found


def _continues(before: RecurrentCall, call: RecurrentCall, sample: int) -> bool:
    """Whether a call starts from the states that the one before ended with."""
    values = before.node.values[1:] if before.is_sequence else before.node.values
    for name, value in zip(call.cell.states, values, strict=True):
        state = call.input(name)
        same = state.requires_grad and state.shape == value.shape
        if not same or not np.array_equal(state._array[sample], value[sample]):
            return False
    return True


def step_jacobian(step: RecurrentStep, values: Mapping[str, Any], time: int, hidden: int) -> StepJacobian:
    """The Jacobian of one step of one sample, from what the step computed."""
    seeds = identity_seeds(len(step.states), hidden)
    environment = step.back(values, seeds)
    past = step.back(values, seeds, without_recurrent_weight=True)
    slopes, _ = step.factors("weight_hh", environment)
    return StepJacobian(
        time,
        _rows(step, environment),
        slopes[:, 0],
        step.weights["weight_hh"],
        _rows(step, past),
    )


def identity_seeds(states: int, hidden: int) -> Sequence[Array]:
    """The rows of the identity as gradients of each state, (states · hidden, 1, hidden)."""
    identity = np.eye(states * hidden)[:, None]
    return np.split(identity, states, axis=2)


def _rows(step: RecurrentStep, environment: Mapping[str, Any]) -> Array:
    return np.concatenate([environment[f"grad_{name}"][:, 0] for name in step.states], axis=1)


def spectral_radius(matrix: Array) -> float:
    """The largest absolute value of an eigenvalue; inf or nan where the matrix is not finite."""
    if not np.isfinite(matrix).all():
        return float(np.max(np.abs(matrix)))
    return float(np.max(np.abs(np.linalg.eigvals(matrix)), initial=0.0))


def spectral_norm(matrix: Array) -> float:
    """The largest singular value, by way of the smaller Gram matrix; inf or nan where it is not finite."""
    largest = float(np.max(np.abs(matrix), initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    scaled = matrix / largest
    gram = scaled @ scaled.T if scaled.shape[0] <= scaled.shape[1] else scaled.T @ scaled
    on_diagonal = np.diagonal(gram)
    if np.count_nonzero(gram) == np.count_nonzero(on_diagonal):
        # Gates act on each unit alone: no eigenvalues have to be found.
        return largest * float(np.sqrt(on_diagonal.max()))
    return largest * float(np.sqrt(np.linalg.eigvalsh(gram)[-1]))
