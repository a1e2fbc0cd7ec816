"""The trilinear form of convolution with one factor free: the formulas of its operations.

With data x[n, c, i], weight w[o, c, u] and signal g[n, o, p], related by i = p·stride + u·dilation −
padding, the value and every gradient of every convolution is one of three statements:

    convolved      g = Σ_c Σ_u x w        transposed      x = Σ_o Σ_u g w        weighted    w = Σ_n Σ_p g x

In matrix form the windows of x are the columns of a matrix (unfold), and a convolution is a product
with it; fold, which adds columns back to where they came from, is the transpose of unfold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Equation,
    Expression,
    Index,
    Sum,
    Symbol,
    array_function,
    equal,
)
from deltarule.autodiff.formula.formula import Form, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.formula.shape_rules import stated
from deltarule.operations.window_options import Pairs, Sizes


def window_element(position: Index, offset: Index, step: int, gap: int, ahead: int) -> Expression:
    """position·step + offset·gap − ahead, without the terms that do nothing."""
    total = times(step, position) + times(gap, offset)
    return total - ahead if ahead else total


def times(factor: int, index: Expression) -> Expression:
    """factor · index, or the index itself where the factor is 1."""
    return index if factor == 1 else factor * index


def window_positions(
    elements: Sequence[Index], offsets: Sequence[Index], strides: Sizes, dilations: Sizes, before: Sizes
) -> tuple[list[Expression], list[Expression]]:
    """The windows that meet an element at an offset, and the brackets that say whether they exist."""
    positions: list[Expression] = []
    brackets: list[Expression] = []
    for element, offset, step, gap, ahead in zip(elements, offsets, strides, dilations, before, strict=True):
        distance = (element + ahead if ahead else element) - times(gap, offset)
        positions.append(distance if step == 1 else distance // step)
        if step != 1:
            brackets.append(equal(distance % step, 0))
    return positions, brackets


@dataclass(frozen=True)
class Geometry:
    """Shapes and options of one convolution, whichever of its three arrays is computed."""

    data: Sizes
    weight: Sizes
    signal: Sizes
    stride: Sizes
    padding: Pairs
    dilation: Sizes
    groups: int

    @property
    def batch(self) -> Index:
        return Index("n", self.data[0])

    @property
    def out_channel(self) -> Index:
        return Index("o", self.weight[0])

    @property
    def offsets(self) -> tuple[Index, ...]:
        return tuple(Index(name, size) for name, size in zip("uv", self.weight[2:], strict=False))

    @property
    def positions(self) -> tuple[Index, ...]:
        return tuple(Index(name, size) for name, size in zip("pq", self.signal[2:], strict=False))

    @property
    def before(self) -> Sizes:
        return tuple(pair[0] for pair in self.padding)

    def elements(self, positions: Sequence[Index], offsets: Sequence[Index]) -> list[Expression]:
        """The element of x that each window meets at each kernel offset."""
        return [
            window_element(*each)
            for each in zip(positions, offsets, self.stride, self.dilation, self.before, strict=True)
        ]

    def member_of_group(self, channel: Index, share: int, member: Index) -> Expression:
        """The member of the other side's channels that is in the same group as this channel."""
        if self.groups == 1:
            return member
        group = channel if share == 1 else channel // share
        return times(member.extent, group) + member

    # ---- whole arrays as matrices; with several groups, one matrix each

    def weight_matrix(self, weight: Expression) -> ArrayFunction:
        out_channels, columns = self.weight[0], math.prod(self.weight[1:])
        shape = (
            (self.groups, out_channels // self.groups, columns)
            if self.groups > 1
            else (out_channels, columns)
        )
        return array_function("reshape", weight, shape=shape)

    def signal_matrix(self, signal: Expression) -> ArrayFunction:
        batch, out_channels, columns = *self.signal[:2], math.prod(self.signal[2:])
        grouped = (self.groups, out_channels // self.groups) if self.groups > 1 else (out_channels,)
        return array_function("reshape", signal, shape=(batch, *grouped, columns))

    def options(self) -> dict[str, Any]:
        return {
            "kernel_size": self.weight[2:],
            "positions": self.signal[2:],
            "stride": self.stride,
            "before": self.before,
            "dilation": self.dilation,
            "groups": self.groups,
        }

    def unfold(self, data: Expression) -> ArrayFunction:
        return array_function("unfold", data, **self.options())

    def fold(self, columns: Expression) -> ArrayFunction:
        return array_function("fold", columns, shape=self.data, **self.options())


def convolved(target: Symbol, data: Symbol, weight: Symbol, at: Geometry, bias: Symbol | None = None) -> Form:
    """target[n, o, p] = Σ_c Σ_u weight[o, c, u] · data[n, c, p·stride + u·dilation − padding] (+ bias)."""
    batch, out_channel, offsets, positions = at.batch, at.out_channel, at.offsets, at.positions
    channel = Index("c", at.weight[1])
    source = at.member_of_group(out_channel, at.weight[0] // at.groups, channel)
    summed = Sum(
        weight.at([out_channel, channel, *offsets])
        * data.at([batch, source, *at.elements(positions, offsets)], outside=0.0),
        channel,
        *offsets,
    )
    product = array_function("reshape", at.weight_matrix(weight) @ at.unfold(data), shape=at.signal)
    left = target.at([batch, out_channel, *positions])
    if bias is None:
        return form(Equation(left, summed), Equation(target, product))
    column = array_function("reshape", bias, shape=(at.weight[0], *[1] * len(positions)))
    return form(Equation(left, summed + bias[out_channel]), Equation(target, product + column))


def transposed(
    target: Symbol, signal: Symbol, weight: Symbol, at: Geometry, bias: Symbol | None = None
) -> Form:
    """target[n, c, i] = Σ_o Σ_u weight[o, c, u] · signal[n, o, (i + padding − u·dilation) / stride].

    Only whole quotients count: a bracket says so where the stride is not 1.
    """
    batch, offsets = at.batch, at.offsets
    out_group, in_group = at.weight[0] // at.groups, at.weight[1]
    channel, out_channel = Index("c", at.data[1]), Index("o", out_group)
    elements = [Index(name, size) for name, size in zip("ij", at.data[2:], strict=False)]
    source = at.member_of_group(channel, in_group, out_channel)
    own: Expression = channel if at.groups == 1 else channel % in_group
    positions, brackets = window_positions(elements, offsets, at.stride, at.dilation, at.before)
    body: Expression = weight.at([source, own, *offsets])
    for bracket in brackets:
        body = body * bracket
    body = body * signal.at([batch, source, *positions], outside=0.0)
    left, summed = target.at([batch, channel, *elements]), Sum(body, out_channel, *offsets)
    product = at.fold(at.weight_matrix(weight).T @ at.signal_matrix(signal))
    if bias is None:
        return form(Equation(left, summed), Equation(target, product))
    column = array_function("reshape", bias, shape=(at.data[1], *[1] * len(offsets)))
    return form(Equation(left, summed + bias[channel]), Equation(target, product + column))


def weighted(target: Symbol, data: Symbol, signal: Symbol, at: Geometry) -> Form:
    """target[o, c, u] = Σ_n Σ_p signal[n, o, p] · data[n, c, p·stride + u·dilation − padding]."""
    batch, out_channel, offsets, positions = at.batch, at.out_channel, at.offsets, at.positions
    channel = Index("c", at.weight[1])
    source = at.member_of_group(out_channel, at.weight[0] // at.groups, channel)
    summed = Sum(
        signal.at([batch, out_channel, *positions])
        * data.at([batch, source, *at.elements(positions, offsets)], outside=0.0),
        batch,
        *positions,
    )
    product = array_function("sum", at.signal_matrix(signal) @ at.unfold(data).T, axis=0)
    return form(
        Equation(target.at([out_channel, channel, *offsets]), summed),
        Equation(target, array_function("reshape", product, shape=at.weight)),
    )


def bias_gradient(target: Symbol, upstream: Symbol, shape: Sizes) -> Form:
    """target[c] = Σ_n Σ_p upstream[n, c, p]."""
    batch, channel = Index("n", shape[0]), Index("o", shape[1])
    positions = [Index(name, size) for name, size in zip("pq", shape[2:], strict=False)]
    axes = (0, *range(2, len(shape)))
    return form(
        Equation(target[channel], Sum(upstream.at([batch, channel, *positions]), batch, *positions)),
        Equation(target, array_function("sum", upstream, axis=axes)),
    )


def _unfold(
    x: Any,
    kernel_size: Sizes,
    positions: Sizes,
    stride: Sizes = (1, 1),
    before: Sizes = (0, 0),
    dilation: Sizes = (1, 1),
    groups: int = 1,
    outside: float = 0.0,
) -> Any:
    """The windows of x as columns: a row for each channel and kernel offset, a column for each position."""
    batch, channels, *extents = x.shape
    margins = _window_margins(extents, kernel_size, positions, stride, before, dilation)
    padded = np.pad(x, [(0, 0), (0, 0), *margins], constant_values=outside)
    windows = np.zeros((batch, channels, *kernel_size, *positions))
    for offset in np.ndindex(*kernel_size):
        windows[:, :, *offset] = padded[:, :, *_windows_at(offset, positions, stride, dilation)]
    rows, columns = channels * math.prod(kernel_size), math.prod(positions)
    if groups == 1:
        return windows.reshape(batch, rows, columns)
    return windows.reshape(batch, groups, rows // groups, columns)


def _fold(
    columns: Any,
    shape: Sizes,
    kernel_size: Sizes,
    positions: Sizes,
    stride: Sizes = (1, 1),
    before: Sizes = (0, 0),
    dilation: Sizes = (1, 1),
    groups: int = 1,
) -> Any:
    """Adds each column back to the window that it stands for: the transpose of unfold."""
    batch, channels, *extents = shape
    windows = columns.reshape(batch, channels, *kernel_size, *positions)
    margins = _window_margins(extents, kernel_size, positions, stride, before, dilation)
    padded = np.pad(np.zeros(shape), [(0, 0), (0, 0), *margins])
    for offset in np.ndindex(*kernel_size):
        padded[:, :, *_windows_at(offset, positions, stride, dilation)] += windows[:, :, *offset]
    inside = [slice(b, b + n) for b, n in zip(before, extents, strict=False)]
    return padded[:, :, *inside]


def _window_margins(
    extents: Sequence[int],
    kernel_size: Sizes,
    positions: Sizes,
    stride: Sizes,
    before: Sizes,
    dilation: Sizes,
) -> list[tuple[int, int]]:
    """Padding before and after each axis, so that the last window fits."""
    sizes = zip(extents, kernel_size, positions, stride, before, dilation, strict=False)
    return [(b, max((p - 1) * s + (k - 1) * d + 1 - b - n, 0)) for n, k, p, s, b, d in sizes]


def _windows_at(offset: Sizes, positions: Sizes, stride: Sizes, dilation: Sizes) -> list[slice]:
    """Where all windows have this offset, along each axis."""
    sizes = zip(offset, positions, stride, dilation, strict=False)
    return [slice(k * d, k * d + p * s, s) for k, p, s, d in sizes]


def _unfolded_shape(x: Sizes, kernel_size: Sizes, positions: Sizes, groups: int = 1, **options: Any) -> Sizes:
    rows, columns = x[1] * math.prod(kernel_size), math.prod(positions)
    return (x[0], rows, columns) if groups == 1 else (x[0], groups, rows // groups, columns)


define_array_function("unfold", _unfold, r"\operatorname{{unfold}}\left({0}\right)", shape=_unfolded_shape)
define_array_function("fold", _fold, r"\operatorname{{fold}}\left({0}\right)", shape=stated)
