"""Contrastive loss of pairs: similar ones together, dissimilar ones at a distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Sum,
    Symbol,
    array_function,
    equal,
    function,
    letters,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations.activations import relu
from deltarule.operations.arithmetic import add, multiply, square, subtract, where
from deltarule.operations.comparisons import greater
from deltarule.operations.elementwise import converted, promote
from deltarule.operations.functions import sqrt
from deltarule.operations.loss_reduction import (
    count,
    reduced,
    reduced_shape,
    require_between_0_and_1,
    require_elements,
    require_reduction,
)
from deltarule.operations.reductions import sum


class _ContrastiveLoss(Group):
    name = "contrastive_loss"
    inputs = ("input1", "input2", "target")
    reads = ("input1", "input2", "target")
    saves = True
    symbols = {"input1": ("a", "A"), "input2": ("b", "B"), "target": ("t", "t"), "y": (r"\ell", r"\ell")}

    def shape(self, input1: Shape, input2: Shape, target: Shape, *, margin: float, reduction: str) -> Shape:
        if not input1 or input1 != input2:
            raise ShapeError(
                self.name,
                f"input1 has shape {input1}, input2 {input2}: expected the same, (..., features)",
                "Each row of one is the partner of that row of the other.",
            )
        if target != input1[:-1]:
            raise ShapeError(
                self.name,
                f"target has shape {target}, expected {input1[:-1]}",
                "It holds one number for each pair: 0 for similar, 1 for dissimilar.",
            )
        require_elements(self.name, target, reduction)
        return reduced_shape(target, reduction)

    def open(
        self, input1: Tensor, input2: Tensor, target: Tensor, *, margin: float, reduction: str
    ) -> Tensor:
        squared = sum(square(subtract(input1, input2)), -1)
        # √ has no slope at 0; equal vectors have distance 0 and, as their direction is unknown, no gradient.
        apart = greater(squared, 0.0)
        distance = where(apart, sqrt(where(apart, squared, 1.0)), 0.0)
        similar = multiply(subtract(1.0, target), squared)
        dissimilar = multiply(target, square(relu(subtract(margin, distance))))
        return reduced(multiply(add(similar, dissimilar), 0.5), reduction)

    def forward(self, input1: Array, input2: Array, target: Array, *, margin: float, reduction: str) -> Any:
        difference = input1 - input2
        squared = np.einsum("...i,...i->...", difference, difference)
        distance = np.sqrt(squared)
        lack = np.maximum(margin - distance, 0)
        terms = np.asarray(0.5 * ((1 - target) * squared + target * lack * lack))
        saved = (difference, squared, distance, lack)
        if reduction == "none":
            return terms, saved
        total = terms.sum()
        return (total / terms.size if reduction == "mean" else total), saved

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        difference, squared, distance, lack = node.saved
        target = node.inputs[2]._array
        scale = upstream / target.size if node.parameters["reduction"] == "mean" else upstream
        apart = np.where(distance > 0, distance, np.ones((), distance.dtype))
        pull = scale * ((1 - target) - target * lack / apart)
        gradient = np.expand_dims(pull, -1) * difference
        grad_target = np.asarray(scale * 0.5 * (lack * lack - squared)) if node.needs(2) else None
        return gradient, -gradient if node.needs(1) else None, grad_target

    def formula(self, call: Call) -> Formula:
        shape, margin = call.shapes["input1"], call.parameters["margin"]
        positions = letters(shape[:-1], avoid="k")
        (k,) = letters(shape[-1:], start=5)
        a, b, t, y = (call.symbol(name) for name in ("input1", "input2", "target", "y"))
        distance, pull = Symbol("d", len(positions)), Symbol("f", len(positions))
        inside = (*positions, k)
        d, label = distance.at(positions), t.at(positions)

        def cost(d: Expression, t: Expression) -> Expression:
            return 0.5 * ((1 - t) * function("square", d) + t * function("square", lack(d)))

        def lack(d: Expression) -> Expression:
            return function("maximum", margin - d, 0)

        def strength(d: Expression, t: Expression, u: Expression) -> Expression:
            return u * ((1 - t) - t * lack(d) / (d + equal(d, 0)))

        def label_slope(d: Expression, u: Expression) -> Expression:
            return u * (0.5 * (function("square", lack(d)) - function("square", d)))

        grad = call.upstream()
        upstream, whole_upstream = grad.at(positions) if call.shapes["y"] else grad, grad
        value, whole = cost(d, label), cost(distance, t)
        if call.parameters["reduction"] != "none":
            value, whole = Sum(value, *positions), array_function("sum_all", whole)
        if call.parameters["reduction"] == "mean":
            pairs = count(shape[:-1])
            value, whole = value / pairs, whole / pairs
            upstream = whole_upstream = grad / pairs
        left = y.at(positions) if call.parameters["reduction"] == "none" else y
        spread_pull = array_function("reshape", pull, shape=(*shape[:-1], 1))
        difference = a.at(inside) - b.at(inside)

        def gradient(name: str, sign: int) -> Any:
            grad_input = call.gradient(name)
            moved, whole_moved = pull.at(positions) * difference, spread_pull * (a - b)
            return form(
                [
                    Equation(pull.at(positions), strength(d, label, upstream)),
                    Equation(grad_input.at(inside), moved if sign > 0 else -moved),
                ],
                [
                    Equation(pull, strength(distance, t, whole_upstream)),
                    Equation(grad_input, whole_moved if sign > 0 else -whole_moved),
                ],
            )

        squares = array_function("sum", function("square", a - b), axis=-1)
        return Formula(
            form(
                [
                    Equation(d, function("sqrt", Sum(function("square", difference), k))),
                    Equation(left, value),
                ],
                [Equation(distance, function("sqrt", squares)), Equation(y, whole)],
            ),
            {
                "input1": gradient("input1", 1),
                "input2": gradient("input2", -1),
                "target": form(
                    Equation(call.gradient("target").at(positions), label_slope(d, upstream)),
                    Equation(call.gradient("target"), label_slope(distance, whole_upstream)),
                ),
            },
        )


CONTRASTIVE_LOSS = register(_ContrastiveLoss)


def contrastive_loss(
    input1: Any, input2: Any, target: Any, margin: float = 1.0, *, reduction: str = "mean"
) -> Tensor:
    """Loss of pairs of vectors: similar pairs are pulled together, dissimilar ones pushed apart.

    d[n] = ‖input1[n] − input2[n]‖
    y = (1/N) Σ_n ½ ((1 − target[n]) d[n]² + target[n] max(0, margin − d[n])²)
    ∂y/∂input1[n] = (1/N) ((1 − target[n]) − target[n] max(0, margin − d[n]) / d[n]) (input1[n] − input2[n])

    input1, input2  vectors (..., features), the same shape for both
    target          (...) 0 for a similar pair, 1 for a dissimilar one (as in the paper)
    margin          distance from which dissimilar pairs no longer matter, above 0
    reduction       "mean" over the N pairs, "sum", or "none" for the terms of all pairs

    The gradient of equal vectors is 0: no direction leads apart.
    Raises ShapeError where shapes do not fit, ArgumentError for targets outside 0 to 1 and options
    out of range. Source: Hadsell, Chopra & LeCun 2006, eq. 4.

    >>> import deltarule as dr
    >>> first, second = dr.tensor([[0.0, 0.0], [0.0, 0.0]]), dr.tensor([[3.0, 4.0], [0.0, 0.5]])
    >>> dr.contrastive_loss(first, second, [0, 1], reduction="none").tolist()
    [12.5, 0.125]
    """
    who = "contrastive_loss"
    require_reduction(who, reduction)
    if not margin > 0:
        raise ArgumentError(who, f"margin expected a number above 0, got {margin!r}")
    input1, input2 = promote((input1, input2), True, who)
    target = converted(target, input1.dtype)
    require_between_0_and_1(who, "target", target, "Use 0 for similar and 1 for dissimilar pairs.")
    return apply(CONTRASTIVE_LOSS, input1, input2, target, margin=float(margin), reduction=reduction)
