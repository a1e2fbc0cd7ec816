"""Single elements along an axis, a choice for every line, and sums into such places: an adjoint pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import Equation, Expression, Sum, array_function, equal, letters
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.kernels import scatter
from deltarule.operations.axes import axis_position
from deltarule.operations.broadcast import broadcast_shape, broadcast_to
from deltarule.operations.elementwise import promote
from deltarule.operations.index_arrays import index_tensor, spread_updates
from deltarule.operations.shape import flatten


def _scatter_add(x: Any, indices: Any, updates: Any, axis: int) -> Any:
    """x with each update added to where its index along the axis points; updates that meet add up."""
    y = np.array(x, dtype=float)
    places = list(np.indices(indices.shape, sparse=True))
    places[axis] = indices
    np.add.at(y, tuple(places), updates)
    return y


def _taken_shape(x: Shape, indices: Shape, axis: int) -> Shape:
    others = np.broadcast_shapes((*x[:axis], 1, *x[axis + 1 :]), (*indices[:axis], 1, *indices[axis + 1 :]))
    return (*others[:axis], indices[axis], *others[axis + 1 :])


define_array_function(
    "take_along_axis",
    lambda x, indices, axis: np.take_along_axis(x, np.asarray(indices), axis),
    r"\operatorname{{take\_along}}_{{{axis}}}\left({all}\right)",
    shape=_taken_shape,
    source="np.take_along_axis({0}, {1}, axis={axis})",
)
define_array_function(
    "scatter_add", _scatter_add, r"\operatorname{{scatter\_add}}_{{{axis}}}\left({all}\right)"
)


class _TakeAlongAxis(Operation):
    name = "take_along_axis"
    inputs = ("x", "indices")
    reads = ("indices",)

    def shape(self, x: Shape, indices: Shape, *, axis: int) -> Shape:
        _require_same_but("take_along_axis", x, indices, axis)
        return indices

    def forward(self, x: Array, indices: Array, *, axis: int) -> Array:
        return np.take_along_axis(x, indices, axis)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        x, indices = node.inputs
        zeros = Tensor(np.zeros(x.shape, dtype=upstream.dtype))
        return (apply(SCATTER_ADD, zeros, indices, upstream, **node.parameters), None)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        x, indices = node.inputs
        return (scatter.sum_along_axis(x.shape, indices._array, upstream, **node.parameters), None)

    def formula(self, call: Call) -> Formula:
        x, y, indices = call.symbol("x"), call.symbol("y"), call.symbol("indices")
        grad_x, grad, axis = call.gradient("x"), call.upstream(), call.parameters["axis"]
        zeros = array_function("zeros", shape=call.shapes["x"])
        outside, source, inside, summed = _along(call, "x", "indices", grad)
        return Formula(
            form(
                Equation(y.at(outside), x.at(source)),
                Equation(y, array_function("take_along_axis", x, indices, axis=axis)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(inside), summed),
                    Equation(grad_x, array_function("scatter_add", zeros, indices, grad, axis=axis)),
                )
            },
        )


class _ScatterAdd(Operation):
    name = "scatter_add"
    inputs = ("x", "indices", "updates")
    reads = ("indices",)

    def shape(self, x: Shape, indices: Shape, updates: Shape, *, axis: int) -> Shape:
        _require_same_but("scatter_add", x, indices, axis)
        if updates != indices:
            raise ShapeError(
                "scatter_add",
                f"updates expected the shape of indices {indices}, got {updates}",
                "There is one element to add for each index.",
            )
        return x

    def forward(self, x: Array, indices: Array, updates: Array, *, axis: int) -> Array:
        return x + scatter.sum_along_axis(x.shape, indices, updates, axis)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        indices = node.inputs[1]
        picked = apply(TAKE_ALONG_AXIS, upstream, indices, **node.parameters) if node.needs(2) else None
        return (upstream, None, picked)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        indices = node.inputs[1]._array
        return (
            upstream,
            None,
            np.take_along_axis(upstream, indices, **node.parameters) if node.needs(2) else None,
        )

    def formula(self, call: Call) -> Formula:
        x, y, indices, updates = (call.symbol(name) for name in ("x", "y", "indices", "updates"))
        grad_x, grad_updates, grad = call.gradient("x"), call.gradient("updates"), call.upstream()
        axis = call.parameters["axis"]
        outside, source, inside, summed = _along(call, "x", "indices", updates)
        return Formula(
            form(
                Equation(y.at(inside), x.at(inside) + summed),
                Equation(y, array_function("scatter_add", x, indices, updates, axis=axis)),
            ),
            {
                "x": form(Equation(grad_x.at(inside), grad.at(inside)), Equation(grad_x, grad)),
                "updates": form(
                    Equation(grad_updates.at(outside), grad.at(source)),
                    Equation(grad_updates, array_function("take_along_axis", grad, indices, axis=axis)),
                ),
            },
        )


def _along(call: Call, large: str, small: str, summand: Any) -> tuple[Any, Any, Any, Any]:
    """(indices of the taken array, where they are in the large one, its indices, the sum into it)."""
    axis = call.parameters["axis"]
    outside, inside = letters(call.shapes[small]), letters(call.shapes[large])
    indices = call.symbol(small)
    source: list[Expression] = list(outside)
    source[axis] = indices.at(outside)
    (summed,) = letters(call.shapes[small][axis : axis + 1], start=len(inside))
    taken = [*inside[:axis], summed, *inside[axis + 1 :]]
    return outside, source, inside, Sum(equal(indices.at(taken), inside[axis]) * summand.at(taken), summed)


def _require_same_but(who: str, x: Shape, indices: Shape, axis: int) -> None:
    if len(x) != len(indices) or x[:axis] != indices[:axis] or x[axis + 1 :] != indices[axis + 1 :]:
        raise ShapeError(
            who,
            f"x {x} and indices {indices} must agree but along axis {axis}",
            "Add axes with expand_dims, or pick whole slices with take.",
        )


TAKE_ALONG_AXIS = register(_TakeAlongAxis)
SCATTER_ADD = register(_ScatterAdd)


def take_along_axis(x: Any, indices: Any, /, axis: int | None = -1) -> Tensor:
    """Single elements along an axis, a choice of its own for every line: as argsort and argmax give them.

    y[i, n] = x[i, indices[i, n]]                              (axis 1)
    grad_x[i, j] = Σ_n [indices[i, n] = j] · grad_y[i, n]

    indices  integers from −size to size − 1 with as many axes as x; the other axes broadcast
    axis     None treats both as flattened

    Raises OutOfBoundsError naming the axis, the index and the size; DTypeError for indices that are no
    integers; ShapeError where the other axes do not broadcast. PyTorch's name: take_along_dim.

    >>> import deltarule as dr
    >>> dr.take_along_axis(dr.tensor([[1, 2, 3], [4, 5, 6]]), dr.tensor([[2], [0]]))
    tensor([[3],
            [4]])
    """
    x, indices = as_tensor(x), as_tensor(indices)
    if axis is None:
        x, indices, axis = flatten(x), flatten(indices), 0
    axis = axis_position("take_along_axis", axis, x.ndim)
    if indices.ndim == x.ndim:
        x, indices = _matched(x, indices, axis)
    picked = index_tensor("take_along_axis", indices, x.shape[axis], axis)
    return apply(TAKE_ALONG_AXIS, x, picked, axis=axis)


def _matched(x: Tensor, indices: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Both spread to common sizes along all other axes."""
    rest = [tensor.shape[:axis] + (1,) + tensor.shape[axis + 1 :] for tensor in (x, indices)]
    if rest[0] == rest[1]:
        return x, indices
    common = broadcast_shape("take_along_axis", *rest)
    wide = [common[:axis] + (tensor.shape[axis],) + common[axis + 1 :] for tensor in (x, indices)]
    return tuple(  # type: ignore[return-value]
        tensor if tensor.shape == shape else broadcast_to(tensor, shape)
        for tensor, shape in zip((x, indices), wide, strict=True)
    )


def scatter_add(x: Any, indices: Any, updates: Any, /, axis: int = 0) -> Tensor:
    """x with single elements added along an axis; repeated places add up: the adjoint of take_along_axis.

    y[i, j] = x[i, j] + Σ_n [indices[i, n] = j] · updates[i, n]   (axis 1)

    indices  integers, of x's shape but for the axis
    updates  the shape of indices, or one that broadcasts to it

    Raises OutOfBoundsError naming the axis, the index and the size; DTypeError for indices that are no
    integers; ShapeError for other shapes. PyTorch's scatter_add names the axis second and lets indices be
    shorter than x along the other axes.

    >>> import deltarule as dr
    >>> dr.scatter_add(dr.zeros(3), dr.tensor([2, 2]), dr.tensor([1.0, 4.0]))
    tensor([0., 0., 5.], dtype=float32)
    """
    x, updates = promote((x, updates), False, "scatter_add")
    axis = axis_position("scatter_add", axis, x.ndim)
    picked = index_tensor("scatter_add", indices, x.shape[axis], axis)
    return apply(SCATTER_ADD, x, picked, spread_updates("scatter_add", updates, picked.shape), axis=axis)
