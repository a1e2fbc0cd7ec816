"""Whole slices picked by index arrays, and sums into the places that index arrays name: an adjoint pair.

Index arrays are inputs of the record (without a gradient), counted from 0. A slice that is picked several
times gets the sum of its gradients. Single elements along an axis are in `along_axis.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Number,
    Sum,
    array_function,
    equal,
    letters,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.formula.shape_rules import stated
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.kernels import scatter
from deltarule.operations.along_axis import scatter_add, take_along_axis
from deltarule.operations.axes import axis_position
from deltarule.operations.broadcast import broadcast_shape
from deltarule.operations.elementwise import promote
from deltarule.operations.index_arrays import index_tensor, spread_updates

__all__ = ["gathered_shape", "index_add", "scatter_add", "take", "take_along_axis"]


def _gather(x: Any, *indices: Any, axes: tuple[int, ...], place: int) -> Any:
    """What index arrays pick together along these axes; it stands at `place` in the result."""
    depth = len(np.broadcast_shapes(*(np.shape(each) for each in indices)))
    picked = np.moveaxis(x, axes, range(len(axes)))[tuple(np.asarray(each) for each in indices)]
    return np.moveaxis(picked, range(depth), range(place, place + depth))


def _index_add(x: Any, updates: Any, *indices: Any, axes: tuple[int, ...], place: int) -> Any:
    """x with each update added where the index arrays point; a place that several name gets them all."""
    depth = len(np.broadcast_shapes(*(np.shape(each) for each in indices)))
    y = np.array(x, dtype=float)
    moved = np.moveaxis(y, axes, range(len(axes)))
    np.add.at(moved, tuple(indices), np.moveaxis(updates, range(place, place + depth), range(depth)))
    return y


def gathered_shape(x: Shape, indices: Sequence[Shape], axes: tuple[int, ...], place: int) -> Shape:
    """Shape of what index arrays on these axes pick: their common shape stands at `place`."""
    common = indices[0] if len(indices) == 1 else broadcast_shape("gather", *indices)
    others = [extent for axis, extent in enumerate(x) if axis not in axes]
    return (*others[:place], *common, *others[place:])


def _gather_source(x: Shape, *indices: Shape, axes: tuple[int, ...], place: int) -> str:
    """NumPy puts what neighbouring index arrays pick where they stand; else axes are moved."""
    if axes != tuple(range(place, place + len(axes))):
        return f"gather({{all}}, axes={axes}, place={place})"
    picked = [f"{{{number + 1}}}" for number in range(len(indices))]
    return f"{{0}}[{', '.join([':'] * place + picked)}]"


define_array_function(
    "gather",
    _gather,
    r"\operatorname{{gather}}_{{{axes}}}\left({all}\right)",
    shape=lambda x, *indices, axes, place: gathered_shape(x, indices, axes, place),
    source=_gather_source,
    helper=_gather,
)
define_array_function("index_add", _index_add, r"\operatorname{{index\_add}}_{{{axes}}}\left({all}\right)")
define_array_function(
    "zeros", lambda shape: np.zeros(shape), r"0_{{{shape}}}", shape=stated, source="np.zeros({shape})"
)


class _Indices:
    """How the elements of a large array x and of a gathered array y correspond, as expressions."""

    def __init__(self, call: Call, x: Shape, y: Shape, names: Sequence[str]):
        axes, place = call.parameters["axes"], call.parameters["place"]
        depth = len(y) - len(x) + len(axes)
        self.inside = letters(x)
        self.outside = letters(y)
        self.taken = self._elements(call, names, self.outside[place : place + depth])
        self.source = self._with_taken(self.outside[:place] + self.outside[place + depth :], axes)
        # For sums over everything that was picked, the index arrays' own letters after x's.
        self.group = letters(y[place : place + depth], start=len(x))
        others = [index for axis, index in enumerate(self.inside) if axis not in axes]
        self.target = [*others[:place], *self.group, *others[place:]]
        self.matches = [
            equal(element, self.inside[axis])
            for element, axis in zip(self._elements(call, names, self.group), axes, strict=True)
        ]

    def _elements(self, call: Call, names: Sequence[str], group: tuple[Index, ...]) -> list[Expression]:
        elements = []
        for name in names:
            shape = call.shapes[name]
            own = group[len(group) - len(shape) :]
            picked = [
                Number(0) if extent == 1 != index.extent else index
                for index, extent in zip(own, shape, strict=True)
            ]
            elements.append(call.symbol(name).at(picked))
        return elements

    def _with_taken(self, others: Sequence[Index], axes: tuple[int, ...]) -> list[Expression]:
        rest = iter(others)
        places = dict(zip(axes, self.taken, strict=True))
        return [places[axis] if axis in places else next(rest) for axis in range(len(self.inside))]

    def summed(self, updates: Any) -> Expression:
        """Σ over the picked elements that are this element of x."""
        body = updates.at(self.target)
        for match in reversed(self.matches):
            body = match * body
        return Sum(body, *self.group)


class _Gather(Operation):
    name = "gather"
    inputs = ("x", "indices")
    variadic = True
    reads = ("indices",)

    def shape(self, x: Shape, *indices: Shape, axes: tuple[int, ...], place: int) -> Shape:
        return gathered_shape(x, indices, axes, place)

    def forward(self, x: Array, *indices: Array, axes: tuple[int, ...], place: int) -> Array:
        if len(axes) == 1:
            return np.take(x, indices[0], axis=axes[0])
        order = axes + tuple(axis for axis in range(x.ndim) if axis not in axes)
        picked = x.transpose(order)[indices]
        depth = picked.ndim - x.ndim + len(axes)
        return np.moveaxis(picked, range(depth), range(place, place + depth)) if place else picked

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        x, *indices = node.inputs
        zeros = Tensor(np.zeros(x.shape, dtype=upstream.dtype))
        return (apply(INDEX_ADD, zeros, upstream, *indices, **node.parameters), *[None] * len(indices))

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        x, *indices = node.inputs
        gradient = scatter.sum_at(x.shape, [each._array for each in indices], upstream, **node.parameters)
        return (gradient, *[None] * len(indices))

    def formula(self, call: Call) -> Formula:
        x, y, grad_x, grad = call.symbol("x"), call.symbol("y"), call.gradient("x"), call.upstream()
        names = self.input_names(len(call.shapes) - 1)[1:]
        symbols = [call.symbol(name) for name in names]
        where = _Indices(call, call.shapes["x"], call.shapes["y"], names)
        zeros = array_function("zeros", shape=call.shapes["x"])
        return Formula(
            form(
                Equation(y.at(where.outside), x.at(where.source)),
                Equation(y, array_function("gather", x, *symbols, **call.parameters)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(where.inside), where.summed(grad)),
                    Equation(grad_x, array_function("index_add", zeros, grad, *symbols, **call.parameters)),
                )
            },
        )


class _IndexAdd(Operation):
    name = "index_add"
    inputs = ("x", "updates", "indices")
    variadic = True
    reads = ("indices",)

    def shape(self, x: Shape, updates: Shape, *indices: Shape, axes: tuple[int, ...], place: int) -> Shape:
        expected = gathered_shape(x, indices, axes, place)
        if updates != expected:
            raise ShapeError(
                "index_add",
                f"updates expected shape {expected}, got {updates} (x {x}, indices {indices[0]})",
                "There is one slice of x for each index.",
            )
        return x

    def forward(self, x: Array, updates: Array, *indices: Array, axes: tuple[int, ...], place: int) -> Array:
        return x + scatter.sum_at(x.shape, indices, updates, axes, place)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        indices = node.inputs[2:]
        picked = apply(GATHER, upstream, *indices, **node.parameters) if node.needs(1) else None
        return (upstream, picked, *[None] * len(indices))

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        indices = [each._array for each in node.inputs[2:]]
        picked = GATHER.forward(upstream, *indices, **node.parameters) if node.needs(1) else None
        return (upstream, picked, *[None] * len(indices))

    def formula(self, call: Call) -> Formula:
        x, y, updates, grad = call.symbol("x"), call.symbol("y"), call.symbol("updates"), call.upstream()
        grad_x, grad_updates = call.gradient("x"), call.gradient("updates")
        names = self.input_names(len(call.shapes) - 1)[2:]
        symbols = [call.symbol(name) for name in names]
        where = _Indices(call, call.shapes["x"], call.shapes["updates"], names)
        return Formula(
            form(
                Equation(y.at(where.inside), x.at(where.inside) + where.summed(updates)),
                Equation(y, array_function("index_add", x, updates, *symbols, **call.parameters)),
            ),
            {
                "x": form(Equation(grad_x.at(where.inside), grad.at(where.inside)), Equation(grad_x, grad)),
                "updates": form(
                    Equation(grad_updates.at(where.outside), grad.at(where.source)),
                    Equation(grad_updates, array_function("gather", grad, *symbols, **call.parameters)),
                ),
            },
        )


GATHER = register(_Gather)
INDEX_ADD = register(_IndexAdd)


def take(x: Any, indices: Any, /, axis: int | None = None) -> Tensor:
    """Whole slices of x along an axis, in the order of the indices; an index may come repeatedly.

    y[i, n, k] = x[i, indices[n], k]                          (axis 1)
    grad_x[i, j, k] = Σ_n [indices[n] = j] · grad_y[i, n, k]

    indices  integers of any shape, from −size to size − 1
    axis     may be left out only where x has one axis
    returns  x's shape with the axis replaced by the indices' shape

    Raises OutOfBoundsError naming the axis, the index and the size; DTypeError for indices that are no
    integers; ShapeError if the axis does not exist, or is needed and missing.

    >>> import deltarule as dr
    >>> dr.take(dr.tensor([10, 20, 30]), dr.tensor([2, 0, 2]))
    tensor([30, 10, 30])
    """
    x = as_tensor(x)
    if axis is None and x.ndim != 1:
        raise ShapeError("take", f"which axis is not said, and x has {x.ndim} (x {x.shape})", "Give axis=.")
    position = axis_position("take", 0 if axis is None else axis, x.ndim)
    picked = index_tensor("take", indices, x.shape[position], position)
    return apply(GATHER, x, picked, axes=(position,), place=position)


def index_add(x: Any, indices: Any, updates: Any, /, axis: int = 0) -> Tensor:
    """x with slices added to it, where an index comes repeatedly all of its slices: the adjoint of take.

    y[i, k] = x[i, k] + Σ_n [indices[n] = i] · updates[n, k]   (axis 0)

    indices  integers of any shape
    updates  the shape of take(x, indices, axis), or one that broadcasts to it

    Raises OutOfBoundsError, DTypeError and ShapeError as `take` does, ShapeError for other updates.
    PyTorch's index_add names the axis second.

    >>> import deltarule as dr
    >>> dr.index_add(dr.zeros(3), dr.tensor([2, 2]), dr.tensor([1.0, 4.0]))
    tensor([0., 0., 5.], dtype=float32)
    """
    x, updates = promote((x, updates), False, "index_add")
    axis = axis_position("index_add", axis, x.ndim)
    picked = index_tensor("index_add", indices, x.shape[axis], axis)
    wanted = gathered_shape(x.shape, [picked.shape], (axis,), axis)
    updates = spread_updates("index_add", updates, wanted)
    return apply(INDEX_ADD, x, updates, picked, axes=(axis,), place=axis)
