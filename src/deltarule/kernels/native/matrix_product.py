"""The matrix product out = epilogue(a · b [+ out]), for any sizes, transposed operands included.

The right operand is packed, a panel of a few vectors' width at a time, so that the tile reads it in order;
the left operand is read where it lies. A left operand of few rows does not repay packing: then the right
operand is read where it lies too (`packed=False`), or, where it lies transposed, rows are multiplied by rows
(row_product.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.epilogue import Epilogue, is_long
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.tile import multiply_accumulate, tile_rows
from deltarule.kernels.native.values import Index, Pointer, Vector

# Steps of the summed axis that are packed at once: a panel of 32 float32 columns then takes 128 KiB and stays
# in the second cache.
DEPTH_BLOCK = 1024


def panel_vectors(processor: Processor) -> int:
    """Vectors in a row of the packed panel: 2, which leaves registers for a high tile."""
    return 2


def scratch_elements(processor: Processor, dtype: str) -> int:
    """Elements of scratch memory that each thread needs for its panel."""
    return DEPTH_BLOCK * panel_vectors(processor) * processor.lanes(dtype)


@dataclass(frozen=True)
class Product(Routine):
    """out[m, n] = epilogue(Σ_k a[m, k] · b[k, n] (+ out[m, n])).

    transposed_a, transposed_b   a lies as (K, M), b as (N, K)
    accumulate                   adds to what out holds
    sizes, strides               (M, N, K) and elements from row to row of a, b, out where they are known,
                                 else None: then the arguments of these names say it
    packed                       whether panels of b are packed; without, rows must be few and b not
                                 transposed
    """

    dtype: str
    transposed_a: bool = False
    transposed_b: bool = False
    accumulate: bool = False
    sizes: tuple[int, int, int] | None = None
    strides: tuple[int, int, int] | None = None
    epilogue: Epilogue | None = None
    packed: bool = True

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken = {"a": array, "b": array, "out": array, "scratch": array}
        taken |= dict.fromkeys(("rows", "columns", "depth", "a_stride", "b_stride", "out_stride"), "index")
        return taken | ({} if self.epilogue is None else self.epilogue.parameters(self.dtype))

    def write(
        self,
        code: Code,
        a: Pointer,
        b: Pointer,
        out: Pointer,
        scratch: Pointer,
        rows: Bound,
        columns: Bound,
        depth: Bound,
        a_stride: Bound,
        b_stride: Bound,
        out_stride: Bound,
        *more: Any,
    ) -> None:
        if self.sizes is not None:
            rows, columns, depth = self.sizes
        if self.strides is not None:
            a_stride, b_stride, out_stride = self.strides
        vectors = self._vectors(code.processor, rows)
        height = tile_rows(code.processor, vectors)
        width = vectors * code.lanes(self.dtype)
        panels = (columns + (width - 1)) // width
        bands = (rows + (height - 1)) // height
        panel_memory = scratch + code.thread * scratch_elements(code.processor, self.dtype)
        first, last = code.share(panels * bands)
        for _ in code.when(first < last):
            for panel in code.range(first // bands, (last + (bands - 1)) // bands):
                column = panel * width
                low = code.most(first - panel * bands, 0)
                high = code.least(last - panel * bands, bands)
                place = _Place(
                    self, code, a, b, out, rows, columns, a_stride, b_stride, out_stride, list(more)
                )
                if isinstance(depth, int) and depth <= DEPTH_BLOCK:
                    place.block(panel_memory, column, low, high, vectors, height, 0, depth, True, True)
                    continue
                # A depth of 0 still has one block, which writes what a sum of nothing is.
                for start in code.range(0, code.most(depth, 1), DEPTH_BLOCK):
                    length = code.least(depth - start, DEPTH_BLOCK)
                    is_first = start == 0
                    is_last = start + DEPTH_BLOCK >= depth
                    place.block(
                        panel_memory, column, low, high, vectors, height, start, length, is_first, is_last
                    )

    def _vectors(self, processor: Processor, rows: Bound) -> int:
        if self.packed:
            return panel_vectors(processor)
        if isinstance(rows, int) and rows <= 2:
            return 8 if processor.registers > 16 else 4
        return panel_vectors(processor)


@dataclass
class _Place:
    """One thread's work on one product."""

    routine: Product
    code: Code
    a: Pointer
    b: Pointer
    out: Pointer
    rows: Bound
    columns: Bound
    a_stride: Bound
    b_stride: Bound
    out_stride: Bound
    more: list[Any]

    def block(
        self,
        panel: Pointer,
        column: Bound,
        low: Bound,
        high: Bound,
        vectors: int,
        height: int,
        start: Bound,
        depth: Bound,
        is_first: Any,
        is_last: Any,
    ) -> None:
        """One panel, one block of the summed axis, the bands low … high of rows."""
        code, routine = self.code, self.routine
        width = vectors * code.lanes(routine.dtype)
        right, right_stride = panel, width
        if routine.packed:
            packing = Pack(routine.dtype, routine.transposed_b, vectors)
            here = self.b + (
                column * self.b_stride + start if routine.transposed_b else start * self.b_stride + column
            )
            code.call(packing, here, panel, depth, self.columns - column, self.b_stride, alone=True)
        else:
            right, right_stride = self.b + start * self.b_stride + column, self.b_stride
        left = self.a + (start * self.a_stride if routine.transposed_a else start)
        for band in code.range(low, high):
            row = band * height
            count = code.least(self.rows - row, height)
            possible = range(1, height + 1)
            if isinstance(self.rows, int):
                possible = sorted({min(self.rows, height), self.rows % height or height})
            for exact in code.cases(count, possible):
                tile = ProductTile(
                    routine.dtype, exact, vectors, routine.transposed_a, routine.accumulate, routine.epilogue,
                    routine.packed,
                )  # fmt: skip
                code.call(
                    tile,
                    left + (row if routine.transposed_a else row * self.a_stride),
                    right,
                    self.out + row * self.out_stride + column,
                    depth,
                    code.least(self.columns - column, width),
                    self.a_stride,
                    right_stride,
                    self.out_stride,
                    row,
                    column,
                    _flag(code, is_first),
                    _flag(code, is_last),
                    *self.more,
                    alone=True,
                )


