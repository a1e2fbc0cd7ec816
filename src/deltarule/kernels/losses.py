"""Kernels of the losses over classes: value and gradient in one pass each.

`target` holds class numbers; the class axis of the logits is 1, or 0 where there is no batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native import softmaxes as native

Array = NDArray[Any]


def class_axis(ndim: int) -> int:
    """Position of the class axis: after the batch, if there is one."""
    return 1 if ndim > 1 else 0


def pick(values: Array, classes: Array) -> Array:
    """values[n, classes[n], ...] for each position."""
    if values.ndim == 2:
        return values[np.arange(len(values)), classes]
    axis = class_axis(values.ndim)
    return np.take_along_axis(values, np.expand_dims(classes, axis), axis).squeeze(axis)


def add_at(values: Array, classes: Array, amounts: Any) -> None:
    """values[n, classes[n], ...] += amounts[n, ...], in place; each position is met once."""
    if values.ndim == 2:
        values[np.arange(len(values)), classes] += amounts
        return
    axis = class_axis(values.ndim)
    places = np.expand_dims(classes, axis)
    sums = np.take_along_axis(values, places, axis) + np.expand_dims(amounts, axis)
    np.put_along_axis(values, places, sums, axis)


def kept_positions(target: Array, ignore_index: int | None) -> tuple[Array, Array | None]:
    """(class numbers with ignored ones replaced by 0, which positions are kept or None for all)."""
    if ignore_index is None:
        return target, None
    kept = target != ignore_index
    return np.where(kept, target, 0), kept


def position_weights(classes: Array, kept: Array | None, weight: Array | None, dtype: Any) -> Array | None:
    """Weight of each position: that of its class, 0 where ignored; None if all are 1."""
    if weight is None:
        return None if kept is None else kept.astype(dtype)
    weights = weight[classes].astype(dtype, copy=False)
    return weights if kept is None else weights * kept


def counted_classes(target: Array, *, ignore_index: int) -> Array:
    """Class numbers with ignored ones replaced by 0."""
    return np.where(target != ignore_index, target, 0)


def weights_of(weight: Array, classes: Array) -> Array:
    """The weight of each position's class."""
    return weight[classes]


def counted_weights(
    target: Array, weight: Array | None = None, *, ignore_index: int | None, dtype: Any
) -> Array | None:
    """Weight of each position; None if all are 1."""
    return position_weights(*kept_positions(target, ignore_index), weight, dtype)


def total_weight(weights: Array | None, positions: int) -> float:
    """What a mean over positions divides by."""
    return float(positions) if weights is None else float(weights.sum())


def times(values: Array, weights: Array | None) -> Array:
    """The values of positions by their weights, where there are any."""
    return values if weights is None else values * weights


def along_classes(values: Array, ndim: int) -> Array:
    """Values of positions with the class axis back, of length 1."""
    return np.expand_dims(values, class_axis(ndim))


def spread_classes(weight: Array, ndim: int) -> Array:
    """Values of classes in a shape that broadcasts to logits of `ndim` axes."""
    return weight.reshape((-1,) + (1,) * (ndim - class_axis(ndim) - 1))


def nll(
    log_probabilities: Array, target: Array, weight: Array | None, reduction: str, ignore_index: int | None
) -> Any:
    """−w[t] x[n, t], reduced."""
    classes, kept = kept_positions(target, ignore_index)
    weights = position_weights(classes, kept, weight, log_probabilities.dtype)
    terms = -times(pick(log_probabilities, classes), weights)
    return reduce_terms(terms, weights, reduction)


def nll_gradient(
    upstream: Array,
    log_probabilities: Array,
    target: Array,
    weight: Array | None,
    reduction: str,
    ignore_index: int | None,
) -> Array:
    """∂L/∂x[n, c] = −scale[n] w[t] [c = t]."""
    classes, kept = kept_positions(target, ignore_index)
    weights = position_weights(classes, kept, weight, log_probabilities.dtype)
    scale = position_scale(upstream, weights, classes, reduction)
    gradient = np.zeros_like(log_probabilities)
    add_at(gradient, classes, np.broadcast_to(-times(scale, weights), classes.shape))
    return gradient


