"""Cross-entropy of logits against class numbers, and against class probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import derived
from deltarule.autodiff.formula.expression import Equation, Expression, Sum, function
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError
from deltarule.kernels import losses as kernels
from deltarule.operations.arithmetic import add, divide, multiply, negative
from deltarule.operations.class_targets import (
    ClassNotation,
    apply_to_classes,
    class_loss_shape,
    class_numbers,
    class_weight,
)
from deltarule.operations.elementwise import converted, promote
from deltarule.operations.loss_reduction import LOSS_SYMBOLS, count, require_reduction
from deltarule.operations.nll_loss import NLL_LOSS, counted_weights
from deltarule.operations.reductions import sum
from deltarule.operations.softmax import log_softmax


def _probabilities(at: ClassNotation) -> tuple[Equation, Equation]:
    """p, the softmax of the logits, in index form and in matrix form."""
    exponentials = function("exp", at.x)
    return (
        Equation(
            at.p.at(at.here),
            function("exp", at.x.at(at.here)) / Sum(function("exp", at.x.at(at.other)), at.k),
        ),
        Equation(at.p, exponentials / _sum_over_classes(exponentials, at)),
    )


def _sum_over_classes(whole: Expression, at: ClassNotation) -> Expression:
    """Sum over classes, with the class axis kept, so that it broadcasts to the logits."""
    return at.with_class_axis(at.sum_classes(whole))


class _CrossEntropy(Group):
    name = "cross_entropy"
    inputs = ("input", "target", "weight")
    reads = ("input", "target", "weight")
    saves = True
    symbols = LOSS_SYMBOLS

    def shape(
        self, input: Shape, target: Shape, weight: Shape | None = None, *, reduction: str, **options: Any
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
        label_smoothing: float,
    ) -> Tensor:
        axis = kernels.class_axis(input.ndim)
        logs = log_softmax(input, axis)
        constants = (target,) if weight is None else (target, weight)
        own = apply(NLL_LOSS, logs, *constants, reduction=reduction, ignore_index=ignore_index)
        if not label_smoothing:
            return own
        if weight is not None:
            logs = multiply(logs, derived(kernels.spread_classes, weight, ndim=input.ndim))
        others = negative(sum(logs, axis))
        kept = counted_weights(target, None, ignore_index, input.dtype)
        if kept is not None:
            others = multiply(others, kept)
        if reduction != "none":
            others = sum(others)
        if reduction == "mean":
            weights = counted_weights(target, weight, ignore_index, input.dtype)
            others = divide(others, float(target.size) if weights is None else derived(np.sum, weights))
        share = label_smoothing / input.shape[axis]
        return add(multiply(own, 1 - label_smoothing), multiply(others, share))

    def forward(self, input: Array, target: Array, weight: Array | None = None, **options: Any) -> Any:
        return kernels.cross_entropy(input, target, weight, **options)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        logits, target, *weight = (tensor._array for tensor in node.inputs)
        gradient = kernels.cross_entropy_gradient(
            upstream, node.saved, logits, target, weight[0] if weight else None, **node.parameters
        )
        return (gradient, *(None for _ in node.inputs[1:]))

    def formula(self, call: Call) -> Formula:
        at = ClassNotation(call)
        probabilities, whole_probabilities = _probabilities(at)
        index_lines, matrix_lines = [probabilities], [whole_probabilities]
        if not at.plain:
            wanted_lines, whole_wanted_lines = at.wanted()
            index_lines, matrix_lines = index_lines + wanted_lines, matrix_lines + whole_wanted_lines
        divisor = None
        if at.reduction == "mean":
            index_divisor, matrix_divisor, divisor = at.divisor()
            index_lines, matrix_lines = index_lines + index_divisor, matrix_lines + matrix_divisor
        scale, whole_scale = at.scale(divisor)
        logs, whole_logs = function("log", at.p.at(at.here)), function("log", at.p)
        if at.plain:
            own = list(at.here)
            own[at.axis] = at.target.at(at.positions)  # type: ignore[call-overload]
            term = -function("log", at.p.at(own))
            whole_terms = -at.sum_classes(at.whole_own_class() * whole_logs)
            slope = at.p.at(at.here) - at.own_class()
            whole_slope = at.p - at.whole_own_class()
        else:
            term = -Sum(at.q.at(at.here) * logs, at.c)
            whole_terms = -at.sum_classes(at.q * whole_logs)
            slope = at.p.at(at.here) * Sum(at.q.at(at.other), at.k) - at.q.at(at.here)
            whole_slope = at.p * _sum_over_classes(at.q, at) - at.q
        value, whole_value = at.reduce(term, whole_terms, divisor)
        gradient = form(
            Equation(at.grad_x.at(at.here), scale * slope), Equation(at.grad_x, whole_scale * whole_slope)
        )
        return Formula(form([*index_lines, value], [*matrix_lines, whole_value]), {"input": gradient})


class _SoftCrossEntropy(Group):
    name = "soft_cross_entropy"
    inputs = ("input", "target", "weight")
    reads = ("input", "target", "weight")
    saves = True
    symbols = LOSS_SYMBOLS

    def shape(
        self,
        input: Shape,
        target: Shape,
        weight: Shape | None = None,
        *,
        reduction: str,
        label_smoothing: float,
    ) -> Shape:
        return class_loss_shape("cross_entropy", input, target, weight, reduction, soft=True)

    def open(
        self,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        *,
        reduction: str,
        label_smoothing: float,
    ) -> Tensor:
        axis = kernels.class_axis(input.ndim)
        wanted = target
        if label_smoothing:
            wanted = add(multiply(target, 1 - label_smoothing), label_smoothing / input.shape[axis])
        if weight is not None:
            wanted = multiply(wanted, derived(kernels.spread_classes, weight, ndim=input.ndim))
        terms = negative(sum(multiply(wanted, log_softmax(input, axis)), axis))
        if reduction == "none":
            return terms
        return divide(sum(terms), float(terms.size)) if reduction == "mean" else sum(terms)

    def forward(self, input: Array, target: Array, weight: Array | None = None, **options: Any) -> Any:
        return kernels.soft_cross_entropy(input, target, weight, **options)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        weight = node.inputs[2]._array if len(node.inputs) > 2 else None
        gradients = kernels.soft_cross_entropy_gradients(
            upstream, node.saved, weight, **node.parameters, needed=(node.needs(0), node.needs(1))
        )
        return (*gradients, *(None for _ in node.inputs[2:]))

    def formula(self, call: Call) -> Formula:
        at = ClassNotation(call)
        target = call.symbol("target")
        probabilities, whole_probabilities = _probabilities(at)
        wanted, whole_wanted = at.smoothed(target.at(at.here)), at.smoothed(target)
        if at.weighted:
            wanted, whole_wanted = at.weigh(wanted), at.weigh_whole(whole_wanted)
        lines = [probabilities, Equation(at.q.at(at.here), wanted)]
        whole_lines = [whole_probabilities, Equation(at.q, whole_wanted)]
        divisor = count(at.position_shape) if at.reduction == "mean" else None
        logs, whole_logs = function("log", at.p.at(at.here)), function("log", at.p)
        value, whole_value = at.reduce(
            -Sum(at.q.at(at.here) * logs, at.c), -at.sum_classes(at.q * whole_logs), divisor
        )
        scale, whole_scale = at.scale(divisor)
        slope = at.p.at(at.here) * Sum(at.q.at(at.other), at.k) - at.q.at(at.here)
        whole_slope = at.p * _sum_over_classes(at.q, at) - at.q
        share, whole_share = -(scale * logs), -(whole_scale * whole_logs)
        if at.smoothing:
            share, whole_share = share * (1 - at.smoothing), whole_share * (1 - at.smoothing)
        if at.weighted:
            share, whole_share = at.weigh(share), at.weigh_whole(whole_share)
        return Formula(
            form([*lines, value], [*whole_lines, whole_value]),
            {
                "input": form(
                    Equation(at.grad_x.at(at.here), scale * slope),
                    Equation(at.grad_x, whole_scale * whole_slope),
                ),
                "target": form(
                    Equation(call.gradient("target").at(at.here), share),
                    Equation(call.gradient("target"), whole_share),
                ),
            },
        )


CROSS_ENTROPY = register(_CrossEntropy)
SOFT_CROSS_ENTROPY = register(_SoftCrossEntropy)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of logits: the loss of classification, from softmax and logarithm in one.

    p[n, c] = e^input[n, c] / Σ_k e^input[n, k]
    y = −(1/N) Σ_n ln p[n, target[n]];  ∂y/∂input[n, c] = (1/N) (p[n, c] − [c = target[n]])

    In general, with q[n, c] = weight[c] ((1 − ε) [c = target[n]] + ε / classes), ε = label_smoothing:

    y = −(1/D) Σ_{n, c} q[n, c] ln p[n, c],  D = Σ_n weight[target[n]]
    ∂y/∂input[n, c] = (1/D) (p[n, c] Σ_k q[n, k] − q[n, c])

    input            logits (classes,), (batch, classes) or (batch, classes, ...); of sequences
                     (batch, time, classes) reshape to (batch · time, classes) first
    target           integer class numbers, 0 to classes − 1, of input's shape without the class axis;
                     or floating class probabilities of input's shape, in place of [c = target[n]],
                     where D is the number of positions
    weight           (classes,) factors of at least 0, constants; or None for 1 each
    ignore_index     class number of positions that are left out
    reduction        "mean" over what counts, by weight; "sum"; or "none" for the terms of all positions
    label_smoothing  ε, 0 to 1: share of the target that is spread over all classes

    Computed without overflow, in nats. It opens into log_softmax and nll_loss.
    Raises OutOfBoundsError for a target that is no class, DTypeError for numbers of the wrong kind,
    ShapeError where shapes do not fit, ArgumentError for options out of range or where a mean has
    nothing to average (PyTorch gives NaN).
    Source: Bishop 2006, eq. 4.108 and 4.109; label smoothing: Szegedy et al. 2016, sec. 7.

    >>> import deltarule as dr
    >>> logits = dr.tensor([[0.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> loss = dr.cross_entropy(logits, dr.tensor([0, 1]))
    >>> loss.backward()
    >>> logits.grad.tolist()
    [[-0.25, 0.25], [0.25, -0.25]]
    """
    who = "cross_entropy"
    require_reduction(who, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(who, f"label_smoothing expected 0 to 1, got {label_smoothing!r}")
    (input,) = promote((input,), True, who)
    target = as_tensor(target)
    constants = [] if weight is None else [class_weight(who, weight, input.dtype)]
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": float(label_smoothing)}
    if target.dtype.kind == "f" and target.shape == input.shape and input.ndim:
        return apply(SOFT_CROSS_ENTROPY, input, converted(target, input.dtype), *constants, **options)
    options["ignore_index"] = ignore_index
    return apply_to_classes(CROSS_ENTROPY, [input, class_numbers(who, target), *constants], options)
