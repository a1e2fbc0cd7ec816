"""Rows looked up in a table, and the sum of their gradients; arrays put side by side, and padded."""

from __future__ import annotations

import math

from deltarule.compiler.native.cluster import Item, Result
from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.plan import View
from deltarule.compiler.native.rules.registry import FLOATS, all_of, labelled, rule
from deltarule.compiler.program import Instruction, Value
from deltarule.kernels.native.embedding import SumRows, TakeRows


@rule("forward", "embedding")
def _embedding(lowering: Lowering, instruction: Instruction) -> bool:
    indices, table = instruction.inputs
    (output,) = instruction.outputs
    if output is None or not all_of((table, output), *FLOATS) or not all_of((indices,), "int64"):
        return False
    if not math.prod(output.shape or ()):
        return False
    assert table.shape is not None and indices.shape is not None and table.dtype is not None
    rows, width = math.prod(indices.shape), table.shape[1]
    made = lowering.new(output)
    arguments = [lowering.contiguous(table), lowering.contiguous(indices), made, rows, width]
    lowering.call(TakeRows(table.dtype.name, width), arguments, (2,), rows * width, labelled(instruction))
    lowering.views[output] = made
    return True


@rule("gradient", "embedding")
def _embedding_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    indices, table = instruction.inputs
    (upstream,) = instruction.upstream
    output = instruction.outputs[1]
    if output is None or not all_of((upstream, output), *FLOATS) or not all_of((indices,), "int64"):
        return False
    if instruction.parameters["padding_idx"] is not None or not math.prod(upstream.shape or ()):
        return False
    assert table.shape is not None and indices.shape is not None and output.dtype is not None
    rows, (count, width) = math.prod(indices.shape), table.shape
    made = lowering.new(output)
    arguments = [lowering.contiguous(indices), lowering.contiguous(upstream), made, count, rows, width]
    routine = SumRows(output.dtype.name, False, width)
    lowering.call(routine, arguments, (2,), rows * width, labelled(instruction))
    lowering.views[output] = made
    return True


# ---- arrays side by side


def _part(view: View, axis: int, start: int, length: int) -> View:
    shape = (*view.shape[:axis], length, *view.shape[axis + 1 :])
    return View(view.storage, shape, view.strides, view.offset + start * view.strides[axis])


def _write(lowering: Lowering, x: Value | View, target: View, label: str) -> None:
    source = x if isinstance(x, View) else lowering.view(x)
    lowering.copy(source, target, label)


@rule("forward", "concat")
def _concat(lowering: Lowering, instruction: Instruction) -> bool:
    (output,) = instruction.outputs
    known = [*instruction.inputs, *instruction.outputs]
    if output is None or not all_of(known, *FLOATS) or len({value.dtype for value in known}) != 1:
        return False
    assert output.shape is not None
    axis = instruction.parameters["axis"] % len(output.shape)
    sources = [lowering.view(value) for value in instruction.inputs]
    made, start = lowering.new(output), 0
    for source in sources:
        length = source.shape[axis]
        if source.size:
            _write(lowering, source, _part(made, axis, start, length), labelled(instruction))
        start += length
    lowering.views[output] = made
    return True


@rule("gradient", "concat")
def _concat_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    (upstream,) = instruction.upstream
    if not all_of((upstream,), *FLOATS):
        return False
    view = lowering.view(upstream)
    axis = instruction.parameters["axis"] % len(view.shape)
    start = 0
    for value, output in zip(instruction.inputs, instruction.outputs, strict=True):
        assert value.shape is not None
        length = value.shape[axis]
        if output is not None:
            lowering.views[output] = _part(view, axis, start, length)
        start += length
    return True


# ---- padding


@rule("forward", "pad")
def _pad(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not all_of((x, output), *FLOATS) or not math.prod(output.shape or ()):
        return False
    widths, value = instruction.parameters["width"], float(instruction.parameters["value"])
    assert output.shape is not None and x.shape is not None
    made = lowering.new(output)
    fill = Value(-1, output.shape, output.dtype, f"{output.name}_fill", "computed")
    item = Item(
        output.shape,
        [],
        [Result(fill, target=made)],
        lambda code, vectors: [code.number(value, made.dtype)],
        f"fill({value!r})",
    )
    lowering.at_once(item)
    inner = made
    for axis, (before, _) in enumerate(widths):
        inner = _part(inner, axis, before, x.shape[axis])
    if inner.size:
        _write(lowering, x, inner, labelled(instruction))
    lowering.views[output] = made
    return True


@rule("gradient", "pad")
def _pad_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (upstream,), (output,) = instruction.inputs, instruction.upstream, instruction.outputs
    if output is None or not all_of((upstream,), *FLOATS):
        return False
    widths = instruction.parameters["width"]
    assert x.shape is not None
    inner = lowering.view(upstream)
    for axis, (before, _) in enumerate(widths):
        inner = _part(inner, axis, before, x.shape[axis])
    lowering.views[output] = inner
    return True
