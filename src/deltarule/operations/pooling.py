"""The poolings that users call: options are checked and brought into one form here.

What they compute, and how they are differentiated, is in `max_pooling.py`, `average_pooling.py` and
`adaptive_pooling.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltarule.autodiff.operation import apply
from deltarule.autodiff.tensor import Tensor
from deltarule.operations.adaptive_pooling import adaptive_avg_pool
from deltarule.operations.average_pooling import AVG_POOL, AVG_POOL_GRADIENT
from deltarule.operations.elementwise import promote
from deltarule.operations.max_pooling import MAX_POOL
from deltarule.operations.window_options import per_axis, pooling_window


def _max_pool(
    rank: int, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Tensor:
    operation = MAX_POOL[rank]
    sizes, steps, around, gaps = pooling_window(operation.name, kernel_size, stride, padding, dilation, rank)
    return apply(
        operation,
        *promote((x,), True, operation.name),
        kernel_size=sizes,
        stride=steps,
        padding=around,
        dilation=gaps,
        ceil_mode=bool(ceil_mode),
    )


def max_pool1d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Tensor:
    """Largest element of each window along one axis.

    y[n, c, p] = max_u x[n, c, p·stride + u·dilation − padding]

    x        (batch, channels, length)
    returns  (batch, channels, ⌊(length + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1)

    Options, ties and errors as in `max_pool2d`.

    >>> import deltarule as dr
    >>> dr.max_pool1d(dr.tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    tensor([[[3., 2.]]], dtype=float32)
    """
    return _max_pool(1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Tensor:
    """Largest pixel of each window of an image.

    y[n, c, p, q] = max_{u, v} x[n, c, p·stride + u·dilation − padding, q·stride + v·dilation − padding]
    The gradient goes to the largest element; of several equal ones to the first, row by row, as in
    PyTorch. Windows that overlap add up.

    x            (batch, channels, height, width)
    kernel_size  window; here and below one integer, or (vertical, horizontal)
    stride       pixels between neighbouring windows; None for the kernel size: no overlap
    padding      −∞ on both sides, at most half of the kernel
    dilation     pixels between neighbouring elements of a window
    ceil_mode    round the number of windows up: the last ones may reach beyond the edge
    returns      (batch, channels, rows, columns), each
                 ⌊(size + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1

    Raises ShapeError where a window is larger than x, ArgumentError for options out of range.
    Source: Ranzato, Huang, Boureau & LeCun 2007.

    >>> import deltarule as dr
    >>> dr.max_pool2d(dr.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]), 2)
    tensor([[[[4.]]]], dtype=float32)
    """
    return _max_pool(2, x, kernel_size, stride, padding, dilation, ceil_mode)


def _avg_pool(
    rank: int, x: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool
) -> Tensor:
    operation = AVG_POOL[rank]
    sizes, steps, around, _ = pooling_window(operation.name, kernel_size, stride, padding, 1, rank)
    return apply(
        operation,
        *promote((x,), True, operation.name),
        kernel_size=sizes,
        stride=steps,
        padding=around,
        ceil_mode=bool(ceil_mode),
        count_include_pad=bool(count_include_pad),
    )


def avg_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window along one axis.

    y[n, c, p] = Σ_u x[n, c, p·stride + u − padding] / count[p]

    x        (batch, channels, length)
    returns  (batch, channels, ⌊(length + 2·padding − kernel_size) / stride⌋ + 1)

    Options and errors as in `avg_pool2d`.

    >>> import deltarule as dr
    >>> dr.avg_pool1d(dr.tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    tensor([[[2., 1.]]], dtype=float32)
    """
    return _avg_pool(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window of an image.

    y[n, c, p, q] = Σ_{u, v} x[n, c, p·stride + u − padding, q·stride + v − padding] / count[p, q]
    Each element of a window gets the gradient divided by count.

    x                  (batch, channels, height, width)
    kernel_size        window; here and below one integer, or (vertical, horizontal)
    stride             pixels between neighbouring windows; None for the kernel size: no overlap
    padding            zeros on both sides, at most half of the kernel
    ceil_mode          round the number of windows up: the last ones may reach beyond the edge
    count_include_pad  whether zeros of the padding count as elements of the window
    returns            (batch, channels, rows, columns), each
                       ⌊(size + 2·padding − kernel_size) / stride⌋ + 1

    Raises ShapeError where a window is larger than x, ArgumentError for options out of range.
    Source: LeCun et al. 1989 (subsampling).

    >>> import deltarule as dr
    >>> dr.avg_pool2d(dr.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]), 2)
    tensor([[[[2.5]]]], dtype=float32)
    """
    return _avg_pool(2, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def _avg_pool_gradient(
    rank: int,
    x: Any,
    extents: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    operation = AVG_POOL_GRADIENT[rank]
    sizes, steps, around, _ = pooling_window(operation.name, kernel_size, stride, padding, 1, rank)
    return apply(
        operation,
        *promote((x,), True, operation.name),
        extents=per_axis(operation.name, "extents", extents, rank, 1),
        kernel_size=sizes,
        stride=steps,
        padding=around,
        ceil_mode=bool(ceil_mode),
        count_include_pad=bool(count_include_pad),
    )


def avg_pool1d_gradient(
    x: Any,
    extents: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The gradient of `avg_pool1d`, where x is ∂L/∂y: each element spread evenly over its window.

    y[n, c, i] = Σ_p [i belongs to window p] · x[n, c, p] / count[p]

    As `avg_pool2d_gradient`, with one spatial axis.
    """
    return _avg_pool_gradient(1, x, extents, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d_gradient(
    x: Any,
    extents: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The gradient of `avg_pool2d`, where x is ∂L/∂y: each element spread evenly over its window.

    y[n, c, i, j] = Σ_{p, q} [(i, j) belongs to window (p, q)] · x[n, c, p, q] / count[p, q]

    x            (batch, channels, rows, columns): the pooling's output shape
    extents      height and width of the pooling's input
    kernel_size  and the other options: those of the pooling
    returns      (batch, channels, *extents)

    Raises ShapeError where x is not of that shape, ArgumentError for options out of range.

    >>> import deltarule as dr
    >>> from deltarule.operations.pooling import avg_pool2d_gradient
    >>> avg_pool2d_gradient(dr.tensor([[[[4.0]]]]), (2, 2), 2).tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    return _avg_pool_gradient(2, x, extents, kernel_size, stride, padding, ceil_mode, count_include_pad)


def adaptive_avg_pool1d(x: Any, output_size: int | Sequence[int | None]) -> Tensor:
    """Mean of equal parts of one axis, as many as asked for.

    y[n, c, p] = Σ_i A[p, i] · x[n, c, i], where row p of A holds the weights of a mean

    x            (batch, channels, length)
    output_size  number of parts; as in `adaptive_avg_pool2d`

    >>> import deltarule as dr
    >>> dr.adaptive_avg_pool1d(dr.tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    tensor([[[2., 1.]]], dtype=float32)
    """
    return adaptive_avg_pool(1, x, output_size)


def adaptive_avg_pool2d(x: Any, output_size: int | Sequence[int | None]) -> Tensor:
    """Mean of equal parts of an image, as many as asked for; 1 is global average pooling.

    y[n, c, p, q] = Σ_{i, j} A[p, i] · x[n, c, i, j] · B[q, j]   (Y = A X Bᵀ)
    A[p, i] = 1 / length of part p for ⌊p·height / rows⌋ ≤ i < ⌈(p + 1)·height / rows⌉, else 0; B alike

    x            (batch, channels, height, width)
    output_size  (rows, columns), or one integer for both; None keeps the axis as it is
    returns      (batch, channels, rows, columns)

    Raises ShapeError where x has no pixels, ArgumentError for sizes below 1.
    Source: Lin, Chen & Yan 2014 (global average); parts as in PyTorch.

    >>> import deltarule as dr
    >>> dr.adaptive_avg_pool2d(dr.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]), 1)
    tensor([[[[2.5]]]], dtype=float32)
    """
    return adaptive_avg_pool(2, x, output_size)
