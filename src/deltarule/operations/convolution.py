"""The convolutions that users call: options are checked and brought into one form here.

What they compute, and how they are differentiated, is in `convolution_family.py`.
"""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.operation import apply
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ShapeError
from deltarule.operations.convolution_family import CONVOLUTION, TRANSPOSED, WEIGHT_GRADIENT
from deltarule.operations.elementwise import promote
from deltarule.operations.window_options import integer, padding_pairs, per_axis, require_axes


def _arrays(who: str, x: Any, weight: Any, bias: Any, rank: int) -> tuple[Tensor, ...]:
    given = (x, weight) if bias is None else (x, weight, bias)
    tensors = promote(given, True, who)
    require_axes(who, "weight", tensors[1].shape, rank)
    if 0 in tensors[1].shape[2:]:
        raise ShapeError(
            who, f"weight expected a kernel of at least one element, got shape {tensors[1].shape}"
        )
    return tensors


def _convolution(
    rank: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Tensor:
    operation = CONVOLUTION[rank]
    who = operation.name
    tensors = _arrays(who, x, weight, bias, rank)
    steps = per_axis(who, "stride", stride, rank, 1)
    gaps = per_axis(who, "dilation", dilation, rank, 1)
    return apply(
        operation,
        *tensors,
        stride=steps,
        padding=padding_pairs(who, padding, tensors[1].shape[2:], steps, gaps),
        dilation=gaps,
        groups=integer(who, "groups", groups, 1),
    )


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution along one axis: every output is a weighted sum over a window of x.

    y[n, o, p] = Σ_c Σ_u weight[o, c, u] · x[n, c, p·stride + u·dilation − padding] + bias[o]
    ∂L/∂x is a transposed convolution of ∂L/∂y with weight; ∂L/∂weight a convolution of x with ∂L/∂y

    x         (batch, in_channels, length)
    weight    (out_channels, in_channels / groups, kernel)
    bias      (out_channels,) or None
    stride    elements between neighbouring windows
    padding   zeros at both ends: an integer, "valid" (none) or "same" (y as long as x; stride 1)
    dilation  elements between neighbouring kernel entries
    groups    the channels are split into this many parts that do not mix; in_channels: depthwise
    returns   (batch, out_channels, ⌊(length + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1)

    Raises ShapeError where channels, bias or kernel do not fit, ArgumentError for options out of range.
    Source: LeCun et al. 1989; Goodfellow, Bengio & Courville, Deep Learning, eq. 9.6 (no flip).

    >>> import deltarule as dr
    >>> dr.conv1d(dr.tensor([[[1.0, 2.0, 4.0, 7.0]]]), dr.tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2., 3.]]], dtype=float32)
    """
    return _convolution(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of images: every output pixel is a weighted sum over a window of x.

    y[n, o, p, q] = Σ_c Σ_u Σ_v weight[o, c, u, v]
                    · x[n, c, p·stride + u·dilation − padding, q·stride + v·dilation − padding] + bias[o]
    ∂L/∂x is a transposed convolution of ∂L/∂y with weight; ∂L/∂weight a convolution of x with ∂L/∂y

    x         (batch, in_channels, height, width)
    weight    (out_channels, in_channels / groups, kernel height, kernel width)
    bias      (out_channels,) or None
    stride    pixels between neighbouring windows; here and below one integer, or (vertical, horizontal)
    padding   zeros on both sides, "valid" (none) or "same" (y as large as x; stride 1)
    dilation  pixels between neighbouring kernel entries
    groups    the channels are split into this many parts that do not mix; in_channels: depthwise
    returns   (batch, out_channels, rows, columns), each
              ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1

    Raises ShapeError where channels, bias or kernel do not fit, ArgumentError for options out of range.
    Source: LeCun, Bottou, Bengio & Haffner 1998; dilation: Yu & Koltun 2016; arithmetic of sizes:
    Dumoulin & Visin 2016.

    >>> import deltarule as dr
    >>> x = dr.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])
    >>> dr.conv2d(x, dr.tensor([[[[1.0, 0.0], [0.0, -1.0]]]]), stride=1)
    tensor([[[[-4., -4.],
              [-4., -4.]]]], dtype=float32)
    """
    return _convolution(2, x, weight, bias, stride, padding, dilation, groups)


