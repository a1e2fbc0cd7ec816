"""Rows of poolings; the reference visits one window at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations import pooling
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(11)


def _distinct(*shape: int) -> Any:
    """Elements at least 0.3 apart: the largest of a window stays the largest under small changes."""
    return _generator.permutation(np.arange(np.prod(shape, dtype=int))).reshape(shape) * 0.3 - 2.0


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank


def _pooled(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    combine: str = "max",
) -> Any:
    rank = x.ndim - 2
    kernel = _tuple(kernel_size, rank)
    steps, around, gaps = _tuple(stride or kernel, rank), _tuple(padding, rank), _tuple(dilation, rank)
    counts = []
    for extent, size, step, ahead, gap in zip(x.shape[2:], kernel, steps, around, gaps, strict=True):
        left = (extent + 2 * ahead - gap * (size - 1) - 1) / step
        count = int(np.ceil(left) if ceil_mode else np.floor(left)) + 1
        if (count - 1) * step >= extent + ahead:
            count -= 1
        counts.append(count)
    y = np.zeros((*x.shape[:2], *counts))
    for position in np.ndindex(*counts):
        elements = [
            [p * s - b + k * d for k in range(size)]
            for p, s, b, d, size in zip(position, steps, around, gaps, kernel, strict=True)
        ]
        inside = [[i for i in axis if 0 <= i < e] for axis, e in zip(elements, x.shape[2:], strict=True)]
        padded = [
            [i for i in axis if i < e + b] for axis, e, b in zip(elements, x.shape[2:], around, strict=True)
        ]
        window = (
            x[:, :, *np.ix_(*inside)].reshape(*x.shape[:2], -1) if x.size else np.zeros((*x.shape[:2], 1))
        )
        if combine == "max":
            y[:, :, *position] = window.max(axis=2)
        else:
            counted = padded if count_include_pad else inside
            y[:, :, *position] = window.sum(axis=2) / np.prod([len(axis) for axis in counted])
    return y


def _averaged(x: Any, kernel_size: Any, **options: Any) -> Any:
    return _pooled(x, kernel_size, combine="mean", **options)


def _spread(x: Any, extents: Any, kernel_size: Any, **options: Any) -> Any:
    """The transpose of the averaging matrix, found by averaging one-hot images."""
    y = np.zeros((*x.shape[:2], *_tuple(extents, x.ndim - 2)))
    for place in np.ndindex(y.shape[2:]):
        one = np.zeros((1, 1, *y.shape[2:]))
        one[0, 0, *place] = 1.0
        y[:, :, *place] = np.sum(x * _averaged(one, kernel_size, **options), axis=tuple(range(2, x.ndim)))
    return y


def _adaptive(x: Any, output_size: Any) -> Any:
    rank = x.ndim - 2
    sizes = [e if n is None else n for n, e in zip(_tuple(output_size, rank), x.shape[2:], strict=True)]
    y = np.zeros((*x.shape[:2], *sizes))
    for position in np.ndindex(*sizes):
        part = [
            slice(int(np.floor(p * e / n)), int(np.ceil((p + 1) * e / n)))
            for p, e, n in zip(position, x.shape[2:], sizes, strict=True)
        ]
        y[:, :, *position] = x[:, :, *part].mean(axis=tuple(range(2, x.ndim)))
    return y


CASES: list[Case] = [
    *(
        Case(pooling.max_pool1d, (_distinct(2, 2, 7),), _pooled, options)
        for options in (
            {"kernel_size": 2},
            {"kernel_size": 3, "stride": 2, "padding": 1},
            {"kernel_size": 2, "stride": 1, "dilation": 3},
            {"kernel_size": 3, "stride": 3, "ceil_mode": True},
            {"kernel_size": 1, "stride": 3},
        )
    ),
    *(
        Case(pooling.max_pool2d, (_distinct(2, 2, 5, 6),), _pooled, options)
        for options in (
            {"kernel_size": 2},
            {"kernel_size": (3, 2), "stride": 1},
            {"kernel_size": 3, "stride": 2, "padding": 1},
            {"kernel_size": (2, 3), "stride": (3, 2), "padding": (1, 0), "dilation": (2, 1)},
            {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
        )
    ),
    Case(pooling.max_pool2d, (_distinct(1, 1, 1, 1),), _pooled, {"kernel_size": 1}),
    Case(pooling.max_pool2d, (_distinct(0, 2, 4, 4),), _pooled, {"kernel_size": 2}),
    Case(pooling.max_pool2d, (_distinct(2, 0, 4, 4),), _pooled, {"kernel_size": 2, "stride": 1}),
    *(
        Case(pooling.avg_pool1d, (_distinct(2, 2, 7),), _averaged, options)
        for options in (
            {"kernel_size": 2},
            {"kernel_size": 3, "stride": 2, "padding": 1},
            {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
            {"kernel_size": 4, "stride": 4, "ceil_mode": True},
        )
    ),
    *(
        Case(pooling.avg_pool2d, (_distinct(2, 2, 4, 5),), _averaged, options)
        for options in (
            {"kernel_size": 2},
            {"kernel_size": (3, 2), "stride": 1, "padding": (1, 0)},
            {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
            {"kernel_size": (2, 3), "stride": (3, 2), "padding": 1, "ceil_mode": True},
            {"kernel_size": 2, "stride": 3, "ceil_mode": True, "count_include_pad": False},
        )
    ),
    Case(pooling.avg_pool2d, (_distinct(1, 1, 1, 1),), _averaged, {"kernel_size": 1}),
    Case(pooling.avg_pool2d, (_distinct(0, 2, 4, 4),), _averaged, {"kernel_size": 2}),
    Case(pooling.avg_pool1d_gradient, (_distinct(2, 2, 3),), _spread, {"extents": 7, "kernel_size": 2}),
    Case(
        pooling.avg_pool2d_gradient,
        (_distinct(2, 2, 3, 2),),
        _spread,
        {"extents": (4, 3), "kernel_size": 2, "stride": (1, 2), "ceil_mode": True},
    ),
    Case(
        pooling.avg_pool2d_gradient,
        (_distinct(1, 2, 3, 3),),
        _spread,
        {"extents": 5, "kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
    ),
    *(
        Case(pooling.adaptive_avg_pool1d, (_distinct(2, 2, 5),), _adaptive, {"output_size": n})
        for n in (1, 3, 7)
    ),
    *(
        Case(pooling.adaptive_avg_pool2d, (_distinct(2, 2, 4, 5),), _adaptive, {"output_size": sizes})
        for sizes in (1, (2, 3), (None, 2), (6, None))
    ),
    Case(pooling.adaptive_avg_pool2d, (_distinct(0, 2, 4, 4),), _adaptive, {"output_size": 2}),
]

_IMAGE = _distinct(2, 3, 4, 4)

ERRORS: list[ErrorCase] = [
    ErrorCase(
        lambda: pooling.max_pool2d(_IMAGE[0], 2),
        ShapeError,
        ("max_pool2d: x expected 4 axes (batch, channels, height, width), got shape (3, 4, 4)", "x[None]"),
    ),
    ErrorCase(
        lambda: pooling.max_pool1d(_IMAGE, 2),
        ShapeError,
        ("max_pool1d: x expected 3 axes (batch, channels, length)",),
    ),
    ErrorCase(
        lambda: pooling.avg_pool1d(_IMAGE, 2),
        ShapeError,
        ("avg_pool1d: x expected 3 axes (batch, channels, length)",),
    ),
    ErrorCase(
        lambda: pooling.max_pool2d(_IMAGE, 5),
        ShapeError,
        ("max_pool2d: kernel (5, 5) (dilation (1, 1)) is larger than x (2, 3, 4, 4) with padding (0, 0)",),
    ),
    ErrorCase(
        lambda: pooling.avg_pool2d(_IMAGE, (2, 5)), ShapeError, ("avg_pool2d: kernel (2, 5)", "is larger")
    ),
    ErrorCase(
        lambda: pooling.max_pool2d(_IMAGE, 2, padding=2),
        ArgumentError,
        ("max_pool2d: padding (2, 2) expected to be at most half of the kernel, got kernel (2, 2)",),
    ),
    ErrorCase(
        lambda: pooling.avg_pool2d(_IMAGE, 3, padding=2),
        ArgumentError,
        ("avg_pool2d: padding (2, 2) expected",),
    ),
    ErrorCase(
        lambda: pooling.max_pool2d(_IMAGE, 0),
        ArgumentError,
        ("max_pool2d: kernel_size expected an integer of at least 1, got 0",),
    ),
    ErrorCase(
        lambda: pooling.avg_pool2d(_IMAGE, 2, stride=(1, 2, 3)),
        ArgumentError,
        ("avg_pool2d: stride expected one integer or 2 of them, got (1, 2, 3)",),
    ),
    ErrorCase(
        lambda: pooling.avg_pool2d_gradient(_IMAGE, (6, 6), 2),
        ShapeError,
        (
            "avg_pool2d_gradient: x expected shape (2, 3, 3, 3),",
            "that of the pooling's output, got (2, 3, 4, 4)",
        ),
    ),
    ErrorCase(
        lambda: pooling.avg_pool1d_gradient(_IMAGE[0], 0, 2),
        ArgumentError,
        ("avg_pool1d_gradient: extents expected an integer of at least 1, got 0",),
    ),
    ErrorCase(
        lambda: pooling.adaptive_avg_pool2d(_IMAGE, (1, 2, 3)),
        ArgumentError,
        ("adaptive_avg_pool2d: output_size expected one integer or 2 of them, got (1, 2, 3)",),
    ),
    ErrorCase(
        lambda: pooling.adaptive_avg_pool2d(_IMAGE, 0),
        ArgumentError,
        ("adaptive_avg_pool2d: output_size expected an integer of at least 1, got 0",),
    ),
    ErrorCase(
        lambda: pooling.adaptive_avg_pool1d(_IMAGE, 1),
        ShapeError,
        ("adaptive_avg_pool1d: x expected 3 axes",),
    ),
    ErrorCase(
        lambda: pooling.adaptive_avg_pool2d(_IMAGE[:, :, :0], 1),
        ShapeError,
        ("adaptive_avg_pool2d: x expected at least one element to take the mean of, got shape (2, 3, 0, 4)",),
    ),
]
