"""Clipping of gradients, between backward and the optimiser's step: against exploding gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from deltarule.autodiff.derived import derived, derived_several, number
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DTypeError, NonFiniteError
from deltarule.kernels.native.reduced import reduced


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limits every element of every gradient to the range from −clip_value to clip_value.

    g[i] ← min(max(g[i], −clip_value), clip_value)

    parameters   one tensor or several; those without a gradient are passed over
    clip_value   above 0

    Each `.grad` becomes a new tensor. NaN stays NaN. Raises ArgumentError for clip_value not above 0.

    >>> import deltarule as dr
    >>> x = dr.tensor([1.0, -5.0], requires_grad=True)
    >>> dr.sum(x * x).backward()
    >>> dr.optim.clip_grad_value_([x], 3.0)
    >>> x.grad.tolist()
    [2.0, -3.0]
    """
    limit = _positive("clip_grad_value_", "clip_value", clip_value)
    for parameter in _with_gradient("clip_grad_value_", parameters):
        assert parameter.grad is not None
        parameter.grad = derived(np.clip, parameter.grad, min=-limit, max=limit)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scales all gradients together so that their joint norm is at most max_norm.

    N = (Σ_θ Σ_i |g_θ[i]|^norm_type)^(1/norm_type);   g_θ ← g_θ · min(1, max_norm / (N + 1e-6))

    parameters           one tensor or several; those without a gradient are passed over
    max_norm             above 0
    norm_type            above 0; float("inf") for the largest magnitude
    error_if_nonfinite   raise where N is NaN or infinite
    returns              N before clipping, as a float; 0.0 if there is no gradient

    The direction is kept. Each `.grad` that is scaled becomes a new tensor. Where N is not finite,
    gradients are left as they are (PyTorch scales them to NaN), so that the caller may skip the step.
    Raises ArgumentError for options out of range, NonFiniteError as asked for.
    Source: Pascanu, Mikolov & Bengio 2013, algorithm 1.

    >>> import deltarule as dr
    >>> x = dr.tensor([1.5, 2.0], requires_grad=True)
    >>> dr.sum(x * x).backward()
    >>> dr.optim.clip_grad_norm_([x], max_norm=1.0)
    5.0
    >>> [round(value, 4) for value in x.grad.tolist()]
    [0.6, 0.8]
    """
    who = "clip_grad_norm_"
    limit = _positive(who, "max_norm", max_norm)
    order = _positive(who, "norm_type", norm_type)
    clipped = _with_gradient(who, parameters)
    gradients = [parameter.grad for parameter in clipped if parameter.grad is not None]
    called = [
        repr(each.name) if each.name else f"{k} of shape {each.shape}" for k, each in enumerate(clipped)
    ]
    total, *scaled = derived_several(
        clipped_by_norm,
        *gradients,
        max_norm=limit,
        norm_type=order,
        called=tuple(called) if error_if_nonfinite else (),
    )
    for parameter, old, new in zip(clipped, gradients, scaled, strict=True):
        if new._array is not old._array:
            parameter.grad = new
    return number(total)


def clipped_by_norm(
    *gradients: Array, max_norm: float, norm_type: float, called: tuple[str, ...] = ()
) -> tuple[Array, ...]:
    """(joint norm, gradients scaled so that it is at most max_norm); as they are where it is not finite.

    called   names of the parameters, of which the first without a finite norm is told; none for no error
    """
    norms = [_norm(gradient, norm_type) for gradient in gradients]
    total = _joint(norms, norm_type)
    if called and not math.isfinite(total):
        first = next(place for place, norm in enumerate(norms) if not math.isfinite(norm))
        raise NonFiniteError(
            "clip_grad_norm_",
            f"the norm of the gradients is {total}, first for parameter {called[first]}",
            "Lower the learning rate, or look for log(0) and division by 0 in the loss.",
        )
    coefficient = max_norm / (total + 1e-6)
    if math.isfinite(total) and coefficient < 1:
        gradients = tuple(np.asarray(gradient * coefficient) for gradient in gradients)
    return np.asarray(total), *gradients


def _positive(who: str, option: str, value: Any) -> float:
    if not isinstance(value, (int, float, np.floating, np.integer)) or not value > 0:
        raise ArgumentError(who, f"{option} expected a number above 0, got {value!r}")
    return float(value)


def _with_gradient(who: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for each in listed:
        if not isinstance(each, Tensor):
            raise DTypeError(who, f"expected tensors, got {type(each).__name__}", "Pass model.parameters().")
    return [each for each in listed if each.grad is not None]


def _norm(gradient: Array, order: float) -> float:
    """Norm of one gradient; float32 squares that overflow are summed again in float64."""
    if not gradient.size:
        return 0.0
    if math.isinf(order):
        return float(np.max(np.abs(gradient)))
    with np.errstate(over="ignore", invalid="ignore"):
        if order == 2:
            flat = gradient.ravel()
            native = reduced(flat, (0,), False, "sum_of_squares")
            squared = float(np.dot(flat, flat) if native is None else native)
            if not math.isfinite(squared) or squared < 1e-30:
                wide = flat.astype(np.float64)
                squared = float(np.dot(wide, wide))
            return math.sqrt(squared)
        return float(np.sum(np.abs(gradient.astype(np.float64)) ** order) ** (1 / order))


def _joint(norms: list[float], order: float) -> float:
    if any(math.isnan(norm) for norm in norms):
        return math.nan
    largest = max(norms, default=0.0)
    if largest == 0 or math.isinf(largest) or math.isinf(order):
        return largest
    # Relative to the largest, so that no power overflows.
    return largest * sum((norm / largest) ** order for norm in norms) ** (1 / order)
