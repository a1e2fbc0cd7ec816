"""Products of matrices and their transpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Equation,
    Expression,
    Symbol,
    array_function,
    letters,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.kernels import linear_algebra as kernels
from deltarule.operations.broadcast import sum_array_to, sum_to
from deltarule.operations.einsum import EINSUM, contraction_formula
from deltarule.operations.elementwise import promote
from deltarule.operations.subscripts import gradient_subscripts


def _subscripts(a: Shape, b: Shape) -> str:
    """The same product as an einsum: batch axes from the right, rows i, columns j, summed k."""
    batch = "lmnopqrstuvwxyz"[: max(len(a), len(b), 2) - 2][::-1]
    of_a = batch[len(batch) - max(len(a) - 2, 0) :] + ("ik" if len(a) > 1 else "k")
    of_b = batch[len(batch) - max(len(b) - 2, 0) :] + ("kj" if len(b) > 1 else "k")
    return f"{of_a},{of_b}->{batch}{'i' if len(a) > 1 else ''}{'j' if len(b) > 1 else ''}"


class _Matmul(Operation):
    name = "matmul"
    inputs = ("a", "b")
    reads = ("a", "b")

    def shape(self, a: Shape, b: Shape) -> Shape:
        if not a or not b:
            raise ShapeError(
                "matmul",
                f"expected at least one axis, got shapes {a} and {b}",
                "Use * to multiply by a number.",
            )
        inner = b[-2:][0]
        if a[-1] != inner:
            raise ShapeError(
                "matmul",
                f"a has {a[-1]} columns, b has {inner} rows (a {a}, b {b})",
                "They must be equal: did you forget a transpose (x.mT)?",
            )
        try:
            batch = np.broadcast_shapes(a[:-2], b[:-2]) if len(a) > 2 or len(b) > 2 else ()
        except ValueError:
            raise ShapeError(
                "matmul",
                f"batch axes {a[:-2]} and {b[:-2]} do not broadcast (a {a}, b {b})",
                "Axes are matched from the last one; each pair must be equal or hold a 1.",
            ) from None
        return batch + (a[-2:-1] if len(a) > 1 else ()) + (b[-1:] if len(b) > 1 else ())

    def forward(self, a: Array, b: Array) -> Array:
        return kernels.matmul(a, b)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        a, b = node.inputs
        if a.ndim == 1 or b.ndim == 1:
            # A vector is a row on the left and a column on the right: einsum says both at once.
            return [
                apply(
                    EINSUM, upstream, node.inputs[1 - each], subscripts=_vector_rule(a.shape, b.shape, each)
                )
                if node.needs(each)
                else None
                for each in (0, 1)
            ]
        grad_a = sum_to(apply(MATMUL, upstream, matrix_transpose(b)), a.shape) if node.needs(0) else None
        grad_b = sum_to(apply(MATMUL, matrix_transpose(a), upstream), b.shape) if node.needs(1) else None
        return grad_a, grad_b

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        a, b = (tensor._array for tensor in node.inputs)
        if a.ndim == 1 or b.ndim == 1:
            return super().backward_kernel(node, upstream)
        grad_a = grad_b = None
        if node.needs(0):
            grad_a = sum_array_to(kernels.matmul(upstream, b.swapaxes(-1, -2)), a.shape)
        if node.needs(1):
            if b.ndim == 2:
                grad_b = kernels.linear_gradient_weight(a, upstream)
            else:
                grad_b = sum_array_to(np.matmul(a.swapaxes(-1, -2), upstream), b.shape)
        return grad_a, grad_b

    def formula(self, call: Call) -> Formula:
        a, b, y, grad = call.symbol("a"), call.symbol("b"), call.symbol("y"), call.upstream()
        shapes = call.shapes["a"], call.shapes["b"]
        general = contraction_formula(call, _subscripts(*shapes), ("a", "b"))
        whole = {"a": _grad_a(shapes, grad, b), "b": _grad_b(shapes, grad, a)}
        return Formula(
            form(general.value.index, Equation(y, a @ b)),
            {
                name: form(written.index, Equation(call.gradient(name), whole[name]))
                for name, written in general.gradients.items()
            },
        )


def _vector_rule(a: Shape, b: Shape, position: int) -> str:
    return gradient_subscripts(_subscripts(a, b), (a, b), position).subscripts


def _grad_a(shapes: tuple[Shape, Shape], grad: Symbol, b: Symbol) -> Expression:
    """Matrix form of the gradient of a."""
    if len(shapes[0]) == len(shapes[1]) == 1:
        return grad * b
    if len(shapes[0]) > 1 and len(shapes[1]) > 1:
        return _summed_to(shapes[0], shapes[1], grad @ b.T)
    if max(map(len, shapes)) == 2:
        return b @ grad if len(shapes[0]) == 1 else array_function("outer", grad, b)
    return array_function("einsum", grad, b, subscripts=_vector_rule(*shapes, 0))


def _grad_b(shapes: tuple[Shape, Shape], grad: Symbol, a: Symbol) -> Expression:
    """Matrix form of the gradient of b."""
    if len(shapes[0]) == len(shapes[1]) == 1:
        return grad * a
    if len(shapes[0]) > 1 and len(shapes[1]) > 1:
        return _summed_to(shapes[1], shapes[0], a.T @ grad)
    if max(map(len, shapes)) == 2:
        return a.T @ grad if len(shapes[1]) == 1 else array_function("outer", a, grad)
    return array_function("einsum", grad, a, subscripts=_vector_rule(*shapes, 1))


def _summed_to(own: Shape, other: Shape, product: ArrayFunction) -> Expression:
    batch = np.broadcast_shapes(own[:-2], other[:-2])
    return product if batch == own[:-2] else array_function("sum_to", product, shape=own)


class _MatrixTranspose(Operation):
    name = "matrix_transpose"
    inputs = ("x",)
    reads = ()
    view = True

    def shape(self, x: Shape) -> Shape:
        if len(x) < 2:
            raise ShapeError(
                "matrix_transpose", f"expected at least 2 axes, got shape {x}", "A vector has no transpose."
            )
        return (*x[:-2], x[-1], x[-2])

    def forward(self, x: Array) -> Array:
        return x.swapaxes(-1, -2)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (apply(MATRIX_TRANSPOSE, upstream),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (upstream.swapaxes(-1, -2),)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        *batch, rows, columns = letters(call.shapes["x"])
        here, there = (*batch, rows, columns), (*batch, columns, rows)
        return Formula(
            form(Equation(y.at(there), x.at(here)), Equation(y, x.T)),
            {"x": form(Equation(grad_x.at(here), grad.at(there)), Equation(grad_x, grad.T))},
        )


MATMUL = register(_Matmul)
MATRIX_TRANSPOSE = register(_MatrixTranspose)


def matmul(a: Any, b: Any, /) -> Tensor:
    """Matrix product, `a @ b`.

    y[i, j] = Σ_k a[i, k] · b[k, j];  ∂L/∂a = ∂L/∂y · bᵀ,  ∂L/∂b = aᵀ · ∂L/∂y

    a        (..., rows, inner), or (inner,): a row, whose axis is left out of the result
    b        (..., inner, columns), or (inner,): a column, whose axis is left out of the result
    returns  (..., rows, columns), where the axes in front broadcast

    Raises ShapeError where the inner axes differ, the axes in front do not broadcast, or a number
    is given.

    >>> import deltarule as dr
    >>> dr.matmul(dr.tensor([[1.0, 2.0], [3.0, 4.0]]), dr.tensor([1.0, 10.0]))
    tensor([21., 43.], dtype=float32)
    """
    return apply(MATMUL, *promote((a, b), False, "matmul"))


def matrix_transpose(x: Any, /) -> Tensor:
    """Transpose of each matrix: the last two axes change places, without copying.

    y[n, j, i] = x[n, i, j]

    x        (..., rows, columns); returns (..., columns, rows)

    Raises ShapeError for less than two axes.

    >>> import deltarule as dr
    >>> dr.matrix_transpose(dr.tensor([[1.0, 2.0, 3.0]])).shape
    (3, 1)
    """
    return apply(MATRIX_TRANSPOSE, as_tensor(x))