def _flag(code: Code, condition: Any) -> Bound:
    return int(condition) if isinstance(condition, bool) else code.choose(condition, 1, 0)


@dataclass(frozen=True)
class ProductTile(Routine):
    """One tile of a product: rows × vectors, over one block of the summed axis."""

    dtype: str
    rows: int
    vectors: int
    transposed_a: bool
    accumulate: bool
    epilogue: Epilogue | None
    packed: bool

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken = {"a": array, "b": array, "out": array}
        numbers = (
            "depth",
            "columns",
            "a_stride",
            "b_stride",
            "out_stride",
            "row",
            "column",
            "is_first",
            "is_last",
        )
        taken |= dict.fromkeys(numbers, "index")
        return taken | ({} if self.epilogue is None else self.epilogue.parameters(self.dtype))

    def write(
        self,
        code: Code,
        a: Pointer,
        b: Pointer,
        out: Pointer,
        depth: Index,
        columns: Index,
        a_stride: Index,
        b_stride: Index,
        out_stride: Index,
        row: Index,
        column: Index,
        is_first: Index,
        is_last: Index,
        *more: Any,
    ) -> None:
        lanes = code.lanes(self.dtype)
        masks = [None if self.packed else code.mask(columns - j * lanes, lanes) for j in range(self.vectors)]
        lines = [a + i * a_stride for i in range(self.rows)]

        def left(p: Bound, i: int) -> Vector:
            return a.number(p * a_stride + i) if self.transposed_a else lines[i].number(p)

        def right(p: Bound, j: int) -> Vector:
            return (b + p * b_stride).vector(j * lanes, mask=masks[j])

        width = self.vectors * lanes
        for _ in code.when(columns >= width):
            self._finish(
                code,
                left,
                _unmasked(b, b_stride, lanes),
                out,
                depth,
                out_stride,
                row,
                column,
                is_first,
                is_last,
                more,
                None,
            )
        for _ in code.when(columns < width):
            limits = [code.mask(columns - j * lanes, lanes) for j in range(self.vectors)]
            self._finish(
                code, left, right, out, depth, out_stride, row, column, is_first, is_last, more, limits
            )

    def _finish(
        self,
        code: Code,
        left: Any,
        right: Any,
        out: Pointer,
        depth: Index,
        out_stride: Index,
        row: Index,
        column: Index,
        is_first: Index,
        is_last: Index,
        more: tuple[Any, ...],
        limits: list[Any] | None,
    ) -> None:
        lanes = code.lanes(self.dtype)
        total = multiply_accumulate(code, self.dtype, self.rows, self.vectors, depth, left, right)
        masks = limits or [None] * self.vectors
        places = [[out + i * out_stride + j * lanes for j in range(self.vectors)] for i in range(self.rows)]
        everything = [(i, j) for i in range(self.rows) for j in range(self.vectors)]
        for _ in code.when((is_first == 0) | self.accumulate):
            for i, j in everything:
                total[i][j].value = total[i][j].value + places[i][j].vector(mask=masks[j])
        epilogue, given = self.epilogue, list(more)
        if epilogue is not None and is_long(code, epilogue, total[0][0].value, given):
            for _ in code.when(is_last != 0):
                width = self.vectors * lanes
                held = code.local(self.dtype, self.rows * width)
                for i, j in everything:
                    held.put(total[i][j].value, i * width + j * lanes)
                for i in code.range(self.rows):
                    for j in range(self.vectors):
                        value = held.vector(i * width + j * lanes)
                        value = epilogue.apply(code, value, row + i, column + j * lanes, masks[j], given)
                        out.put(value, i * out_stride + j * lanes, masks[j])
            for _ in code.when(is_last == 0):
                for i, j in everything:
                    places[i][j].put(total[i][j].value, mask=masks[j])
            return
        if epilogue is not None:
            for _ in code.when(is_last != 0):
                for i, j in everything:
                    total[i][j].value = epilogue.apply(
                        code, total[i][j].value, row + i, column + j * lanes, masks[j], given
                    )
        for i, j in everything:
            places[i][j].put(total[i][j].value, mask=masks[j])


