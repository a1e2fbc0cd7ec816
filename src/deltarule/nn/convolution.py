"""Convolution layers over signals and images."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.nn.linear import fill_uniformly
from deltarule.nn.module import Module
from deltarule.nn.sizes import choice, extents, new_parameter, whole_number
from deltarule.operations.convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d


class _Convolution(Module):
    """What the convolution layers share: sizes, options, weight and bias."""

    axes: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = None,
    ):
        who = type(self).__name__
        self.in_channels = whole_number(who, "in_channels", in_channels)
        self.out_channels = whole_number(who, "out_channels", out_channels)
        self.kernel_size = extents(who, "kernel_size", kernel_size, self.axes)
        self.stride = extents(who, "stride", stride, self.axes)
        self.padding = self._padding(who, padding)
        self.dilation = extents(who, "dilation", dilation, self.axes)
        self.groups = whole_number(who, "groups", groups)
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ArgumentError(
                    who,
                    f"{name} expected a multiple of groups={groups}, got {channels}",
                    "Each group takes an equal share of the channels.",
                )
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = new_parameter(first, second // groups, *self.kernel_size, dtype=dtype)
        self.register_parameter("bias", new_parameter(out_channels, dtype=dtype) if bias else None)
        self.reset_parameters()

    def _padding(self, who: str, padding: Any) -> Any:
        if not isinstance(padding, str):
            return extents(who, "padding", padding, self.axes, least=0)
        if self.transposed:
            raise ArgumentError(
                who, f"padding expected whole numbers, got {padding!r}", "Give padding=0 or more."
            )
        choice(who, "padding", padding, ("valid", "same"))
        if padding == "same" and any(step != 1 for step in self.stride):
            raise ArgumentError(
                who, f"padding='same' expected stride 1, got {self.stride}", "Give the padding in numbers."
            )
        return padding

    def reset_parameters(self) -> None:
        """Draws new weights and biases."""
        fill_uniformly(self.weight, self.bias)

    def extra_repr(self) -> str:
        shown = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        if self.padding not in ("valid", (0,) * self.axes):
            shown.append(f"padding={self.padding!r}")
        if self.dilation != (1,) * self.axes:
            shown.append(f"dilation={self.dilation}")
        if self.groups != 1:
            shown.append(f"groups={self.groups}")
        if self.bias is None:
            shown.append("bias=False")
        return ", ".join(shown)


class Conv1d(_Convolution):
    """Convolution (cross-correlation) over one axis, such as time.

    y[n, o, t] = bias[o] + Σ_c,k weight[o, c, k] · x[n, c, t · stride + k · dilation − padding]

    in_channels, out_channels   channels of x and y
    kernel_size, stride, dilation   in samples, at least 1
    padding    zeros on both sides: a number, "valid" (none) or "same" (output as long as the input)
    groups     the channels are split into so many independent parts
    bias       False leaves the bias out
    x        (batch, in_channels, length)
    weight   (out_channels, in_channels / groups, kernel_size), from U(−1/√fan_in, 1/√fan_in)
    returns  (batch, out_channels, new length)

    Raises ArgumentError for sizes that make no layer, ShapeError if x does not fit.
    Source: Waibel et al. 1989; LeCun et al. 1989.

    >>> import deltarule as dr
    >>> dr.nn.Conv1d(2, 4, kernel_size=3, padding="same")(dr.zeros((1, 2, 10))).shape
    (1, 4, 10)
    """

    axes = 1

    def forward(self, x: Any) -> Tensor:
        parameters = self._parameters
        return conv1d(
            x,
            parameters["weight"],
            parameters["bias"],
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


class Conv2d(_Convolution):
    """Convolution (cross-correlation) over images.

    y[n, o, i, j] = bias[o] + Σ_c,p,q weight[o, c, p, q] · x[n, c, i · s + p · d − a, j · s + q · d − a]
    with stride s, dilation d and padding a, each its own along either axis

    in_channels, out_channels   channels of x and y
    kernel_size, stride, dilation   in pixels: one number, or (vertical, horizontal)
    padding    zeros on all sides: numbers, "valid" (none) or "same" (output of the input's size)
    groups     the channels are split into so many independent parts
    bias       False leaves the bias out
    x        (batch, in_channels, height, width)
    weight   (out_channels, in_channels / groups, kernel height, kernel width),
             from U(−1/√fan_in, 1/√fan_in)
    returns  (batch, out_channels, new height, new width)

    Raises ArgumentError for sizes that make no layer, ShapeError if x does not fit.
    Source: LeCun, Bottou, Bengio & Haffner 1998.

    >>> import deltarule as dr
    >>> dr.nn.Conv2d(1, 6, kernel_size=5, padding=2)(dr.zeros((2, 1, 28, 28))).shape
    (2, 6, 28, 28)
    """

    axes = 2

    def forward(self, x: Any) -> Tensor:
        parameters = self._parameters
        return conv2d(
            x,
            parameters["weight"],
            parameters["bias"],
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


class _Transposed(_Convolution):
    """What the transposed convolutions add: the output's size that the stride leaves open."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        dtype: Any = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, dtype
        )
        who = type(self).__name__
        self.output_padding = extents(who, "output_padding", output_padding, self.axes, least=0)
        for extra, step, spread in zip(self.output_padding, self.stride, self.dilation, strict=True):
            if extra and extra >= max(step, spread):
                raise ArgumentError(
                    who,
                    f"output_padding expected less than stride {step} or dilation {spread}, got {extra}",
                    "It only picks one of the sizes that the stride leaves open.",
                )

    def _transpose(self, operation: Any, x: Any) -> Tensor:
        return operation(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            groups=self.groups,
            dilation=self.dilation,
        )

    def extra_repr(self) -> str:
        shown = super().extra_repr()
        extra = any(self.output_padding)
        return f"{shown}, output_padding={self.output_padding}" if extra else shown


