"""The hinge loss over several classes, that of a support vector machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import derived
from deltarule.autodiff.formula.expression import Equation, Number, Sum, Symbol, function, greater
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError
from deltarule.kernels import losses as kernels
from deltarule.operations.activations import relu
from deltarule.operations.arithmetic import add, divide, multiply, square, subtract
from deltarule.operations.class_targets import (
    ClassNotation,
    apply_to_classes,
    class_loss_shape,
    class_numbers,
    class_weight,
)
from deltarule.operations.elementwise import promote
from deltarule.operations.indexing import take_along_axis
from deltarule.operations.loss_reduction import LOSS_SYMBOLS, count, reduced, require_reduction
from deltarule.operations.reductions import sum
from deltarule.operations.shape import expand_dims


class _MultiMarginLoss(Group):
    name = "multi_margin_loss"
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
        p: int,
        margin: float,
    ) -> Shape:
        return class_loss_shape(self.name, input, target, weight, reduction)

    def open(
        self,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        *,
        reduction: str,
        p: int,
        margin: float,
    ) -> Tensor:
        axis = kernels.class_axis(input.ndim)
        own = take_along_axis(input, expand_dims(target, axis), axis=axis)
        excess = relu(add(subtract(input, own), margin))
        costs = excess if p == 1 else square(excess)
        # The right class itself has excess `margin`, which is no violation.
        classes = input.shape[axis]
        terms = divide(subtract(sum(costs, axis), margin**p if margin > 0 else 0.0), float(classes))
        if weight is not None:
            terms = multiply(terms, derived(kernels.weights_of, weight, target))
        return reduced(terms, reduction)

    def forward(
        self,
        input: Array,
        target: Array,
        weight: Array | None = None,
        *,
        reduction: str,
        p: int,
        margin: float,
    ) -> Any:
        return kernels.multi_margin(input, target, weight, reduction, p, margin)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        _, target, *weight = (tensor._array for tensor in node.inputs)
        reduction, power = node.parameters["reduction"], node.parameters["p"]
        gradient = kernels.multi_margin_gradient(
            upstream, node.saved, target, weight[0] if weight else None, reduction, power
        )
        return (gradient, *(None for _ in node.inputs[1:]))

    def formula(self, call: Call) -> Formula:
        at = ClassNotation(call)
        power, margin = call.parameters["p"], call.parameters["margin"]
        e, s = Symbol("e", at.ndim), Symbol("s", at.ndim)
        own = list(at.here)
        own[at.axis] = at.target.at(at.positions)  # type: ignore[call-overload]
        others, whole_others = 1 - at.own_class(), 1 - at.whole_own_class()
        whole_own = at.with_class_axis(at.sum_classes(at.whole_own_class() * at.x))
        excess = others * function("maximum", margin - at.x.at(own) + at.x.at(at.here), 0)
        whole_excess = whole_others * function("maximum", margin - whole_own + at.x, 0)
        here = e.at(at.here)
        cost, whole_cost = (here, e) if power == 1 else (function("square", here), function("square", e))
        slope, whole_slope = (greater(here, 0), greater(e, 0)) if power == 1 else (2 * here, 2 * e)
        weighed: Any = Number(1.0)
        whole_weighed: Any = Number(1.0)
        if at.weighted:
            weight = call.symbol("weight")
            weighed = weight.at([at.target.at(at.positions)])
            whole_weighed = at.sum_classes(at.whole_own_class() * at.class_row())
        term = Sum(cost, at.c) / at.classes
        whole_terms = at.sum_classes(whole_cost) / at.classes
        if at.weighted:
            term, whole_terms = weighed * term, whole_weighed * whole_terms
        divisor = count(at.position_shape) if at.reduction == "mean" else None
        value, whole_value = at.reduce(term, whole_terms, divisor)
        scale, whole_scale = at.scale(divisor)
        if at.weighted:
            scale, whole_scale = scale * weighed, whole_scale * at.with_class_axis(whole_weighed)
        gradient = form(
            [
                Equation(s.at(at.here), scale * slope / at.classes),
                Equation(at.grad_x.at(at.here), s.at(at.here) - at.own_class() * Sum(s.at(at.other), at.k)),
            ],
            [
                Equation(s, whole_scale * whole_slope / at.classes),
                Equation(at.grad_x, s - at.whole_own_class() * at.with_class_axis(at.sum_classes(s))),
            ],
        )
        return Formula(
            form([Equation(here, excess), value], [Equation(e, whole_excess), whole_value]),
            {"input": gradient},
        )


MULTI_MARGIN_LOSS = register(_MultiMarginLoss)


def multi_margin_loss(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, *, reduction: str = "mean"
) -> Tensor:
    """Hinge loss over several classes: each wrong class costs what its score lacks in distance.

    e[n, c] = max(0, margin − input[n, t] + input[n, c]) for c ≠ t,  t = target[n]
    y = (1/N) Σ_n weight[t] (1/classes) Σ_c e[n, c]^p

    input      scores (classes,), (batch, classes) or (batch, classes, ...)
    target     integer class numbers, 0 to classes − 1, of input's shape without the class axis
    p          1 or 2
    margin     how far the right class's score must be ahead, at least 0
    weight     (classes,) factors of at least 0, constants; or None for 1 each
    reduction  "mean" over the N positions, "sum", or "none" for the terms of all positions

    The gradient is 0 where an excess is exactly 0. As in PyTorch the sum over classes is divided by
    their number; textbooks often leave that out.
    Raises OutOfBoundsError for a target that is no class, DTypeError for targets that are not
    integers, ShapeError where shapes do not fit, ArgumentError for options out of range.
    Source: Crammer & Singer 2001; Weston & Watkins 1999 (this sum over classes).

    >>> import deltarule as dr
    >>> scores = dr.tensor([[3.25, 5.125, -1.75]])
    >>> (dr.multi_margin_loss(scores, [0]) * 3).item()
    2.875
    """
    who = "multi_margin_loss"
    require_reduction(who, reduction)
    if p not in (1, 2):
        raise ArgumentError(who, f"p expected 1 or 2, got {p!r}")
    if not margin >= 0:
        raise ArgumentError(who, f"margin expected at least 0, got {margin!r}")
    (input,) = promote((input,), True, who)
    tensors = [input, class_numbers(who, as_tensor(target))]
    if weight is not None:
        tensors.append(class_weight(who, weight, input.dtype))
    options = {"reduction": reduction, "p": int(p), "margin": float(margin)}
    return apply_to_classes(MULTI_MARGIN_LOSS, tensors, options)
