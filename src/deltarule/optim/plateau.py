"""A schedule that watches a metric: it lowers the learning rate where training no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from deltarule.autodiff.derived import require_not_recorded
from deltarule.errors import ArgumentError
from deltarule.optim.optimizer import Optimizer
from deltarule.optim.schedules import require_same_schedule


class ReduceLROnPlateau:
    """Multiplies the learning rate by `factor` when a metric has stopped improving.

    lr ← max(lr · factor, min_lr)     after more than `patience` steps in a row without improvement

    optimizer       the optimiser whose groups' "lr" is lowered
    mode            "min" if the metric should fall (a loss), "max" if it should rise (accuracy)
    factor          0 to below 1
    patience        steps without improvement that are put up with
    threshold       least improvement that counts
    threshold_mode  "rel": a share of the best value's magnitude; "abs": an amount
    cooldown        steps after a reduction during which none is counted
    min_lr          lowest learning rate
    eps             a reduction by no more than this is left out

    `step(metric)` wants the metric; NaN counts as no improvement. Raises ArgumentError for options out
    of range, or a step without a metric. Names, defaults and counting are PyTorch's, but for the
    threshold of a negative best value: there the magnitude's share is taken, so that it never turns
    into a reward.

    >>> import deltarule as dr
    >>> optimizer = dr.optim.SGD([dr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = dr.optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in [2.0, 1.0, 1.0, 1.0]:
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ):
        who = "ReduceLROnPlateau"
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(who, f"expected an optimizer, got {type(optimizer).__name__}")
        if mode not in ("min", "max"):
            raise ArgumentError(who, f"mode expected 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ArgumentError(who, f"threshold_mode expected 'rel' or 'abs', got {threshold_mode!r}")
        if not 0 <= factor < 1:
            raise ArgumentError(who, f"factor expected at least 0 and below 1, got {factor!r}")
        least = {
            "patience": patience,
            "threshold": threshold,
            "cooldown": cooldown,
            "min_lr": min_lr,
            "eps": eps,
        }
        for option, value in least.items():
            if not value >= 0:
                raise ArgumentError(who, f"{option} expected at least 0, got {value!r}")
        self.optimizer = optimizer
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.min_lr, self.eps = cooldown, min_lr, eps
        self.best: float | None = None
        self.bad_steps = 0
        self.cooldown_left = 0
        self.count = 0

    def step(self, metric: float | None = None) -> None:
        """Takes one value of the metric and lowers the learning rate if it is time."""
        if metric is None:
            raise ArgumentError(
                "ReduceLROnPlateau.step",
                "expected a metric, got none",
                "Pass the validation loss: step(loss).",
            )
        require_not_recorded(
            type(self).__name__,
            "a compiled function cannot step a schedule",
            "Step it after the call: the learning rate is read anew each time.",
        )
        value = float(metric)
        self.count += 1
        if self._improves(value):
            self.best = value
            self.bad_steps = 0
        else:
            self.bad_steps += 1
        if self.cooldown_left:
            self.cooldown_left -= 1
            self.bad_steps = 0
        if self.bad_steps > self.patience:
            self._reduce()
            self.cooldown_left = self.cooldown
            self.bad_steps = 0

    def _improves(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if self.best is None:
            return True
        margin = self.threshold * (abs(self.best) if self.threshold_mode == "rel" else 1.0)
        return value < self.best - margin if self.mode == "min" else value > self.best + margin

    def _reduce(self) -> None:
        for group in self.optimizer.param_groups:
            lowered = max(float(group["lr"]) * self.factor, self.min_lr)
            if group["lr"] - lowered > self.eps:
                group["lr"] = lowered

    def get_last_lr(self) -> list[float]:
        """The learning rate of every group at this moment."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to continue; plain numbers, fit for JSON.

        The learning rates themselves are in the optimiser's own state.
        """
        return {
            "schedule": "ReduceLROnPlateau",
            "count": self.count,
            "best": self.best,
            "bad_steps": self.bad_steps,
            "cooldown_left": self.cooldown_left,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken. Raises ArgumentError for that of another schedule."""
        require_same_schedule(self, saved)
        self.count = int(saved["count"])
        self.best = None if saved["best"] is None else float(saved["best"])
        self.bad_steps = int(saved["bad_steps"])
        self.cooldown_left = int(saved["cooldown_left"])
