"""Operations that only look at memory in another way: no call at all where strides can say it."""

from __future__ import annotations

from typing import Any

from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.plan import View
from deltarule.compiler.native.rules.registry import rule
from deltarule.compiler.program import Instruction, Value
from deltarule.kernels.native.processor import SIZES


def _known(lowering: Lowering, *values: Value) -> bool:
    return all(value.dtype is not None and value.dtype.name in SIZES for value in values)


def _reshape(lowering: Lowering, x: Value, output: Value) -> None:
    assert output.shape is not None
    view = lowering.view(x).reshaped(output.shape)
    if view is None:
        contiguous = lowering.contiguous(x)
        view = contiguous.reshaped(output.shape)
    assert view is not None
    lowering.views[output] = view


@rule("forward", "reshape", "identity")
def _reshaped(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not _known(lowering, x) or instruction.parameters.get("copy"):
        return False
    _reshape(lowering, x, output)
    return True


@rule("gradient", "reshape", "identity")
def _reshape_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    (upstream,), (output,) = instruction.upstream, instruction.outputs
    if output is None or not _known(lowering, upstream):
        return False
    _reshape(lowering, upstream, output)
    return True


def _permuted(view: View, axes: tuple[int, ...]) -> View:
    return View(
        view.storage,
        tuple(view.shape[axis] for axis in axes),
        tuple(view.strides[axis] for axis in axes),
        view.offset,
    )


def _axes(instruction: Instruction, rank: int) -> tuple[int, ...]:
    if instruction.name == "matrix_transpose":
        return (*range(rank - 2), rank - 1, rank - 2)
    return tuple(axis % rank for axis in instruction.parameters["axes"])


@rule("forward", "permute_dims", "matrix_transpose")
def _permute(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not _known(lowering, x):
        return False
    lowering.views[output] = _permuted(lowering.view(x), _axes(instruction, len(x.shape or ())))
    return True


@rule("gradient", "permute_dims", "matrix_transpose")
def _permute_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    (upstream,), (output,) = instruction.upstream, instruction.outputs
    if output is None or not _known(lowering, upstream):
        return False
    axes = _axes(instruction, len(upstream.shape or ()))
    back = tuple(axes.index(axis) for axis in range(len(axes)))
    lowering.views[output] = _permuted(lowering.view(upstream), back)
    return True


@rule("forward", "broadcast_to")
def _broadcast(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not _known(lowering, x):
        return False
    view = lowering.view(x)
    assert output.shape is not None
    lowering.views[output] = View(view.storage, output.shape, view.broadcast(output.shape), view.offset)
    return True


@rule("forward", "spread")
def _spread(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not _known(lowering, x):
        return False
    shape, axis = instruction.parameters["shape"], instruction.parameters["axis"]
    rank = len(shape)
    axes = range(rank) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    summed = {each % rank for each in axes}
    kept = tuple(1 if each in summed else extent for each, extent in enumerate(shape))
    view = lowering.view(x).reshaped(kept)
    if view is None:
        return False
    lowering.views[output] = View(view.storage, tuple(shape), view.broadcast(tuple(shape)), view.offset)
    return True


@rule("forward", "slice")
def _slice(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not _known(lowering, x):
        return False
    view = lowering.view(x)
    made = sliced(view, instruction.parameters["key"])
    if made is None or made.shape != output.shape:
        return False
    lowering.views[output] = made
    return True


def sliced(view: View, key: Any) -> View | None:
    """view[key] for a key of whole numbers, slices and None; None for anything else."""
    shape: list[int] = []
    strides: list[int] = []
    offset, axis = view.offset, 0
    for part in key if isinstance(key, tuple) else (key,):
        if part is None:
            shape.append(1)
            strides.append(0)
            continue
        if axis >= len(view.shape):
            return None
        extent, stride = view.shape[axis], view.strides[axis]
        axis += 1
        if isinstance(part, slice):
            start, stop, step = part.indices(extent)
            count = len(range(start, stop, step))
            shape.append(count)
            strides.append(stride * step)
            offset += start * stride if count else 0
        elif isinstance(part, int) and not isinstance(part, bool):
            offset += part % extent * stride
        else:
            return None
    shape += view.shape[axis:]
    strides += view.strides[axis:]
    return View(view.storage, tuple(shape), tuple(strides), offset)
