"""Poolings as Python calls them. Results lie channels-last; None where arrays are not for native code."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.layouts import channels_first_view, channels_last
from deltarule.kernels.native.pooling import (
    AveragePool,
    AveragePoolGradient,
    MaxPool,
    MaxPoolGradient,
    windows_of,
)
from deltarule.kernels.native.processor import FLOATS
from deltarule.kernels.native.team import thread_count, threads

Array = NDArray[Any]
Sizes = tuple[int, ...]

# Elements that windows read from which a second thread repays being started.
_WORTH_A_TEAM = 30_000


class _Plan(NamedTuple):
    function: Callable[..., bool]
    threads: int
    shape: Sizes
    block: int
    numbers: tuple[int, ...]


@lru_cache(4096)
def _plan(
    name: str,
    kind: str,
    shape: Sizes,
    positions: Sizes,
    kernel: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
    include_padding: bool,
    team: int,
) -> _Plan | None:
    if 0 in shape or 0 in positions:
        return None
    found = windows_of(shape, positions, kernel, stride, before, dilation)
    window: Any = (FLOATS[kind], *found[:4])
    met: Any = {"covered": found.covered, "overlap": found.overlap}
    if name == "max":
        routine: Any = MaxPool(*window)
    elif name == "average":
        routine = AveragePool(*window, include_padding=include_padding)
    elif name == "max gradient":
        routine = MaxPoolGradient(*window, **met)
    else:
        routine = AveragePoolGradient(*window, **met, include_padding=include_padding)
    batch, channels, *extents = shape
    count = threads() if team > 1 and found.work > _WORTH_A_TEAM else 1
    # A few images are shared by channels, 64 bytes of each pixel at least.
    block = channels if batch >= 2 * count else min(channels, 16)
    is_gradient = name.endswith("gradient")
    last = (batch, *(extents if is_gradient else positions), channels)
    return _Plan(entry(routine, True), count, last, block, found.numbers)


def pool(
    name: str,
    x: Array,
    positions: Sizes,
    kernel: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
    include_padding: bool = True,
) -> Array | None:
    """ "max" or "average" of the windows of x."""
    kind = x.dtype.char
    if kind not in FLOATS:
        return None
    plan = _plan(
        name, kind, x.shape, positions, kernel, stride, before, dilation, include_padding, thread_count()
    )
    if plan is None:
        return None
    y = np.empty(plan.shape, x.dtype)
    return channels_first_view(y) if plan.function(plan.threads, channels_last(x), y, *plan.numbers) else None


def pool_gradient(
    name: str,
    shape: Sizes,
    given: tuple[Array, ...],
    kernel: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
    include_padding: bool = True,
) -> Array | None:
    """ "max gradient" from (x, y, upstream), or "average gradient" from (upstream,); shape is x's."""
    upstream = given[-1]
    kind, positions = upstream.dtype.char, upstream.shape[2:]
    if kind not in FLOATS:
        return None
    plan = _plan(
        name, kind, shape, positions, kernel, stride, before, dilation, include_padding, thread_count()
    )
    if plan is None:
        return None
    grad_x = np.empty(plan.shape, upstream.dtype)
    arrays = *map(channels_last, given), grad_x
    return (
        channels_first_view(grad_x)
        if plan.function(plan.threads, *arrays, plan.block, *plan.numbers)
        else None
    )
