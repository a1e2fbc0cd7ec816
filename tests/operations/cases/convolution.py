"""Rows of convolutions; the reference adds one product at a time, in plain loops."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations import convolution
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(5)


def _draw(*shape: int) -> Any:
    return _generator.normal(size=shape)


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank


def _meetings(extents: Any, counts: Any, kernel: Any, stride: Any, before: Any, dilation: Any) -> Any:
    """(position, offset, element) of every window element that lies inside the data."""
    for position in product(*map(range, counts)):
        for offset in product(*map(range, kernel)):
            element = tuple(
                p * s + k * d - b
                for p, s, k, d, b in zip(position, stride, offset, dilation, before, strict=True)
            )
            if all(0 <= at < extent for at, extent in zip(element, extents, strict=True)):
                yield position, offset, element


def _convolution(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    rank, kernel = x.ndim - 2, weight.shape[2:]
    stride, dilation = _tuple(stride, rank), _tuple(dilation, rank)
    if padding == "same":
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        before = [each // 2 for each in total]
    else:
        before = _tuple(0 if padding == "valid" else padding, rank)
        total = [2 * each for each in before]
    sizes = zip(x.shape[2:], kernel, stride, total, dilation, strict=True)
    counts = tuple((i + t - d * (k - 1) - 1) // s + 1 for i, k, s, t, d in sizes)
    y = np.zeros((x.shape[0], weight.shape[0], *counts))
    for out_channel in range(weight.shape[0]):
        first = out_channel // (weight.shape[0] // groups) * weight.shape[1]
        for position, offset, element in _meetings(x.shape[2:], counts, kernel, stride, before, dilation):
            for channel in range(weight.shape[1]):
                y[:, out_channel, *position] += (
                    weight[out_channel, channel, *offset] * x[:, first + channel, *element]
                )
        if bias is not None:
            y[:, out_channel] += bias[out_channel]
    return y


def _transposed(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    rank, kernel, in_channels = x.ndim - 2, weight.shape[2:], weight.shape[0]
    stride, dilation, padding = _tuple(stride, rank), _tuple(dilation, rank), _tuple(padding, rank)
    sizes = zip(x.shape[2:], kernel, stride, padding, dilation, _tuple(output_padding, rank), strict=True)
    extents = tuple((i - 1) * s - 2 * p + d * (k - 1) + more + 1 for i, k, s, p, d, more in sizes)
    y = np.zeros((x.shape[0], weight.shape[1] * groups, *extents))
    for channel in range(in_channels):
        first = channel // (in_channels // groups) * weight.shape[1]
        for position, offset, element in _meetings(extents, x.shape[2:], kernel, stride, padding, dilation):
            for out_channel in range(weight.shape[1]):
                y[:, first + out_channel, *element] += (
                    weight[channel, out_channel, *offset] * x[:, channel, *position]
                )
    return y if bias is None else y + bias.reshape(-1, *[1] * rank)


def _weight_gradient(
    data: Any,
    signal: Any,
    kernel_size: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    rank = data.ndim - 2
    kernel, stride, dilation = _tuple(kernel_size, rank), _tuple(stride, rank), _tuple(dilation, rank)
    in_group, out_group = data.shape[1] // groups, signal.shape[1] // groups
    weight = np.zeros((signal.shape[1], in_group, *kernel))
    before = _tuple(padding, rank)
    for position, offset, element in _meetings(
        data.shape[2:], signal.shape[2:], kernel, stride, before, dilation
    ):
        for o, c in product(range(signal.shape[1]), range(in_group)):
            channel = o // out_group * in_group + c
            weight[o, c, *offset] += np.sum(signal[:, o, *position] * data[:, channel, *element])
    return weight


CASES: list[Case] = [
    *(
        Case(
            convolution.conv1d,
            (_draw(2, 2, 7), _draw(2, 2 // options.get("groups", 1), 3)),
            _convolution,
            options,
        )
        for options in (
            {},
            {"stride": 2},
            {"stride": 2, "padding": 2},
            {"padding": "same"},
            {"padding": "valid", "dilation": 2},
            {"padding": "same", "dilation": 3},
            {"stride": 3, "padding": 1, "dilation": 2, "groups": 2},
        )
    ),
    Case(convolution.conv1d, (_draw(2, 2, 5), _draw(3, 2, 2), _draw(3)), _convolution),
    Case(convolution.conv1d, (_draw(1, 1, 4), _draw(1, 1, 4), _draw(1)), _convolution, {"padding": "same"}),
    Case(convolution.conv1d, (_draw(0, 2, 5), _draw(3, 2, 2), _draw(3)), _convolution),
    *(
        Case(
            convolution.conv2d,
            (_draw(2, 2, 5, 6), _draw(2, 2 // options.get("groups", 1), 3, 2)),
            _convolution,
            options,
        )
        for options in (
            {},
            {"stride": 2, "padding": 1},
            {"stride": (1, 3), "padding": (2, 0), "dilation": (2, 1)},
            {"padding": "same"},
            {"groups": 2, "stride": (3, 2), "padding": (1, 2)},
        )
    ),
    Case(convolution.conv2d, (_draw(2, 3, 4, 4), _draw(2, 3, 3, 3), _draw(2)), _convolution, {"padding": 1}),
    Case(convolution.conv2d, (_draw(1, 4, 3, 3), _draw(6, 2, 2, 2), _draw(6)), _convolution, {"groups": 2}),
    Case(convolution.conv2d, (_draw(1, 1, 1, 1), _draw(1, 1, 1, 1), _draw(1)), _convolution),
    Case(convolution.conv2d, (_draw(2, 3, 2, 3), _draw(2, 3, 1, 1)), _convolution, {"stride": 2}),
    Case(convolution.conv2d, (_draw(0, 2, 3, 3), _draw(2, 2, 2, 2), _draw(2)), _convolution),
    Case(
        convolution.conv2d, (_draw(1, 1, 2, 2), _draw(1, 1, 3, 3)), _convolution, {"padding": 3, "stride": 2}
    ),
    *(
        Case(
            convolution.conv_transpose1d,
            (_draw(2, 2, 4), _draw(2, 2 // options.get("groups", 1), 3), _draw(2)),
            _transposed,
            options,
        )
        for options in (
            {},
            {"stride": 2, "padding": 1, "output_padding": 1},
            {"stride": 3, "dilation": 2, "groups": 2},
            {"dilation": 4, "output_padding": 3, "padding": 1},
        )
    ),
    *(
        Case(
            convolution.conv_transpose2d,
            (_draw(2, 2, 3, 2), _draw(2, 2 // options.get("groups", 1), 2, 3)),
            _transposed,
            options,
        )
        for options in (
            {},
            {"stride": 2},
            {"stride": (2, 3), "padding": (0, 2), "output_padding": (1, 2)},
            {"dilation": (2, 1), "padding": 1, "groups": 2},
        )
    ),
    Case(
        convolution.conv_transpose2d,
        (_draw(1, 2, 2, 2), _draw(2, 3, 2, 2), _draw(3)),
        _transposed,
        {"stride": 2},
    ),
    Case(convolution.conv_transpose2d, (_draw(0, 2, 2, 2), _draw(2, 3, 2, 2), _draw(3)), _transposed),
    Case(
        convolution.conv1d_weight_gradient,
        (_draw(2, 4, 7), _draw(2, 2, 3)),
        _weight_gradient,
        {"kernel_size": 3, "stride": 2, "groups": 2},
    ),
    Case(
        convolution.conv2d_weight_gradient,
        (_draw(2, 2, 4, 5), _draw(2, 2, 3, 2)),
        _weight_gradient,
        {"kernel_size": (2, 3), "stride": (2, 3), "padding": 1},
    ),
    Case(
        convolution.conv2d_weight_gradient,
        (_draw(2, 2, 4, 4), _draw(2, 1, 2, 2)),
        _weight_gradient,
        {"kernel_size": 2, "dilation": 2},
    ),
]

_IMAGE, _KERNEL = _draw(2, 4, 5, 5), _draw(6, 4, 3, 3)

ERRORS: list[ErrorCase] = [
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE[0], _KERNEL),
        ShapeError,
        ("conv2d: x expected 4 axes (batch, channels, height, width), got shape (4, 5, 5)", "x[None]"),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL[0, 0]),
        ShapeError,
        ("conv2d: weight expected 4 axes", "got shape (3, 3)"),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE[:, :3], _KERNEL),
        ShapeError,
        ("conv2d: weight expects 4 input channels, x has 3 (x (2, 3, 5, 5), weight (6, 4, 3, 3))",),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL, groups=2),
        ShapeError,
        ("conv2d: weight expects 4 input channels in each of 2 groups, x has 4",),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL, groups=4),
        ShapeError,
        ("conv2d: out_channels 6 expected to be a multiple of groups, got groups=4",),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL, _draw(5)),
        ShapeError,
        ("conv2d: bias expected shape (6,), one for each output channel, got (5,)",),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL, dilation=3),
        ShapeError,
        ("conv2d: kernel (3, 3) (dilation (3, 3)) is larger than x (2, 4, 5, 5)", "Pad more"),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL[:, :, :0]),
        ShapeError,
        ("conv2d: weight expected a kernel of at least one element, got shape (6, 4, 0, 3)",),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL, stride=0),
        ArgumentError,
        ("conv2d: stride expected an integer of at least 1, got 0",),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL, padding=-1),
        ArgumentError,
        ("conv2d: padding expected an integer of at least 0, got -1",),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL, padding=1.5),
        ArgumentError,
        ("conv2d: padding expected an integer of at least 0, got 1.5",),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL, dilation=(1, 1, 1)),
        ArgumentError,
        ("conv2d: dilation expected one integer or 2 of them, got (1, 1, 1)",),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL, padding="same", stride=2),
        ArgumentError,
        ("conv2d: padding='same' expected stride 1, got (2, 2)",),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL, padding="full"),
        ArgumentError,
        ("conv2d: padding expected integers, 'same' or 'valid', got 'full'",),
    ),
    ErrorCase(
        lambda: convolution.conv2d(_IMAGE, _KERNEL, groups=0),
        ArgumentError,
        ("conv2d: groups expected an integer of at least 1, got 0",),
    ),
    ErrorCase(
        lambda: convolution.conv1d(_IMAGE, _KERNEL[:, :, 0]),
        ShapeError,
        ("conv1d: x expected 3 axes (batch, channels, length), got shape (2, 4, 5, 5)",),
    ),
    ErrorCase(
        lambda: convolution.conv_transpose2d(_IMAGE, _KERNEL),
        ShapeError,
        ("conv_transpose2d: weight expects 6 input channels, x has 4", "(in_channels, out_channels / groups"),
    ),
    ErrorCase(
        lambda: convolution.conv_transpose2d(_IMAGE, _KERNEL[:4], groups=3),
        ShapeError,
        ("conv_transpose2d: in_channels 4 expected to be a multiple of groups, got groups=3",),
    ),
    ErrorCase(
        lambda: convolution.conv_transpose2d(_IMAGE, _KERNEL[:4], _draw(3)),
        ShapeError,
        ("conv_transpose2d: bias expected shape (4,)",),
    ),
    ErrorCase(
        lambda: convolution.conv_transpose2d(_IMAGE, _KERNEL[:4], stride=2, output_padding=2),
        ShapeError,
        ("conv_transpose2d: output_padding (2, 2) expected to be below stride (2, 2) or dilation (1, 1)",),
    ),
    ErrorCase(
        lambda: convolution.conv_transpose2d(_IMAGE, _KERNEL[:4], padding=4),
        ShapeError,
        ("conv_transpose2d: x (2, 4, 5, 5) would give an output of size (-1, -1)", "Pad less."),
    ),
    ErrorCase(
        lambda: convolution.conv_transpose1d(_IMAGE[0], _KERNEL[0]),
        ShapeError,
        ("conv_transpose1d: weight expects 4 input channels, x has 5",),
    ),
    ErrorCase(
        lambda: convolution.conv2d_weight_gradient(_IMAGE, _draw(2, 6, 4, 4), 3),
        ShapeError,
        ("conv2d_weight_gradient: signal expected shape (2, 6, 3, 3)", "got (2, 6, 4, 4)"),
    ),
    ErrorCase(
        lambda: convolution.conv1d_weight_gradient(_draw(2, 3, 4), _draw(2, 2, 4), 1, groups=2),
        ShapeError,
        ("conv1d_weight_gradient: data's channels 3 expected to be a multiple of groups",),
    ),
]
