"""Element-wise operations, their gradients, sums and means, losses made of rows, conversions of type."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from deltarule.autodiff.formula.expression import symbols_in
from deltarule.autodiff.operation import REGISTRY
from deltarule.compiler.native.cluster import Item, Result, Source
from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.plan import Shape, View
from deltarule.compiler.native.rules.registry import FLOATS, RULES, all_of, rule
from deltarule.compiler.native.rules.shapes import sliced
from deltarule.compiler.program import Instruction, Value
from deltarule.kernels.native.vector_functions import vector_functions
from deltarule.operations.elementwise import Elementwise
from deltarule.operations.loss_reduction import PointwiseLoss

_TYPES = ("float32", "float64", "bool")


def summed_axes(shape: Shape, domain: Shape) -> tuple[int, ...]:
    """Axes of a box over which an array of this shape was spread."""
    missing = len(domain) - len(shape)
    return tuple(
        axis
        for axis, extent in enumerate(domain)
        if extent != 1 and (axis < missing or shape[axis - missing] == 1)
    )


def _fits(instruction: Instruction, values: Sequence[Any]) -> bool:
    floats = {value.dtype for value in values if value.dtype is not None and value.dtype.kind == "f"}
    return all_of(values, *_TYPES) and len(floats) == 1


def _value(lowering: Lowering, instruction: Instruction) -> bool:
    operation, output = instruction.operation, instruction.outputs[0]
    if output is None or not _fits(instruction, instruction.inputs):
        return False
    if output.dtype is None or output.dtype.name not in _TYPES:
        return False
    options = list(instruction.parameters.values())
    if not all(isinstance(each, (int, float, bool)) for each in options):
        return False

    def function(code: Any, vectors: list[Any]) -> Sequence[Any]:
        return operation._compiled(vector_functions, *vectors, *options)

    text = operation.name + (f"{tuple(options)}" if options else "")
    assert output.shape is not None
    lowering.item(Item(output.shape, list(instruction.inputs), [Result(output)], function, text, instruction))
    return True


def _gradient(lowering: Lowering, instruction: Instruction) -> bool:
    operation = instruction.operation
    (upstream,), (y,) = instruction.upstream, instruction.values
    if not _fits(instruction, [*instruction.inputs, upstream, y]):
        return False
    options = list(instruction.parameters.values())
    if not all(isinstance(each, (int, float, bool)) for each in options):
        return False
    names = ("grad_y", "y", *operation.inputs)
    values = [upstream, y, *instruction.inputs]
    domain = y.shape
    assert domain is not None
    items = []
    for position, output in enumerate(instruction.outputs):
        if output is None:
            continue
        compiled = operation._gradients[position]
        used = symbols_in(operation.gradients[operation.inputs[position]])
        places = [i for i, name in enumerate(names) if name in used]
        function = _only(compiled, places, len(names), options)
        text = f"{operation.name}.gradient{position}" + (f"{tuple(options)}" if options else "")
        assert output.shape is not None
        result = Result(output, summed_axes(output.shape, domain))
        items.append(Item(domain, [values[i] for i in places], [result], function, text, instruction))
    lowering.items(items)
    return True


def _only(
    compiled: Callable[..., Any], places: list[int], count: int, options: list[Any]
) -> Callable[[Any, list[Any]], Sequence[Any]]:
    """The compiled formula with vectors at these of its arguments; it does not look at the others."""

    def function(code: Any, vectors: list[Any]) -> Sequence[Any]:
        arguments: list[Any] = [None] * count
        for place, vector in zip(places, vectors, strict=True):
            arguments[place] = vector
        return compiled(vector_functions, *arguments, *options)

    return function


for _name, _operation in REGISTRY.items():
    if isinstance(_operation, Elementwise):
        RULES["forward", _name] = _value
        RULES["gradient", _name] = _gradient


@rule("plain", "as_type")
@rule("forward", "astype")
def _astype(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not all_of((x, output), "float32", "float64", "int64", "int32"):
        return False
    assert x.dtype is not None and output.dtype is not None
    if not {x.dtype.name, output.dtype.name} & {"float32", "float64"}:
        return False
    dtype = output.dtype.name  # type: ignore[union-attr]
    lowering.item(
        Item(
            output.shape or (),
            [x],
            [Result(output)],
            lambda code, vectors: [vectors[0].to(dtype)],
            f"to_{dtype}",
            instruction,
        )
    )
    return True


def reduce(
    lowering: Lowering,
    instruction: Instruction,
    x: Value,
    output: Value,
    axes: tuple[int, ...],
    factor: float = 1.0,
) -> None:
    """output = factor · Σ x over the axes."""
    shape = x.shape
    assert shape is not None
    axes = tuple(axis for axis in axes if shape[axis] != 1)
    text = "sum" if factor == 1.0 else f"sum({factor!r}·)"
    lowering.item(
        Item(
            shape,
            [x],
            [Result(output, axes)],
            lambda code, vectors: [vectors[0] if factor == 1.0 else vectors[0] * factor],
            text,
            instruction,
        )
    )


def _axes(axis: Any, rank: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(rank))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return tuple(each % rank for each in axes)


@rule("forward", "sum", "mean", "sum_to")
def _sum(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not all_of((x, output), *FLOATS) or x.dtype != output.dtype or not x.shape:
        return False
    if instruction.name == "sum_to":
        axes = summed_axes(output.shape or (), x.shape)
    else:
        axes = _axes(instruction.parameters["axis"], len(x.shape))
    count = math.prod(x.shape[axis] for axis in axes)
    if count == 0:
        return False
    reduce(lowering, instruction, x, output, axes, 1 / count if instruction.name == "mean" else 1.0)
    return True


@rule("gradient", "sum", "mean")
def _sum_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (upstream,), (output,) = instruction.inputs, instruction.upstream, instruction.outputs
    if output is None or not all_of((upstream, output), *FLOATS) or not x.shape:
        return False
    axes = _axes(instruction.parameters["axis"], len(x.shape))
    count = math.prod(x.shape[axis] for axis in axes)
    factor = 1 / count if instruction.name == "mean" else 1.0
    view = lowering.contiguous(upstream)
    kept = tuple(1 if axis in axes else extent for axis, extent in enumerate(x.shape))
    spread = view.reshaped(kept)
    assert spread is not None
    lowering.item(
        Item(
            x.shape,
            [spread],
            [Result(output)],
            lambda code, vectors: [vectors[0] * factor],
            f"spread({factor!r}·)",
            instruction,
        )
    )
    return True


# ---- losses that reduce a row


def _loss(lowering: Lowering, instruction: Instruction) -> bool:
    operation, output = instruction.operation, instruction.outputs[0]
    options = dict(instruction.parameters)
    mean = options.pop("reduction") == "mean"
    x = instruction.inputs[0]
    if (
        output is None
        or not _fits(instruction, [*instruction.inputs, output])
        or not math.prod(x.shape or ())
    ):
        return False
    row, rest = operation.row, list(options.values())
    factor = 1 / math.prod(x.shape or ()) if mean else 1.0

    def function(code: Any, vectors: list[Any]) -> Sequence[Any]:
        (value,) = row._compiled(vector_functions, *vectors, *rest)
        return [value * factor]

    text = f"{operation.name}{(mean, *rest)}"
    axes = tuple(axis for axis, extent in enumerate(x.shape or ()) if extent != 1)
    lowering.item(
        Item(x.shape or (), list(instruction.inputs), [Result(output, axes)], function, text, instruction)
    )
    return True


def _loss_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    operation = instruction.operation
    options = dict(instruction.parameters)
    mean = options.pop("reduction") == "mean"
    (upstream,), x = instruction.upstream, instruction.inputs[0]
    if not _fits(instruction, [*instruction.inputs, upstream]) or not math.prod(x.shape or ()):
        return False
    rest = list(options.values())
    factor = 1 / math.prod(x.shape or ()) if mean else 1.0
    items = []
    for position, output in enumerate(instruction.outputs):
        if output is None:
            continue
        gradient = operation._gradients[position]

        def function(code: Any, vectors: list[Any], gradient: Any = gradient) -> Sequence[Any]:
            share, *arrays = vectors
            return gradient(vector_functions, share * factor, *arrays, *rest)

        text = f"{operation.name}.gradient{position}{(mean, *rest)}"
        sources: list[Source] = [upstream, *instruction.inputs]
        items.append(Item(x.shape or (), sources, [Result(output)], function, text, instruction))
    lowering.items(items)
    return True


for _name, _operation in REGISTRY.items():
    if isinstance(_operation, PointwiseLoss):
        RULES["forward", _name] = _loss
        RULES["gradient", _name] = _loss_gradient


# ---- writes


@rule("write", "write")
def _write(lowering: Lowering, instruction: Instruction) -> bool:
    """A whole array is replaced; writing into a part of one is left to Python."""
    before, source = instruction.inputs
    (output,) = instruction.outputs
    if output is None or before.place is None or before.shape is None or source.shape is None:
        return False
    if not _is_everything(instruction.parameters["key"]) or source.dtype != before.dtype:
        return False
    if not all_of((before,), "float32", "float64", "int64"):
        return False
    if len(source.shape) > len(before.shape):
        return False
    target: View = lowering.place_view(output)
    result = Result(output, target=target)
    lowering.item(
        Item(before.shape, [source], [result], lambda code, vectors: list(vectors), "write", instruction)
    )
    return True


def _is_everything(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return all(part is Ellipsis or (isinstance(part, slice) and part == slice(None)) for part in parts)


# ---- dropout


@rule("forward", "dropout")
def _dropout(lowering: Lowering, instruction: Instruction) -> bool:
    return _masked(lowering, instruction, instruction.inputs[0])


@rule("gradient", "dropout")
def _dropout_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    return _masked(lowering, instruction, instruction.upstream[0])


def _masked(lowering: Lowering, instruction: Instruction, x: Value) -> bool:
    """x where the mask keeps it, made larger by as much as is expected to be lost."""
    mask, output = instruction.inputs[1], instruction.outputs[0]
    if output is None or not all_of((x,), *FLOATS) or not all_of((mask,), "bool"):
        return False
    p = instruction.parameters["p"]
    scale = 1.0 / (1.0 - p) if p < 1 else 0.0

    def function(code: Any, vectors: list[Any]) -> Sequence[Any]:
        value, kept = vectors
        return [kept.select(value * scale, value.like(0.0))]

    lowering.item(
        Item(output.shape or (), [x, mask], [Result(output)], function, f"dropout({scale!r})", instruction)
    )
    return True


# ---- parts of arrays


@rule("scatter", "slice")
def _add_at(lowering: Lowering, instruction: Instruction) -> bool:
    """What has arrived at an array, plus the gradient of a slice of it, at its place."""
    (before,), (upstream,), (output,) = instruction.inputs, instruction.upstream, instruction.outputs
    if output is None or not all_of((before, upstream), *FLOATS) or before.dtype != upstream.dtype:
        return False
    users = [each for each in lowering.consumers.get(before, ()) if each != id(instruction)]
    view = lowering.view(before)
    if users or lowering.owners.get(view.storage) is not before:
        made = lowering.new(output)
        lowering.copy(view, made, f"copy of {before.name}")
        view = made
    elif 0 in lowering.consumers.get(output, ()):
        return False
    part = sliced(view, instruction.parameters["key"])
    if part is None or part.shape != upstream.shape:
        return False
    lowering.view(upstream)
    lowering.before_write(view.storage)
    value = Value(-1, part.shape, before.dtype, f"{output.name}_part", "computed")
    lowering.add_to(part, upstream, value)
    lowering.views[output] = view
    lowering.owners[view.storage] = output
    return True


@rule("plain", "one_more")
def _one_more(lowering: Lowering, instruction: Instruction) -> bool:
    """A counter of batches."""
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not all_of((x, output), "int64"):
        return False
    item = Item(
        output.shape or (),
        [x],
        [Result(output)],
        lambda code, vectors: [vectors[0] + 1],
        "add 1",
        instruction,
    )
    lowering.item(item)
    return True
