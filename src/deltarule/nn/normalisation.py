"""Normalisation layers: zero mean and unit variance over a batch, a sample, groups of channels; and RMS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import derived
from deltarule.autodiff.dtypes import default_float
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.nn import init
from deltarule.nn.module import Module
from deltarule.nn.sizes import new_parameter, sizes, whole_number
from deltarule.operations.normalisation import batch_norm, group_norm, layer_norm, rms_norm


def _require_eps(who: str, eps: float) -> float:
    if not eps >= 0:
        raise ArgumentError(
            who, f"eps expected a number not below 0, got {eps!r}", "It keeps the root from 0."
        )
    return float(eps)


def _one_more(count: Array) -> Array:
    return count + 1


class _BatchNorm(Module):
    """What batch normalisation of rows, signals and images shares."""

    axes: tuple[int, ...]
    # Tensors, or None with track_running_stats=False.
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = None,
    ):
        who = type(self).__name__
        self.num_features = whole_number(who, "num_features", num_features)
        self.eps = _require_eps(who, eps)
        if momentum is not None and not 0 <= momentum <= 1:
            raise ArgumentError(
                who, f"momentum expected a number from 0 to 1, got {momentum!r}", "0.1 is the usual one."
            )
        self.momentum = momentum
        self.affine = bool(affine)
        self.track_running_stats = bool(track_running_stats)
        self.register_parameter("weight", new_parameter(num_features, dtype=dtype) if affine else None)
        self.register_parameter("bias", new_parameter(num_features, dtype=dtype) if affine else None)
        if track_running_stats:
            self.register_buffer("running_mean", np.zeros(num_features, dtype or default_float()))
            self.register_buffer("running_var", np.ones(num_features, dtype or default_float()))
            self.register_buffer("num_batches_tracked", np.zeros((), np.int64))
        else:
            self.running_mean = self.running_var = self.num_batches_tracked = None
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forgets what was seen: running mean 0, running variance 1."""
        if self.track_running_stats:
            self.running_mean.assign(0.0)
            self.running_var.assign(1.0)
            self.num_batches_tracked.assign(0)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and nothing seen yet."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x)
        if x.ndim not in self.axes or x.shape[1] != self.num_features:
            who = type(self).__name__
            wanted = " or ".join(str(count) for count in self.axes)
            raise ShapeError(
                who,
                f"expected {wanted} axes with {self.num_features} channels on axis 1, got shape {x.shape}",
                f"Did you mean {who}({x.shape[1]})?" if x.ndim in self.axes else "Axis 0 is the batch.",
            )
        uses_batch = self.training or not self.track_running_stats
        momentum = 0.1 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            self.num_batches_tracked.assign(derived(_one_more, self.num_batches_tracked))
            if self.momentum is None:
                momentum = derived(np.reciprocal, self.num_batches_tracked, dtype=np.float64)
        return batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=uses_batch,
            momentum=momentum,
            eps=self.eps,
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of rows or signals: each feature to mean 0, variance 1 over the batch.

    y[n, c, t] = (x[n, c, t] − μ[c]) / √(σ²[c] + eps) · weight[c] + bias[c]

    In training mode μ and σ² are those of the batch (and of time), and the running values move towards
    them: running ← (1 − momentum) · running + momentum · batch, with the unbiased variance. In evaluation
    mode the running values are used.

    num_features          features or channels
    eps                   added to the variance
    momentum              how fast the running values move; None averages over all batches seen
    affine                whether there are a weight (1) and a bias (0)
    track_running_stats   False uses the batch's own values in evaluation mode too
    x                     (batch, features) or (batch, channels, length)

    Raises ArgumentError for options out of range, ShapeError for another number of channels, or for a
    batch of one value a channel in training mode.
    Source: Ioffe & Szegedy 2015.

    >>> import deltarule as dr
    >>> dr.nn.BatchNorm1d(1, eps=0.0)(dr.tensor([[1.0], [3.0]])).tolist()
    [[-1.0], [1.0]]
    """

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images: each channel to mean 0, variance 1 over batch and pixels.

    y[n, c, i, j] = (x[n, c, i, j] − μ[c]) / √(σ²[c] + eps) · weight[c] + bias[c]

    x   (batch, channels, height, width)

    Options, running values, errors and source are those of BatchNorm1d.

    >>> import deltarule as dr
    >>> layer = dr.nn.BatchNorm2d(3)
    >>> layer(dr.zeros((2, 3, 4, 4))).shape, layer.num_batches_tracked.item()
    ((2, 3, 4, 4), 1)
    """

    axes = (4,)


