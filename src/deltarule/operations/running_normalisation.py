"""The record of batch normalisation in evaluation mode: mean and variance are given, not computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Sum,
    Symbol,
    array_function,
    function,
    letters,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.kernels.normalisation import scale_channels
from deltarule.operations.arithmetic import add, divide, multiply, subtract
from deltarule.operations.functions import sqrt
from deltarule.operations.shape import reshape


def _wide(x: Shape) -> Shape:
    return (1, x[1], *[1] * (len(x) - 2))


class _BatchNormEvaluation(Group):
    name = "batch_norm_evaluation"
    inputs = ("x", "running_mean", "running_var", "weight", "bias")
    reads = ("x", "running_mean", "running_var", "weight")
    symbols = {
        "running_mean": (r"\mu", r"\mu"),
        "running_var": (r"\sigma^2", r"\sigma^2"),
        "deviation": (r"\sigma", r"\sigma"),
        "normalised": (r"\hat{x}", r"\hat{X}"),
    }

    def shape(self, x: Shape, *channelwise: Shape, eps: float) -> Shape:
        if len(x) < 2:
            raise ShapeError(
                "batch_norm", f"x expected at least 2 axes (batch, channels, ...), got shape {x}"
            )
        for name, shape in zip(self.inputs[1:], channelwise, strict=False):
            if shape != (x[1],):
                raise ShapeError("batch_norm", f"{name} expected shape {(x[1],)}, got {shape} (x {x})")
        return x

    def open(self, x: Tensor, mean: Tensor, variance: Tensor, *affine: Tensor, eps: float) -> Tensor:
        wide = _wide(x.shape)
        y = divide(subtract(x, reshape(mean, wide)), reshape(sqrt(add(variance, eps)), wide))
        if affine:
            y = multiply(y, reshape(affine[0], wide))
        return add(y, reshape(affine[1], wide)) if len(affine) > 1 else y

    def forward(self, x: Array, mean: Array, variance: Array, *affine: Array, eps: float) -> Array:
        weight, bias = (*affine, None, None)[:2]
        return scale_channels(x, mean, _inverse(variance, eps), weight, bias)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        x, mean, variance, *affine = (tensor._array for tensor in node.inputs)
        eps, wide, axes = node.parameters["eps"], _wide(x.shape), (0, *range(2, x.ndim))
        inverse = _inverse(variance, eps)
        scale = inverse * affine[0] if affine else inverse
        gradients: list[Array | None] = [None] * len(node.inputs)
        if node.needs(0):
            gradients[0] = scale_channels(upstream, np.zeros_like(mean), scale, None, None)
        needed = [node.needs(position) for position in range(len(node.inputs))]
        if any(needed[1:]):
            total = np.add.reduce(upstream, axis=axes)
            gradients[1] = -total * scale
            if len(affine) > 1:
                gradients[4] = total
        if needed[2] or (affine and needed[3]):
            aligned = np.add.reduce(upstream * (x - mean.reshape(wide)), axis=axes)
            gradients[2] = aligned * scale / (variance + eps) * -0.5
            if affine:
                gradients[3] = aligned / np.sqrt(variance + eps)
        return [gradient if wanted else None for gradient, wanted in zip(gradients, needed, strict=True)]

    def formula(self, call: Call) -> Formula:
        x, y, upstream, eps = call.symbol("x"), call.symbol("y"), call.upstream(), call.parameters["eps"]
        mean, variance = call.symbol("running_mean"), call.symbol("running_var")
        shape = call.shapes["x"]
        wide, axes = _wide(shape), (0, *range(2, len(shape)))
        n, c, *rest = Index("n", shape[0]), Index("c", shape[1]), *letters(shape[2:], avoid="nc")
        element, others = (n, c, *rest), (n, *rest)
        deviation, normalised = Symbol("deviation", 1), Symbol("normalised", x.ndim)

        def spread(symbol: Expression) -> Expression:
            return array_function("reshape", symbol, shape=wide)

        def summed(body: Expression) -> Expression:
            return array_function("sum", body, axis=axes)

        scaled, whole_scaled = normalised.at(element), normalised
        delta, whole_delta = upstream.at(element), upstream
        if "weight" in call.shapes:
            weight = call.symbol("weight")
            scaled, whole_scaled = scaled * weight[c], whole_scaled * spread(weight)
            delta, whole_delta = delta * weight[c], whole_delta * spread(weight)
        if "bias" in call.shapes:
            bias = call.symbol("bias")
            scaled, whole_scaled = scaled + bias[c], whole_scaled + spread(bias)
        centred, whole_centred = x.at(element) - mean[c], x - spread(mean)
        gradients = {
            "x": form(
                Equation(call.gradient("x").at(element), delta / deviation[c]),
                Equation(call.gradient("x"), whole_delta / spread(deviation)),
            ),
            "running_mean": form(
                Equation(call.gradient("running_mean")[c], -Sum(delta, *others) / deviation[c]),
                Equation(call.gradient("running_mean"), -summed(whole_delta) / deviation),
            ),
            "running_var": form(
                Equation(
                    call.gradient("running_var")[c],
                    -0.5 * Sum(delta * normalised.at(element), *others) / (variance[c] + eps),
                ),
                Equation(
                    call.gradient("running_var"), -0.5 * summed(whole_delta * normalised) / (variance + eps)
                ),
            ),
        }
        if "weight" in call.shapes:
            gradients["weight"] = form(
                Equation(
                    call.gradient("weight")[c], Sum(upstream.at(element) * normalised.at(element), *others)
                ),
                Equation(call.gradient("weight"), summed(upstream * normalised)),
            )
        if "bias" in call.shapes:
            gradients["bias"] = form(
                Equation(call.gradient("bias")[c], Sum(upstream.at(element), *others)),
                Equation(call.gradient("bias"), summed(upstream)),
            )
        return Formula(
            form(
                (
                    Equation(deviation[c], function("sqrt", variance[c] + eps)),
                    Equation(normalised.at(element), centred / deviation[c]),
                    Equation(y.at(element), scaled),
                ),
                (
                    Equation(deviation, function("sqrt", variance + eps)),
                    Equation(normalised, whole_centred / spread(deviation)),
                    Equation(y, whole_scaled),
                ),
            ),
            gradients,
        )


def _inverse(variance: Array, eps: float) -> Array:
    inverse: Any = 1.0 / np.sqrt(variance + eps)
    return inverse


BATCH_NORM_EVALUATION = register(_BatchNormEvaluation)