def reduce_terms(terms: Array, weights: Array | None, reduction: str) -> Any:
    """The terms of positions, their sum, or their mean by weight."""
    if reduction == "none":
        return terms
    total = terms.sum()
    return total if reduction == "sum" else total / total_weight(weights, terms.size)


def position_scale(upstream: Array, weights: Array | None, classes: Array, reduction: str) -> Array:
    """∂L/∂term of each position (or one for all of them)."""
    return upstream / total_weight(weights, classes.size) if reduction == "mean" else upstream


def cross_entropy(
    logits: Array,
    target: Array,
    weight: Array | None,
    reduction: str,
    ignore_index: int | None,
    label_smoothing: float,
) -> tuple[Any, tuple[Array, ...]]:
    """(−Σ_c q[n, c] ln p[n, c], reduced; what the gradient needs)."""
    if weight is None and not label_smoothing:
        found = native.cross_entropy(logits, target, reduction, ignore_index)
        if found is not None:
            return found
    return plain_cross_entropy(logits, target, weight, reduction, ignore_index, label_smoothing)


def plain_cross_entropy(
    logits: Array,
    target: Array,
    weight: Array | None,
    reduction: str,
    ignore_index: int | None,
    label_smoothing: float,
) -> tuple[Any, tuple[Array, Array]]:
    """The twin in NumPy, which keeps exponentials and their sums for the gradient."""
    axis = class_axis(logits.ndim)
    shifted, exponentials, sums = exponentials_of(logits, axis)
    log_sums = np.log(sums)
    classes, kept = kept_positions(target, ignore_index)
    weights = position_weights(classes, kept, weight, logits.dtype)
    terms = log_sums.squeeze(axis) - pick(shifted, classes)
    if label_smoothing:
        terms = (1 - label_smoothing) * times(terms, weights)
        share = label_smoothing / logits.shape[axis]
        shifted -= log_sums
        if weight is not None:
            shifted *= spread_classes(weight.astype(logits.dtype, copy=False), logits.ndim)
        terms -= share * times(shifted.sum(axis), None if kept is None else kept.astype(logits.dtype))
    else:
        terms = times(terms, weights)
    return reduce_terms(terms, weights, reduction), (exponentials, sums)


def cross_entropy_gradient(
    upstream: Array,
    saved: tuple[Array, ...],
    logits: Array,
    target: Array,
    weight: Array | None,
    reduction: str,
    ignore_index: int | None,
    label_smoothing: float,
) -> Array:
    """∂L/∂logits = scale[n] (p[n, c] Σ_k q[n, k] − q[n, c]); without options p − one-hot."""
    if isinstance(saved, native.Saved):
        return native.cross_entropy_gradient(upstream, logits, saved, target, reduction, ignore_index)
    return plain_cross_entropy_gradient(
        upstream, saved, target, weight, reduction, ignore_index, label_smoothing
    )


def plain_cross_entropy_gradient(
    upstream: Array,
    saved: tuple[Array, ...],
    target: Array,
    weight: Array | None,
    reduction: str,
    ignore_index: int | None,
    label_smoothing: float,
) -> Array:
    """The twin in NumPy."""
    exponentials, sums = saved
    ndim, axis = exponentials.ndim, class_axis(exponentials.ndim)
    dtype = exponentials.dtype
    classes, kept = kept_positions(target, ignore_index)
    weights = position_weights(classes, kept, weight, dtype)
    scale = position_scale(upstream, weights, classes, reduction)
    target_share = np.broadcast_to(times(scale, weights), classes.shape)
    if not label_smoothing:
        gradient = exponentials * (along_classes(target_share, ndim) / sums)
        add_at(gradient, classes, -target_share)
        return gradient
    count = exponentials.shape[axis]
    other_share = scale * (label_smoothing / count)
    if kept is not None:
        other_share = other_share * kept
    other_share = along_classes(np.broadcast_to(other_share, classes.shape), ndim)
    target_share = (1 - label_smoothing) * target_share
    total = float(count) if weight is None else float(weight.sum())
    gradient = exponentials * ((along_classes(target_share, ndim) + total * other_share) / sums)
    if weight is None:
        gradient -= other_share
    else:
        gradient -= other_share * spread_classes(weight.astype(dtype, copy=False), ndim)
    add_at(gradient, classes, -target_share)
    return gradient