class LayerNorm(Module):
    """Layer normalisation: each sample to mean 0, variance 1 over its last axes.

    y = (x − μ) / √(σ² + eps) · weight + bias with μ and σ² over the axes of normalized_shape

    normalized_shape     sizes of the last axes of x, over which is normalised
    elementwise_affine   whether there are a weight (1) and, with bias, a bias (0) of that shape
    x                    (..., *normalized_shape)

    Raises ArgumentError for sizes below 1, ShapeError if x's last axes differ.
    Source: Ba, Kiros & Hinton 2016.

    >>> import deltarule as dr
    >>> dr.nn.LayerNorm(2, eps=0.0)(dr.tensor([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = None,
    ):
        self.normalized_shape = sizes("LayerNorm", "normalized_shape", normalized_shape)
        self.eps = _require_eps("LayerNorm", eps)
        self.elementwise_affine = bool(elementwise_affine)
        shape = self.normalized_shape
        self.register_parameter("weight", new_parameter(*shape, dtype=dtype) if elementwise_affine else None)
        has_bias = elementwise_affine and bias
        self.register_parameter("bias", new_parameter(*shape, dtype=dtype) if has_bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: Any) -> Tensor:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Group normalisation: the channels of each sample in groups, each group to mean 0, variance 1.

    y[n, c, ...] = (x[n, c, ...] − μ[n, g]) / √(σ²[n, g] + eps) · weight[c] + bias[c] for c in group g

    num_groups, num_channels   num_channels is a multiple of num_groups
    affine                     whether there are a weight (1) and a bias (0)
    x                          (batch, channels, ...)

    Raises ArgumentError for sizes that do not divide, ShapeError for another number of channels.
    Source: Wu & He 2018.

    >>> import deltarule as dr
    >>> dr.nn.GroupNorm(2, 4)(dr.zeros((1, 4, 3, 3))).shape
    (1, 4, 3, 3)
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, dtype: Any = None
    ):
        self.num_groups = whole_number("GroupNorm", "num_groups", num_groups)
        self.num_channels = whole_number("GroupNorm", "num_channels", num_channels)
        if num_channels % num_groups:
            raise ArgumentError(
                "GroupNorm",
                f"num_channels expected a multiple of num_groups={num_groups}, got {num_channels}",
                "Each group takes an equal share of the channels.",
            )
        self.eps = _require_eps("GroupNorm", eps)
        self.affine = bool(affine)
        self.register_parameter("weight", new_parameter(num_channels, dtype=dtype) if affine else None)
        self.register_parameter("bias", new_parameter(num_channels, dtype=dtype) if affine else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ShapeError(
                "GroupNorm",
                f"expected {self.num_channels} channels on axis 1, got shape {x.shape}",
                f"Did you mean GroupNorm({self.num_groups}, {x.shape[1]})?" if x.ndim > 1 else "",
            )
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class RMSNorm(Module):
    """Root-mean-square normalisation: each sample to a mean square of 1 over its last axes.

    y = x / √(mean(x²) + eps) · weight with the mean over the axes of normalized_shape

    normalized_shape     sizes of the last axes of x
    eps                  added to the mean square; None takes the machine epsilon of x's type
    elementwise_affine   whether there is a weight (1) of that shape
    x                    (..., *normalized_shape)

    Raises ArgumentError for sizes below 1, ShapeError if x's last axes differ.
    Source: Zhang & Sennrich 2019.

    >>> import deltarule as dr
    >>> dr.nn.RMSNorm(2, eps=0.0)(dr.tensor([[3.0, 3.0]])).tolist()
    [[1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: Any = None,
    ):
        self.normalized_shape = sizes("RMSNorm", "normalized_shape", normalized_shape)
        self.eps = eps if eps is None else _require_eps("RMSNorm", eps)
        self.elementwise_affine = bool(elementwise_affine)
        parameter = new_parameter(*self.normalized_shape, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", parameter)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Any) -> Tensor:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
