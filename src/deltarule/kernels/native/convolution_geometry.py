"""How a convolution goes over its arrays: numbers that Python works out once for each set of shapes.

Images lie channels-last, (batch, height, width, channels). Output element (n, oy, ox) of a *part* is

    out[n, oy, ox, :] = Σ_j Σ_i Σ_c frame[y(t, j), x(u, i), c] · weight[:, c, ky(j), kx(i)]
    y(t, j) = t·step_y + start_y + j·tap_y        ky(j) = kernel_start_y + j·kernel_step_y
    oy = out_start_y + t·out_step_y               and alike for x, u, i, kx, ox

A convolution is one part. Its transpose with stride s is s_y · s_x parts, one for each remainder of the
output position: each is a convolution of stride 1 with some of the kernel's elements, so no output is written
twice. The *frame* is the region of one image that the windows of a strip of outputs reach, zeros outside the
image: the image itself where no window reaches beyond it, else a copy.

Few output channels would leave most of a register empty. Then m neighbouring outputs of a line are computed
as one with m times the channels, which lie one after another in memory already: the kernel becomes
(m − 1)·stride wider, with zeros where an output does not see an element.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import Any, NamedTuple

from deltarule.kernels.native.code import Code
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.tile import tile_rows
from deltarule.kernels.native.values import Index, Pointer

Pair = tuple[int, int]

# Bytes of a frame: with the outputs and a panel of weights it stays in the second cache.
FRAME_BYTES = 64 << 10


class Part(NamedTuple):
    """One stride-1 or strided walk over the output. Lengths are in positions, `packed_at` in elements."""

    count_y: Any
    count_x: Any
    out_start_y: Any
    out_start_x: Any
    out_step_y: Any
    out_step_x: Any
    start_y: Any
    start_x: Any
    taps_y: Any
    taps_x: Any
    tap_y: Any
    tap_x: Any
    kernel_start_y: Any
    kernel_start_x: Any
    kernel_step_y: Any
    kernel_step_x: Any
    packed_at: Any


class Layout(NamedTuple):
    """What all parts share; `depth` and `columns`: the channels of one group that are summed and written."""

    batch: Any
    groups: Any
    in_channels: Any
    out_channels: Any
    depth: Any
    columns: Any
    in_height: Any
    in_width: Any
    out_height: Any
    out_width: Any
    count_y: Any
    count_x: Any
    step_y: Any
    step_x: Any
    frame_y: Any
    frame_x: Any
    reach_y: Any
    reach_x: Any
    strip_y: Any
    strip_x: Any
    strips_y: Any
    strips_x: Any
    weight_group: Any
    weight_column: Any
    weight_depth: Any
    weight_y: Any
    packed: Any
    parts: Any


@dataclass(frozen=True)
class Geometry:
    """All numbers of a convolution, and three facts that the code is written for.

    vectors    registers in a row of the tile
    copied     whether frames are copies
    diagonal   depthwise: each channel by itself, one output channel each
    together   (m, channels) where m outputs of so many channels are computed as one, else None
    """

    layout: Layout
    parts: tuple[Part, ...]
    vectors: int
    copied: bool
    diagonal: bool
    together: Pair | None = None

    def numbers(self) -> list[int]:
        """What `read_layout` and `read_part` take from memory."""
        return [*self.layout, *(number for part in self.parts for number in part)]

    def frame_elements(self) -> int:
        """Elements of scratch memory that each thread needs for its frame."""
        if not self.copied:
            return 0
        height, width = frame_size(self.layout)
        return -(-height * width * self.layout.in_channels // 64) * 64 + 64

    def multiply_adds(self) -> int:
        """Products that are added up."""
        one = self.layout.batch * self.layout.out_channels * self.layout.depth
        return one * sum(p.count_y * p.count_x * p.taps_y * p.taps_x for p in self.parts)


def frame_size(layout: Layout) -> tuple[Any, Any]:
    """Height and width of the frame of a whole strip."""
    return (
        (layout.strip_y - 1) * layout.step_y + layout.reach_y,
        (layout.strip_x - 1) * layout.step_x + layout.reach_x,
    )


def read_layout(code: Code, geometry: Geometry | None, table: Pointer) -> Layout:
    """The layout: known numbers, or read from memory."""
    if geometry is not None:
        return geometry.layout
    return Layout(*(table.number(i).index() for i in range(len(Layout._fields))))


def read_part(code: Code, geometry: Geometry | None, table: Pointer, position: int | Index) -> Part:
    """One of the parts."""
    if geometry is not None and isinstance(position, int):
        return geometry.parts[position]
    first = table + (len(Layout._fields) + position * len(Part._fields))
    return Part(*(first.number(i).index() for i in range(len(Part._fields))))


@dataclass(frozen=True)
class _Axis:
    """What a part says about one axis; `low` is the first element that is reached, relative to the input."""

    count: int
    out_start: int
    out_step: int
    low: int
    taps: int
    tap: int
    kernel_start: int
    kernel_step: int


def _phases(out: int, size: int, stride: int, before: int, dilation: int) -> list[_Axis]:
    """The transposed walk along one axis, by remainders of the output position.

    Output y is met by input p and kernel element k where y = p·stride + k·dilation − before. For
    y = first + t·stride the elements k that meet it are every (stride / gcd)-th one, and p falls by
    dilation / gcd from one to the next.
    """
    common = gcd(stride, dilation)
    every, fall = stride // common, dilation // common
    found = []
    for first in range(min(stride, out)):
        kernel = [k for k in range(size) if (first + before - k * dilation) % stride == 0]
        # Taps are in the order of rising input position: from the last kernel element to the first.
        last = kernel[-1] if kernel else 0
        low = (first + before - last * dilation) // stride if kernel else 0
        count = -(-(out - first) // stride)
        found.append(_Axis(count, first, stride, low, len(kernel), fall, last, -every))
    return found


def forward_geometry(
    processor: Processor,
    dtype: str,
    shape: tuple[int, int, int, int],
    weight: tuple[int, int, int, int],
    positions: Pair,
    stride: Pair,
    before: Pair,
    dilation: Pair,
    groups: int,
    threads: int,
) -> Geometry:
    """The geometry of the convolution of x; `shape` and `weight` are the shapes of x and the weight."""
    batch, channels, *extents = shape
    columns, depth, *kernel = weight
    axes = [
        [_Axis(count, 0, 1, -ahead, size, gap, 0, 1)]
        for count, ahead, size, gap in zip(positions, before, kernel, dilation, strict=True)
    ]
    elements = kernel[0] * kernel[1]
    strides = (columns // groups * depth * elements, depth * elements, elements, kernel[1])
    return _geometry(
        processor, dtype, batch, groups, channels, columns, extents, positions, axes, stride, strides, threads
    )


def transposed_geometry(
    processor: Processor,
    dtype: str,
    shape: tuple[int, int, int, int],
    weight: tuple[int, int, int, int],
    extents: Pair,
    stride: Pair,
    before: Pair,
    dilation: Pair,
    groups: int,
    threads: int,
) -> Geometry:
    """The geometry of the transpose; `shape` is that of the convolution's result, `weight` its weight's."""
    batch, channels, *positions = shape
    _, depth, *kernel = weight
    axes = [
        _phases(out, size, step, ahead, gap)
        for out, size, step, ahead, gap in zip(extents, kernel, stride, before, dilation, strict=True)
    ]
    elements = kernel[0] * kernel[1]
    strides = (channels // groups * depth * elements, elements, depth * elements, kernel[1])
    return _geometry(
        processor,
        dtype,
        batch,
        groups,
        channels,
        depth * groups,
        positions,
        extents,
        axes,
        (1, 1),
        strides,
        threads,
    )


def _geometry(
    processor: Processor,
    dtype: str,
    batch: int,
    groups: int,
    in_channels: int,
    out_channels: int,
    extents: Sequence[int],
    outputs: Sequence[int],
    axes: list[list[_Axis]],
    step: Pair,
    weight_strides: tuple[int, int, int, int],
    threads: int,
) -> Geometry:
    depth, columns = in_channels // groups, out_channels // groups
    weight_group, weight_column, weight_depth, weight_y = weight_strides
    diagonal = groups > 1 and depth == columns == 1
    if diagonal:
        columns, groups, weight_column = in_channels, 1, weight_group
    lanes = processor.lanes(dtype)
    together = None
    if groups == 1 and not diagonal:
        many = _together(axes[1], columns, step[1], lanes)
        if many > 1:
            together = (many, columns)
            (x,) = axes[1]
            axes = [axes[0], [replace(x, count=x.count // many, taps=x.taps + (many - 1) * step[1])]]
            columns, out_channels, step = columns * many, out_channels * many, (step[0], step[1] * many)
            outputs = (outputs[0], outputs[1] // many)
    registers = -(-columns // lanes)
    vectors = 1 if registers in (1, 3) else 2
    width = vectors * lanes
    panels = -(-columns // width)
    low = [min((a.low for a in each if a.taps), default=0) for each in axes]
    reach = [
        max((a.low - first + (a.taps - 1) * a.tap + 1 for a in each if a.taps), default=1)
        for each, first in zip(axes, low, strict=True)
    ]
    counts = [max(a.count for a in each) for each in axes]
    parts, packed_at = [], 0
    for y in axes[0]:
        for x in axes[1]:
            start_y, start_x = (a.low - first if a.taps else 0 for a, first in zip((y, x), low, strict=True))
            parts.append(
                Part(
                    y.count, x.count, y.out_start, x.out_start, y.out_step, x.out_step, start_y, start_x,
                    y.taps, x.taps, y.tap, x.tap, y.kernel_start, x.kernel_start, y.kernel_step,
                    x.kernel_step, packed_at,
                )
            )  # fmt: skip
            packed_at += y.taps * x.taps * depth * groups * panels * width
    copied = any(
        first < 0 or first + (count - 1) * by + far > extent
        for first, count, by, far, extent in zip(low, counts, step, reach, extents, strict=True)
    )
    itemsize = processor.vector_bytes // lanes
    strip = _strip(processor, batch, in_channels * itemsize, counts, step, reach, vectors, threads)
    strip_counts = [-(-count // size) for count, size in zip(counts, strip, strict=True)]
    layout = Layout._make([
        batch, groups, in_channels, out_channels, depth, columns, *extents, *outputs, *counts, *step,
        *low, *reach, *strip,
        *strip_counts, weight_group, weight_column, weight_depth, weight_y, packed_at, len(parts),
    ])  # fmt: skip
    return Geometry(layout, tuple(parts), vectors, copied, diagonal, together)


def _together(axis: list[_Axis], columns: int, step: int, lanes: int) -> int:
    """How many neighbouring outputs are best computed as one."""
    if len(axis) > 1 or axis[0].out_step > 1 or axis[0].tap > 1 or not axis[0].taps:
        return 1
    best, found = 1.2 * _busy(axis[0].count), 1
    for many in (2, 4, 8):
        count, rest = divmod(axis[0].count, many)
        gain = many * axis[0].taps / (axis[0].taps + (many - 1) * step) * _busy(count)
        if not rest and many * columns <= lanes and gain > best:
            best, found = gain, many
    return found


def _busy(count: int) -> float:
    """How busy a tile with so many rows of one register keeps the processor: sums wait for one another."""
    return min(count, 8) / 8


def _strip(
    processor: Processor,
    batch: int,
    pixel_bytes: int,
    counts: list[int],
    step: Pair,
    reach: list[int],
    vectors: int,
    threads: int,
) -> list[int]:
    """Rows and columns of outputs that are done at once: a small frame, and strips for all threads."""
    strip = list(counts)
    height = tile_rows(processor, vectors)

    def frame() -> int:
        sizes = [(count - 1) * by + far for count, by, far in zip(strip, step, reach, strict=True)]
        return sizes[0] * sizes[1] * pixel_bytes

    def parts() -> int:
        return batch * -(-counts[0] // strip[0]) * -(-counts[1] // strip[1])

    def wanted() -> bool:
        return frame() > FRAME_BYTES or (threads > 1 and parts() < 2 * threads)

    while strip[0] > 1 and wanted():
        strip[0] = -(-strip[0] // 2)
    while strip[1] > 2 * height and wanted():
        strip[1] = -(-strip[1] // 2 // height) * height
    return strip
