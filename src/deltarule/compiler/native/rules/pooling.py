"""Pooling on channels-last memory."""

from __future__ import annotations

from typing import Any

from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.rules.registry import labelled, rule, with_elements
from deltarule.compiler.native.rules.rows import as_rows, channels_last
from deltarule.compiler.program import Instruction
from deltarule.kernels.native.pooling import (
    AveragePool,
    AveragePoolGradient,
    MaxPool,
    MaxPoolGradient,
    Windows,
    windows_of,
)

Sizes = tuple[int, ...]


def _windows(instruction: Instruction, x: Sizes, y: Sizes) -> Windows:
    options = instruction.parameters
    kernel = options["kernel_size"]
    before = tuple(each[0] if isinstance(each, tuple) else each for each in options["padding"])
    dilation = options.get("dilation", (1,) * len(kernel))
    return windows_of(x, y[2:], kernel, options["stride"], before, dilation)


@rule("forward", "max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d")
def _pool(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not with_elements(x, output) or instruction.parameters.get("divisor_override"):
        return False
    assert x.shape is not None and output.shape is not None and x.dtype is not None
    window = _windows(instruction, x.shape, output.shape)
    if instruction.name.startswith("max"):
        routine: Any = MaxPool(x.dtype.name, *window[:4], window.numbers)
    else:
        counts = instruction.parameters["count_include_pad"]
        routine = AveragePool(x.dtype.name, *window[:4], window.numbers, include_padding=counts)
    given = as_rows(lowering, x)
    made, view = channels_last(lowering, output)
    lowering.call(routine, [given, made, *window.numbers], (1,), window.work, labelled(instruction))
    lowering.views[output] = view
    return True


@rule("gradient", "max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d")
def _pool_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (upstream,), (y,) = instruction.inputs, instruction.upstream, instruction.values
    (output,) = instruction.outputs
    if output is None or not with_elements(x, upstream):
        return False
    assert x.shape is not None and upstream.shape is not None and x.dtype is not None
    window = _windows(instruction, x.shape, upstream.shape)
    flags: dict[str, bool] = {"covered": window.covered, "overlap": window.overlap}
    facts: Any = (x.dtype.name, *window[:4], window.numbers)
    batch, channels = x.shape[:2]
    block = channels if batch >= 4 else min(channels, 16)
    if instruction.name.startswith("max"):
        routine: Any = MaxPoolGradient(*facts, **flags)
        given = [as_rows(lowering, x), as_rows(lowering, y), as_rows(lowering, upstream)]
    else:
        counts = instruction.parameters["count_include_pad"]
        routine = AveragePoolGradient(*facts, **flags, include_padding=counts)
        given = [as_rows(lowering, upstream)]
    made, view = channels_last(lowering, output)
    arguments = [*given, made, block, *window.numbers]
    lowering.call(routine, arguments, (len(given),), 2 * window.work, labelled(instruction))
    lowering.views[output] = view
    return True
