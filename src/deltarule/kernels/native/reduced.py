"""Reductions as Python calls them: which axes lie together in memory, which routine, how many threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.processor import FLOATS
from deltarule.kernels.native.reductions import ColumnReduction, RowReduction
from deltarule.kernels.native.team import thread_count, threads

Array = NDArray[Any]

# Elements from which native code is faster than NumPy's, and from which a second thread repays its start.
LEAST = 4_096
_WORTH_A_TEAM = 200_000


@dataclass(frozen=True)
class _Step:
    """One routine's part: its sizes, and whether its sums are divided among threads."""

    function: Callable[..., bool]
    sizes: tuple[int, ...]
    results: int
    split: bool


@dataclass(frozen=True)
class _Plan:
    """Steps of a reduction; `order` is that of the axes in memory, None where it is their own."""

    order: tuple[int, ...] | None
    steps: tuple[_Step, ...]
    laid: tuple[int, ...]
    back: tuple[int, ...]
    shape: tuple[int, ...]
    team: int


def _groups(shape: tuple[int, ...], order: Sequence[int], axes: Sequence[int]) -> list[tuple[bool, int]]:
    """(whether they are reduced, length) of axes as they lie in memory, neighbours of one kind together."""
    groups: list[tuple[bool, int]] = []
    for axis in order:
        is_reduced = axis in axes
        if shape[axis] == 1:
            continue
        if groups and groups[-1][0] == is_reduced:
            groups[-1] = (is_reduced, groups[-1][1] * shape[axis])
        else:
            groups.append((is_reduced, shape[axis]))
    return groups


@lru_cache(4096)
def _plan(
    dtype: str,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    axes: tuple[int, ...],
    keepdims: bool,
    kind: str,
    team: int,
) -> _Plan | None:
    """How to reduce an array of this shape and these strides; None where NumPy is to do it."""
    order = sorted(range(len(shape)), key=lambda axis: (-strides[axis], axis))
    groups = _groups(shape, order, axes)
    lengths = [length for _, length in groups]
    size = prod(shape)
    count = team if size >= _WORTH_A_TEAM else 1

    def step(kind: str, outer: int, length: int, inner: int) -> _Step:
        # Few results are long sums: each is divided among the threads.
        split = count > 1 and outer * max(inner // 64, 1) < 4 * count
        if inner == 1:
            return _Step(entry(RowReduction(dtype, kind, split), True), (outer, length), outer, split)
        function = entry(ColumnReduction(dtype, kind, split), True)
        return _Step(function, (outer, length, inner), outer * inner, split)

    again = "sum" if kind == "sum_of_squares" else kind
    match [is_reduced for is_reduced, _ in groups]:
        case [True]:
            steps = [step(kind, 1, lengths[0], 1)]
        case [False, True]:
            steps = [step(kind, lengths[0], lengths[1], 1)]
        case [True, False]:
            steps = [step(kind, 1, lengths[0], lengths[1])]
        case [False, True, False]:
            steps = [step(kind, lengths[0], lengths[1], lengths[2])]
        case [True, False, True]:
            steps = [
                step(kind, lengths[0] * lengths[1], lengths[2], 1),
                step(again, 1, lengths[0], lengths[1]),
            ]
        case _:
            return None
    kept = [1 if axis in axes else extent for axis, extent in enumerate(shape)]
    is_own = order == list(range(len(shape)))
    final = kept if keepdims else [extent for axis, extent in enumerate(shape) if axis not in axes]
    return _Plan(
        None if is_own else tuple(order),
        tuple(steps),
        tuple(final) if is_own else tuple(kept[axis] for axis in order),
        tuple(sorted(range(len(order)), key=lambda axis: order[axis])),
        tuple(final),
        count,
    )


def reduced(x: Array, axes: tuple[int, ...], keepdims: bool, kind: str = "sum") -> Array | None:
    """The reduction of x over these axes (not negative); None where NumPy is to compute it.

    The last digits of large sums depend on the number of threads.
    """
    if x.size < LEAST or x.dtype.char not in FLOATS:
        return None
    plan = _plan(FLOATS[x.dtype.char], x.shape, x.strides, axes, keepdims, kind, thread_count())
    if plan is None:
        return None
    current = x if plan.order is None else x.transpose(plan.order)
    count = threads() if plan.team > 1 else 1
    for step in plan.steps:
        out = np.empty(step.results, x.dtype)
        scratch = np.empty(step.results * count) if step.split else None
        if not step.function(count, current, out, scratch, *step.sizes):
            return None
        current = out
    laid = current.reshape(plan.laid)
    return laid if plan.order is None else laid.transpose(plan.back).reshape(plan.shape)
