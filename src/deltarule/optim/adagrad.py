"""Adagrad: a learning rate for each element, that shrinks with the gradients it has seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.kernels import updates
from deltarule.kernels.native.update_rules import AdagradRule
from deltarule.optim.optimizer import Group, Optimizer, State


class Adagrad(Optimizer):
    """Adagrad.

    g ← ∂L/∂θ + weight_decay · θ
    s ← s + g²                                     s = initial_accumulator_value at first
    θ ← θ − lr / (1 + (t − 1) · lr_decay) · g / (√s + eps)         t = 1, 2, ... counts steps

    parameters                  tensors or groups, see Optimizer
    lr                          learning rate, at least 0; 0.01 unless given
    lr_decay                    how fast lr falls with the steps
    weight_decay                λ of the L2 penalty ½ λ ‖θ‖²
    initial_accumulator_value   start of s, at least 0
    eps                         keeps the division finite

    State: "sum" (s) and "step" (t) for each parameter. Raises ArgumentError for options below 0.
    Formula and defaults are PyTorch's. Source: Duchi, Hazan & Singer 2011.

    >>> import deltarule as dr
    >>> x = dr.tensor([3.0], dtype="float64", requires_grad=True)
    >>> optimizer = dr.optim.Adagrad([x], lr=0.5)
    >>> dr.sum(x * x).backward()
    >>> optimizer.step()
    >>> round(x.item(), 6)
    2.5
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ):
        super().__init__(
            parameters,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "eps": eps,
            },
        )

    def check(self, group: Group) -> None:
        for option in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
            self.require_at_least(group, option, 0)

    def rule(self, group: Group) -> AdagradRule:
        return AdagradRule()

    def slots(self, parameter: Array, state: State, group: Group) -> list[Array]:
        if not state:
            state["step"] = 0
            state["sum"] = np.full_like(parameter, group["initial_accumulator_value"])
        return [state["sum"]]

    def advance(self, state: State, group: Group) -> tuple[float, ...]:
        learning_rate = float(group["lr"]) / (1 + state["step"] * float(group["lr_decay"]))
        state["step"] += 1
        return learning_rate, float(group["weight_decay"]), float(group["eps"])

    def update(self, parameter: Array, gradient: Array, state: State, group: Group) -> None:
        (total,) = self.slots(parameter, state, group)
        learning_rate, weight_decay, epsilon = self.advance(state, group)
        gradient = updates.decayed(parameter, gradient, weight_decay)
        updates.adagrad(parameter, gradient, total, learning_rate, epsilon)
