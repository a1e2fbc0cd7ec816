"""The normalisations that users call: by batch, by layer, by group, by root mean square.

What they compute, and how they are differentiated, is in `normalisation_family.py` and, for evaluation
with given statistics, in `running_normalisation.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.derived import derived, require_not_recorded
from deltarule.autodiff.operation import apply, record
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.kernels.normalisation import Statistics
from deltarule.operations.elementwise import promote
from deltarule.operations.normalisation_family import BATCH_NORM, GROUP_NORM, LAYER_NORM, RMS_NORM
from deltarule.operations.running_normalisation import BATCH_NORM_EVALUATION
from deltarule.operations.window_options import integer


def _arrays(
    who: str, x: Any, weight: Any, bias: Any, shape: tuple[int, ...] | None = None
) -> tuple[Tensor, ...]:
    """x, weight and bias as tensors of one type, absent ones left out; a bias alone brings weight 1."""
    (x,) = promote((x,), True, who)
    if bias is not None and weight is None:
        weight = Tensor(np.ones(x.shape[1:2] if shape is None else shape, dtype=x.dtype))
    return promote(tuple(each for each in (x, weight, bias) if each is not None), True, who)


def _eps(who: str, eps: Any) -> float:
    if not isinstance(eps, (int, float)) or not eps >= 0:
        raise ArgumentError(who, f"eps expected a number of 0 or more, got {eps!r}", "1e-5 is the usual one.")
    return float(eps)


def batch_norm(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalises each channel to mean 0 and variance 1 over batch and positions.

    μ[c] = mean of x[n, c, i] over n and i;  σ²[c] = mean of (x[n, c, i] − μ[c])²
    x̂[n, c, i] = (x[n, c, i] − μ[c]) / √(σ²[c] + eps);  y[n, c, i] = x̂[n, c, i] · weight[c] + bias[c]
    With δ = ∂L/∂y · weight and ⟨·⟩ the mean over n and i: ∂L/∂x = (δ − ⟨δ⟩ − x̂ ⟨δ x̂⟩) / √(σ² + eps)

    x             (batch, channels, ...)
    running_mean  (channels,) tensor or array, or None; written in place while training:
    running_var   running ← (1 − momentum) · running + momentum · batch, with the unbiased variance
    weight, bias  (channels,) or None
    training      True uses the batch's μ and σ²; False the running ones
    momentum      from 0 to 1; a number, or a tensor of one element
    eps           added to the variance

    Raises ShapeError where shapes differ or a channel has one value only while training, ArgumentError
    for options out of range, or no running statistics outside training.
    Source: Ioffe & Szegedy 2015, algorithms 1 and 2.

    >>> import deltarule as dr
    >>> mean, variance = dr.zeros(1), dr.ones(1)
    >>> dr.batch_norm(dr.tensor([[1.0], [3.0]]), mean, variance, training=True, eps=0.0)
    tensor([[-1.],
            [ 1.]], dtype=float32)
    >>> round(mean.item(), 4), round(variance.item(), 4)
    (0.2, 1.1)
    """
    eps = _eps("batch_norm", eps)
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                "batch_norm",
                "running_mean and running_var expected arrays outside training, got None",
                "Pass training=True to use the batch's own.",
            )
        affine = _arrays("batch_norm", x, weight, bias)
        x, *rest = promote((affine[0], running_mean, running_var, *affine[1:]), True, "batch_norm")
        return apply(BATCH_NORM_EVALUATION, x, *rest, eps=eps)
    if not isinstance(momentum, Tensor) and not 0 <= momentum <= 1:
        raise ArgumentError("batch_norm", f"momentum expected a number from 0 to 1, got {momentum!r}")
    tensors = _arrays("batch_norm", x, weight, bias)
    arrays = [tensor._array for tensor in tensors]
    BATCH_NORM.shape(*(array.shape for array in arrays), eps=eps)
    channels = arrays[0].shape[1]
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        if running is not None and running.shape != (channels,):
            raise ShapeError(
                "batch_norm",
                f"{name} expected shape {(channels,)}, got {running.shape} (x {arrays[0].shape})",
            )
    y, statistics = BATCH_NORM.forward(*arrays, eps=eps)
    normalised = record(BATCH_NORM, tensors, {"eps": eps}, (y, statistics))
    correction = arrays[0].size // channels / (arrays[0].size // channels - 1)
    _follow(running_mean, moved_mean, statistics, momentum)
    _follow(running_var, moved_variance, statistics, momentum, correction=correction)
    return normalised


def _follow(
    running: Any, rule: Any, statistics: Statistics, momentum: float | Tensor, **options: Any
) -> None:
    """Moves a running statistic towards the batch's, in place."""
    if isinstance(running, Tensor):
        running.assign(derived(rule, running, statistics, momentum, **options))
    elif running is not None:
        require_not_recorded(
            "batch_norm", "running statistics are NumPy arrays", "Give tensors to a compiled function."
        )
        running[...] = rule(running, statistics, momentum, **options)


