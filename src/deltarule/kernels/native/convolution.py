"""Direct convolution and its transpose on channels-last memory: no columns are laid out.

Weights are packed once, in panels of a register or two of output channels. Then threads go over strips of
output rows: a register tile of neighbouring positions reads the image where it lies, or a copy with zeros
around it. At 32 -> 32 channels of 32x32, batch 64, it runs at 230 Gflop/s on a core whose products reach 240.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.convolution_frame import (
    CopyFrame,
    PackTogether,
    PackWeights,
    Strip,
    packed_elements,
    panels,
    strips,
)
from deltarule.kernels.native.convolution_geometry import Geometry, Layout, Part, read_layout, read_part
from deltarule.kernels.native.convolution_tile import ConvolutionTile
from deltarule.kernels.native.epilogue import Epilogue
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.tile import tile_rows
from deltarule.kernels.native.values import Pointer


def scratch_elements(geometry: Geometry, threads: int) -> int:
    """Elements of scratch memory: the packed weights, and a frame for each thread."""
    return -(-geometry.layout.packed // 64) * 64 + threads * geometry.frame_elements()


@dataclass(frozen=True)
class Convolution(Routine):
    """out = epilogue(convolution of x, or its transpose), as a Geometry says.

    geometry   the numbers where they are known; else None, and `table` holds them
    vectors, copied, diagonal, together   those of the geometry
    epilogue   its row is the number of the output position, its column the output channel

    x and out lie channels-last; weight as the convolution's weight (out, in / groups, height, width).
    """

    dtype: str
    vectors: int
    copied: bool
    diagonal: bool
    together: tuple[int, int] | None = None
    epilogue: Epilogue | None = None
    geometry: Geometry | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken = {"x": array, "weight": array, "out": array, "scratch": array, "table": "int64*"}
        taken["frame"] = "index"
        return taken | ({} if self.epilogue is None else self.epilogue.parameters(self.dtype))

    def write(
        self,
        code: Code,
        x: Pointer,
        weight: Pointer,
        out: Pointer,
        scratch: Pointer,
        table: Pointer,
        frame: Bound,
        *more: Any,
    ) -> None:
        layout = read_layout(code, self.geometry, table)
        if self.geometry is not None:
            frame = self.geometry.frame_elements()
        self._pack(code, layout, weight, scratch, table)
        code.barrier()
        memory = scratch + ((layout.packed + 63) // 64 * 64 + code.thread * frame)
        copying = CopyFrame(self.dtype, self.geometry)
        for strip in strips(code, layout, self.copied, x, memory, copying, table):
            for part in self._parts(code, layout, table):
                self._strip(code, layout, part, strip, scratch, out, more)

    def _parts(self, code: Code, layout: Layout, table: Pointer) -> Any:
        if self.geometry is not None:
            # Parts of known numbers differ in them, so each has code of its own.
            yield from self.geometry.parts
            return
        for position in code.range(layout.parts):
            yield read_part(code, self.geometry, table, position)

    def _width(self, code: Code) -> int:
        return self.vectors * code.lanes(self.dtype)

    def _pack(self, code: Code, layout: Layout, weight: Pointer, scratch: Pointer, table: Pointer) -> None:
        width = self._width(code)
        packing = PackWeights(self.dtype, self.vectors)
        each = panels(layout, width)
        for part in self._parts(code, layout, table):
            if self.together is not None:
                self._pack_together(code, layout, part, weight, scratch)
                continue
            size = packed_elements(layout, part) * width
            for panel in code.range(layout.groups * each):
                column = panel % each * width
                source = panel // each * layout.weight_group + column * layout.weight_column
                code.call(
                    packing,
                    weight + source,
                    scratch + part.packed_at + panel * size,
                    layout.columns - column,
                    layout.depth,
                    part.taps_y,
                    part.taps_x,
                    part.kernel_start_y,
                    part.kernel_start_x,
                    part.kernel_step_y,
                    part.kernel_step_x,
                    layout.weight_y,
                    layout.weight_column,
                    layout.weight_depth,
                )

    def _pack_together(
        self, code: Code, layout: Layout, part: Part, weight: Pointer, scratch: Pointer
    ) -> None:
        assert self.together is not None
        many, channels = self.together
        apart = layout.step_x // many
        code.call(
            PackTogether(self.dtype, many, channels),
            weight,
            scratch + part.packed_at,
            layout.depth,
            part.taps_y,
            part.taps_x - (many - 1) * apart,
            part.taps_x,
            apart,
            part.kernel_start_y,
            part.kernel_start_x,
            part.kernel_step_y,
            part.kernel_step_x,
            layout.weight_y,
            layout.weight_column,
            layout.weight_depth,
        )

    def _strip(
        self,
        code: Code,
        layout: Layout,
        part: Part,
        strip: Strip,
        scratch: Pointer,
        out: Pointer,
        more: tuple[Any, ...],
    ) -> None:
        width = self._width(code)
        each = panels(layout, width)
        size = packed_elements(layout, part) * width
        # Parts may have a row or a column less than the longest of them.
        rows = code.most(code.least(part.count_y - strip.first_y, strip.rows), 0)
        columns = code.most(code.least(part.count_x - strip.first_x, strip.columns), 0)
        highest = tile_rows(code.processor, self.vectors)
        bands = code.most((columns + (highest - 1)) // highest, 1)
        height = code.most((columns + (bands - 1)) // bands, 1)
        whole = columns // height
        rest = columns - whole * height
        for panel in code.range(layout.groups * each):
            group, column = panel // each, panel % each * width
            weights = scratch + part.packed_at + panel * size
            for row in code.range(rows):
                for exact in code.cases(height, range(1, highest + 1)):
                    self._tiles(
                        code, layout, part, strip, weights, out, row, 0, whole, exact, group, column, more
                    )
                for exact in code.cases(rest, range(1, highest)):
                    start = whole * height
                    self._tiles(
                        code, layout, part, strip, weights, out, row, start, 1, exact, group, column, more
                    )

    def _tiles(
        self,
        code: Code,
        layout: Layout,
        part: Part,
        strip: Strip,
        weights: Pointer,
        out: Pointer,
        row: Bound,
        first: Bound,
        count: Bound,
        exact: int,
        group: Bound,
        column: Bound,
        more: tuple[Any, ...],
    ) -> None:
        channels = layout.in_channels
        line = row * layout.step_y + part.start_y
        here = strip.frame + (
            line * strip.line + (first * layout.step_x + part.start_x) * channels + group * layout.depth
        )
        if self.diagonal:
            here = here + column
        y = part.out_start_y + (strip.first_y + row) * part.out_step_y
        x = part.out_start_x + (strip.first_x + first) * part.out_step_x
        position = (strip.image * layout.out_height + y) * layout.out_width + x
        channel = group * layout.columns + column
        many = 1 if self.together is None else self.together[0]
        is_run = not self.diagonal and (layout.groups == 1) & (part.tap_x == 1)
        code.call(
            ConvolutionTile(self.dtype, exact, self.vectors, self.diagonal, self.epilogue, self.together),
            here,
            weights,
            out + position * layout.out_channels + channel,
            count,
            part.taps_y,
            code.choose(is_run, 1, part.taps_x),
            code.choose(is_run, part.taps_x * layout.depth, layout.depth),
            layout.step_x * channels,
            part.tap_y * strip.line,
            part.tap_x * channels,
            part.out_step_x * layout.out_channels,
            layout.columns - column,
            position * many,
            part.out_step_x * many,
            channel,
            *more,
            alone=True,
        )
