"""What a step of the optimiser would do, tried on a copy of the model: losses along it, and the curvature."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import backpropagate, seed_for
from deltarule.autodiff.recording import enable_grad, no_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.explain.training_health.recorded_pass import losses
from deltarule.nn.module import Module
from deltarule.optim.clipping import clip_grad_norm_, clip_grad_value_
from deltarule.optim.optimizer import Optimizer

FACTORS = (0.001, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0)
# Where even the shortest of them raises the loss by more than rounding, shorter ones are tried, down to this.
_SHORTEST = 1e-30
_ROUNDING = 1e-4
# Length of the step along the gradient over which its change is measured, in lengths of the weights.
_SHORT = 3e-3


@dataclass(frozen=True)
class StepVitals:
    """What one step of the optimiser would do to the loss, tried on the probe batch and taken back.

    optimizer       class of the optimiser: "SGD", "Adam"
    learning_rate   of its first parameter group
    momentum        of SGD; 0 else
    weight_decay    of its first parameter group
    factors         multiples of the step that were tried: 0.001 ... 1 ... 1000, and shorter ones where even
                    the first of these raises the loss
    losses          the loss at each of them, with the penalty (see `Vitals.total`), on the same batch: a step
                    that is right lowers it, and the factor of the smallest loss tells how far the learning
                    rate is off
    expected        decrease of the same loss that the gradient promises for the whole step: -g·Δw
    curvature       gᵀHg / gᵀg on the probe batch by differences of gradients: plain gradient descent
                    diverges along g above the learning rate 2 / curvature. NaN where it is not finite
    gradient_norm   joint norm of all gradients of the probe batch, with the penalty's
    update_norm     joint norm of the step
    clip_norm, clip_value   limits of the training; None without
    clipped         share of the steps since the last measurement that were clipped (by norm), or of
                    elements (by value) of this one; 0 without limits
    clip_factor     mean factor by which clipping shortens the gradient; 1 without
    """

    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    factors: tuple[float, ...]
    losses: tuple[float, ...]
    expected: float
    curvature: float
    gradient_norm: float
    update_norm: float
    clip_norm: float | None
    clip_value: float | None
    clipped: float
    clip_factor: float


def inner(one: Array, other: Array) -> float:
    """Σ_i a[i] b[i] in float64.

    Not by linear algebra, whose threads beside those of the kernels made such sums take 100 ms.

    >>> inner(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    11.0
    """
    return float(np.multiply(one, other, dtype=np.float64).sum())


def norm_of(arrays: Sequence[Array]) -> float:
    """Joint Euclidean norm.

    >>> norm_of([np.array([3.0]), np.array([4.0])])
    5.0
    """
    return math.sqrt(sum(inner(each, each) for each in arrays))


def moves(
    optimizer: Optimizer,
    leaves: Mapping[Tensor, Array],
    clip_norm: float | None,
    clip_value: float | None,
) -> dict[Tensor, Array]:
    """Parameter -> Δw of the optimiser's next step with these gradients; the optimiser is used up by it."""
    parameters = optimizer.parameters()
    before = {}
    for each in parameters:
        gradient = leaves.get(each)
        each._grad = None if gradient is None else Tensor(np.array(gradient))
        if gradient is not None:
            before[each] = each._array.copy()
    if clip_value is not None:
        clip_grad_value_(parameters, clip_value)
    if clip_norm is not None:
        clip_grad_norm_(parameters, clip_norm)
    optimizer.step()
    changes = {}
    for each, array in before.items():
        changes[each] = each._array - array
        np.copyto(each._array, array)
    return changes


def step_vitals(
    model: Module,
    loss: Callable[..., Tensor],
    penalty: Any,
    inputs: Array,
    targets: Array,
    optimizer: Optimizer,
    leaves: Mapping[Tensor, Array],
    changes: Mapping[Tensor, Array],
    before: float,
    clip_norm: float | None,
    clip_value: float | None,
    clipped: tuple[float, float] | None,
    again: Callable[[], None],
) -> StepVitals:
    """Tries multiples of a step on the batch and measures the curvature along its gradient.

    leaves    parameter -> gradient, with the penalty's
    changes   parameter -> Δw
    before    the loss with the penalty, without a step
    clipped   (share of steps that were clipped, mean factor), where a training counted them
    again     puts the random state back, so that the same units are dropped
    """
    group = optimizer.param_groups[0]
    gradients = {each: leaves[each] for each in changes}
    size = norm_of(list(gradients.values()))
    length = norm_of(list(changes.values()))

    def after(factor: float) -> float:
        again()
        with no_grad(), _moved(changes, factor):
            return float(losses(model, loss, penalty, inputs, targets)[2].item())

    tried = {factor: after(factor) for factor in FACTORS}
    shortest = FACTORS[0]
    bearable = before + _ROUNDING * abs(before)
    while not tried[shortest] <= bearable and shortest > _SHORTEST and math.isfinite(before + length):
        shortest /= 10
        tried[shortest] = after(shortest)
    if clipped is None:
        clipped = _clipping(gradients, size, clip_norm, clip_value)
    again()
    return StepVitals(
        type(optimizer).__name__,
        float(group["lr"]),
        float(group.get("momentum", 0.0)),
        float(group.get("weight_decay", 0.0)),
        tuple(sorted(tried)),
        tuple(tried[factor] for factor in sorted(tried)),
        -sum(inner(gradients[each], changes[each]) for each in changes),
        _curvature(model, loss, penalty, inputs, targets, gradients, size),
        size,
        length,
        clip_norm,
        clip_value,
        *clipped,
    )


class _moved:
    """Parameters at w + factor · Δw, for a while."""

    def __init__(self, changes: Mapping[Tensor, Array], factor: float):
        self._before = {each: each._array for each in changes}
        self._after = {
            each: each._array + each._array.dtype.type(factor) * by for each, by in changes.items()
        }

    def __enter__(self) -> None:
        for each, array in self._after.items():
            each._array = array

    def __exit__(self, *exception: object) -> None:
        for each, array in self._before.items():
            each._array = array


def _clipping(
    gradients: Mapping[Tensor, Array], size: float, clip_norm: float | None, clip_value: float | None
) -> tuple[float, float]:
    """(share that is clipped, factor on the norm) of these gradients."""
    share, factor = 0.0, 1.0
    if clip_value is not None:
        elements = sum(each.size for each in gradients.values())
        share = sum(int((np.abs(each) > clip_value).sum()) for each in gradients.values()) / max(elements, 1)
        limited = norm_of([np.clip(each, -clip_value, clip_value) for each in gradients.values()])
        factor = limited / size if size else 1.0
        size = limited
    if clip_norm is not None and size > clip_norm:
        share, factor = 1.0, factor * clip_norm / size
    return share, factor


def _curvature(
    model: Module,
    loss: Callable[..., Tensor],
    penalty: Any,
    inputs: Array,
    targets: Array,
    gradients: Mapping[Tensor, Array],
    size: float,
) -> float:
    """gᵀHg / gᵀg = gᵀ(g(w + εg) − g(w)) / (ε gᵀg)."""
    if not size or not math.isfinite(size):
        return math.nan
    epsilon = _SHORT * max(norm_of([each._array for each in gradients]), 1e-3) / size
    with _moved(gradients, epsilon), enable_grad():
        _, _, total = losses(model, loss, penalty, inputs, targets)
        arrived = backpropagate([total], [seed_for(total, None, "vitals")], retain_graph=False)
    change = sum(
        inner(np.subtract(arrived[each], g, dtype=np.float64), g)
        for each, g in gradients.items()
        if each in arrived
    )
    return change / (epsilon * size * size)
