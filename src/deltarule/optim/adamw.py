"""AdamW: Adam whose weight decay shrinks the weights directly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deltarule.autodiff.tensor import Array
from deltarule.kernels.native.update_rules import AdamRule
from deltarule.optim.adam import Adam
from deltarule.optim.optimizer import Group, State


class AdamW(Adam):
    """Adam with decoupled weight decay.

    θ ← (1 − lr · weight_decay) · θ
    θ ← θ − lr · m̂ / (√v̂ + eps)                   moments of ∂L/∂θ alone, as in Adam

    parameters     tensors or groups, see Optimizer
    lr             learning rate, at least 0; 0.001 unless given
    betas          (β₁, β₂), forgetting of the moments, each 0 to below 1
    eps            keeps the division finite
    weight_decay   share of the weights that a step of lr 1 would take away; 0.01 unless given
    amsgrad        divide by the largest v so far

    State and errors as Adam's. Formula and defaults are PyTorch's.
    Source: Loshchilov & Hutter 2019, algorithm 2.

    >>> import deltarule as dr
    >>> x = dr.tensor([3.0], dtype="float64", requires_grad=True)
    >>> optimizer = dr.optim.AdamW([x], lr=0.1, weight_decay=0.5)
    >>> dr.sum(x * x).backward()
    >>> optimizer.step()
    >>> round(x.item(), 6)
    2.75
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ):
        super().__init__(parameters, lr, betas, eps, weight_decay, amsgrad)

    def rule(self, group: Group) -> AdamRule:
        return super().rule(group)

    def decay(self, group: Group) -> tuple[float, float]:
        return 0.0, 1 - float(group["lr"]) * float(group["weight_decay"])

    def update(self, parameter: Array, gradient: Array, state: State, group: Group) -> None:
        if group["weight_decay"]:
            parameter *= 1 - float(group["lr"]) * float(group["weight_decay"])
        self.move(parameter, gradient, state, group)
