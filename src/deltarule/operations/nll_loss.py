"""Negative log-likelihood of class numbers under given log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import derived
from deltarule.autodiff.formula.expression import Equation, Sum
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.kernels import losses as kernels
from deltarule.operations.arithmetic import divide, multiply, negative
from deltarule.operations.class_targets import (
    ClassNotation,
    apply_to_classes,
    class_loss_shape,
    class_numbers,
    class_weight,
)
from deltarule.operations.elementwise import promote
from deltarule.operations.indexing import take_along_axis
from deltarule.operations.loss_reduction import LOSS_SYMBOLS, require_reduction
from deltarule.operations.reductions import sum
from deltarule.operations.shape import expand_dims


def counted_weights(
    target: Tensor, weight: Tensor | None, ignore_index: int | None, dtype: Any
) -> Tensor | None:
    """Weight of each position as a constant; None if all are 1."""
    if weight is None and ignore_index is None:
        return None
    given = () if weight is None else (weight,)
    return derived(kernels.counted_weights, target, *given, ignore_index=ignore_index, dtype=dtype)


class _NLLLoss(Group):
    name = "nll_loss"
    inputs = ("input", "target", "weight")
    reads = ("input", "target", "weight")
    symbols = LOSS_SYMBOLS

    def shape(
        self,
        input: Shape,
        target: Shape,
        weight: Shape | None = None,
        *,
        reduction: str,
        ignore_index: int | None,
    ) -> Shape:
        return class_loss_shape(self.name, input, target, weight, reduction)

    def open(
        self,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        *,
        reduction: str,
        ignore_index: int | None,
    ) -> Tensor:
        axis = kernels.class_axis(input.ndim)
        classes = target
        if ignore_index is not None:
            classes = derived(kernels.counted_classes, target, ignore_index=ignore_index)
        picked = take_along_axis(input, expand_dims(classes, axis), axis=axis)
        terms = negative(sum(picked, axis))
        weights = counted_weights(target, weight, ignore_index, input.dtype)
        if weights is not None:
            terms = multiply(terms, weights)
        if reduction == "none":
            return terms
        total = sum(terms)
        if reduction == "sum":
            return total
        return divide(total, float(terms.size) if weights is None else derived(np.sum, weights))

    def forward(self, input: Array, target: Array, weight: Array | None = None, **options: Any) -> Array:
        return kernels.nll(input, target, weight, **options)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        input, target, *weight = (tensor._array for tensor in node.inputs)
        gradient = kernels.nll_gradient(
            upstream, input, target, weight[0] if weight else None, **node.parameters
        )
        return (gradient, *(None for _ in node.inputs[1:]))

    def formula(self, call: Call) -> Formula:
        at = ClassNotation(call)
        index_lines, matrix_lines = ([], []) if at.plain else at.wanted()
        divisor = None
        if at.reduction == "mean":
            index_divisor, matrix_divisor, divisor = at.divisor()
            index_lines, matrix_lines = index_lines + index_divisor, matrix_lines + matrix_divisor
        wanted = at.own_class() if at.plain else at.q.at(at.here)
        whole_wanted = at.whole_own_class() if at.plain else at.q
        if at.plain:
            own = list(at.here)
            own[at.axis] = at.target.at(at.positions)  # type: ignore[call-overload]
            term = -at.x.at(own)
        else:
            term = -Sum(wanted * at.x.at(at.here), at.c)
        value, whole_value = at.reduce(term, -at.sum_classes(whole_wanted * at.x), divisor)
        scale, whole_scale = at.scale(divisor)
        gradient = form(
            Equation(at.grad_x.at(at.here), -(scale * wanted)),
            Equation(at.grad_x, -(whole_scale * whole_wanted)),
        )
        return Formula(form([*index_lines, value], [*matrix_lines, whole_value]), {"input": gradient})


NLL_LOSS = register(_NLLLoss)


def nll_loss(
    input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Negative log-likelihood: minus the log-probability of each right class.

    y = −(1/D) Σ_n weight[t] input[n, t],  t = target[n],  D = Σ_n weight[t]
    ∂y/∂input[n, c] = −weight[t] [c = t] / D

    input         log-probabilities (classes,), (batch, classes) or (batch, classes, ...)
    target        integer class numbers, 0 to classes − 1, of input's shape without the class axis
    weight        (classes,) factors of at least 0, constants; or None for 1 each
    ignore_index  class number of positions that are left out
    reduction     "mean" over what counts, by weight; "sum"; or "none" for the terms of all positions

    Raises OutOfBoundsError for a target that is no class, DTypeError for targets that are not
    integers, ShapeError where shapes do not fit, ArgumentError where a mean has nothing to average
    (PyTorch gives NaN). Source: Bishop 2006, eq. 4.108.

    >>> import deltarule as dr
    >>> dr.nll_loss(dr.tensor([[-0.5, -2.0], [-3.0, -0.25]]), [0, 1], reduction="sum").item()
    0.75
    """
    who = "nll_loss"
    require_reduction(who, reduction)
    (input,) = promote((input,), True, who)
    tensors = [input, class_numbers(who, as_tensor(target))]
    if weight is not None:
        tensors.append(class_weight(who, weight, input.dtype))
    return apply_to_classes(NLL_LOSS, tensors, {"reduction": reduction, "ignore_index": ignore_index})
