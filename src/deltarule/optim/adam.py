"""Adam: momentum and a running mean square, both corrected for their start at zero."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.errors import ArgumentError
from deltarule.kernels import updates
from deltarule.kernels.native.update_rules import AdamRule
from deltarule.optim.optimizer import Group, Optimizer, State


class Adam(Optimizer):
    """Adam.

    g ← ∂L/∂θ + weight_decay · θ
    m ← β₁ m + (1 − β₁) g
    v ← β₂ v + (1 − β₂) g²
    θ ← θ − lr · m̂ / (√v̂ + eps),   m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ),  t = 1, 2, ...

    parameters     tensors or groups, see Optimizer
    lr             learning rate, at least 0; 0.001 unless given
    betas          (β₁, β₂), forgetting of the moments, each 0 to below 1
    eps            keeps the division finite
    weight_decay   λ of the L2 penalty ½ λ ‖θ‖², inside the moments (AdamW keeps it outside)
    amsgrad        divide by the largest v so far: v ← max(v_largest, v)

    State: "step" (t), "exp_avg" (m), "exp_avg_sq" (v), with amsgrad "max_exp_avg_sq".
    Raises ArgumentError for options out of range. Formula and defaults are PyTorch's.
    Source: Kingma & Ba 2015, algorithm 1; AMSGrad: Reddi, Kale & Kumar 2018.

    >>> import deltarule as dr
    >>> x = dr.tensor([3.0], dtype="float64", requires_grad=True)
    >>> optimizer = dr.optim.Adam([x], lr=0.1)
    >>> dr.sum(x * x).backward()
    >>> optimizer.step()
    >>> round(x.item(), 6)
    2.9
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ):
        super().__init__(
            parameters,
            {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad},
        )

    def check(self, group: Group) -> None:
        for option in ("lr", "eps", "weight_decay"):
            self.require_at_least(group, option, 0)
        betas = group["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ArgumentError(self._who, f"betas expected two numbers, got {betas!r}", "Try (0.9, 0.999).")
        for position, beta in enumerate(betas):
            self.require_fraction(f"betas[{position}]", beta)

    def rule(self, group: Group) -> AdamRule:
        return AdamRule(bool(group["amsgrad"]))

    def slots(self, parameter: Array, state: State, group: Group) -> list[Array]:
        if not state:
            state["step"] = 0
            state["exp_avg"] = np.zeros_like(parameter)
            state["exp_avg_sq"] = np.zeros_like(parameter)
        if not group["amsgrad"]:
            return [state["exp_avg"], state["exp_avg_sq"]]
        if "max_exp_avg_sq" not in state:
            state["max_exp_avg_sq"] = np.zeros_like(parameter)
        return [state["exp_avg"], state["exp_avg_sq"], state["max_exp_avg_sq"]]

    def advance(self, state: State, group: Group) -> tuple[float, ...]:
        state["step"] += 1
        beta1, beta2 = float(group["betas"][0]), float(group["betas"][1])
        rate = float(group["lr"]) / (1 - beta1 ** state["step"])
        root_correction = (1 - beta2 ** state["step"]) ** 0.5
        added, kept = self.decay(group)
        return rate, added, kept, float(group["eps"]), beta1, 1 - beta1, beta2, 1 - beta2, root_correction

    def decay(self, group: Group) -> tuple[float, float]:
        """(the multiple of the parameter that is added to its gradient, the share of it that is kept)."""
        return float(group["weight_decay"]), 1.0

    def update(self, parameter: Array, gradient: Array, state: State, group: Group) -> None:
        gradient = updates.decayed(parameter, gradient, float(group["weight_decay"]))
        self.move(parameter, gradient, state, group)

    def move(self, parameter: Array, gradient: Array, state: State, group: Group) -> None:
        """Moments and step for a gradient that decay, if any, has been added to."""
        self.slots(parameter, state, group)
        state["step"] += 1
        updates.adam(
            parameter,
            gradient,
            state["exp_avg"],
            state["exp_avg_sq"],
            state["max_exp_avg_sq"] if group["amsgrad"] else None,
            state["step"],
            float(group["lr"]),
            (float(group["betas"][0]), float(group["betas"][1])),
            float(group["eps"]),
        )
