"""Schedules of the learning rate that depend on the number of steps alone.

Each is one formula: the factor on a group's own learning rate after t steps. A step is whatever the
caller counts, a batch or an epoch. Schedules that watch a metric are in `plateau.py`.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.autodiff.derived import require_not_recorded
from deltarule.errors import ArgumentError
from deltarule.optim.optimizer import Optimizer


class Schedule:
    """Base class of schedules. A subclass defines `rate`.

    optimizer   the optimiser whose groups' "lr" is set, first when the schedule is made (t = 0)
    count       t, how often `step` was called

    A group's own learning rate, lr(0), is kept in it as "initial_lr", and is not overwritten by a
    second schedule. Groups that are added later join in.

    >>> import deltarule as dr
    >>> class Halving(dr.optim.Schedule):
    ...     def rate(self, count, base):
    ...         return base / 2**count
    >>> optimizer = dr.optim.SGD([dr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = Halving(optimizer)
    >>> schedule.step()
    >>> optimizer.param_groups[0]["lr"]
    0.5
    """

    def __init__(self, optimizer: Optimizer):
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(type(self).__name__, f"expected an optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.count = 0
        self._set()

    def rate(self, count: int, base: float) -> float:
        """Learning rate after `count` steps, of a group that started with `base`."""
        raise NotImplementedError(f"{type(self).__name__}.rate")

    def step(self, metric: float | None = None) -> None:
        """Counts one step and sets the learning rates. Only ReduceLROnPlateau looks at the metric."""
        require_not_recorded(
            type(self).__name__,
            "a compiled function cannot step a schedule",
            "Step it after the call: the learning rate is read anew each time.",
        )
        self.count += 1
        self._set()

    def get_last_lr(self) -> list[float]:
        """The learning rate of every group at this moment."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to continue; plain numbers and lists, fit for JSON."""
        return {"schedule": type(self).__name__, "count": self.count, "base_lrs": self.base_lrs}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken. Raises ArgumentError for that of another schedule."""
        who = require_same_schedule(self, saved)
        groups = self.optimizer.param_groups
        if len(saved["base_lrs"]) != len(groups):
            raise ArgumentError(who, f"expected {len(groups)} parameter groups, got {len(saved['base_lrs'])}")
        for group, base in zip(groups, saved["base_lrs"], strict=True):
            group["initial_lr"] = float(base)
        self.count = int(saved["count"])
        self._set()

    @property
    def base_lrs(self) -> list[float]:
        """lr(0) of every group."""
        return [float(group["initial_lr"]) for group in self.optimizer.param_groups]

    def _set(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(self.count, float(group.setdefault("initial_lr", group["lr"])))


def require_same_schedule(schedule: Any, saved: Mapping[str, Any]) -> str:
    """Who speaks in errors; raises ArgumentError unless the saved state is of such a schedule."""
    who = f"{type(schedule).__name__}.load_state_dict"
    kind = saved.get("schedule")
    if kind != type(schedule).__name__:
        raise ArgumentError(who, f"expected the state of {type(schedule).__name__}, got that of {kind}")
    return who


def require_count(who: str, option: str, value: Any) -> int:
    """The option as an integer of at least 1, or an ArgumentError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(who, f"{option} expected an integer of at least 1, got {value!r}")
    return value


def require_positive(who: str, option: str, value: float) -> float:
    """The option as a number above 0, or an ArgumentError."""
    if not isinstance(value, (int, float)) or not value > 0:
        raise ArgumentError(who, f"{option} expected a number above 0, got {value!r}")
    return value


class StepLR(Schedule):
    """Multiplies the learning rate by gamma every `step_size` steps.

    lr(t) = lr(0) · gamma^⌊t / step_size⌋

    Raises ArgumentError for step_size below 1 or gamma not above 0.

    >>> import deltarule as dr
    >>> optimizer = dr.optim.SGD([dr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = dr.optim.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        self.step_size = require_count("StepLR", "step_size", step_size)
        self.gamma = require_positive("StepLR", "gamma", gamma)
        super().__init__(optimizer)

    def rate(self, count: int, base: float) -> float:
        return base * self.gamma ** (count // self.step_size)


class MultiStepLR(Schedule):
    """Multiplies the learning rate by gamma at each milestone.

    lr(t) = lr(0) · gamma^(number of milestones ≤ t)

    milestones   numbers of steps, rising

    Raises ArgumentError for milestones that do not rise, or gamma not above 0.

    >>> import deltarule as dr
    >>> optimizer = dr.optim.SGD([dr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = dr.optim.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1):
        self.milestones = [require_count("MultiStepLR", "milestones", each) for each in milestones]
        if self.milestones != sorted(set(self.milestones)):
            raise ArgumentError("MultiStepLR", f"milestones expected rising numbers, got {self.milestones}")
        self.gamma = require_positive("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer)

    def rate(self, count: int, base: float) -> float:
        return base * self.gamma ** bisect.bisect_right(self.milestones, count)


class ExponentialLR(Schedule):
    """Multiplies the learning rate by gamma at every step.

    lr(t) = lr(0) · gammaᵗ

    Raises ArgumentError for gamma not above 0.

    >>> import deltarule as dr
    >>> optimizer = dr.optim.SGD([dr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = dr.optim.ExponentialLR(optimizer, gamma=0.5)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float):
        self.gamma = require_positive("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer)

    def rate(self, count: int, base: float) -> float:
        return base * self.gamma**count


class CosineAnnealingLR(Schedule):
    """Lets the learning rate fall along half a cosine.

    lr(t) = eta_min + ½ (lr(0) − eta_min) (1 + cos(π t / T_max))

    T_max     steps until eta_min is reached; beyond, the rate rises again with the cosine
    eta_min   lowest learning rate, at least 0

    Raises ArgumentError for options out of range. Source: Loshchilov & Hutter 2017, eq. 5.

    >>> import deltarule as dr
    >>> optimizer = dr.optim.SGD([dr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = dr.optim.CosineAnnealingLR(optimizer, T_max=2)
    >>> for _ in range(2):
    ...     schedule.step()
    ...     print(round(schedule.get_last_lr()[0], 4))
    0.5
    0.0
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        self.T_max = require_count("CosineAnnealingLR", "T_max", T_max)
        self.eta_min = _lowest("CosineAnnealingLR", eta_min)
        super().__init__(optimizer)

    def rate(self, count: int, base: float) -> float:
        return _cosine(count / self.T_max, base, self.eta_min)


class LinearWarmup(Schedule):
    """Lets the learning rate rise in a line over the first steps, then keeps it.

    lr(t) = lr(0) · min(1, (t + 1) / warmup_steps)

    Raises ArgumentError for warmup_steps below 1. Source: Goyal et al. 2017, sec. 2.2.

    >>> import deltarule as dr
    >>> optimizer = dr.optim.SGD([dr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = dr.optim.LinearWarmup(optimizer, warmup_steps=4)
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int):
        self.warmup_steps = require_count("LinearWarmup", "warmup_steps", warmup_steps)
        super().__init__(optimizer)

    def rate(self, count: int, base: float) -> float:
        return base * min(1.0, (count + 1) / self.warmup_steps)


class CosineWithWarmup(Schedule):
    """A linear rise over the first steps, then half a cosine down to the last step.

    lr(t) = lr(0) · (t + 1) / warmup_steps                                       t < warmup_steps
    lr(t) = eta_min + ½ (lr(0) − eta_min) (1 + cos(π (t − warmup_steps) / (total_steps − warmup_steps)))

    warmup_steps   steps of the rise; 0 for none
    total_steps    steps until eta_min is reached, where the rate stays
    eta_min        lowest learning rate, at least 0

    Raises ArgumentError unless 0 ≤ warmup_steps < total_steps, and for a negative eta_min.
    Source: Loshchilov & Hutter 2017, eq. 5; Goyal et al. 2017, sec. 2.2.

    >>> import deltarule as dr
    >>> optimizer = dr.optim.SGD([dr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = dr.optim.CosineWithWarmup(optimizer, warmup_steps=2, total_steps=6)
    >>> rates = []
    >>> for _ in range(7):
    ...     rates.append(round(schedule.get_last_lr()[0], 3))
    ...     schedule.step()
    >>> rates
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int, total_steps: int, eta_min: float = 0.0):
        self.total_steps = require_count("CosineWithWarmup", "total_steps", total_steps)
        whole = isinstance(warmup_steps, int) and not isinstance(warmup_steps, bool)
        if not whole or not 0 <= warmup_steps < total_steps:
            raise ArgumentError(
                "CosineWithWarmup",
                f"warmup_steps expected an integer from 0 to below total_steps ({total_steps}), got "
                f"{warmup_steps!r}",
            )
        self.warmup_steps = warmup_steps
        self.eta_min = _lowest("CosineWithWarmup", eta_min)
        super().__init__(optimizer)

    def rate(self, count: int, base: float) -> float:
        if count < self.warmup_steps:
            return base * (count + 1) / self.warmup_steps
        passed = (count - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        return _cosine(min(passed, 1.0), base, self.eta_min)


def _cosine(fraction: float, base: float, lowest: float) -> float:
    return lowest + 0.5 * (base - lowest) * (1 + math.cos(math.pi * fraction))


def _lowest(who: str, value: float) -> float:
    if not isinstance(value, (int, float)) or not value >= 0:
        raise ArgumentError(who, f"eta_min expected at least 0, got {value!r}")
    return value
