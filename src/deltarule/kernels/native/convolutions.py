"""Convolutions as Python calls them: geometry worked out once for each set of shapes, threads, memory.

Arrays have the shape (batch, channels, *spatial). Results lie channels-last; so may arguments, which are then
taken as they lie. Each function answers None where its arrays are not for native code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.convolution import Convolution, scratch_elements
from deltarule.kernels.native.convolution_geometry import forward_geometry, transposed_geometry
from deltarule.kernels.native.convolution_gradient import WeightGradient, gradient_scratch_elements
from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.epilogue import AddBias
from deltarule.kernels.native.layouts import channels_first_view, channels_last, contiguous, plane
from deltarule.kernels.native.processor import FLOATS, processor
from deltarule.kernels.native.products import team_for
from deltarule.kernels.native.team import thread_count
from deltarule.kernels.native.workspace import workspace

Array = NDArray[Any]
Sizes = tuple[int, ...]

_BIAS = AddBias()


class _Plan(NamedTuple):
    function: Callable[..., bool]
    threads: int
    shape: Sizes
    scratch: int
    table: NDArray[np.int64]
    frame: int


def image(shape: Sizes) -> tuple[int, int, int, int]:
    """A shape with one or two spatial axes as that of two."""
    return (shape[0], shape[1], *plane(shape[2:]))


@lru_cache(4096)
def _convolution(
    kind: str,
    transposed: bool,
    shape: Sizes,
    weight: Sizes,
    outputs: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
    groups: int,
    bias: bool,
    team: int,
) -> _Plan | None:
    channels = weight[1] * groups if transposed else weight[0]
    result = (shape[0], *outputs, channels)
    if 0 in shape or 0 in weight or 0 in result:
        return None
    make = transposed_geometry if transposed else forward_geometry
    dtype = FLOATS[kind]
    positions = shape[2:] if transposed else outputs
    threads = team_for(shape[0] * prod(weight) * prod(positions)) if team > 1 else 1
    geometry = make(
        processor(), dtype, image(shape), image(weight), plane(outputs), plane(stride), plane(before, 0),
        plane(dilation), groups, threads,
    )  # fmt: skip
    epilogue = _BIAS if bias else None
    kind_of_code = dtype, geometry.vectors, geometry.copied, geometry.diagonal, geometry.together
    routine = Convolution(*kind_of_code, epilogue)
    table = np.array(geometry.numbers(), np.int64)
    scratch = scratch_elements(geometry, threads)
    return _Plan(entry(routine, True), threads, result, scratch, table, geometry.frame_elements())


def convolution(
    x: Array,
    weight: Array,
    bias: Array | None,
    outputs: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
    groups: int,
    transposed: bool = False,
) -> Array | None:
    """The convolution of x, or its transpose; `outputs` are the spatial sizes of the result."""
    kind = x.dtype.char
    if kind not in FLOATS:
        return None
    plan = _convolution(
        kind, transposed, x.shape, weight.shape, outputs, stride, before, dilation, groups, bias is not None,
        thread_count(),
    )  # fmt: skip
    if plan is None:
        return None
    out = np.empty(plan.shape, x.dtype)
    more = () if bias is None else (bias,)
    scratch = workspace(plan.scratch, FLOATS[kind])
    arrays = channels_last(x), contiguous(weight), out, scratch, plan.table
    return channels_first_view(out) if plan.function(plan.threads, *arrays, plan.frame, *more) else None


@lru_cache(4096)
def _gradient(
    kind: str,
    shape: Sizes,
    signal: Sizes,
    kernel_size: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
    groups: int,
    bias: bool,
    team: int,
) -> _Plan | None:
    result = (signal[1], shape[1] // groups, *kernel_size)
    if 0 in shape or 0 in signal or 0 in result:
        return None
    dtype = FLOATS[kind]
    threads = team_for(shape[0] * prod(result) * prod(signal[2:])) if team > 1 else 1
    geometry = forward_geometry(
        processor(), dtype, image(shape), image(result), plane(signal[2:]), plane(stride), plane(before, 0),
        plane(dilation), groups, threads,
    )  # fmt: skip
    kind_of_code = dtype, geometry.vectors, geometry.copied, geometry.diagonal, geometry.together
    routine = WeightGradient(*kind_of_code, bias)
    table = np.array(geometry.numbers(), np.int64)
    scratch = gradient_scratch_elements(processor(), dtype, geometry, threads)
    return _Plan(entry(routine, True), threads, result, scratch, table, geometry.frame_elements())


def weight_gradient(
    x: Array,
    signal: Array,
    kernel_size: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
    groups: int,
    bias: bool = False,
) -> tuple[Array, Array | None] | None:
    """The gradient for the weight, and for the bias if it is wanted, where signal is that of the result.

    Rounding depends on the number of threads, each of which sums over a part of the positions.
    """
    kind = x.dtype.char
    if kind not in FLOATS:
        return None
    plan = _gradient(
        kind, x.shape, signal.shape, kernel_size, stride, before, dilation, groups, bias, thread_count()
    )
    if plan is None:
        return None
    grad_weight = np.empty(plan.shape, x.dtype)
    grad_bias = np.empty(signal.shape[1], x.dtype) if bias else None
    scratch = workspace(plan.scratch, FLOATS[kind])
    arrays = channels_last(x), channels_last(signal), grad_weight, grad_bias, scratch, plan.table
    return (grad_weight, grad_bias) if plan.function(plan.threads, *arrays, plan.frame) else None
