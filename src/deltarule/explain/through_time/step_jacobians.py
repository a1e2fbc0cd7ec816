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

from collections.abc import Mapping
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
    """Where a step of one sample stands: in which call, at which position, and its time.

    linked   whether it starts from the states that the step before left, unchanged and with their gradient
    """

    call: RecurrentCall
    position: int
    time: int
    linked: bool


def sample_steps(loss_steps: LossSteps, layer: RecurrentLayer, sample: int) -> list[SampleStep]:
    """The steps of a sample in the order of computation, masked ones left out."""
    found: list[SampleStep] = []
    before: RecurrentCall | None = None
    linked = False
    for call in layer.calls:
        linked = linked and before is not None and _continues(before, call, sample)
        inputs = loss_steps.inputs[call]
        for position in call.positions():
            seen = inputs.seen(position)
            if seen is None or seen[sample, 0]:
                found.append(SampleStep(call, position, call.first + position, linked))
                linked = True
        before = call
    return found


def _continues(before: RecurrentCall, call: RecurrentCall, sample: int) -> bool:
    """Whether a call starts from the states that the one before ended with."""
    pairs = zip(call.initial_states, before.last_states, strict=True)
    return all(
        state.requires_grad and np.array_equal(state._array[sample], value[sample]) for state, value in pairs
    )


def sample_jacobian(
    loss_steps: LossSteps, layer: RecurrentLayer, where: SampleStep, sample: int
) -> StepJacobian:
    """The Jacobian of one step of one sample."""
    step = loss_steps.steps[layer]
    values = loss_steps.inputs[where.call].values(where.position, slice(sample, sample + 1))
    # The rows of the identity, as gradients of each state: (states · hidden, 1, hidden).
    seeds = np.split(np.eye(len(step.states) * layer.hidden)[:, None], len(step.states), axis=2)
    environment = step.back(values, seeds)
    past = step.back(values, seeds, without_recurrent_weight=True)
    slopes, _ = step.factors("weight_hh", environment)
    return StepJacobian(
        where.time,
        _rows(step, environment),
        slopes[:, 0],
        step.weights["weight_hh"],
        _rows(step, past),
    )


def _rows(step: RecurrentStep, environment: Mapping[str, Any]) -> Array:
    return np.concatenate([environment[f"grad_{name}"][:, 0] for name in step.states], axis=1)
