"""Losses between probabilities: binary cross-entropy, with and without logits, and KL divergence."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.derived import checked
from deltarule.autodiff.formula.expression import Number, Symbol, function, greater, where
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations.arithmetic import divide, multiply
from deltarule.operations.elementwise import converted, define, promote, upstream
from deltarule.operations.loss_reduction import (
    pointwise,
    reduced,
    register_pointwise,
    require_between_0_and_1,
    require_elements,
    require_reduction,
    same_shape,
)

_x, _t, _p = Symbol("input"), Symbol("target"), Symbol("pos_weight")

# A logarithm below this counts as this, so that a certain but wrong answer costs 100, not infinity.
_LEAST_LOG = -100.0
_LEAST_VARIANCE = Number(1e-12)


def _log_or_least(x: Array, target: Array) -> Array:
    with np.errstate(divide="ignore"):
        log_one = np.maximum(np.log(x), _LEAST_LOG)
        log_zero = np.maximum(np.log1p(-x), _LEAST_LOG)
    return -(target * log_one + (1 - target) * log_zero)


_log_one = function("maximum", function("log", _x), _LEAST_LOG)
_log_zero = function("maximum", function("log1p", -_x), _LEAST_LOG)
define(
    "binary_log_loss", ("input", "target"), -(_t * _log_one + (1.0 - _t) * _log_zero),
    {
        "input": upstream * ((_x - _t) / function("maximum", _x * (1.0 - _x), _LEAST_VARIANCE)),
        "target": upstream * (_log_zero - _log_one),
    },
    "−target ln input − (1 − target) ln(1 − input), element by element.",
    floating=True,
    kernel=_log_or_least,
)  # fmt: skip
# ln(1 + e^−x) = ln(1 + e^−|x|) + max(−x, 0): no exponential that overflows.
_softplus_of_minus = function("log1p", function("exp", -function("abs", _x))) + function("maximum", -_x, 0.0)
define(
    "binary_log_loss_with_logits", ("input", "target"), (1.0 - _t) * _x + _softplus_of_minus,
    {"input": upstream * (function("sigmoid", _x) - _t), "target": -(upstream * _x)},
    "Binary cross-entropy of σ(input), element by element.",
    floating=True,
)  # fmt: skip
_positive_share = 1.0 + (_p - 1.0) * _t
_weighted_with_logits = define(
    "weighted_binary_log_loss_with_logits", ("input", "target", "pos_weight"),
    (1.0 - _t) * _x + _positive_share * _softplus_of_minus,
    {
        "input": upstream * ((1.0 - _t) - _positive_share * function("sigmoid", -_x)),
        "target": upstream * ((_p - 1.0) * _softplus_of_minus - _x),
        "pos_weight": upstream * (_t * _softplus_of_minus),
    },
    "The same with the terms of target 1 multiplied by pos_weight.",
    floating=True,
)  # fmt: skip
_log_target = function("log", where(greater(_t, 0.0), _t, 1.0))
define(
    "relative_entropy", ("input", "target"), where(greater(_t, 0.0), _t * (_log_target - _x), 0.0),
    {
        "input": -(upstream * _t),
        "target": where(greater(_t, 0.0), upstream * (_log_target + 1.0 - _x), 0.0),
    },
    "target (ln target − input), element by element; input is a log-probability.",
    floating=True,
)  # fmt: skip
define(
    "relative_entropy_of_logs", ("input", "target"), function("exp", _t) * (_t - _x),
    {
        "input": -(upstream * function("exp", _t)),
        "target": upstream * (function("exp", _t) * (_t - _x + 1.0)),
    },
    "e^target (target − input), element by element; both are log-probabilities.",
    floating=True,
)  # fmt: skip

BINARY_CROSS_ENTROPY = register_pointwise("binary_cross_entropy", "binary_log_loss")
BINARY_CROSS_ENTROPY_WITH_LOGITS = register_pointwise(
    "binary_cross_entropy_with_logits", "binary_log_loss_with_logits"
)
KL_DIV = register_pointwise("kl_div", "relative_entropy")
KL_DIV_OF_LOGS = register_pointwise("kl_div_of_logs", "relative_entropy_of_logs")


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Tensor:
    """Cross-entropy of probabilities of yes against answers yes (1) or no (0).

    y = −(1/N) Σ_i target[i] ln input[i] + (1 − target[i]) ln(1 − input[i])
    ∂y/∂input[i] = (1/N) (input[i] − target[i]) / (input[i] (1 − input[i]))

    input      probabilities, 0 to 1, any shape
    target     0, 1, or a probability between; of input's shape, or a single number
    weight     factor for each term, broadcast to input's shape; or None
    reduction  "mean" over all N elements, "sum", or "none" for the terms themselves

    Logarithms below −100 count as −100, as in PyTorch, so a wrong answer given with certainty costs
    100. From logits compute binary_cross_entropy_with_logits, which is exact there.
    Raises ArgumentError for input or target outside 0 to 1, ShapeError for different shapes.
    Source: Bishop 2006, eq. 4.90.

    >>> import deltarule as dr
    >>> dr.binary_cross_entropy(dr.tensor([0.5, 0.5]), dr.tensor([1.0, 0.0]))
    tensor(0.6931472, dtype=float32)
    """
    who = "binary_cross_entropy"
    require_reduction(who, reduction)
    input, target = same_shape(who, *promote((input, target), True, who))
    require_between_0_and_1(who, "input", input, "Apply dr.sigmoid, or use binary_cross_entropy_with_logits.")
    require_between_0_and_1(who, "target", target, "For several classes use cross_entropy.")
    if weight is None:
        return pointwise(BINARY_CROSS_ENTROPY, input, target, reduction)
    terms = pointwise(BINARY_CROSS_ENTROPY, input, target, "none")
    return _weighted(who, terms, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    """Cross-entropy of yes or no, from logits: binary_cross_entropy of σ(input) without its overflow.

    y = (1/N) Σ_i (1 − t) x + ln(1 + e^−x),  x = input[i], t = target[i]
    ∂y/∂input[i] = (1/N) (σ(input[i]) − target[i])

    input       logits, any shape
    target      0, 1, or a probability between; of input's shape, or a single number
    weight      factor for each term, broadcast to input's shape; or None
    reduction   "mean" over all N elements, "sum", or "none" for the terms themselves
    pos_weight  factor for the terms of target 1, broadcast to input's shape (one for each class of the
                last axis), against rare positives; or None

    Raises ArgumentError for targets outside 0 to 1, ShapeError for different shapes.
    Source: Bishop 2006, eq. 4.90 and 4.91.

    >>> import deltarule as dr
    >>> dr.binary_cross_entropy_with_logits(dr.tensor([0.0, 1000.0]), dr.tensor([1.0, 1.0]), reduction="none")
    tensor([0.6931472, 0.       ], dtype=float32)
    """
    who = "binary_cross_entropy_with_logits"
    require_reduction(who, reduction)
    input, target = same_shape(who, *promote((input, target), True, who))
    require_between_0_and_1(who, "target", target, "For several classes use cross_entropy.")
    if pos_weight is None and weight is None:
        return pointwise(BINARY_CROSS_ENTROPY_WITH_LOGITS, input, target, reduction)
    if pos_weight is None:
        terms = pointwise(BINARY_CROSS_ENTROPY_WITH_LOGITS, input, target, "none")
    else:
        factor = _factor(who, "pos_weight", pos_weight, input)
        terms = _weighted_with_logits(input, target, factor)
    if weight is None:
        require_elements(who, terms.shape, reduction)
        return reduced(terms, reduction)
    return _weighted(who, terms, weight, reduction)


def kl_div(input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback-Leibler divergence of target probabilities from log-probabilities.

    y = Σ_i target[i] (ln target[i] − input[i]), divided as the reduction says
    with log_target:  Σ_i e^target[i] (target[i] − input[i])

    input       log-probabilities, any shape, e.g. from dr.log_softmax
    target      probabilities of input's shape (0 contributes 0); log-probabilities with log_target
    reduction   "batchmean" divides by the length of the first axis, which is the divergence as it is
                defined; "mean" divides by the number of elements, "sum" by nothing, "none" keeps terms

    Note PyTorch's order: the model's output first. Raises ShapeError for different shapes,
    ArgumentError for another reduction or negative targets. Source: Kullback & Leibler 1951.

    >>> import deltarule as dr
    >>> logs = dr.log(dr.tensor([[0.5, 0.5]]))
    >>> dr.kl_div(logs, dr.tensor([[1.0, 0.0]]), reduction="batchmean")
    tensor(0.6931472, dtype=float32)
    """
    who = "kl_div"
    require_reduction(who, reduction, ("mean", "batchmean", "sum", "none"))
    input, target = same_shape(who, *promote((input, target), True, who))
    if not log_target:
        checked(_require_probabilities, target)
    operation = KL_DIV_OF_LOGS if log_target else KL_DIV
    if reduction != "batchmean":
        return pointwise(operation, input, target, reduction)
    if not input.ndim or not input.shape[0]:
        raise ShapeError(
            who, f"batchmean needs a batch, input has shape {input.shape}", "Use reduction='sum'."
        )
    return divide(pointwise(operation, input, target, "sum"), float(input.shape[0]))


def _factor(who: str, name: str, value: Any, input: Tensor) -> Tensor:
    """A weight in the input's type, if it spreads to the input's shape."""
    factor = converted(value, input.dtype)
    try:
        fits = np.broadcast_shapes(factor.shape, input.shape) == input.shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(who, f"{name} of shape {factor.shape} does not spread to input's {input.shape}")
    return factor


def _weighted(who: str, terms: Tensor, weight: Any, reduction: str) -> Tensor:
    factor = _factor(who, "weight", weight, terms)
    require_elements(who, terms.shape, reduction)
    return reduced(multiply(terms, factor), reduction)


def _require_probabilities(target: Array) -> None:
    if target.size and float(target.min()) < 0:
        raise ArgumentError(
            "kl_div",
            f"target expected probabilities, got {float(target.min()):g}",
            "For log-probabilities set log_target=True.",
        )