class ConvTranspose1d(_Transposed):
    """Transposed convolution over one axis: the gradient of Conv1d with respect to its input, as a layer.

    Each input sample adds its multiple of the kernel to the output, at steps of `stride`:
    y[n, o, t · s + k · d − a] += x[n, c, t] · weight[c, o, k]

    output_padding   samples added at the end, less than stride or dilation
    the other options are those of Conv1d, with padding in numbers
    x        (batch, in_channels, length)
    weight   (in_channels, out_channels / groups, kernel_size)
    returns  (batch, out_channels, (length − 1) · s − 2a + d · (kernel_size − 1) + output_padding + 1)

    Raises ArgumentError for sizes that make no layer, ShapeError if x does not fit.
    Source: Zeiler, Krishnan, Taylor & Fergus 2010.

    >>> import deltarule as dr
    >>> dr.nn.ConvTranspose1d(4, 2, kernel_size=2, stride=2)(dr.zeros((1, 4, 7))).shape
    (1, 2, 14)
    """

    axes = 1

    def forward(self, x: Any) -> Tensor:
        return self._transpose(conv_transpose1d, x)


class ConvTranspose2d(_Transposed):
    """Transposed convolution over images: the gradient of Conv2d with respect to its input, as a layer.

    Each input pixel adds its multiple of the kernel to the output, at steps of `stride`:
    y[n, o, i · s + p · d − a, j · s + q · d − a] += x[n, c, i, j] · weight[c, o, p, q]

    output_padding   rows and columns added at the bottom and the right, less than stride or dilation
    the other options are those of Conv2d, with padding in numbers
    x        (batch, in_channels, height, width)
    weight   (in_channels, out_channels / groups, kernel height, kernel width)
    returns  (batch, out_channels, (height − 1) · s − 2a + d · (kernel height − 1) + output_padding + 1, ...)

    Raises ArgumentError for sizes that make no layer, ShapeError if x does not fit.
    Source: Zeiler, Krishnan, Taylor & Fergus 2010.

    >>> import deltarule as dr
    >>> dr.nn.ConvTranspose2d(4, 2, kernel_size=2, stride=2)(dr.zeros((1, 4, 7, 7))).shape
    (1, 2, 14, 14)
    """

    axes = 2

    def forward(self, x: Any) -> Tensor:
        return self._transpose(conv_transpose2d, x)
