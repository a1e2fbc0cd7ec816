"""Losses of regression: squared, absolute, Huber and smooth absolute error."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.formula.expression import Symbol, function, less, less_equal, where
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.operations.elementwise import define, upstream
from deltarule.operations.loss_reduction import pointwise, register_pointwise, require_reduction

_x, _t = Symbol("input"), Symbol("target")
_difference = _x - _t
_distance = function("abs", _difference)
_sign = function("sign", _difference)
_delta, _beta = Symbol("delta", 0), Symbol("beta", 0)

define(
    "squared_error", ("input", "target"), function("square", _difference),
    {"input": upstream * (2.0 * _difference), "target": -(upstream * (2.0 * _difference))},
    "(input − target)², element by element.",
    floating=True,
)  # fmt: skip
define(
    "absolute_error", ("input", "target"), _distance,
    {"input": upstream * _sign, "target": -(upstream * _sign)},
    "|input − target|, element by element; the gradient at 0 is 0.",
    floating=True,
)  # fmt: skip
_huber_slope = where(less_equal(_distance, _delta), _difference, _delta * _sign)
define(
    "huber_error", ("input", "target"),
    where(
        less_equal(_distance, _delta),
        0.5 * function("square", _difference),
        _delta * (_distance - 0.5 * _delta),
    ),
    {"input": upstream * _huber_slope, "target": -(upstream * _huber_slope)},
    "½ d² where |d| ≤ delta, else delta (|d| − ½ delta); d = input − target.",
    floating=True,
    parameters={"delta": 1.0},
)  # fmt: skip
_smooth_slope = where(less(_distance, _beta), _difference / _beta, _sign)
define(
    "smooth_absolute_error", ("input", "target"),
    where(less(_distance, _beta), 0.5 * function("square", _difference) / _beta, _distance - 0.5 * _beta),
    {"input": upstream * _smooth_slope, "target": -(upstream * _smooth_slope)},
    "½ d² / beta where |d| < beta, else |d| − ½ beta; d = input − target.",
    floating=True,
    parameters={"beta": 1.0},
)  # fmt: skip

MSE_LOSS = register_pointwise("mse_loss", "squared_error")
L1_LOSS = register_pointwise("l1_loss", "absolute_error")
HUBER_LOSS = register_pointwise("huber_loss", "huber_error")
SMOOTH_L1_LOSS = register_pointwise("smooth_l1_loss", "smooth_absolute_error")


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """Mean squared error.

    y = (1/N) Σ_i (input[i] − target[i])²;  ∂y/∂input[i] = (2/N) (input[i] − target[i])

    input, target   any shape, the same for both; target may be a single number
    reduction       "mean" over all N elements, "sum", or "none" for the terms themselves

    Raises ShapeError for different shapes, where PyTorch warns and broadcasts, and for a mean over
    nothing; ArgumentError for another reduction. Source: Legendre 1805; Bishop 2006, eq. 1.2.

    >>> import deltarule as dr
    >>> dr.mse_loss(dr.tensor([1.0, 4.0]), dr.tensor([1.0, 2.0])).item()
    2.0
    """
    return pointwise(MSE_LOSS, input, target, require_reduction("mse_loss", reduction))


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """Mean absolute error.

    y = (1/N) Σ_i |input[i] − target[i]|;  ∂y/∂input[i] = (1/N) sign(input[i] − target[i])

    input, target   any shape, the same for both; target may be a single number
    reduction       "mean" over all N elements, "sum", or "none" for the terms themselves

    The gradient is 0 where both are equal. Errors as for mse_loss.
    Source: Boscovich 1757; Hastie, Tibshirani & Friedman 2009, sec. 10.6.

    >>> import deltarule as dr
    >>> dr.l1_loss(dr.tensor([1.0, 4.0]), dr.tensor([1.0, 2.0]), reduction="sum").item()
    2.0
    """
    return pointwise(L1_LOSS, input, target, require_reduction("l1_loss", reduction))


def huber_loss(input: Any, target: Any, *, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Huber's loss: squared near the target, absolute far from it, so that outliers weigh less.

    d = input − target;  ½ d² where |d| ≤ delta, else delta (|d| − ½ delta)
    gradient: d, limited to the range from −delta to delta

    input, target   any shape, the same for both; target may be a single number
    reduction       "mean" over all elements, "sum", or "none" for the terms themselves
    delta           where the square ends, above 0

    Raises ArgumentError for delta not above 0; other errors as for mse_loss. Source: Huber 1964.

    >>> import deltarule as dr
    >>> dr.huber_loss(dr.tensor([0.0, 3.0]), dr.tensor([1.0, 0.0]), reduction="none").tolist()
    [0.5, 2.5]
    """
    require_reduction("huber_loss", reduction)
    if not delta > 0:
        raise ArgumentError("huber_loss", f"delta expected a number above 0, got {delta!r}")
    return pointwise(HUBER_LOSS, input, target, reduction, delta=float(delta))


def smooth_l1_loss(input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Absolute error whose corner is rounded: Huber's loss divided by beta.

    d = input − target;  ½ d² / beta where |d| < beta, else |d| − ½ beta

    input, target   any shape, the same for both; target may be a single number
    reduction       "mean" over all elements, "sum", or "none" for the terms themselves
    beta            width of the rounding, at least 0; with 0 it is l1_loss

    Raises ArgumentError for a negative beta; other errors as for mse_loss. Source: Girshick 2015.

    >>> import deltarule as dr
    >>> dr.smooth_l1_loss(dr.tensor([0.0, 3.0]), dr.tensor([1.0, 0.0]), beta=2.0, reduction="none").tolist()
    [0.25, 2.0]
    """
    require_reduction("smooth_l1_loss", reduction)
    if not beta >= 0:
        raise ArgumentError("smooth_l1_loss", f"beta expected at least 0, got {beta!r}")
    if not beta:
        return l1_loss(input, target, reduction=reduction)
    return pointwise(SMOOTH_L1_LOSS, input, target, reduction, beta=float(beta))
