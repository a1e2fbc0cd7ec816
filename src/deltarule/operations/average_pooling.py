"""The record of average pooling in one and two dimensions, and its transpose: each other's gradients."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np

from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Number,
    Sum,
    Symbol,
    array_function,
    function,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.kernels import pooling as kernels
from deltarule.operations.convolution_formulas import window_element, window_positions
from deltarule.operations.window_options import Sizes, pooled_sizes, require_axes


def _window_counts(
    extents: Sizes, positions: Sizes, kernel_size: Sizes, stride: Sizes, before: Sizes, include_padding: bool
) -> Any:
    """How many elements each window meets: the product of how many it meets along each axis."""
    counts = np.ones(())
    for extent, count, size, step, ahead in zip(extents, positions, kernel_size, stride, before, strict=True):
        met = np.arange(count)[:, None] * step + np.arange(size) - ahead
        margin = ahead if include_padding else 0
        inside = (-margin <= met) & (met < extent + margin)
        counts = counts[..., None] * np.sum(inside, axis=1)
    return counts


define_array_function(
    "window_counts",
    _window_counts,
    r"\operatorname{{window\_counts}}",
    shape=lambda positions, **options: tuple(positions),
)


class _Statement:
    """The two linear maps of average pooling as formulas: x to means of windows, and its transpose."""

    def __init__(self, large: Shape, small: Shape, parameters: dict[str, Any]):
        self.large, self.small = large, small
        self.kernel_size: Sizes = parameters["kernel_size"]
        self.stride: Sizes = parameters["stride"]
        self.padding: Sizes = parameters["padding"]
        self.include_padding: bool = parameters["count_include_pad"]
        self.ones = (1,) * len(self.kernel_size)
        self.channel = [Index("n", large[0]), Index("c", large[1])]
        self.positions = [Index(name, count) for name, count in zip("pq", small[2:], strict=False)]
        self.offsets = [Index(name, size) for name, size in zip("uv", self.kernel_size, strict=False)]
        self.elements = [Index(name, extent) for name, extent in zip("ij", large[2:], strict=False)]
        self.options: dict[str, Any] = {
            "kernel_size": self.kernel_size,
            "positions": small[2:],
            "stride": self.stride,
            "before": self.padding,
        }
        self.whole = all(
            (count - 1) * step + size <= extent + 2 * ahead and (self.include_padding or not ahead)
            for count, step, size, extent, ahead in zip(
                small[2:], self.stride, self.kernel_size, large[2:], self.padding, strict=True
            )
        )
        self.count = Symbol("count", len(self.ones))

    def count_lines(self) -> tuple[tuple[Equation, ...], tuple[Equation, ...]]:
        """Definition of the number of elements of each window, where they are not all whole."""
        if self.whole:
            return (), ()
        total: Expression | None = None
        for position, extent, size, step, ahead in zip(
            self.positions, self.large[2:], self.kernel_size, self.stride, self.padding, strict=True
        ):
            begin = step * position - ahead
            if self.include_padding:
                along = function("minimum", begin + size, extent + ahead) - begin
            else:
                along = function("minimum", begin + size, extent) - function("maximum", begin, 0)
            total = along if total is None else total * along
        assert total is not None
        whole = array_function(
            "window_counts", extents=self.large[2:], include_padding=self.include_padding, **self.options
        )
        return (Equation(self.count.at(self.positions), total),), (Equation(self.count, whole),)

    def pooled(self, target: Symbol, source: Symbol) -> tuple[Equation, Equation]:
        """target[n, c, p] = Σ_u source[n, c, p·stride + u − padding] / count[p]."""
        met = [
            window_element(*each)
            for each in zip(self.positions, self.offsets, self.stride, self.ones, self.padding, strict=True)
        ]
        summed = Sum(source.at([*self.channel, *met], outside=0.0), *self.offsets)
        columns = array_function("unfold", source, dilation=self.ones, **self.options)
        split = (*self.large[:2], prod(self.kernel_size), prod(self.small[2:]))
        total = array_function("sum", array_function("reshape", columns, shape=split), axis=2)
        whole = array_function("reshape", total, shape=self.small)
        divisor = self._divisor(self.positions)
        return (
            Equation(target.at([*self.channel, *self.positions]), summed / divisor),
            Equation(target, whole / (divisor if self.whole else self.count)),
        )

    def spread(self, target: Symbol, source: Symbol) -> tuple[Equation, Equation]:
        """target[n, c, i] = Σ_u source[n, c, p] / count[p] over the windows p that meet i."""
        met, brackets = window_positions(self.elements, self.offsets, self.stride, self.ones, self.padding)
        body: Expression = source.at([*self.channel, *met], outside=0.0) / self._divisor(met)
        for bracket in brackets:
            body = bracket * body
        row = array_function(
            "reshape",
            source / (self._divisor(met) if self.whole else self.count),
            shape=(*self.small[:2], 1, prod(self.small[2:])),
        )
        columns = array_function(
            "broadcast_to", row, shape=(*self.small[:2], prod(self.kernel_size), prod(self.small[2:]))
        )
        folded = array_function("fold", columns, shape=self.large, dilation=self.ones, **self.options)
        return (
            Equation(target.at([*self.channel, *self.elements]), Sum(body, *self.offsets)),
            Equation(target, folded),
        )

    def _divisor(self, positions: Sequence[Expression]) -> Expression:
        return Number(prod(self.kernel_size)) if self.whole else self.count.at(positions, outside=1.0)


class _AvgPool(Operation):
    inputs = ("x",)
    reads = ()
    rank: ClassVar[int]

    def shape(
        self,
        x: Shape,
        *,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Sizes,
        ceil_mode: bool,
        count_include_pad: bool,
    ) -> Shape:
        require_axes(self.name, "x", x, self.rank)
        ones = (1,) * self.rank
        return (*x[:2], *pooled_sizes(self.name, x, kernel_size, stride, padding, ones, ceil_mode))

    def forward(
        self,
        x: Array,
        *,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Sizes,
        ceil_mode: bool,
        count_include_pad: bool,
    ) -> Array:
        ones = (1,) * self.rank
        positions = pooled_sizes(self.name, x.shape, kernel_size, stride, padding, ones, ceil_mode)
        return kernels.avg_pool(x, positions, kernel_size, stride, padding, count_include_pad)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        extents = node.inputs[0].shape[2:]
        return (apply(AVG_POOL_GRADIENT[self.rank], upstream, extents=extents, **node.parameters),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        options = node.parameters
        window = options["kernel_size"], options["stride"], options["padding"], options["count_include_pad"]
        return (kernels.avg_pool_gradient(upstream, node.inputs[0].shape[2:], *window),)

    def formula(self, call: Call) -> Formula:
        at = _Statement(call.shapes["x"], call.shapes["y"], call.parameters)
        index, matrix = at.pooled(call.symbol("y"), call.symbol("x"))
        counts, whole_counts = at.count_lines()
        return Formula(
            form((*counts, index), (*whole_counts, matrix)),
            {"x": form(*at.spread(call.gradient("x"), call.upstream()))},
        )


class _AvgPoolGradient(Operation):
    inputs = ("x",)
    reads = ()
    rank: ClassVar[int]

    def shape(
        self,
        x: Shape,
        *,
        extents: Sizes,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Sizes,
        ceil_mode: bool,
        count_include_pad: bool,
    ) -> Shape:
        require_axes(self.name, "x", x, self.rank)
        large, ones = (*x[:2], *extents), (1,) * self.rank
        expected = pooled_sizes(self.name, large, kernel_size, stride, padding, ones, ceil_mode)
        if x[2:] != expected:
            raise ShapeError(
                self.name, f"x expected shape {(*x[:2], *expected)}, that of the pooling's output, got {x}"
            )
        return large

    def forward(
        self,
        x: Array,
        *,
        extents: Sizes,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Sizes,
        ceil_mode: bool,
        count_include_pad: bool,
    ) -> Array:
        return kernels.avg_pool_gradient(x, extents, kernel_size, stride, padding, count_include_pad)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        options = {name: value for name, value in node.parameters.items() if name != "extents"}
        return (apply(AVG_POOL[self.rank], upstream, **options),)

    def formula(self, call: Call) -> Formula:
        at = _Statement(call.shapes["y"], call.shapes["x"], call.parameters)
        index, matrix = at.spread(call.symbol("y"), call.symbol("x"))
        counts, whole_counts = at.count_lines()
        return Formula(
            form((*counts, index), (*whole_counts, matrix)),
            {"x": form(*at.pooled(call.gradient("x"), call.upstream()))},
        )


class _AvgPool1d(_AvgPool):
    name, rank = "avg_pool1d", 1


class _AvgPool2d(_AvgPool):
    name, rank = "avg_pool2d", 2


class _AvgPool1dGradient(_AvgPoolGradient):
    name, rank = "avg_pool1d_gradient", 1


class _AvgPool2dGradient(_AvgPoolGradient):
    name, rank = "avg_pool2d_gradient", 2


AVG_POOL = {1: register(_AvgPool1d), 2: register(_AvgPool2d)}
AVG_POOL_GRADIENT = {1: register(_AvgPool1dGradient), 2: register(_AvgPool2dGradient)}
