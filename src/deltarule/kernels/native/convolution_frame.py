"""What a convolution prepares: frames with zeros around the image, weights in the order that tiles read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.convolution_geometry import Geometry, Layout, Part, frame_size, read_layout
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Index, Pointer


@dataclass(frozen=True)
class Strip:
    """One image's strip of outputs: its first row and column, how many there are, and its frame."""

    image: Bound
    first_y: Bound
    first_x: Bound
    rows: Bound
    columns: Bound
    frame: Pointer
    line: Bound


def strips(
    code: Code, layout: Layout, copied: bool, x: Pointer, memory: Pointer, copying: Routine, table: Pointer
) -> Iterator[Strip]:
    """This thread's strips, each with its frame filled."""
    each = layout.strips_y * layout.strips_x
    low, high = code.share(layout.batch * each)
    for unit in code.range(low, high):
        image, place = unit // each, unit % each
        first_y, first_x = place // layout.strips_x * layout.strip_y, place % layout.strips_x * layout.strip_x
        rows = code.least(layout.count_y - first_y, layout.strip_y)
        columns = code.least(layout.count_x - first_x, layout.strip_x)
        top = first_y * layout.step_y + layout.frame_y
        left = first_x * layout.step_x + layout.frame_x
        source = x + image * (layout.in_height * layout.in_width * layout.in_channels)
        if copied:
            line = frame_size(layout)[1] * layout.in_channels
            height = (rows - 1) * layout.step_y + layout.reach_y
            code.call(copying, source, memory, table, top, left, height, alone=True)
            frame = memory
        else:
            line = layout.in_width * layout.in_channels
            frame = source + (top * layout.in_width + left) * layout.in_channels
        yield Strip(image, first_y, first_x, rows, columns, frame, line)


@dataclass(frozen=True)
class CopyFrame(Routine):
    """Copies a region of an image that may reach beyond it; what lies outside becomes 0."""

    dtype: str
    geometry: Geometry | None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {"image": array, "frame": array, "table": "int64*"} | dict.fromkeys(
            ("top", "left", "height"), "index"
        )

    def write(
        self,
        code: Code,
        image: Pointer,
        frame: Pointer,
        table: Pointer,
        top: Index,
        left: Index,
        height: Index,
    ) -> None:
        layout = read_layout(code, self.geometry, table)
        width = frame_size(layout)[1]
        channels = layout.in_channels
        begin = code.least(code.most(0 - left, 0), width)
        end = code.most(code.least(layout.in_width - left, width), begin)
        for r in code.range(height):
            y = top + r
            there = frame + r * (width * channels)
            source = image + (y * layout.in_width + left) * channels
            is_inside = (y >= 0) & (y < layout.in_height)
            first, last = code.choose(is_inside, begin, 0), code.choose(is_inside, end, 0)
            self._zeros(code, there, 0, first * channels)
            lanes = code.lanes(self.dtype)
            for i, count in code.blocks(last * channels, lanes, first * channels):
                mask = code.mask(count, lanes)
                there.put(source.vector(i, mask=mask), i, mask=mask)
            self._zeros(code, there, last * channels, width * channels)

    def _zeros(self, code: Code, line: Pointer, start: Bound, stop: Bound) -> None:
        lanes = code.lanes(self.dtype)
        for i, count in code.blocks(stop, lanes, start):
            line.put(code.zeros(self.dtype), i, mask=code.mask(count, lanes))


def panels(layout: Layout, width: int) -> Bound:
    """Panels of output channels in one group."""
    return (layout.columns + (width - 1)) // width


@dataclass(frozen=True)
class PackTogether(Routine):
    """As PackWeights, for outputs that are computed as one: zeros where an output does not see an element.

    taps_x   elements of the kernel's line; `wide` those of the line that all `many` outputs see
    apart    elements of the frame from one output to the next
    """

    dtype: str
    many: int
    channels: int

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        numbers = (
            "depth", "taps_y", "taps_x", "wide", "apart", "start_y", "start_x", "step_y", "step_x", "line",
            "column_step", "depth_step",
        )  # fmt: skip
        return {"weight": array, "packed": array} | dict.fromkeys(numbers, "index")

    def write(
        self,
        code: Code,
        weight: Pointer,
        packed: Pointer,
        depth: Index,
        taps_y: Index,
        taps_x: Index,
        wide: Index,
        apart: Index,
        start_y: Index,
        start_x: Index,
        step_y: Index,
        step_x: Index,
        line: Index,
        column_step: Index,
        depth_step: Index,
    ) -> None:
        lanes = code.lanes(self.dtype)
        low, high = code.share(taps_y)
        for j in code.range(low, high):
            target = packed + j * wide * depth * lanes
            for i in code.range(wide * depth):
                target.put(code.zeros(self.dtype), i * lanes)
            for i in code.range(taps_x):
                source = weight + ((start_y + j * step_y) * line + start_x + i * step_x)
                for c in code.range(depth):
                    for lane in range(self.channels):
                        number = source.number(c * depth_step + lane * column_step)
                        for part in range(self.many):
                            place = ((i + part * apart) * depth + c) * lanes
                            target.put(number, place + (part * self.channels + lane))


def packed_elements(layout: Layout, part: Part) -> Bound:
    """Elements of one panel of one group."""
    return part.taps_y * part.taps_x * layout.depth


@dataclass(frozen=True)
class PackWeights(Routine):
    """One panel: packed[tap, channel, lane] = weight[column + lane, channel, kernel element of the tap].

    Lanes beyond the last column hold 0: the tile computes them and stores nothing. Threads share the taps.
    """

    dtype: str
    vectors: int

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        numbers = (
            "columns", "depth", "taps_y", "taps_x", "start_y", "start_x", "step_y", "step_x", "line",
            "column_step", "depth_step",
        )  # fmt: skip
        return {"weight": array, "packed": array} | dict.fromkeys(numbers, "index")

    def write(
        self,
        code: Code,
        weight: Pointer,
        packed: Pointer,
        columns: Index,
        depth: Index,
        taps_y: Index,
        taps_x: Index,
        start_y: Index,
        start_x: Index,
        step_y: Index,
        step_x: Index,
        line: Index,
        column_step: Index,
        depth_step: Index,
    ) -> None:
        lanes = code.lanes(self.dtype)
        width = self.vectors * lanes
        low, high = code.share(taps_y * taps_x)
        for tap in code.range(low, high):
            element = (start_y + tap // taps_x * step_y) * line + start_x + tap % taps_x * step_x
            source, target = weight + element, packed + tap * depth * width
            for j in range(self.vectors):
                first = j * lanes
                for _ in code.when(columns >= first + lanes):
                    for c in code.range(depth):
                        vector = (source + (c * depth_step + first * column_step)).gather(column_step)
                        target.put(vector, c * width + first)
                for count in code.cases(columns - first, range(1, lanes)):
                    for c in code.range(depth):
                        place = source + (c * depth_step + first * column_step)
                        vector = code.zeros(self.dtype)
                        for lane in range(count):
                            vector = vector.with_lane(lane, place.number(lane * column_step))
                        target.put(vector, c * width + first)
                for _ in code.when(columns <= first):
                    for c in code.range(depth):
                        target.put(code.zeros(self.dtype), c * width + first)
