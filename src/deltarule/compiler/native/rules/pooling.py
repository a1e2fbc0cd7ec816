"""Pooling on channels-last memory."""

from __future__ import annotations

from math import prod
from typing import Any

from deltarule.compiler.native.lowering import Lowering
from deltarule.compiler.native.rules.registry import FLOATS, all_of, labelled, rule
from deltarule.compiler.native.rules.rows import as_rows, channels_last
from deltarule.compiler.program import Instruction, Value
from deltarule.kernels.native.pooling import AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient

Sizes = tuple[int, ...]


def _plane(sizes: Sizes, fill: int = 1) -> tuple[int, int]:
    return sizes if len(sizes) == 2 else (fill, *sizes)  # type: ignore[return-value]


class _Window:
    """The windows of an instruction: facts that the routines are written for, and sizes."""

    def __init__(self, instruction: Instruction, x: Sizes, y: Sizes):
        options = instruction.parameters
        batch, channels, *extents = x
        positions = y[2:]
        kernel, stride = options["kernel_size"], options["stride"]
        before = tuple(each[0] if isinstance(each, tuple) else each for each in options["padding"])
        dilation = options.get("dilation", (1,) * len(kernel))
        walks = list(zip(positions, extents, kernel, stride, before, dilation, strict=True))
        self.inside = all(
            ahead == 0 and (count - 1) * step + (size - 1) * gap < extent
            for count, extent, size, step, ahead, gap in walks
        )
        self.covered = self.inside and all(
            size == step and gap == 1 and count * step == extent
            for count, extent, size, step, _, gap in walks
        )
        self.overlap = any(step < (size - 1) * gap + 1 for _, _, size, step, _, gap in walks)
        self.sizes = (
            batch,
            channels,
            *_plane(tuple(extents)),
            *_plane(tuple(positions)),
            *_plane(before, 0),
        )
        self.facts = (_plane(kernel), _plane(stride), _plane(dilation), self.inside, self.sizes)
        self.block = channels if batch >= 4 else min(channels, 16)
        self.work = batch * channels * prod(positions) * prod(kernel)


def _is_plain(*values: Value | None) -> bool:
    known = [value for value in values if value is not None]
    return all_of(known, *FLOATS) and all(prod(value.shape or ()) > 0 for value in known)


@rule("forward", "max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d")
def _pool(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (output,) = instruction.inputs, instruction.outputs
    if output is None or not _is_plain(x, output) or instruction.parameters.get("divisor_override"):
        return False
    assert x.shape is not None and output.shape is not None and x.dtype is not None
    window = _Window(instruction, x.shape, output.shape)
    if instruction.name.startswith("max"):
        routine: Any = MaxPool(x.dtype.name, *window.facts)
    else:
        counts = instruction.parameters["count_include_pad"]
        routine = AveragePool(x.dtype.name, *window.facts, include_padding=counts)
    given = as_rows(lowering, x)
    made, view = channels_last(lowering, output)
    lowering.call(routine, [given, made, *window.sizes], (1,), window.work, labelled(instruction))
    lowering.views[output] = view
    return True


@rule("gradient", "max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d")
def _pool_gradient(lowering: Lowering, instruction: Instruction) -> bool:
    (x,), (upstream,), (y,) = instruction.inputs, instruction.upstream, instruction.values
    (output,) = instruction.outputs
    if output is None or not _is_plain(x, upstream):
        return False
    assert x.shape is not None and upstream.shape is not None and x.dtype is not None
    window = _Window(instruction, x.shape, upstream.shape)
    flags: dict[str, bool] = {"covered": window.covered, "overlap": window.overlap}
    if instruction.name.startswith("max"):
        routine: Any = MaxPoolGradient(x.dtype.name, *window.facts, **flags)
        given = [as_rows(lowering, x), as_rows(lowering, y), as_rows(lowering, upstream)]
    else:
        counts = instruction.parameters["count_include_pad"]
        routine = AveragePoolGradient(x.dtype.name, *window.facts, **flags, include_padding=counts)
        given = [as_rows(lowering, upstream)]
    made, view = channels_last(lowering, output)
    arguments = [*given, made, window.block, *window.sizes]
    lowering.call(routine, arguments, (len(given),), 2 * window.work, labelled(instruction))
    lowering.views[output] = view
    return True
