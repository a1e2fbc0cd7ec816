"""The affine map of a fully-connected layer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from deltarule.autodiff.formula.expression import Equation, Expression, Index, Sum, array_function
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.kernels import linear_algebra as kernels
from deltarule.operations.arithmetic import add
from deltarule.operations.elementwise import promote
from deltarule.operations.linear_algebra import matmul, matrix_transpose


class _Linear(Group):
    name = "linear"
    inputs = ("x", "weight", "bias")
    reads = ("x", "weight")

    def shape(self, x: Shape, weight: Shape, bias: Shape | None = None) -> Shape:
        if len(weight) != 2:
            raise ShapeError(
                "linear", f"weight expected shape (out_features, in_features), got {weight}", "Use two axes."
            )
        if not x or x[-1] != weight[1]:
            found = x[-1] if x else "no axes"
            raise ShapeError(
                "linear",
                f"weight expects {weight[1]} input features, x has {found} (x {x}, weight {weight})",
                f"Did you mean Linear(in_features={found})?" if x else "Give x a last axis of features.",
            )
        if bias is not None and bias != weight[:1]:
            raise ShapeError(
                "linear",
                f"bias expected shape {weight[:1]}, got {bias} (weight {weight})",
                "It needs one element for each output feature.",
            )
        return (*x[:-1], weight[0])

    def open(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        product = matmul(x, matrix_transpose(weight))
        return product if bias is None else add(product, bias)

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        return kernels.linear(x, weight, bias)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        x, weight, *bias = node.inputs
        gradients: list[Array | None] = [None] * len(node.inputs)
        if x._requires_grad:
            gradients[0] = kernels.linear_gradient_x(upstream, weight._array)
        if weight._requires_grad:
            gradients[1] = kernels.linear_gradient_weight(upstream, x._array)
        if bias and bias[0]._requires_grad:
            gradients[2] = kernels.linear_gradient_bias(upstream)
        return gradients

    def formula(self, call: Call) -> Formula:
        x, weight, y, grad = call.symbol("x"), call.symbol("weight"), call.symbol("y"), call.upstream()
        grad_x, grad_weight = call.gradient("x"), call.gradient("weight")
        out_features, in_features = call.shapes["weight"]
        rows = [
            Index(name, extent) for name, extent in zip(_row_names(), call.shapes["x"][:-1], strict=False)
        ]
        i, o = Index("i", in_features), Index("o", out_features)
        value: Expression = Sum(x.at([*rows, i]) * weight[o, i], i)
        whole: Expression = x @ weight.T
        gradients = {
            "x": form(
                Equation(grad_x.at([*rows, i]), Sum(grad.at([*rows, o]) * weight[o, i], o)),
                Equation(grad_x, grad @ weight),
            ),
            "weight": form(
                Equation(grad_weight[o, i], Sum(grad.at([*rows, o]) * x.at([*rows, i]), *rows)),
                Equation(grad_weight, _as_matrix(grad, call, "y").T @ _as_matrix(x, call, "x")),
            ),
        }
        if "bias" in call.shapes:
            bias, grad_bias = call.symbol("bias"), call.gradient("bias")
            value, whole = value + bias[o], whole + bias
            axes = tuple(range(len(rows)))
            gradients["bias"] = form(
                Equation(grad_bias[o], Sum(grad.at([*rows, o]), *rows)),
                Equation(grad_bias, array_function("sum", grad, axis=axes) if rows else grad),
            )
        return Formula(form(Equation(y.at([*rows, o]), value), Equation(y, whole)), gradients)


def _row_names() -> Iterator[str]:
    """n for the only batch axis, then m, l, k, and as many more as there may be."""
    yield from "nmlk"
    yield from (f"n_{position}" for position in itertools.count(5))


def _as_matrix(symbol: Expression, call: Call, name: str) -> Expression:
    """Matrix form: all axes but the last as one, where there is not exactly one."""
    *batch, features = call.shapes[name]
    if len(batch) == 1:
        return symbol
    rows = 1
    for extent in batch:
        rows *= extent
    return array_function("reshape", symbol, shape=(rows, features))


LINEAR = register(_Linear)


def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """Affine map of each row: the fully-connected layer.

    y[n, o] = Σ_i x[n, i] · weight[o, i] + bias[o];  Y = X Wᵀ + b
    ∂L/∂X = ∂L/∂Y · W,  ∂L/∂W = (∂L/∂Y)ᵀ X,  ∂L/∂b[o] = Σ_n ∂L/∂y[n, o]

    x        (..., in_features)
    weight   (out_features, in_features), as in PyTorch
    bias     (out_features,) or None
    returns  (..., out_features)

    Raises ShapeError if the last axis of x is not in_features, or weight or bias has another shape.
    Source: Rumelhart, Hinton & Williams 1986, eq. 1.

    >>> import deltarule as dr
    >>> weight, bias = dr.tensor([[1.0, 2.0], [3.0, 4.0]]), dr.tensor([0.5, -0.5])
    >>> dr.linear(dr.tensor([[1.0, 1.0]]), weight, bias)
    tensor([[3.5, 6.5]], dtype=float32)
    """
    operands = (x, weight) if bias is None else (x, weight, bias)
    return apply(LINEAR, *promote(operands, False, "linear"))
