"""Stochastic gradient descent, with momentum and Nesterov's look-ahead."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.errors import ArgumentError
from deltarule.kernels import updates
from deltarule.kernels.native.update_rules import SGDRule
from deltarule.optim.optimizer import Group, Optimizer, State

# Momentum, Nesterov -> rule.
_RULES = {flags: SGDRule(*flags) for flags in itertools.product((False, True), repeat=2)}


class SGD(Optimizer):
    """Stochastic gradient descent.

    g ← ∂L/∂θ + weight_decay · θ
    v ← momentum · v + (1 − dampening) · g         v = g at the first step
    θ ← θ − lr · v                                 without Nesterov
    θ ← θ − lr · (g + momentum · v)                with Nesterov

    parameters     tensors or groups, see Optimizer
    lr             learning rate, at least 0; 0.001 unless given
    momentum       share of the velocity that is kept, 0 (none) unless given
    dampening      share of the gradient that momentum leaves out
    weight_decay   λ of the L2 penalty ½ λ ‖θ‖², whose gradient is added
    nesterov       look ahead by the velocity; needs momentum and no dampening

    State: "momentum_buffer" (v) for each parameter if there is momentum.
    Raises ArgumentError for options out of range. As in PyTorch, lr multiplies the velocity rather
    than the gradient inside it.
    Source: Robbins & Monro 1951; Polyak 1964; Nesterov 1983 as in Sutskever et al. 2013.

    >>> import deltarule as dr
    >>> x = dr.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = dr.optim.SGD([x], lr=0.25)
    >>> dr.sum(x * x).backward()
    >>> optimizer.step()
    >>> x.tolist()
    [0.5, -1.0]
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        super().__init__(
            parameters,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
            },
        )

    def check(self, group: Group) -> None:
        for option in ("lr", "momentum", "weight_decay"):
            self.require_at_least(group, option, 0)
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise ArgumentError(
                "SGD",
                f"nesterov needs momentum and no dampening, got momentum {group['momentum']:g} and dampening "
                f"{group['dampening']:g}",
                "Try momentum=0.9.",
            )

    def rule(self, group: Group) -> SGDRule:
        return _RULES[bool(group["momentum"]), bool(group["nesterov"])]

    def slots(self, parameter: Array, state: State, group: Group) -> list[Array]:
        if not group["momentum"]:
            return []
        if "momentum_buffer" not in state:
            # The first velocity is the gradient itself: see `advance`.
            state["momentum_buffer"], state["is_first"] = np.zeros_like(parameter), True
        return [state["momentum_buffer"]]

    def advance(self, state: State, group: Group) -> tuple[float, ...]:
        momentum = float(group["momentum"])
        keep, share = momentum, 1 - float(group["dampening"])
        if state.pop("is_first", False):
            keep, share = 0.0, 1.0
        return float(group["lr"]), float(group["weight_decay"]), momentum, keep, share

    def update(self, parameter: Array, gradient: Array, state: State, group: Group) -> None:
        if group["weight_decay"]:
            gradient = updates.decayed(parameter, gradient, float(group["weight_decay"]))
        momentum = float(group["momentum"])
        direction = gradient
        if momentum:
            velocity = state.get("momentum_buffer")
            if velocity is None or state.pop("is_first", False):
                velocity = state["momentum_buffer"] = gradient.copy()
            else:
                updates.accumulate(velocity, gradient, momentum, float(group["dampening"]))
            direction = gradient + momentum * velocity if group["nesterov"] else velocity
        updates.descend(parameter, direction, float(group["lr"]))
