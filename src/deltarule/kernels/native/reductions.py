"""Sums, sums of squares and extremes along rows and along columns.

Sums of float32 are added up in blocks, whose totals are added in float64: their error is that of a block,
however long the sum. `split` reductions divide each sum among the threads, so their last digits depend on the
thread count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Mask, Pointer, Variable, Vector
from deltarule.kernels.native.vector_functions import vector_functions

# Vectors that are reduced side by side, and steps of them in a block.
_ABREAST = 4
_STEPS = 32


@dataclass(frozen=True)
class _Accumulator:
    """How one kind of reduction starts, takes elements in, and is brought to an end.

    kind   "sum", "sum_of_squares", "max" or "min"; the extremes are NaN where an element is
    """

    kind: str
    dtype: str

    @property
    def is_sum(self) -> bool:
        return self.kind.startswith("sum")

    @property
    def start(self) -> float:
        return 0.0 if self.is_sum else -math.inf if self.kind == "max" else math.inf

    @property
    def wide(self) -> str:
        """The type in which blocks are put together."""
        return "float64" if self.is_sum else self.dtype

    def taken(self, held: Vector, element: Vector) -> Vector:
        if self.kind == "sum":
            return held + element
        if self.kind == "sum_of_squares":
            return element.fma(element, held)
        # NaN stays, and is taken.
        return (vector_functions.maximum if self.kind == "max" else vector_functions.minimum)(held, element)

    def joined(self, a: Vector, b: Vector) -> Vector:
        return a + b if self.is_sum else self.taken(a, b)

    def across(self, vector: Vector) -> Vector:
        """All lanes joined, as a single number."""
        while vector.lanes > 1:
            half = vector.lanes // 2
            if half == 1:
                return self.joined(vector.lane(0), vector.lane(1))
            low, high = list(range(half)), list(range(half, vector.lanes))
            vector = self.joined(vector.shuffle(vector, low), vector.shuffle(vector, high))
        return vector

    def fresh(self, code: Code, lanes: int, count: int, dtype: str) -> list[Variable]:
        return [code.variable(code.number(self.start, dtype, lanes)) for _ in range(count)]


@dataclass(frozen=True)
class RowReduction(Routine):
    """out[r] = reduction over c of x[r, c].

    split   each row is divided among the threads; scratch then holds `rows · threads` numbers
    """

    dtype: str
    kind: str
    split: bool = False

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {"x": array, "out": array, "scratch": "float64*", "rows": "index", "columns": "index"}

    def write(
        self, code: Code, x: Pointer, out: Pointer, scratch: Pointer, rows: Bound, columns: Bound
    ) -> None:
        accumulator = _Accumulator(self.kind, self.dtype)
        if not self.split:
            first, last = code.share(rows)
            for row in code.range(first, last):
                total = _along(code, accumulator, x + row * columns, 0, columns)
                out.put(total.to(self.dtype), row)
            return
        start, stop = code.share(columns, _ABREAST * code.lanes(self.dtype))
        for row in code.range(rows):
            total = _along(code, accumulator, x + row * columns, start, stop)
            scratch.put(total.to("float64"), row * code.threads + code.thread)
        code.barrier()
        for _ in code.first_thread():
            for row in code.range(rows):
                total = code.variable(code.number(accumulator.start, "float64"))
                for thread in code.range(code.threads):
                    total.value = accumulator.joined(total.value, scratch.number(row * code.threads + thread))
                out.put(total.value.to(self.dtype), row)


def _along(code: Code, accumulator: _Accumulator, line: Pointer, start: Bound, stop: Bound) -> Vector:
    """Elements start … stop reduced to a single number of the wide type."""
    lanes = code.lanes(accumulator.dtype)
    step = _ABREAST * lanes
    (whole,) = accumulator.fresh(code, lanes, 1, accumulator.wide)
    for block in code.range(start, stop, step * _STEPS):
        end = code.least(block + step * _STEPS, stop)
        held = accumulator.fresh(code, lanes, _ABREAST, accumulator.dtype)
        full = (end - block) // step * step + block
        for position in code.range(block, full, step):
            for k in range(_ABREAST):
                held[k].value = accumulator.taken(held[k].value, line.vector(position + k * lanes))
        for position, count in code.blocks(end, lanes, full):
            mask = code.mask(count, lanes)
            element = line.vector(position, mask=mask, fill=accumulator.start)
            held[0].value = accumulator.taken(held[0].value, element)
        pairs = [accumulator.joined(held[k].value, held[k + 1].value) for k in range(0, _ABREAST, 2)]
        block_total = accumulator.joined(pairs[0], pairs[1]).to(accumulator.wide)
        whole.value = accumulator.joined(whole.value, block_total)
    return accumulator.across(whole.value)


@dataclass(frozen=True)
class ColumnReduction(Routine):
    """out[o, c] = reduction over r of x[o, r, c].

    split   rows are divided among the threads; scratch then holds `outer · columns · threads` numbers
    """

    dtype: str
    kind: str
    split: bool = False

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken = {"x": array, "out": array, "scratch": "float64*"}
        return taken | dict.fromkeys(("outer", "rows", "columns"), "index")

    def write(
        self,
        code: Code,
        x: Pointer,
        out: Pointer,
        scratch: Pointer,
        outer: Bound,
        rows: Bound,
        columns: Bound,
    ) -> None:
        lanes = code.lanes(self.dtype)
        if not self.split:
            grain = _ABREAST * lanes
            pieces = (columns + (grain - 1)) // grain
            first, last = code.share(outer * pieces)
            for piece in code.range(first, last):
                o, column = piece // pieces, piece % pieces * grain
                stop = code.least(column + grain, columns)
                self._panel(code, x + o * rows * columns, out + o * columns, rows, columns, column, stop)
            return
        first, last = code.share(rows)
        own = scratch + code.thread * outer * columns
        for o in code.range(outer):
            line = x + (o * rows + first) * columns
            self._panel(code, line, own + o * columns, last - first, columns, 0, columns)
        code.barrier()
        accumulator = _Accumulator(self.kind, self.dtype)
        start, stop = code.share(outer * columns, lanes)
        for position, count in code.blocks(stop, lanes, start):
            mask = code.mask(count, lanes)
            total = code.variable(code.number(accumulator.start, "float64", lanes))
            for thread in code.range(code.threads):
                part = scratch.vector(thread * outer * columns + position, lanes, mask)
                total.value = accumulator.joined(total.value, part)
            out.put(total.value.to(self.dtype), position, mask)

    def _panel(
        self, code: Code, x: Pointer, out: Pointer, rows: Bound, columns: Bound, start: Bound, stop: Bound
    ) -> None:
        """Columns start … stop over all rows."""
        lanes = code.lanes(self.dtype)
        wide = start
        for column, count in code.blocks(stop, _ABREAST * lanes, start):
            if isinstance(count, int) and count == _ABREAST * lanes:
                self._stripe(code, x, out, rows, columns, column, [None] * _ABREAST)
            else:
                wide = column
                for single, rest in code.blocks(stop, lanes, wide):
                    self._stripe(code, x, out, rows, columns, single, [code.mask(rest, lanes)])

    def _stripe(
        self,
        code: Code,
        x: Pointer,
        out: Pointer,
        rows: Bound,
        columns: Bound,
        column: Bound,
        masks: list[Mask | None],
    ) -> None:
        lanes, accumulator = code.lanes(self.dtype), _Accumulator(self.kind, self.dtype)
        count = len(masks)
        whole = accumulator.fresh(code, lanes, count, accumulator.wide)
        for block in code.range(0, rows, _STEPS):
            held = accumulator.fresh(code, lanes, count, self.dtype)
            for row in code.range(block, code.least(block + _STEPS, rows)):
                line = x + row * columns + column
                for k, mask in enumerate(masks):
                    held[k].value = accumulator.taken(held[k].value, line.vector(k * lanes, mask=mask))
            for k in range(count):
                whole[k].value = accumulator.joined(whole[k].value, held[k].value.to(accumulator.wide))
        for k, mask in enumerate(masks):
            out.put(whole[k].value.to(out.dtype), column + k * lanes, mask)