def _unmasked(b: Pointer, b_stride: Index, lanes: int) -> Any:
    return lambda p, j: (b + p * b_stride).vector(j * lanes)


@dataclass(frozen=True)
class Pack(Routine):
    """Copies `vectors` registers' width of columns of b, so that they lie one after another: panel[k, n].

    Columns beyond the last are filled with what the tile computes but never stores.
    """

    dtype: str
    transposed: bool
    vectors: int

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {"b": array, "panel": array, "depth": "index", "columns": "index", "b_stride": "index"}

    def write(
        self, code: Code, b: Pointer, panel: Pointer, depth: Index, columns: Index, b_stride: Index
    ) -> None:
        lanes = code.lanes(self.dtype)
        width = self.vectors * lanes
        if not self.transposed:
            for _ in code.when(columns >= width):
                for k in code.range(depth):
                    for j in range(self.vectors):
                        panel.put((b + k * b_stride).vector(j * lanes), k * width + j * lanes)
            for _ in code.when(columns < width):
                masks = [code.mask(columns - j * lanes, lanes) for j in range(self.vectors)]
                for k in code.range(depth):
                    for j in range(self.vectors):
                        panel.put((b + k * b_stride).vector(j * lanes, mask=masks[j]), k * width + j * lanes)
            return
        for k, count in code.blocks(depth, lanes):
            mask = code.mask(count, lanes)
            for j in range(self.vectors):
                lines = []
                for i in range(lanes):
                    line = code.least(columns - 1, j * lanes + i)
                    lines.append((b + line * b_stride).vector(k, mask=mask))
                turned = transposed(lines)
                if isinstance(count, int):
                    for i in range(lanes):
                        panel.put(turned[i], (k + i) * width + j * lanes)
                else:
                    for i in range(lanes - 1):
                        for _ in code.when(count > i):
                            panel.put(turned[i], (k + i) * width + j * lanes)


def transposed(lines: list[Vector]) -> list[Vector]:
    """As many vectors as they have lanes, rows and columns exchanged: rounds of perfect shuffles."""
    count = len(lines)
    half = count // 2
    low = [position for i in range(half) for position in (i, count + i)]
    high = [position for i in range(half, count) for position in (i, count + i)]
    rounds = count.bit_length() - 1
    for _ in range(rounds):
        lines = [lines[i].shuffle(lines[i + half], order) for i in range(half) for order in (low, high)]
    return lines
