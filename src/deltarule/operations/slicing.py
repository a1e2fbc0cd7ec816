"""Basic indexing (integers, slices, new axes) as a view, and its adjoint. Keys come checked and normalised.

A key is a tuple with one part for each axis of x in order (an integer from 0, or a slice) and None
where a new axis of length 1 goes. Users write keys through `getitem` in `indexing.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Number,
    array_function,
    as_expression,
    equal,
    less_equal,
    letters,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import POWER, define_array_function
from deltarule.autodiff.formula.shape_rules import stated
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, record, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError

Key = tuple[Any, ...]


@dataclass(frozen=True)
class KeyText:
    """A key inside a formula, written as in Python: 0, 1:3, ::2."""

    key: Key

    def __str__(self) -> str:
        return ", ".join(_part_text(part) for part in self.key)


def _part_text(part: Any) -> str:
    if not isinstance(part, slice):
        return str(part)
    ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
    return ":".join(ends if part.step in (1, None) else [*ends, str(part.step)])


def full_slice(extent: int) -> slice:
    """The part of a key that keeps an axis as it is."""
    return slice(0, extent, 1)


def span(part: slice, extent: int) -> range:
    """Positions along an axis that a normalised slice picks."""
    return range(*part.indices(extent))


def normalised_slice(positions: range) -> slice:
    """The slice that picks these positions; its stop is None where it would be before the start."""
    if not positions:
        return slice(0, 0, 1)
    return slice(positions.start, positions.stop if positions.stop >= 0 else None, positions.step)


def sliced_shape(x: Shape, key: Key) -> Shape:
    """Shape of x[key]."""
    extents = iter(x)
    shape = []
    for part in key:
        if part is None:
            shape.append(1)
            continue
        extent = next(extents)
        if isinstance(part, slice):
            shape.append(len(span(part, extent)))
    return tuple(shape)


def _unslice(x: Any, key: Any, shape: Shape) -> Any:
    """Zeros, with x where the key points."""
    y = np.zeros(shape)
    y[key] = x
    return y


def _key_source(x: Shape, key: Key) -> str:
    """The key as one writes it: a whole axis as a colon, and none behind the last part that matters."""
    extents = iter(x)
    parts = []
    for part in key:
        if isinstance(part, slice):
            extent = next(extents)
            forwards = part.step is None or part.step > 0
            start = None if forwards and part.start == 0 else part.start
            stop = None if forwards and part.stop == extent else part.stop
            parts.append(_part_text(slice(start, stop, part.step)))
        else:
            if part is not None:
                next(extents)
            parts.append(str(part))
    while parts and parts[-1] == ":":
        parts.pop()
    return ", ".join(parts)


def _slice_source(x: Shape, key: KeyText) -> str:
    text = _key_source(x, key.key)
    return f"{{0}}[{text}]" if text else "{0}"


def _unslice_source(x: Shape, key: KeyText, shape: Shape) -> str:
    text = _key_source(shape, key.key)
    return f"unslice({{0}}, np.s_[{text or '...'}], {tuple(shape)})"


define_array_function(
    "slice",
    lambda x, key: np.asarray(x)[key.key],
    r"{{{0}}}_{{\left[{key}\right]}}",
    shape=lambda x, key: sliced_shape(x, key.key),
    source=_slice_source,
    places=(POWER,),
)
define_array_function(
    "unslice",
    lambda x, key, shape: _unslice(x, key.key, shape),
    r"\operatorname{{unslice}}_{{{shape};\, [{key}]}}\left({0}\right)",
    shape=stated,
    source=_unslice_source,
    helper=_unslice,
)


def _source_position(key: Key, shape: Shape, indices: Sequence[Expression]) -> list[Expression]:
    """Indices of x from those of y = x[key]."""
    places, extents = iter(indices), iter(shape)
    position: list[Expression] = []
    for part in key:
        if part is None:
            next(places)
            continue
        picked_from = next(extents)
        if not isinstance(part, slice):
            position.append(Number(part))
            continue
        picked, index = span(part, picked_from), next(places)
        stepped = index * picked.step if picked.step not in (1, -1) else index
        if picked.step == -1:
            position.append(as_expression(picked.start) - index)
        else:
            position.append(stepped if picked.start == 0 else stepped + picked.start)
    return position


def _target_value(
    source: Any, key: Key, shape: Shape, source_shape: Shape, indices: Sequence[Expression]
) -> Expression:
    """What unslice puts at these indices of the larger array: an element of the smaller one, or 0."""
    if 0 in source_shape:
        return Number(0.0)
    conditions: list[Expression] = []
    position: list[Expression] = []
    axes = iter(zip(indices, shape, strict=True))
    for part in key:
        if part is None:
            position.append(Number(0))
            continue
        index, extent = next(axes)
        if not isinstance(part, slice):
            conditions.append(equal(index, part))
            continue
        picked = span(part, extent)
        conditions += _within(index, picked, extent)
        away: Expression = index if picked.start == 0 else index - picked.start
        if picked.step == -1:
            away = as_expression(picked.start) - index
        elif picked.step != 1:
            conditions.append(equal(away % picked.step, 0))
            away = away // picked.step
        position.append(away)
    value = source.at(position, outside=0.0) if position else source
    for condition in reversed(conditions):
        value = condition * value
    return value


def _within(index: Expression, picked: range, extent: int) -> list[Expression]:
    """Brackets that say between which positions the picked ones are, where that is not everywhere."""
    lowest, highest = min(picked), max(picked)
    conditions: list[Expression] = []
    if lowest:
        conditions.append(less_equal(lowest, index))
    if highest < extent - 1:
        conditions.append(less_equal(index, highest))
    return conditions


class _Slice(Operation):
    name = "slice"
    inputs = ("x",)
    reads = ()
    view = True
    scatters = True

    def shape(self, x: Shape, *, key: Key) -> Shape:
        expected = sum(part is not None for part in key)
        if expected != len(x):
            raise ShapeError("slice", f"the key has {expected} parts, x has {len(x)} axes (x {x})")
        return sliced_shape(x, key)

    def forward(self, x: Array, *, key: Key) -> Array:
        return x[key]

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (apply(UNSLICE, upstream, key=node.parameters["key"], shape=node.inputs[0].shape),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        gradient = np.zeros(node.inputs[0].shape, dtype=upstream.dtype)
        gradient[node.parameters["key"]] = upstream
        return (gradient,)

    def scatter(self, node: Node, upstream: Array, total: Array) -> None:
        total[node.parameters["key"]] += upstream

    def formula(self, call: Call) -> Formula:
        x, y, grad_x, grad = call.symbol("x"), call.symbol("y"), call.gradient("x"), call.upstream()
        key, large, small = call.parameters["key"], call.shapes["x"], call.shapes["y"]
        inner, outer, text = letters(small), letters(large), KeyText(key)
        return Formula(
            form(
                Equation(y.at(inner), x.at(_source_position(key, large, inner))),
                Equation(y, array_function("slice", x, key=text)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(outer), _target_value(grad, key, large, small, outer)),
                    Equation(grad_x, array_function("unslice", grad, key=text, shape=large)),
                )
            },
        )


class _Unslice(Operation):
    name = "unslice"
    inputs = ("x",)
    reads = ()

    def shape(self, x: Shape, *, key: Key, shape: Shape) -> Shape:
        if x != sliced_shape(shape, key):
            raise ShapeError("unslice", f"expected shape {sliced_shape(shape, key)}, got {x}")
        return shape

    def forward(self, x: Array, *, key: Key, shape: Shape) -> Array:
        y = np.zeros(shape, dtype=x.dtype)
        y[key] = x
        return y

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (slice_view(upstream, node.parameters["key"]),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (np.asarray(upstream[node.parameters["key"]]),)

    def formula(self, call: Call) -> Formula:
        x, y, grad_x, grad = call.symbol("x"), call.symbol("y"), call.gradient("x"), call.upstream()
        key, large, small = call.parameters["key"], call.shapes["y"], call.shapes["x"]
        inner, outer, text = letters(small), letters(large), KeyText(key)
        return Formula(
            form(
                Equation(y.at(outer), _target_value(x, key, large, small, outer)),
                Equation(y, array_function("unslice", x, key=text, shape=large)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(inner), grad.at(_source_position(key, large, inner))),
                    Equation(grad_x, array_function("slice", grad, key=text)),
                )
            },
        )


SLICE = register(_Slice)
UNSLICE = register(_Unslice)


def slice_view(x: Tensor, key: Key) -> Tensor:
    """x[key] for a normalised key, without checking it again. Gradient: zeros but for that part."""
    return record(SLICE, (x,), {"key": key}, x._array[key])


def slice_axis(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """The elements from start to stop (excluded) along one axis, all of the others."""
    return slice_view(x, axis_key(x.shape, axis, slice(start, stop, 1)))


def axis_key(shape: Shape, axis: int, part: Any) -> Key:
    """The key that picks `part` along one axis and keeps the others whole."""
    return tuple(part if place == axis else full_slice(extent) for place, extent in enumerate(shape))
