"""RMSprop: gradients divided by a running root mean square of themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.kernels import updates
from deltarule.kernels.native.update_rules import RMSpropRule
from deltarule.optim.optimizer import Group, Optimizer, State


class RMSprop(Optimizer):
    """RMSprop.

    g ← ∂L/∂θ + weight_decay · θ
    s ← alpha · s + (1 − alpha) · g²
    d = √s + eps,   or centred   m ← alpha · m + (1 − alpha) · g,  d = √(s − m²) + eps
    θ ← θ − lr · g / d                             without momentum
    v ← momentum · v + g / d,  θ ← θ − lr · v      with momentum

    parameters     tensors or groups, see Optimizer
    lr             learning rate, at least 0; 0.01 unless given
    alpha          forgetting of the mean square, 0 to below 1; 0.99 unless given
    eps            keeps the division finite
    weight_decay   λ of the L2 penalty ½ λ ‖θ‖²
    momentum       share of the velocity that is kept
    centered       divide by the standard deviation rather than the root mean square

    State: "square_avg" (s), and as needed "grad_avg" (m) and "momentum_buffer" (v).
    Raises ArgumentError for options out of range. Formula and defaults are PyTorch's; eps is outside
    the root. Source: Tieleman & Hinton 2012, Coursera lecture 6.5; centred: Graves 2013, eq. 38-45.

    >>> import deltarule as dr
    >>> x = dr.tensor([3.0], dtype="float64", requires_grad=True)
    >>> optimizer = dr.optim.RMSprop([x], lr=0.1, alpha=0.75, eps=0.0)
    >>> dr.sum(x * x).backward()
    >>> optimizer.step()
    >>> round(x.item(), 6)
    2.8
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ):
        super().__init__(
            parameters,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
            },
        )

    def check(self, group: Group) -> None:
        for option in ("lr", "eps", "weight_decay", "momentum"):
            self.require_at_least(group, option, 0)
        self.require_fraction("alpha", group["alpha"])

    def rule(self, group: Group) -> RMSpropRule:
        return RMSpropRule(bool(group["centered"]), bool(group["momentum"]))

    def slots(self, parameter: Array, state: State, group: Group) -> list[Array]:
        names = ["square_avg"]
        if group["centered"]:
            names.append("grad_avg")
        if group["momentum"]:
            names.append("momentum_buffer")
        for name in names:
            if name not in state:
                state[name] = np.zeros_like(parameter)
        return [state[name] for name in names]

    def advance(self, state: State, group: Group) -> tuple[float, ...]:
        alpha = float(group["alpha"])
        options = (float(group[each]) for each in ("lr", "weight_decay", "eps"))
        return (*options, alpha, 1 - alpha, float(group["momentum"]))

    def update(self, parameter: Array, gradient: Array, state: State, group: Group) -> None:
        gradient = updates.decayed(parameter, gradient, float(group["weight_decay"]))
        alpha, momentum = float(group["alpha"]), float(group["momentum"])
        square_average, *_ = self.slots(parameter, state, group)
        updates.average_square(square_average, gradient, alpha)
        gradient_average = None
        if group["centered"]:
            gradient_average = state["grad_avg"]
            updates.average(gradient_average, gradient, alpha)
        direction = gradient / updates.root_mean_square(square_average, gradient_average, float(group["eps"]))
        if momentum:
            velocity = state["momentum_buffer"]
            updates.accumulate(velocity, direction, momentum, 0.0)
            direction = velocity
        updates.descend(parameter, direction, float(group["lr"]))
