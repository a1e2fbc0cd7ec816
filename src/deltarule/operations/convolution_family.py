"""The records of convolution, its transpose, and its gradient for the weight, in one and two dimensions.

The three are one trilinear form with one factor left free, so each one's gradients are the other
two: a closed family, whose gradients can be differentiated to any order. "Convolution" is the field's
word for cross-correlation: the kernel is not flipped. The functions that users call are in
`convolution.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from deltarule.autodiff.formula.formula import Call, Formula
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.kernels import convolution as kernels
from deltarule.operations.convolution_formulas import Geometry, bias_gradient, convolved, transposed, weighted
from deltarule.operations.reductions import sum
from deltarule.operations.window_options import Pairs, Sizes, convolved_sizes, covered, require_axes


@lru_cache(maxsize=256)
def _before(padding: Pairs) -> Sizes:
    return tuple([pair[0] for pair in padding])


def _all_but_channels(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


class _Convolving(Operation):
    """What convolution, its transpose and its weight gradient share."""

    rank: ClassVar[int]
    symbols = {"data": ("x", "X"), "signal": ("g", "G")}

    def require_groups(self, name: str, channels: int, groups: int) -> None:
        if channels % groups:
            raise ShapeError(
                self.name, f"{name} {channels} expected to be a multiple of groups, got groups={groups}"
            )

    def require_bias(self, bias: tuple[Shape, ...], channels: int) -> None:
        if bias and bias[0] != (channels,):
            raise ShapeError(
                self.name, f"bias expected shape ({channels},), one for each output channel, got {bias[0]}"
            )

    def positions(
        self, x: Shape, kernel_size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
    ) -> Sizes:
        """Sizes of the output by axis."""
        return convolved_sizes(self.name, x, kernel_size, stride, padding, dilation)


class _Convolution(_Convolving):
    inputs = ("x", "weight", "bias")
    reads = ("x", "weight")

    def shape(
        self,
        x: Shape,
        weight: Shape,
        *bias: Shape,
        stride: Sizes,
        padding: Pairs,
        dilation: Sizes,
        groups: int,
    ) -> Shape:
        require_axes(self.name, "x", x, self.rank)
        require_axes(self.name, "weight", weight, self.rank)
        self.require_groups("out_channels", weight[0], groups)
        if x[1] != weight[1] * groups:
            grouped = f" in each of {groups} groups" if groups > 1 else ""
            raise ShapeError(
                self.name,
                f"weight expects {weight[1]} input channels{grouped}, x has {x[1]} (x {x}, weight {weight})",
                "weight is (out_channels, in_channels / groups, *kernel_size).",
            )
        self.require_bias(bias, weight[0])
        return (x[0], weight[0], *self.positions(x, weight[2:], stride, padding, dilation))

    def forward(
        self,
        x: Array,
        weight: Array,
        bias: Array | None = None,
        *,
        stride: Sizes,
        padding: Pairs,
        dilation: Sizes,
        groups: int,
    ) -> Array:
        positions = self.positions(x.shape, weight.shape[2:], stride, padding, dilation)
        return kernels.convolve(x, weight, bias, positions, stride, _before(padding), dilation, groups)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        x, weight = node.inputs[:2]
        options = node.parameters
        gradients: list[Tensor | None] = [None, None]
        if node.needs(0):
            padding = _exact_padding(x.shape, weight.shape, **options)
            gradients[0] = apply(TRANSPOSED[self.rank], upstream, weight, **{**options, "padding": padding})
        if node.needs(1):
            gradients[1] = apply(
                WEIGHT_GRADIENT[self.rank], x, upstream, kernel_size=weight.shape[2:], **options
            )
        if len(node.inputs) > 2:
            gradients.append(sum(upstream, axis=_all_but_channels(upstream)) if node.needs(2) else None)
        return gradients

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        x, weight = node.inputs[0]._array, node.inputs[1]._array
        stride, dilation, groups = (node.parameters[name] for name in ("stride", "dilation", "groups"))
        before = _before(node.parameters["padding"])
        gradients: list[Array | None] = [None, None]
        if node.needs(0):
            gradients[0] = kernels.convolve_transposed(
                upstream, weight, None, x.shape[2:], stride, before, dilation, groups
            )
        window = weight.shape[2:], stride, before, dilation, groups
        if node.needs(1) and len(node.inputs) > 2 and node.needs(2):
            return [gradients[0], *kernels.convolve_weight_and_bias(x, upstream, *window)]
        if node.needs(1):
            gradients[1] = kernels.convolve_weight(x, upstream, *window)
        if len(node.inputs) > 2:
            gradients.append(
                np.add.reduce(upstream, axis=_all_but_channels(upstream)) if node.needs(2) else None
            )
        return gradients

    def formula(self, call: Call) -> Formula:
        x, weight, y, upstream = call.symbol("x"), call.symbol("weight"), call.symbol("y"), call.upstream()
        at = Geometry(call.shapes["x"], call.shapes["weight"], call.shapes["y"], **call.parameters)
        gradients = {
            "x": transposed(call.gradient("x"), upstream, weight, at),
            "weight": weighted(call.gradient("weight"), x, upstream, at),
        }
        bias = call.symbol("bias") if "bias" in call.shapes else None
        if bias is not None:
            gradients["bias"] = bias_gradient(call.gradient("bias"), upstream, call.shapes["y"])
        return Formula(convolved(y, x, weight, at, bias), gradients)


def _exact_padding(
    x: Shape, weight: Shape, *, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Pairs:
    """Padding whose windows end exactly at the padded edge, so that the transpose has x's size."""
    return tuple(
        (pair[0], pair[1] - covered(extent, pair, size, gap) % step)
        for extent, size, step, pair, gap in zip(x[2:], weight[2:], stride, padding, dilation, strict=True)
    )


