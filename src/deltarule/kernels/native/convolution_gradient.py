"""The gradient of a convolution for its weight, and for its bias, on channels-last memory.

Each thread sums over its strips of positions into weights of its own, which are added up at the end: the
order of the sum, so its rounding, depends on the number of threads, and on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.convolution_frame import CopyFrame, Strip, panels, strips
from deltarule.kernels.native.convolution_geometry import Geometry, Layout, Part, read_layout, read_part
from deltarule.kernels.native.convolution_tile import WeightTile
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.tile import tile_rows
from deltarule.kernels.native.values import Index, Pointer


def _rounded(count: Bound) -> Bound:
    return (count + 63) // 64 * 64


def gradient_scratch_elements(processor: Processor, dtype: str, geometry: Geometry, threads: int) -> int:
    """Elements of scratch memory: for each thread a frame, and its sums for the weight and the bias."""
    layout = geometry.layout
    width = geometry.vectors * processor.lanes(dtype)
    bias = layout.groups * -(-layout.columns // width) * width
    return threads * (_rounded(layout.packed + bias) + geometry.frame_elements())  # type: ignore[operator]


@dataclass(frozen=True)
class WeightGradient(Routine):
    """grad_weight[o, c, k] = Σ_n Σ_p signal[n, p, o] · x[n, p·stride + k·dilation − before, c].

    geometry, vectors, copied, diagonal, together   as in Convolution, of the convolution itself
    bias       whether grad_bias[o] = Σ_n Σ_p signal[n, p, o] is wanted too
    """

    dtype: str
    vectors: int
    copied: bool
    diagonal: bool
    together: tuple[int, int] | None = None
    bias: bool = False
    geometry: Geometry | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken = {"x": array, "signal": array, "grad_weight": array, "grad_bias": array, "scratch": array}
        return taken | {"table": "int64*", "frame": "index"}

    def write(
        self,
        code: Code,
        x: Pointer,
        signal: Pointer,
        grad_weight: Pointer,
        grad_bias: Pointer,
        scratch: Pointer,
        table: Pointer,
        frame: Bound,
    ) -> None:
        layout, part = read_layout(code, self.geometry, table), read_part(code, self.geometry, table, 0)
        if self.geometry is not None:
            frame = self.geometry.frame_elements()
        width = self.vectors * code.lanes(self.dtype)
        lanes = code.lanes(self.dtype)
        each = panels(layout, width)
        size = _rounded(layout.packed + layout.groups * each * width)
        memory = scratch + (code.threads * size + code.thread * frame)
        total = scratch + code.thread * size
        for i in code.range(0, layout.packed + layout.groups * each * width, lanes):
            total.put(code.zeros(self.dtype), i)
        copying = CopyFrame(self.dtype, self.geometry)
        for strip in strips(code, layout, self.copied, x, memory, copying, table):
            first = (strip.image * layout.out_height + strip.first_y) * layout.out_width + strip.first_x
            here = signal + first * layout.out_channels
            self._strip(code, layout, part, strip, here, total)
            if self.bias:
                self._bias(code, layout, strip, here, total + layout.packed)
        code.barrier()
        unpacking: Routine = UnpackWeights(self.dtype, self.vectors, self.bias, self.geometry)
        if self.together is not None:
            unpacking = UnpackTogether(self.dtype, *self.together, self.bias, self.geometry)
        code.call(unpacking, scratch, grad_weight, grad_bias, table, size)

    def _strip(
        self, code: Code, layout: Layout, part: Part, strip: Strip, signal: Pointer, total: Pointer
    ) -> None:
        width = self.vectors * code.lanes(self.dtype)
        channels, each = layout.in_channels, panels(layout, width)
        size = part.taps_y * part.taps_x * layout.depth * width
        if self.diagonal:
            turns, run, row = 1, part.taps_x, part.tap_x * channels
        else:
            is_run = (layout.groups == 1) & (part.tap_x == 1)
            turns, row = code.choose(is_run, 1, part.taps_x), 1
            run = code.choose(is_run, part.taps_x * layout.depth, layout.depth)
        highest = tile_rows(code.processor, self.vectors)
        bands = code.most((run + (highest - 1)) // highest, 1)
        height = code.most((run + (bands - 1)) // bands, 1)
        whole = run // height
        rest = run - whole * height
        for panel in code.range(layout.groups * each):
            group, column = panel // each, panel % each * width
            right = signal + (group * layout.columns + column)
            for j in code.range(part.taps_y):
                for i in code.range(turns):
                    left = strip.frame + (
                        (part.start_y + j * part.tap_y) * strip.line
                        + (part.start_x + i * part.tap_x) * channels
                        + group * layout.depth
                    )
                    if self.diagonal:
                        left = left + column
                    target = total + (panel * size + (j * turns + i) * run * width)
                    valid = layout.columns - column

                    def tiles(
                        exact: int,
                        first: Bound,
                        count: Bound,
                        left: Pointer = left,
                        target: Pointer = target,
                        right: Pointer = right,
                        valid: Bound = valid,
                    ) -> None:
                        for band in code.range(count):
                            at = first + band * exact
                            code.call(
                                WeightTile(self.dtype, exact, self.vectors, self.diagonal),
                                left + at * row,
                                right,
                                target + at * width,
                                strip.rows,
                                strip.columns,
                                row,
                                layout.step_y * strip.line,
                                layout.step_x * channels,
                                layout.out_width * layout.out_channels,
                                layout.out_channels,
                                valid,
                                alone=True,
                            )

                    for exact in code.cases(height, range(1, highest + 1)):
                        tiles(exact, 0, whole)
                    for exact in code.cases(rest, range(1, highest)):
                        tiles(exact, whole * height, 1)

    def _bias(self, code: Code, layout: Layout, strip: Strip, signal: Pointer, total: Pointer) -> None:
        lanes = code.lanes(self.dtype)
        width = self.vectors * lanes
        each = panels(layout, width)
        for panel in code.range(layout.groups * each):
            group, column = panel // each, panel % each * width
            right = signal + (group * layout.columns + column)
            masks = [code.mask(layout.columns - column - j * lanes, lanes) for j in range(self.vectors)]
            sums = [code.variable(code.zeros(self.dtype)) for _ in range(self.vectors)]
            for row in code.range(strip.rows):
                for p in code.range(strip.columns):
                    here = right + (row * layout.out_width + p) * layout.out_channels
                    for j in range(self.vectors):
                        sums[j].value = sums[j].value + here.vector(j * lanes, mask=masks[j])
            for j in range(self.vectors):
                place = total + (panel * width + j * lanes)
                place.put(place.vector() + sums[j].value)


@dataclass(frozen=True)
class UnpackWeights(Routine):
    """Adds up the sums of all threads, in the order of threads, and puts each where the weight has it."""

    dtype: str
    vectors: int
    bias: bool
    geometry: Geometry | None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {
            "scratch": array,
            "grad_weight": array,
            "grad_bias": array,
            "table": "int64*",
            "size": "index",
        }

    def write(
        self,
        code: Code,
        scratch: Pointer,
        grad_weight: Pointer,
        grad_bias: Pointer,
        table: Pointer,
        size: Index,
    ) -> None:
        layout, part = read_layout(code, self.geometry, table), read_part(code, self.geometry, table, 0)
        lanes = code.lanes(self.dtype)
        width = self.vectors * lanes
        each = panels(layout, width)
        elements = part.taps_y * part.taps_x
        for panel in code.range(layout.groups * each):
            group, column = panel // each, panel % each * width
            low, high = code.share(elements)
            for tap in code.range(low, high):
                for c in code.range(layout.depth):
                    source = scratch + ((panel * elements + tap) * layout.depth + c) * width
                    first = group * layout.weight_group + column * layout.weight_column
                    target = grad_weight + (first + c * layout.weight_depth + tap)
                    self._put(code, source, size, target, layout.weight_column, layout.columns - column)
        if self.bias:
            for _ in code.first_thread():
                for panel in code.range(layout.groups * each):
                    group, column = panel // each, panel % each * width
                    source = scratch + (layout.packed + panel * width)
                    target = grad_bias + (group * layout.columns + column)
                    self._put(code, source, size, target, 1, layout.columns - column)

    def _put(
        self, code: Code, source: Pointer, size: Index, target: Pointer, step: Bound, columns: Bound
    ) -> None:
        lanes = code.lanes(self.dtype)
        for j in range(self.vectors):
            total = code.variable(source.vector(j * lanes))
            for thread in code.range(1, code.threads):
                total.value = total.value + (source + thread * size).vector(j * lanes)
            value = total.value
            for _ in code.when(columns >= (j + 1) * lanes):
                for i in range(lanes):
                    target.put(value.lane(i), (j * lanes + i) * step)
            for _ in code.when(columns < (j + 1) * lanes):
                for i in range(lanes - 1):
                    for _ in code.when(columns > j * lanes + i):
                        target.put(value.lane(i), (j * lanes + i) * step)


@dataclass(frozen=True)
class UnpackTogether(Routine):
    """As UnpackWeights, for outputs that were computed as one: their sums are added up too."""

    dtype: str
    many: int
    channels: int
    bias: bool
    geometry: Geometry | None

    def parameters(self) -> dict[str, str]:
        return UnpackWeights(self.dtype, 1, self.bias, self.geometry).parameters()

    def write(
        self,
        code: Code,
        scratch: Pointer,
        grad_weight: Pointer,
        grad_bias: Pointer,
        table: Pointer,
        size: Index,
    ) -> None:
        layout, part = read_layout(code, self.geometry, table), read_part(code, self.geometry, table, 0)
        lanes = code.lanes(self.dtype)
        apart = layout.step_x // self.many
        taps_x = part.taps_x - (self.many - 1) * apart
        low, high = code.share(part.taps_y * taps_x)
        for tap in code.range(low, high):
            j, i = tap // taps_x, tap % taps_x
            for c in code.range(layout.depth):
                places = [
                    ((j * part.taps_x + i + each * apart) * layout.depth + c) * lanes + each * self.channels
                    for each in range(self.many)
                ]
                target = grad_weight + (c * layout.weight_depth + tap)
                self._put(code, scratch, size, places, target, layout.weight_column)
        if self.bias:
            for _ in code.first_thread():
                places = [layout.packed + each * self.channels for each in range(self.many)]
                self._put(code, scratch, size, places, grad_bias, 1)

    def _put(
        self, code: Code, scratch: Pointer, size: Index, places: list[Bound], target: Pointer, step: Bound
    ) -> None:
        mask = code.mask(self.channels, code.lanes(self.dtype))
        total = code.variable(code.zeros(self.dtype))
        for thread in code.range(code.threads):
            for place in places:
                total.value = total.value + (scratch + (thread * size + place)).vector(mask=mask)
        value = total.value
        for lane in range(self.channels):
            target.put(value.lane(lane), lane * step)