def _transposed_convolution(
    rank: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Tensor:
    operation = TRANSPOSED[rank]
    who = operation.name
    tensors = _arrays(who, x, weight, bias, rank)
    steps = per_axis(who, "stride", stride, rank, 1)
    gaps = per_axis(who, "dilation", dilation, rank, 1)
    around = per_axis(who, "padding", padding, rank, 0)
    extra = per_axis(who, "output_padding", output_padding, rank, 0)
    for more, step, gap in zip(extra, steps, gaps, strict=True):
        if more >= max(step, gap):
            raise ShapeError(
                who, f"output_padding {extra} expected to be below stride {steps} or dilation {gaps}"
            )
    return apply(
        operation,
        *tensors,
        stride=steps,
        padding=tuple((each, each - more) for each, more in zip(around, extra, strict=True)),
        dilation=gaps,
        groups=integer(who, "groups", groups, 1),
    )


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution along one axis: spreads every element of x over a window of y.

    y[n, o, i] = Σ_c Σ_u weight[c, o, u] · x[n, c, p] + bias[o],  p·stride + u·dilation − padding = i

    As `conv_transpose2d`, with x (batch, in_channels, length) and weight (in_channels,
    out_channels / groups, kernel).

    >>> import deltarule as dr
    >>> dr.conv_transpose1d(dr.tensor([[[1.0, 2.0]]]), dr.tensor([[[1.0, 10.0]]]), stride=2)
    tensor([[[ 1., 10.,  2., 20.]]], dtype=float32)
    """
    return _transposed_convolution(1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of images: spreads every pixel of x over a window of y.

    y[n, o, i, j] = Σ_c Σ_u Σ_v weight[c, o, u, v] · x[n, c, p, q] + bias[o]
                    with p·stride + u·dilation − padding = i, and the same for q, v and j
    It is the gradient of `conv2d` for its x, and its own gradient for x is `conv2d`.

    x               (batch, in_channels, height, width)
    weight          (in_channels, out_channels / groups, kernel height, kernel width)
    bias            (out_channels,) or None
    stride          pixels of y between neighbouring pixels of x; one integer, or (vertical, horizontal)
    padding         pixels cut off on both sides of y: the padding of the convolution it transposes
    output_padding  rows and columns added at the end of y, below stride or dilation
    groups          the channels are split into this many parts that do not mix
    dilation        pixels between neighbouring kernel entries
    returns         (batch, out_channels, rows, columns), each
                    (size − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1

    Raises ShapeError where channels, bias or sizes do not fit, ArgumentError for options out of range.
    Source: Zeiler, Krishnan, Taylor & Fergus 2010; Dumoulin & Visin 2016, ch. 4.

    >>> import deltarule as dr
    >>> dr.conv_transpose2d(dr.tensor([[[[2.0]]]]), dr.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    tensor([[[[2., 4.],
              [6., 8.]]]], dtype=float32)
    """
    return _transposed_convolution(2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def _weight_gradient(
    rank: int, data: Any, signal: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Tensor:
    operation = WEIGHT_GRADIENT[rank]
    who = operation.name
    sizes = per_axis(who, "kernel_size", kernel_size, rank, 1)
    steps = per_axis(who, "stride", stride, rank, 1)
    gaps = per_axis(who, "dilation", dilation, rank, 1)
    return apply(
        operation,
        *promote((data, signal), True, who),
        kernel_size=sizes,
        stride=steps,
        padding=padding_pairs(who, padding, sizes, steps, gaps),
        dilation=gaps,
        groups=integer(who, "groups", groups, 1),
    )


def conv1d_weight_gradient(
    data: Any,
    signal: Any,
    kernel_size: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of `conv1d` for its weight, where `signal` is ∂L/∂y.

    y[o, c, u] = Σ_n Σ_p signal[n, o, p] · data[n, c, p·stride + u·dilation − padding]

    As `conv2d_weight_gradient`, with one spatial axis.
    """
    return _weight_gradient(1, data, signal, kernel_size, stride, padding, dilation, groups)


def conv2d_weight_gradient(
    data: Any,
    signal: Any,
    kernel_size: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of `conv2d` for its weight, where `signal` is ∂L/∂y: how each offset correlates.

    y[o, c, u, v] = Σ_n Σ_p Σ_q signal[n, o, p, q]
                    · data[n, c, p·stride + u·dilation − padding, q·stride + v·dilation − padding]

    data         (batch, in_channels, height, width), the convolution's x
    signal       (batch, out_channels, rows, columns), of the convolution's output shape
    kernel_size  and the other options: those of the convolution
    returns      (out_channels, in_channels / groups, kernel height, kernel width)

    Raises ShapeError where signal is not of that shape, ArgumentError for options out of range.

    >>> import deltarule as dr
    >>> from deltarule.operations.convolution import conv2d_weight_gradient
    >>> conv2d_weight_gradient(dr.tensor([[[[1.0, 2.0]]]]), dr.tensor([[[[1.0]]]]), (1, 2)).tolist()
    [[[[1.0, 2.0]]]]
    """
    return _weight_gradient(2, data, signal, kernel_size, stride, padding, dilation, groups)
