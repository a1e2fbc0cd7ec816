"""What works on rows: softmax, normalisations."""

from __future__ import annotations

import math
from typing import Any

from deltarule.compiler.native.cluster import Item, Result
from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.plan import Scratch, View, contiguous_strides
from deltarule.compiler.native.rules.registry import (
    FLOATS,
    all_of,
    labelled,
    one_type,
    remember,
    remembered,
    rule,
)
from deltarule.compiler.program import Instruction, Value
from deltarule.kernels.native.column_normalisation import (
    ColumnNormaliseGradient,
    ColumnScale,
    ColumnStatistics,
    column_scratch_elements,
)
from deltarule.kernels.native.row_normalisation import (
    RowNormalise,
    RowNormaliseGradient,
    row_scratch_elements,
)
from deltarule.kernels.native.softmax import Softmax, SoftmaxGradient

_EXPONENTIAL = 12


# ---- softmax


def _is_over_rows(instruction: Instruction, x: Value) -> bool:
    return (
        bool(x.shape)
        and math.prod(x.shape or ()) > 0
        and instruction.parameters["axis"]
        in (
            -1,
            len(x.shape or ()) - 1,
        )
    )


@rule("forward", "softmax", "log_softmax")
def _softmax(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not all_of((x,), *FLOATS) or not _is_over_rows(instruction, x):
        return False
    assert x.shape is not None and x.dtype is not None
    columns = x.shape[-1]
    rows = math.prod(x.shape) // columns
    y = lowering.new(output)
    routine = Softmax(x.dtype.name, instruction.name == "log_softmax", columns)
    arguments = [lowering.contiguous(x), y, rows, columns]
    lowering.call(routine, arguments, (1,), rows * columns * _EXPONENTIAL, instruction.name)
    lowering.views[output] = y
    return True


@rule("gradient", "softmax", "log_softmax")
def _softmax_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (y,), (upstream,) = instruction.inputs, instruction.values, instruction.upstream
    (output,) = instruction.outputs
    if output is None or not one_type(x, upstream) or not _is_over_rows(instruction, x):
        return False
    assert x.shape is not None and x.dtype is not None
    columns = x.shape[-1]
    rows = math.prod(x.shape) // columns
    gradient = lowering.new(output)
    routine = SoftmaxGradient(x.dtype.name, instruction.name == "log_softmax", columns)
    arguments = [lowering.contiguous(y), lowering.contiguous(upstream), gradient, rows, columns]
    lowering.call(routine, arguments, (2,), rows * columns * 6, f"{instruction.name} gradient")
    lowering.views[output] = gradient
    return True


# ---- normalisation of rows


@rule("forward", "layer_norm", "rms_norm")
def _row_norm(lowering: Lowering, instruction: Instruction) -> bool:
    x, *affine = instruction.inputs
    (output,) = instruction.outputs
    if output is None or not one_type(*instruction.inputs) or not affine:
        return False
    assert x.shape is not None and x.dtype is not None
    columns = math.prod(affine[0].shape or ())
    rows = math.prod(x.shape) // columns if columns else 0
    if not rows:
        return False
    dtype, centred = x.dtype.name, instruction.operation.centred
    mean, variance, inverse = (lowering.temporary((rows,), dtype) for _ in range(3))
    weight = lowering.contiguous(affine[0])
    bias = lowering.contiguous(affine[1]) if len(affine) > 1 else None
    y = lowering.new(output)
    routine = RowNormalise(dtype, centred, True, bias is not None, columns)
    arguments = [lowering.contiguous(x), weight, bias, y, mean if centred else None, variance, inverse]
    arguments += [rows, columns, float(instruction.parameters["eps"])]
    writes = (3, 4, 5, 6)
    lowering.call(routine, arguments, writes, rows * columns * 8, labelled(instruction))
    lowering.views[output] = y
    remember(lowering, instruction, (mean if centred else None, inverse, rows, columns))
    return True


@rule("gradient", "layer_norm", "rms_norm")
def _row_norm_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    note = remembered(lowering, instruction)
    (upstream,) = instruction.upstream
    if note is None or not one_type(*instruction.inputs, upstream):
        return False
    mean, inverse, rows, columns = note
    x, *affine = instruction.inputs
    assert x.dtype is not None
    dtype = x.dtype.name
    targets = [
        lowering.new(value) if value is not None else lowering.temporary(given.shape or (), dtype)
        for value, given in zip(instruction.outputs, instruction.inputs, strict=True)
    ]
    biased = len(affine) > 1
    routine = RowNormaliseGradient(dtype, mean is not None, True, biased, columns)
    arguments = [lowering.contiguous(x), lowering.contiguous(affine[0]), lowering.contiguous(upstream)]
    arguments += [mean, inverse, targets[0], targets[1], targets[2] if biased else None]
    arguments += [Scratch(row_scratch_elements(columns), dtype), rows, columns]
    lowering.call(routine, arguments, (5, 6, 7), rows * columns * 12, labelled(instruction))
    for value, view in zip(instruction.outputs, targets, strict=True):
        if value is not None:
            lowering.views[value] = view
    return True


# ---- normalisation of channels


def as_rows(lowering: Lowering, value: Value) -> View:
    """(batch, channels, ...) as rows of channels next to each other, which is how convolutions leave them."""
    rank = len(value.shape or ())
    return lowering.arranged(value, (0, *range(2, rank), 1))


def channels_last(lowering: Lowering, value: Value) -> tuple[View, View]:
    """Memory for a value of (batch, channels, ...), channels next to each other: (as rows, as it is)."""
    assert value.shape is not None and value.dtype is not None
    rank = len(value.shape)
    order = (0, *range(2, rank), 1)
    made = lowering.temporary(tuple(value.shape[axis] for axis in order), value.dtype.name)
    back = (0, rank - 1, *range(1, rank - 1))
    strides = contiguous_strides(made.shape)
    return made, View(made.storage, value.shape, tuple(strides[axis] for axis in back))


@rule("forward", "batch_norm")
def _batch_norm(lowering: Lowering, instruction: Instruction) -> bool:
    x, *affine = instruction.inputs
    (output,) = instruction.outputs
    if output is None or not one_type(*instruction.inputs) or x.shape is None or 0 in x.shape:
        return False
    if not all(_follows(each) for each in lowering.program.instructions if instruction.saved in each.inputs):
        return False
    assert x.dtype is not None
    dtype, columns = x.dtype.name, x.shape[1]
    rows = math.prod(x.shape) // columns
    given = as_rows(lowering, x)
    mean, variance, inverse = (lowering.temporary((columns,), dtype) for _ in range(3))
    eps = float(instruction.parameters["eps"])
    scratch = Scratch(column_scratch_elements(columns), dtype)
    lowering.call(
        ColumnStatistics(dtype, columns),
        [given, mean, variance, inverse, scratch, rows, columns, eps],
        (1, 2, 3),
        rows * columns * 6,
        labelled(instruction),
    )
    made, view = channels_last(lowering, output)
    weight = lowering.contiguous(affine[0]) if affine else None
    bias = lowering.contiguous(affine[1]) if len(affine) > 1 else None
    lowering.call(
        ColumnScale(dtype, weight is not None, bias is not None, columns),
        [given, mean, inverse, weight, bias, made, rows, columns],
        (5,),
        rows * columns * 4,
        labelled(instruction),
    )
    lowering.views[output] = view
    remember(lowering, instruction, (mean, variance, inverse, rows, columns))
    return True


def _follows(instruction: Instruction) -> bool:
    """Whether it moves a running statistic by a known share, which has a rule."""
    if instruction.name not in ("moved_mean", "moved_variance"):
        return False
    momentum = instruction.inputs[2]
    return momentum.kind == "constant" and isinstance(momentum.array, (int, float))


@rule("plain", "moved_mean", "moved_variance")
def _moved(lowering: Lowering, instruction: Instruction) -> bool:
    """The running statistics of batch normalisation, from what its forward rule left."""
    running, statistics, momentum = instruction.inputs
    (output,) = instruction.outputs
    makers = [each for each in lowering.program.instructions if each.saved is statistics]
    note = lowering.notes.get(id(makers[0])) if makers else None
    if output is None or note is None or not _follows(instruction) or not one_type(running, output):
        return False
    mean, variance, *_ = note
    share = float(momentum.array)
    factor = share * float(instruction.parameters.get("correction", 1.0))
    found = mean if instruction.name == "moved_mean" else variance
    assert running.shape is not None
    lowering.item(
        Item(
            running.shape,
            [running, found],
            [Result(output)],
            lambda code, vectors: [vectors[0] * (1.0 - share) + vectors[1] * factor],
            f"moved({share!r}, {factor!r})",
            instruction,
        )
    )
    return True


@rule("gradient", "batch_norm")
def _batch_norm_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    note = remembered(lowering, instruction)
    (upstream,) = instruction.upstream
    if note is None or not one_type(*instruction.inputs, upstream):
        return False
    mean, _, inverse, rows, columns = note
    x, *affine = instruction.inputs
    assert x.dtype is not None and x.shape is not None
    dtype = x.dtype.name
    outputs: list[Any] = [*instruction.outputs, None, None][:3]
    weight = lowering.contiguous(affine[0]) if affine else None
    if outputs[0] is not None:
        made, view = channels_last(lowering, outputs[0])
        lowering_views = {outputs[0]: view}
    else:
        made, lowering_views = lowering.temporary((math.prod(x.shape),), dtype), {}
    targets = [
        lowering.new(value) if value is not None else lowering.temporary((columns,), dtype)
        for value in outputs[1:]
    ]
    arguments = [as_rows(lowering, x), weight, as_rows(lowering, upstream), mean, inverse, made, *targets]
    arguments += [Scratch(column_scratch_elements(columns), dtype), rows, columns]
    routine = ColumnNormaliseGradient(dtype, weight is not None, columns)
    lowering.call(routine, arguments, (5, 6, 7), rows * columns * 12, labelled(instruction))
    lowering.views |= lowering_views
    for value, target in zip(outputs[1:], targets, strict=True):
        if value is not None:
            lowering.views[value] = target
    return True