class _TransposedConvolution(_Convolving):
    inputs = ("x", "weight", "bias")
    reads = ("x", "weight")

    def shape(
        self,
        x: Shape,
        weight: Shape,
        *bias: Shape,
        stride: Sizes,
        padding: Pairs,
        dilation: Sizes,
        groups: int,
    ) -> Shape:
        require_axes(self.name, "x", x, self.rank)
        require_axes(self.name, "weight", weight, self.rank)
        self.require_groups("in_channels", weight[0], groups)
        if x[1] != weight[0]:
            raise ShapeError(
                self.name,
                f"weight expects {weight[0]} input channels, x has {x[1]} (x {x}, weight {weight})",
                "weight is (in_channels, out_channels / groups, *kernel_size).",
            )
        self.require_bias(bias, weight[1] * groups)
        extents = self.extents(x, weight, stride, padding, dilation)
        if any(extent < 1 for extent in extents):
            raise ShapeError(
                self.name,
                f"x {x} would give an output of size {extents} (weight {weight}, padding {padding})",
                "Pad less.",
            )
        return (x[0], weight[1] * groups, *extents)

    def extents(self, x: Shape, weight: Shape, stride: Sizes, padding: Pairs, dilation: Sizes) -> Sizes:
        """Output size along each spatial axis: (size − 1)·stride − padding + dilation·(kernel − 1) + 1."""
        return tuple(
            (count - 1) * step - pair[0] - pair[1] + gap * (size - 1) + 1
            for count, size, step, pair, gap in zip(x[2:], weight[2:], stride, padding, dilation, strict=True)
        )

    def forward(
        self,
        x: Array,
        weight: Array,
        bias: Array | None = None,
        *,
        stride: Sizes,
        padding: Pairs,
        dilation: Sizes,
        groups: int,
    ) -> Array:
        extents = self.extents(x.shape, weight.shape, stride, padding, dilation)
        return kernels.convolve_transposed(
            x, weight, bias, extents, stride, _before(padding), dilation, groups
        )

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        x, weight = node.inputs[:2]
        options = node.parameters
        gradients: list[Tensor | None] = [None, None]
        if node.needs(0):
            gradients[0] = apply(CONVOLUTION[self.rank], upstream, weight, **options)
        if node.needs(1):
            gradients[1] = apply(
                WEIGHT_GRADIENT[self.rank], upstream, x, kernel_size=weight.shape[2:], **options
            )
        if len(node.inputs) > 2:
            gradients.append(sum(upstream, axis=_all_but_channels(upstream)) if node.needs(2) else None)
        return gradients

    def formula(self, call: Call) -> Formula:
        x, weight, y, upstream = call.symbol("x"), call.symbol("weight"), call.symbol("y"), call.upstream()
        at = Geometry(call.shapes["y"], call.shapes["weight"], call.shapes["x"], **call.parameters)
        gradients = {
            "x": convolved(call.gradient("x"), upstream, weight, at),
            "weight": weighted(call.gradient("weight"), upstream, x, at),
        }
        bias = call.symbol("bias") if "bias" in call.shapes else None
        if bias is not None:
            gradients["bias"] = bias_gradient(call.gradient("bias"), upstream, call.shapes["y"])
        return Formula(transposed(y, x, weight, at, bias), gradients)


