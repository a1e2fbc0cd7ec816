"""Several arrays joined along an axis, and one array cut into several."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Number,
    array_function,
    equal,
    less,
    letters,
    where,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.formula.shape_rules import joined
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DTypeError, ShapeError
from deltarule.operations.axes import axis_position, whole_number
from deltarule.operations.elementwise import promote
from deltarule.operations.shape import expand_dims, flatten
from deltarule.operations.slicing import KeyText, axis_key, slice_axis, slice_view

define_array_function(
    "concat",
    lambda *parts, axis: np.concatenate(parts, axis),
    r"\operatorname{{concat}}_{{{axis}}}\left({all}\right)",
    shape=joined,
    source="np.concatenate([{all}], axis={axis})",
)
define_array_function(
    "stack",
    lambda *parts, axis: np.stack(parts, axis),
    r"\operatorname{{stack}}_{{{axis}}}\left({all}\right)",
    shape=lambda *parts, axis: (*parts[0][:axis], len(parts), *parts[0][axis:]),
    source="np.stack([{all}], axis={axis})",
)


def _bounds(shapes: Sequence[Shape], axis: int) -> list[tuple[int, int]]:
    """First and end position of every part along the axis."""
    bounds, start = [], 0
    for shape in shapes:
        bounds.append((start, start + shape[axis]))
        start += shape[axis]
    return bounds


class _Concat(Operation):
    name = "concat"
    inputs = ("x",)
    variadic = True
    reads = ()

    def shape(self, *parts: Shape, axis: int) -> Shape:
        first = parts[0]
        for number, part in enumerate(parts):
            if (
                len(part) != len(first)
                or part[:axis] != first[:axis]
                or part[axis + 1 :] != first[axis + 1 :]
            ):
                raise ShapeError(
                    "concat",
                    f"part {number} has shape {part}, part 0 has {first}: only axis {axis} may differ",
                    "Use stack to join arrays along a new axis.",
                )
        return first[:axis] + (sum(part[axis] for part in parts),) + first[axis + 1 :]

    def forward(self, *parts: Array, axis: int) -> Array:
        return np.concatenate(parts, axis)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        axis = node.parameters["axis"]
        bounds = _bounds([part.shape for part in node.inputs], axis)
        return [
            slice_axis(upstream, axis, start, stop) if node.needs(position) else None
            for position, (start, stop) in enumerate(bounds)
        ]

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        axis = node.parameters["axis"]
        bounds = _bounds([part.shape for part in node.inputs], axis)
        before = (slice(None),) * axis
        return [
            upstream[(*before, slice(start, stop))] if node.needs(position) else None
            for position, (start, stop) in enumerate(bounds)
        ]

    def formula(self, call: Call) -> Formula:
        axis, y, grad = call.parameters["axis"], call.symbol("y"), call.upstream()
        names = self.input_names(len(call.shapes) - 1)
        bounds = _bounds([call.shapes[name] for name in names], axis)
        indices = letters(call.shapes["y"])
        value: Expression = Number(0.0)
        gradients = {}
        for name, (start, stop) in reversed(list(zip(names, bounds, strict=True))):
            if start < stop:
                own: list[Expression] = list(indices)
                own[axis] = indices[axis] - start if start else indices[axis]
                element = call.symbol(name).at(own, outside=0.0)
                last = stop == call.shapes["y"][axis]
                value = element if last else where(less(indices[axis], stop), element, value)
            grad_x, inner = call.gradient(name), letters(call.shapes[name])
            moved: list[Expression] = list(inner)
            moved[axis] = inner[axis] + start if start else inner[axis]
            key = axis_key(call.shapes["y"], axis, slice(start, stop, 1))
            gradients[name] = form(
                Equation(grad_x.at(inner), grad.at(moved)),
                Equation(grad_x, array_function("slice", grad, key=KeyText(key))),
            )
        whole = array_function("concat", *(call.symbol(name) for name in names), axis=axis)
        return Formula(form(Equation(y.at(indices), value), Equation(y, whole)), gradients)


class _Stack(Group):
    name = "stack"
    inputs = ("x",)
    variadic = True
    reads = ()

    def shape(self, *parts: Shape, axis: int) -> Shape:
        first = parts[0]
        for number, part in enumerate(parts):
            if part != first:
                raise ShapeError(
                    "stack",
                    f"part {number} has shape {part}, part 0 has {first}: all must be equal",
                    "Use concat to join arrays along an axis that they have.",
                )
        return first[:axis] + (len(parts),) + first[axis:]

    def open(self, *parts: Tensor, axis: int) -> Tensor:
        return concat([expand_dims(part, axis) for part in parts], axis=axis)

    def forward(self, *parts: Array, axis: int) -> Array:
        return np.stack(parts, axis)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        before = (slice(None),) * node.parameters["axis"]
        return [
            np.asarray(upstream[(*before, position)]) if node.needs(position) else None
            for position in range(len(node.inputs))
        ]

    def formula(self, call: Call) -> Formula:
        axis, y, grad = call.parameters["axis"], call.symbol("y"), call.upstream()
        names = self.input_names(len(call.shapes) - 1)
        indices = letters(call.shapes["y"])
        own = indices[:axis] + indices[axis + 1 :]
        value = call.symbol(names[-1]).at(own)
        gradients = {}
        for position, name in reversed(list(enumerate(names))):
            if position < len(names) - 1:
                value = where(equal(indices[axis], position), call.symbol(name).at(own), value)
            inner = letters(call.shapes[name])
            grad_x = call.gradient(name)
            key = axis_key(call.shapes["y"], axis, position)
            gradients[name] = form(
                Equation(grad_x.at(inner), grad.at([*inner[:axis], Number(position), *inner[axis:]])),
                Equation(grad_x, array_function("slice", grad, key=KeyText(key))),
            )
        whole = array_function("stack", *(call.symbol(name) for name in names), axis=axis)
        return Formula(form(Equation(y.at(indices), value), Equation(y, whole)), gradients)


CONCAT = register(_Concat)
STACK = register(_Stack)


def _parts(who: str, arrays: Any) -> tuple[Tensor, ...]:
    if not isinstance(arrays, (list, tuple)):
        raise DTypeError(
            who, f"expected a list of arrays, got {type(arrays).__name__}", f"For example {who}([a, b])."
        )
    if not arrays:
        raise ArgumentError(who, "expected at least one array, got an empty list")
    return promote(tuple(arrays), False, who)


def concat(arrays: Sequence[Any], /, axis: int | None = 0) -> Tensor:
    """Joins arrays along an axis that they have.

    y[i, j] = a[i, j] for i below a's rows, else b[i − rows of a, j]     (axis 0)

    arrays   a list; their sizes agree but along the axis; their types promote to a common one
    axis     None joins all elements, flattened

    Raises ShapeError where other sizes differ, for 0-dimensional arrays, and if the axis does not exist;
    DTypeError if `arrays` is not a list or tuple; ArgumentError if it is empty.
    Gradient: each part gets its slice of the upstream.

    >>> import deltarule as dr
    >>> dr.concat([dr.tensor([1, 2]), dr.tensor([3])])
    tensor([1, 2, 3])
    """
    parts = _parts("concat", arrays)
    if axis is None:
        parts, axis = tuple(flatten(part) for part in parts), 0
    if not parts[0].ndim:
        raise ShapeError("concat", "0-dimensional arrays have no axis to join along", "Use stack.")
    return apply(CONCAT, *parts, axis=axis_position("concat", axis, parts[0].ndim))


def stack(arrays: Sequence[Any], /, axis: int = 0) -> Tensor:
    """Joins arrays of one shape along a new axis, which is `axis` in the result.

    y[k, i, j] = arrays[k][i, j]   (axis 0)

    Raises ShapeError where shapes differ or the axis does not exist; DTypeError if `arrays` is not a list
    or tuple; ArgumentError if it is empty.

    >>> import deltarule as dr
    >>> dr.stack([dr.zeros(3), dr.ones(3)], axis=1).shape
    (3, 2)
    """
    parts = _parts("stack", arrays)
    return apply(STACK, *parts, axis=axis_position("stack", axis, parts[0].ndim + 1))


def split(x: Any, indices_or_sections: Any, /, axis: int = 0) -> list[Tensor]:
    """Cuts x along an axis into views, as NumPy's split.

    indices_or_sections  a number of equal parts, or the positions to cut at: [2, 5] gives the elements
                         before 2, from 2 to 5, and from 5 on (PyTorch's split takes sizes instead)

    Raises ShapeError if the axis does not exist or equal parts do not come out even; ArgumentError for a
    number of parts below 1.

    >>> import deltarule as dr
    >>> [part.shape for part in dr.split(dr.zeros((6, 2)), [1, 3])]
    [(1, 2), (2, 2), (3, 2)]
    """
    x = as_tensor(x)
    position = axis_position("split", axis, x.ndim)
    extent = x.shape[position]
    if isinstance(indices_or_sections, (list, tuple)) or getattr(indices_or_sections, "ndim", 0):
        cuts = [whole_number("split", "a position", cut) for cut in indices_or_sections]
        edges = [0, *(slice(cut).indices(extent)[1] for cut in cuts), extent]
    else:
        sections = whole_number("split", "sections", indices_or_sections)
        if sections < 1:
            raise ArgumentError("split", f"sections expected 1 or more, got {sections}")
        if extent % sections:
            raise ShapeError(
                "split",
                f"axis {position} of size {extent} does not cut into {sections} equal parts (x {x.shape})",
                "Give the positions to cut at instead.",
            )
        edges = [part * (extent // sections) for part in range(sections + 1)]
    return [slice_axis(x, position, start, max(start, stop)) for start, stop in itertools.pairwise(edges)]


def unstack(x: Any, /, axis: int = 0) -> tuple[Tensor, ...]:
    """Every slice along an axis, as views without that axis: the inverse of stack.

    Raises ShapeError if the axis does not exist.

    >>> import deltarule as dr
    >>> [part.shape for part in dr.unstack(dr.zeros((2, 3)), axis=1)]
    [(2,), (2,), (2,)]
    """
    x = as_tensor(x)
    position = axis_position("unstack", axis, x.ndim)
    return tuple(slice_view(x, axis_key(x.shape, position, place)) for place in range(x.shape[position]))
