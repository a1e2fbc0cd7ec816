"""Spreading an array over new axes and summing it back: each is the other's gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    Equation,
    Sum,
    array_function,
    broadcast_indices,
    letters,
    summed_indices,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.kernels.reductions import add_up


class _BroadcastTo(Operation):
    name = "broadcast_to"
    inputs = ("x",)
    reads = ()
    view = True

    def shape(self, x: Shape, *, shape: Shape) -> Shape:
        fits = len(x) <= len(shape) and all(
            own in (1, wanted) for own, wanted in zip(x[::-1], shape[::-1], strict=False)
        )
        if not fits:
            raise ShapeError(
                "broadcast_to",
                f"cannot spread shape {x} to {shape}",
                "Axes are matched from the last one; each must be equal or 1.",
            )
        return shape

    def forward(self, x: Array, *, shape: Shape) -> Array:
        return np.broadcast_to(x, shape)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (sum_to(upstream, node.inputs[0].shape),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (sum_array_to(upstream, node.inputs[0].shape),)

    def formula(self, call: Call) -> Formula:
        x, y, grad = call.symbol("x"), call.symbol("y"), call.upstream()
        small, large = call.shapes["x"], letters(call.shapes["y"])
        left, summed = summed_indices(small, large)
        grad_x = call.gradient("x")
        return Formula(
            form(
                Equation(y.at(large), x.at(broadcast_indices(small, large))),
                Equation(y, array_function("broadcast_to", x, shape=call.shapes["y"])),
            ),
            {
                "x": form(
                    Equation(grad_x.at(left), Sum(grad.at(large), *summed)),
                    Equation(grad_x, array_function("sum_to", grad, shape=small)),
                )
            },
        )


class _SumTo(Operation):
    name = "sum_to"
    inputs = ("x",)
    reads = ()

    def shape(self, x: Shape, *, shape: Shape) -> Shape:
        fits = len(shape) <= len(x) and all(
            own in (1, wanted) for own, wanted in zip(shape[::-1], x[::-1], strict=False)
        )
        if not fits:
            raise ShapeError(
                "sum_to", f"cannot sum shape {x} to {shape}", "The target must broadcast to the source."
            )
        return shape

    def forward(self, x: Array, *, shape: Shape) -> Array:
        return sum_array_to(x, shape)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (broadcast_to(upstream, node.inputs[0].shape),)

    def formula(self, call: Call) -> Formula:
        x, y, grad = call.symbol("x"), call.symbol("y"), call.upstream()
        small, large = call.shapes["y"], letters(call.shapes["x"])
        left, summed = summed_indices(small, large)
        grad_x = call.gradient("x")
        return Formula(
            form(
                Equation(y.at(left), Sum(x.at(large), *summed)),
                Equation(y, array_function("sum_to", x, shape=small)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(large), grad.at(broadcast_indices(small, large))),
                    Equation(grad_x, array_function("broadcast_to", grad, shape=call.shapes["x"])),
                )
            },
        )


def sum_array_to(x: Array, shape: Shape) -> Array:
    """Sums an array over the axes along which `shape` would be broadcast to it."""
    if x.shape == shape:
        return x
    skipped = x.ndim - len(shape)
    axes = tuple(range(skipped)) + tuple(
        axis + skipped for axis, extent in enumerate(shape) if extent == 1 != x.shape[axis + skipped]
    )
    return add_up(x, axes, True).reshape(shape)


def broadcast_to(x: Any, /, shape: Sequence[int]) -> Tensor:
    """Spreads x over new leading axes and axes of length 1, without copying.

    y[i, j, ...] = x[j, ...]

    Raises ShapeError where an axis is neither equal nor 1. Gradient: the sum over the new axes.

    >>> import deltarule as dr
    >>> x = dr.tensor([1.0, 2.0], requires_grad=True)
    >>> dr.broadcast_to(x, (3, 2)).sum().backward()
    >>> x.grad
    tensor([3., 3.], dtype=float32)
    """
    return apply(BROADCAST_TO, as_tensor(x), shape=tuple(int(extent) for extent in shape))


def sum_to(x: Any, shape: Sequence[int]) -> Tensor:
    """Sums x over the axes along which `shape` would be broadcast to it: the inverse gesture.

    Raises ShapeError where `shape` does not broadcast to x's shape.

    >>> import deltarule as dr
    >>> dr.sum_to(dr.tensor([[1.0, 2.0], [3.0, 4.0]]), (1, 2))
    tensor([[4., 6.]], dtype=float32)
    """
    x = as_tensor(x)
    target = tuple(shape)
    return x if x.shape == target else apply(SUM_TO, x, shape=target)


BROADCAST_TO = register(_BroadcastTo)
SUM_TO = register(_SumTo)


def broadcast_arrays(*arrays: Any) -> list[Tensor]:
    """All arrays spread to their common shape. Raises ShapeError if there is none.

    >>> import deltarule as dr
    >>> [each.shape for each in dr.broadcast_arrays(dr.zeros((2, 1)), dr.zeros(3))]
    [(2, 3), (2, 3)]
    """
    tensors = [as_tensor(array) for array in arrays]
    shape = broadcast_shape("broadcast_arrays", *(tensor.shape for tensor in tensors))
    return [tensor if tensor.shape == shape else broadcast_to(tensor, shape) for tensor in tensors]


def broadcast_shape(who: str, *shapes: Shape) -> Shape:
    """Common shape of several, or a ShapeError that names them."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(str(shape) for shape in shapes)
        raise ShapeError(
            who,
            f"shapes {listed} do not broadcast together",
            "Axes are matched from the last one; each pair must be equal or hold a 1.",
        ) from None