class _WeightGradient(_Convolving):
    inputs = ("data", "signal")

    reads = ("data", "signal")

    def shape(
        self,
        data: Shape,
        signal: Shape,
        *,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Pairs,
        dilation: Sizes,
        groups: int,
    ) -> Shape:
        require_axes(self.name, "data", data, self.rank)
        require_axes(self.name, "signal", signal, self.rank)
        self.require_groups("data's channels", data[1], groups)
        self.require_groups("signal's channels", signal[1], groups)
        expected = (data[0], signal[1], *self.positions(data, kernel_size, stride, padding, dilation))
        if signal != expected:
            raise ShapeError(
                self.name,
                f"signal expected shape {expected}, that of the convolution's output, got {signal}",
            )
        return (signal[1], data[1] // groups, *kernel_size)

    def forward(
        self,
        data: Array,
        signal: Array,
        *,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Pairs,
        dilation: Sizes,
        groups: int,
    ) -> Array:
        return kernels.convolve_weight(data, signal, kernel_size, stride, _before(padding), dilation, groups)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        data, signal = node.inputs
        options = {name: value for name, value in node.parameters.items() if name != "kernel_size"}
        gradients: list[Tensor | None] = [None, None]
        if node.needs(0):
            padding = _exact_padding(data.shape, upstream.shape, **options)
            gradients[0] = apply(TRANSPOSED[self.rank], signal, upstream, **{**options, "padding": padding})
        if node.needs(1):
            gradients[1] = apply(CONVOLUTION[self.rank], data, upstream, **options)
        return gradients

    def formula(self, call: Call) -> Formula:
        data, signal, upstream = call.symbol("data"), call.symbol("signal"), call.upstream()
        options = {name: value for name, value in call.parameters.items() if name != "kernel_size"}
        at = Geometry(call.shapes["data"], call.shapes["y"], call.shapes["signal"], **options)
        return Formula(
            weighted(call.symbol("y"), data, signal, at),
            {
                "data": transposed(call.gradient("data"), signal, upstream, at),
                "signal": convolved(call.gradient("signal"), data, upstream, at),
            },
        )


class _Conv1d(_Convolution):
    name, rank = "conv1d", 1


class _Conv2d(_Convolution):
    name, rank = "conv2d", 2


class _ConvTranspose1d(_TransposedConvolution):
    name, rank = "conv_transpose1d", 1


class _ConvTranspose2d(_TransposedConvolution):
    name, rank = "conv_transpose2d", 2


class _Conv1dWeightGradient(_WeightGradient):
    name, rank = "conv1d_weight_gradient", 1


class _Conv2dWeightGradient(_WeightGradient):
    name, rank = "conv2d_weight_gradient", 2


CONV1D, CONV2D = register(_Conv1d), register(_Conv2d)
CONV_TRANSPOSE1D, CONV_TRANSPOSE2D = register(_ConvTranspose1d), register(_ConvTranspose2d)
CONV1D_WEIGHT_GRADIENT, CONV2D_WEIGHT_GRADIENT = (
    register(_Conv1dWeightGradient),
    register(_Conv2dWeightGradient),
)
CONVOLUTION = {1: CONV1D, 2: CONV2D}
TRANSPOSED = {1: CONV_TRANSPOSE1D, 2: CONV_TRANSPOSE2D}
WEIGHT_GRADIENT = {1: CONV1D_WEIGHT_GRADIENT, 2: CONV2D_WEIGHT_GRADIENT}