def moved_mean(running: Array, statistics: Statistics, momentum: Any) -> Array:
    """running ← (1 − momentum) · running + momentum · batch, of the mean."""
    assert statistics.mean is not None
    share = float(momentum)
    return running * (1.0 - share) + statistics.mean.reshape(-1) * share


def moved_variance(running: Array, statistics: Statistics, momentum: Any, *, correction: float) -> Array:
    """The same of the variance, made unbiased by count / (count − 1)."""
    share = float(momentum)
    return running * (1.0 - share) + statistics.variance.reshape(-1) * correction * share


def layer_norm(
    x: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Normalises each sample to mean 0 and variance 1 over its last axes.

    μ[n] = mean of x[n, i] over i;  σ²[n] = mean of (x[n, i] − μ[n])²
    x̂[n, i] = (x[n, i] − μ[n]) / √(σ²[n] + eps);  y[n, i] = x̂[n, i] · weight[i] + bias[i]
    With δ = ∂L/∂y · weight and ⟨·⟩ the mean over i: ∂L/∂x = (δ − ⟨δ⟩ − x̂ ⟨δ x̂⟩) / √(σ² + eps)

    x                 (..., *normalized_shape)
    normalized_shape  sizes of the last axes, over which is normalised; an integer for one axis
    weight, bias      of normalized_shape, or None
    eps               added to the variance

    Raises ShapeError where x, weight or bias do not end in normalized_shape, ArgumentError for eps < 0.
    Source: Ba, Kiros & Hinton 2016.

    >>> import deltarule as dr
    >>> dr.layer_norm(dr.tensor([[1.0, 3.0], [5.0, 5.0]]), 2, eps=1e-12)
    tensor([[-1.,  1.],
            [ 0.,  0.]], dtype=float32)
    """
    sizes = _normalized_shape("layer_norm", normalized_shape)
    tensors = _arrays("layer_norm", x, weight, bias, sizes)
    return apply(LAYER_NORM, *tensors, eps=_eps("layer_norm", eps), normalized_shape=sizes)


def rms_norm(
    x: Any, normalized_shape: int | Sequence[int], weight: Any = None, eps: float | None = None
) -> Tensor:
    """Scales each sample to a mean square of 1 over its last axes; nothing is subtracted.

    s[n] = mean of x[n, i]² over i;  y[n, i] = x[n, i] / √(s[n] + eps) · weight[i]
    With δ = ∂L/∂y · weight, x̂ = x / √(s + eps): ∂L/∂x = (δ − x̂ ⟨δ x̂⟩) / √(s + eps)

    x                 (..., *normalized_shape)
    normalized_shape  sizes of the last axes, over which is normalised; an integer for one axis
    weight            of normalized_shape, or None
    eps               added to the mean square; None for the machine epsilon of x's type

    Raises ShapeError where x or weight do not end in normalized_shape, ArgumentError for eps < 0.
    Source: Zhang & Sennrich 2019.

    >>> import deltarule as dr
    >>> dr.rms_norm(dr.tensor([[1.0, 7.0]]), 2)
    tensor([[0.2, 1.4]], dtype=float32)
    """
    sizes = _normalized_shape("rms_norm", normalized_shape)
    tensors = _arrays("rms_norm", x, weight, None, sizes)
    added = float(np.finfo(tensors[0].dtype).eps) if eps is None else _eps("rms_norm", eps)
    return apply(RMS_NORM, *tensors, eps=added, normalized_shape=sizes)


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """Normalises the channels of each sample in groups, each group to mean 0 and variance 1.

    μ[n, g], σ²[n, g] = mean and variance of x[n, c, i] over i and the channels c of group g
    y[n, c, i] = (x[n, c, i] − μ[n, g]) / √(σ²[n, g] + eps) · weight[c] + bias[c]
    The gradient is that of `layer_norm` within each group.

    x             (batch, channels, ...)
    num_groups    parts of equal size; 1 normalises each sample, channels normalises each channel
    weight, bias  (channels,) or None
    eps           added to the variance

    Raises ShapeError where shapes differ or channels do not divide, ArgumentError for options out of range.
    Source: Wu & He 2018.

    >>> import deltarule as dr
    >>> dr.group_norm(dr.tensor([[1.0, 3.0, 10.0, 30.0]]), 2, eps=1e-12)
    tensor([[-1.,  1., -1.,  1.]], dtype=float32)
    """
    return apply(
        GROUP_NORM,
        *_arrays("group_norm", x, weight, bias),
        eps=_eps("group_norm", eps),
        num_groups=integer("group_norm", "num_groups", num_groups, 1),
    )


def _normalized_shape(who: str, shape: Any) -> tuple[int, ...]:
    sizes = shape if isinstance(shape, Sequence) else (shape,)
    return tuple(integer(who, "normalized_shape", each, 1) for each in sizes)