def exponentials_of(logits: Array, axis: int) -> tuple[Array, Array, Array]:
    """(x − max x, e^(x − max x), its sums along the class axis), none of which overflows."""
    shifted = logits - logits.max(axis, keepdims=True)
    exponentials = np.exp(shifted)
    return shifted, exponentials, exponentials.sum(axis, keepdims=True)


def soft_cross_entropy(
    logits: Array, target: Array, weight: Array | None, reduction: str, label_smoothing: float
) -> tuple[Any, tuple[Array, Array, Array]]:
    """(−Σ_c w[c] q[n, c] ln p[n, c], reduced; ln p, p and w q for the gradient)."""
    axis = class_axis(logits.ndim)
    shifted, exponentials, sums = exponentials_of(logits, axis)
    shifted -= np.log(sums)
    exponentials /= sums
    wanted = target
    if label_smoothing:
        wanted = target * (1 - label_smoothing) + label_smoothing / logits.shape[axis]
    if weight is not None:
        wanted = wanted * spread_classes(weight.astype(logits.dtype, copy=False), logits.ndim)
    terms = -(wanted * shifted).sum(axis)
    return reduce_terms(terms, None, reduction), (shifted, exponentials, wanted)


def soft_cross_entropy_gradients(
    upstream: Array,
    saved: tuple[Array, Array, Array],
    weight: Array | None,
    reduction: str,
    label_smoothing: float,
    needed: tuple[bool, bool],
) -> tuple[Array | None, Array | None]:
    """(∂L/∂logits, ∂L/∂target), each if it is needed."""
    log_probabilities, probabilities, wanted = saved
    ndim, axis = probabilities.ndim, class_axis(probabilities.ndim)
    positions = probabilities.size // probabilities.shape[axis]
    scale = upstream / float(positions) if reduction == "mean" else upstream
    if reduction == "none":
        scale = along_classes(scale, ndim)
    grad_logits = grad_target = None
    if needed[0]:
        grad_logits = probabilities * wanted.sum(axis, keepdims=True)
        grad_logits -= wanted
        grad_logits *= scale
    if needed[1]:
        grad_target = log_probabilities * (scale * -(1 - label_smoothing))
        if weight is not None:
            grad_target *= spread_classes(weight.astype(grad_target.dtype, copy=False), ndim)
    return grad_logits, grad_target


def multi_margin(
    scores: Array, target: Array, weight: Array | None, reduction: str, power: int, margin: float
) -> tuple[Any, Array]:
    """((1/C) Σ_{c≠t} w[t] max(0, margin − x[t] + x[c])^power, reduced; the excesses for the gradient)."""
    axis = class_axis(scores.ndim)
    excess = scores - along_classes(pick(scores, target) - margin, scores.ndim)
    np.maximum(excess, 0, out=excess)
    add_at(excess, target, -pick(excess, target))
    terms = (excess if power == 1 else excess * excess).sum(axis) / float(scores.shape[axis])
    terms = times(terms, position_weights(target, None, weight, scores.dtype))
    return reduce_terms(terms, None, reduction), excess


def multi_margin_gradient(
    upstream: Array, excess: Array, target: Array, weight: Array | None, reduction: str, power: int
) -> Array:
    """∂L/∂x[n, c] = s[n, c] − [c = t] Σ_k s[n, k],  s = scale[n] w[t] power excess^(power − 1) / C."""
    axis = class_axis(excess.ndim)
    scale = position_scale(upstream, None, target, reduction)
    scale = times(scale, position_weights(target, None, weight, excess.dtype)) / float(excess.shape[axis])
    slopes = (excess > 0).astype(excess.dtype) if power == 1 else 2 * excess
    slopes *= along_classes(np.broadcast_to(scale, target.shape), excess.ndim)
    add_at(slopes, target, -slopes.sum(axis))
    return slopes
