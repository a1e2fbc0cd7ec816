"""Pooling layers: the largest or the mean value of each window."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.nn.module import Module
from deltarule.nn.sizes import extents
from deltarule.operations.pooling import adaptive_avg_pool2d, avg_pool1d, avg_pool2d, max_pool1d, max_pool2d


class _Pooling(Module):
    """What the pooling layers share: windows, steps and padding, shown as PyTorch shows them."""

    axes: int

    def _set_windows(self, kernel_size: Any, stride: Any, padding: Any) -> None:
        who = type(self).__name__
        self.kernel_size = self._given("kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else self._given("stride", stride)
        self.padding = self._given("padding", padding, least=0)
        windows = extents(who, "kernel_size", kernel_size, self.axes)
        for window, zeros in zip(windows, extents(who, "padding", padding, self.axes, least=0), strict=True):
            if zeros > window // 2:
                raise ArgumentError(
                    who,
                    f"padding expected at most half of kernel_size {window}, got {zeros}",
                    "A wider padding makes windows that hold nothing but padding.",
                )

    def _given(self, name: str, value: Any, least: int = 1) -> Any:
        """The value as it was given, one number or several, once it is known to be good."""
        extents(type(self).__name__, name, value, self.axes, least)
        return tuple(value) if isinstance(value, (list, tuple)) else int(value)


class _MaxPool(_Pooling):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ):
        self._set_windows(kernel_size, stride, padding)
        self.dilation = self._given("dilation", dilation)
        self.ceil_mode = bool(ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """Largest value of each window along one axis.

    y[n, c, t] = max over k < kernel_size of x[n, c, t · stride + k · dilation − padding]

    kernel_size, stride (kernel_size unless given), padding, dilation   in samples
    ceil_mode   also take a last window that sticks out at the end
    x           (batch, channels, length)

    The gradient goes to the first largest element of each window.
    Raises ArgumentError for windows that make no sense, ShapeError if x is too small.

    >>> import deltarule as dr
    >>> dr.nn.MaxPool1d(2)(dr.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[3., 2.]]], dtype=float32)
    """

    axes = 1

    def forward(self, x: Any) -> Tensor:
        return max_pool1d(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil_mode,
        )


class MaxPool2d(_MaxPool):
    """Largest value of each window of an image.

    y[n, c, i, j] = max over p, q of x[n, c, i · s + p · d − a, j · s + q · d − a]
    with stride s, dilation d and padding a (of −∞)

    kernel_size, stride (kernel_size unless given), padding, dilation   in pixels, or (vertical, horizontal)
    ceil_mode   also take last windows that stick out
    x           (batch, channels, height, width)

    The gradient goes to the first largest element of each window.
    Raises ArgumentError for windows that make no sense, ShapeError if x is too small.
    Source: Zhou & Chellappa 1988; Scherer, Müller & Behnke 2010.

    >>> import deltarule as dr
    >>> dr.nn.MaxPool2d(2)(dr.zeros((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    axes = 2

    def forward(self, x: Any) -> Tensor:
        return max_pool2d(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil_mode,
        )


class _AvgPool(_Pooling):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        self._set_windows(kernel_size, stride, padding)
        self.ceil_mode = bool(ceil_mode)
        self.count_include_pad = bool(count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """Mean of each window along one axis.

    y[n, c, t] = mean over k < kernel_size of x[n, c, t · stride + k − padding]

    kernel_size, stride (kernel_size unless given), padding   in samples
    ceil_mode           also take a last window that sticks out at the end
    count_include_pad   whether the zeros of the padding count in the mean
    x                   (batch, channels, length)

    Raises ArgumentError for windows that make no sense, ShapeError if x is too small.

    >>> import deltarule as dr
    >>> dr.nn.AvgPool1d(2)(dr.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[2., 1.]]], dtype=float32)
    """

    axes = 1

    def forward(self, x: Any) -> Tensor:
        return avg_pool1d(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
            count_include_pad=self.count_include_pad,
        )


class AvgPool2d(_AvgPool):
    """Mean of each window of an image.

    y[n, c, i, j] = mean over p, q of x[n, c, i · s + p − a, j · s + q − a] with stride s and padding a

    kernel_size, stride (kernel_size unless given), padding   in pixels, or (vertical, horizontal)
    ceil_mode           also take last windows that stick out
    count_include_pad   whether the zeros of the padding count in the mean
    x                   (batch, channels, height, width)

    Raises ArgumentError for windows that make no sense, ShapeError if x is too small.
    Source: LeCun et al. 1989 (subsampling).

    >>> import deltarule as dr
    >>> dr.nn.AvgPool2d(2)(dr.ones((1, 1, 2, 2)))
    tensor([[[[1.]]]], dtype=float32)
    """

    axes = 2

    def forward(self, x: Any) -> Tensor:
        return avg_pool2d(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
            count_include_pad=self.count_include_pad,
        )


class AdaptiveAvgPool2d(Module):
    """Mean over windows chosen so that the output has the given size, whatever the image's.

    Output row i is the mean of the input rows from ⌊i · H / H'⌋ up to ⌈(i + 1) · H / H'⌉; columns likewise.

    output_size   H' = W' as one number, or (H', W'); None keeps the image's own size along that axis
    x             (batch, channels, H, W)
    returns       (batch, channels, H', W')

    Raises ArgumentError for sizes below 1. Source: Lin, Chen & Yan 2014 (global average pooling, size 1).

    >>> import deltarule as dr
    >>> dr.nn.AdaptiveAvgPool2d(1)(dr.ones((2, 3, 5, 7))).shape
    (2, 3, 1, 1)
    """

    def __init__(self, output_size: Any):
        if isinstance(output_size, (list, tuple)) and len(output_size) == 2:
            for each in output_size:
                if each is not None:
                    extents("AdaptiveAvgPool2d", "output_size", each, 1)
            self.output_size = tuple(output_size)
        else:
            self.output_size = extents("AdaptiveAvgPool2d", "output_size", output_size, 2)

    def forward(self, x: Any) -> Tensor:
        return adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"
