"""Kernel size, stride, padding and dilation as users give them -> one tuple per spatial axis.

Shared by convolution and pooling, so that both accept and refuse the same things in the same words.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from deltarule.errors import ArgumentError, ShapeError

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

AXIS_NAMES = {1: "(batch, channels, length)", 2: "(batch, channels, height, width)"}


def integer(who: str, name: str, value: Any, minimum: int) -> int:
    """The value as an int of at least `minimum`, or an ArgumentError."""
    try:
        number = value if type(value) is int else operator.index(value)
    except TypeError:
        number = minimum - 1
    if number < minimum:
        raise ArgumentError(who, f"{name} expected an integer of at least {minimum}, got {value!r}")
    return number


def per_axis(who: str, name: str, value: Any, rank: int, minimum: int) -> Sizes:
    """One integer for all spatial axes, or a sequence with one for each."""
    if type(value) is int and value >= minimum:
        return (value,) * rank
    if type(value) is tuple and len(value) == rank:
        # As layers keep their options: nothing is left to convert.
        for each in value:
            if type(each) is not int or each < minimum:
                break
        else:
            return value
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] * rank
    if len(values) != rank:
        raise ArgumentError(
            who,
            f"{name} expected one integer or {rank} of them, got {value!r}",
            "Give one per spatial axis.",
        )
    return tuple(integer(who, name, each, minimum) for each in values)


def padding_pairs(who: str, padding: Any, kernel_size: Sizes, stride: Sizes, dilation: Sizes) -> Pairs:
    """Zeros (before, after) along each spatial axis.

    padding   an integer, one per axis, "valid" (none), or "same": the output has the input's size;
              an odd number of zeros puts the extra one after, as in PyTorch
    """
    if padding == "valid":
        return ((0, 0),) * len(kernel_size)
    if padding == "same":
        if any(step != 1 for step in stride):
            raise ArgumentError(
                who, f"padding='same' expected stride 1, got {stride}", "Give the padding as numbers."
            )
        totals = [gap * (size - 1) for size, gap in zip(kernel_size, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise ArgumentError(who, f"padding expected integers, 'same' or 'valid', got {padding!r}")
    return tuple([(each, each) for each in per_axis(who, "padding", padding, len(kernel_size), 0)])


@lru_cache(maxsize=1024)
def convolved_sizes(
    who: str, x: Sizes, kernel_size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> Sizes:
    """Number of windows along each spatial axis: (size + padding − reach) / stride, rounded down, + 1."""
    sizes = []
    for extent, size, step, pair, gap in zip(x[2:], kernel_size, stride, padding, dilation, strict=True):
        left = covered(extent, pair, size, gap)
        if left < 0:
            raise ShapeError(
                who,
                f"kernel {kernel_size} (dilation {dilation}) is larger than x {x} with padding {padding}",
                "Pad more, or take a smaller kernel.",
            )
        sizes.append(left // step + 1)
    return tuple(sizes)


def require_axes(who: str, name: str, shape: Sizes, rank: int) -> None:
    """Raises ShapeError unless the array is (batch, channels, *spatial)."""
    if len(shape) != rank + 2:
        fix = "Add a batch axis: x[None]." if len(shape) == rank + 1 else ""
        raise ShapeError(who, f"{name} expected {rank + 2} axes {AXIS_NAMES[rank]}, got shape {shape}", fix)


def covered(extent: int, pair: tuple[int, int], size: int, gap: int) -> int:
    """Elements left for the window to move over: padded extent less the dilated kernel's reach."""
    return extent + pair[0] + pair[1] - gap * (size - 1) - 1


@lru_cache(maxsize=1024)
def pooled_sizes(
    who: str, x: Sizes, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> Sizes:
    """Number of windows along each spatial axis: (size + 2·padding − reach) / stride, rounded, + 1.

    ceil_mode   round up: a last window may reach beyond the padding, if it starts before its end
    """
    sizes = []
    for extent, size, step, ahead, gap in zip(x[2:], kernel_size, stride, padding, dilation, strict=True):
        left = covered(extent, (ahead, ahead), size, gap)
        count = (-(-left // step) if ceil_mode else left // step) + 1
        if ceil_mode and (count - 1) * step >= extent + ahead:
            count -= 1
        if count < 1:
            raise ShapeError(
                who,
                f"kernel {kernel_size} (dilation {dilation}) is larger than x {x} with padding {padding}",
                "Take a smaller kernel.",
            )
        sizes.append(count)
    return tuple(sizes)


def pooling_window(
    who: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any, rank: int
) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    """Kernel size, stride (the kernel size if None), padding and dilation of a pooling."""
    sizes = per_axis(who, "kernel_size", kernel_size, rank, 1)
    steps = sizes if stride is None else per_axis(who, "stride", stride, rank, 1)
    around = per_axis(who, "padding", padding, rank, 0)
    gaps = per_axis(who, "dilation", dilation, rank, 1)
    if not any(around):
        return sizes, steps, around, gaps
    for ahead, size, gap in zip(around, sizes, gaps, strict=True):
        if 2 * ahead > gap * (size - 1) + 1:
            raise ArgumentError(
                who,
                f"padding {around} expected to be at most half of the kernel, got kernel {sizes} "
                f"with dilation {gaps}",
                "A window must not lie in the padding alone.",
            )
    return sizes, steps, around, gaps
