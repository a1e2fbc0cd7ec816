"""Attention, forward: y = softmax(q · kᵀ · scale + mask) · v, without ever holding all scores of a head.

A few queries meet a block of keys at a time. Each keeps the largest score and the sum of exponentials so far;
when a block brings a larger score, what was summed before is scaled down.
Source: Milakov & Gimelshein 2018, algorithm 3; Dao, Fu, Ermon, Rudra & Ré 2022, algorithm 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native import functions
from deltarule.kernels.native.attention_blocks import (
    KEY_VECTORS,
    SIZES,
    Matrix,
    clear,
    copy_rows,
    masked_score,
    matrix_of,
    pack_columns,
    tile_height,
    visible,
    whole,
)
from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.tile import multiply_accumulate
from deltarule.kernels.native.values import Pointer, Vector

# Keys whose scores are held at once.
KEY_BLOCK = 512

STRIDES = tuple(f"{array}_{axis}" for array in "qkvy" for axis in ("batch", "head", "time"))
MASK_STRIDES = ("mask_batch", "mask_head", "mask_time")


def scratch_elements(
    processor: Processor, dtype: str, value_vectors: int, sources: int, width: int, value_width: int
) -> int:
    """Elements of scratch memory that each thread needs."""
    lanes, height = processor.lanes(dtype), tile_height(processor, dtype)
    keys, wide = whole(sources, KEY_VECTORS * lanes), whole(value_width, value_vectors * lanes)
    return keys * (width + wide) + height * (KEY_BLOCK + wide)


@dataclass(frozen=True)
class Attention(Routine):
    """y, and ln Σ e^score of each query for the gradient; zeros and ∞ for a query that may look at nothing.

    causal         query t sees keys up to t only; blocks of keys that nobody sees are skipped
    masked         whether there is a mask (batch, heads, targets, sources) of numbers to add
    value_vectors  vectors of value features in a tile (`feature_vectors`)
    sizes          (batch, heads, targets, sources, width, value_width) where they are known
    Strides are given for batch, heads and time; features lie one after another.
    """

    dtype: str
    causal: bool
    masked: bool
    value_vectors: int
    sizes: tuple[int, int, int, int, int, int] | None = None

    def parameters(self) -> dict[str, str]:
        taken = dict.fromkeys(("q", "k", "v", "mask", "y", "logs", "scratch"), self.dtype + "*")
        taken |= dict.fromkeys((*SIZES, *STRIDES, *MASK_STRIDES), "index")
        return taken | {"scale": self.dtype}

    def write(
        self,
        code: Code,
        q: Pointer,
        k: Pointer,
        v: Pointer,
        mask: Pointer,
        y: Pointer,
        logs: Pointer,
        scratch: Pointer,
        *numbers: Any,
    ) -> None:
        batch, heads, targets, sources, width, value_width = self.sizes or numbers[:6]
        strides, mask_strides, scale = numbers[6:18], numbers[18:21], numbers[21]
        dtype, lanes = self.dtype, code.lanes(self.dtype)
        height = tile_height(code.processor, dtype)
        keys, wide = whole(sources, KEY_VECTORS * lanes), whole(value_width, self.value_vectors * lanes)
        keys_turned = scratch + code.thread * (keys * (width + wide) + height * (KEY_BLOCK + wide))
        values = keys_turned + keys * width
        scores = values + keys * wide
        result = scores + height * KEY_BLOCK
        bands = (targets + (height - 1)) // height
        low, high = code.share(batch * heads * bands)
        for _ in code.when(low < high):
            for each in code.range(low // bands, (high + (bands - 1)) // bands):
                sample, head = each // heads, each % heads
                first = code.most(low - each * bands, 0)
                last = code.least(high - each * bands, bands)
                seen = code.least(sources, last * height) if self.causal else sources
                key = matrix_of(k, strides[3:6], sample, head)
                pack_columns(code, dtype, key, seen, width, keys_turned)
                value = matrix_of(v, strides[6:9], sample, head)
                copy_rows(code, dtype, value, 0, seen, value_width, values, wide)
                for band in code.range(first, last):
                    _Band(
                        self, code, band * height, matrix_of(q, strides[0:3], sample, head),
                        matrix_of(mask, mask_strides, sample, head),
                        matrix_of(y, strides[9:12], sample, head), logs + each * targets,
                        keys_turned, values, scores, result,
                        targets, sources, width, value_width, wide, scale,
                    ).write()  # fmt: skip


@dataclass(frozen=True)
class _Band:
    """A few queries of one head."""

    routine: Attention
    code: Code
    row: Bound
    query: Matrix
    mask: Matrix
    y: Matrix
    logs: Pointer
    keys_turned: Pointer
    values: Pointer
    scores: Pointer
    result: Pointer
    targets: Bound
    sources: Bound
    width: Bound
    value_width: Bound
    wide: Bound
    scale: Vector

    def write(self) -> None:
        code, dtype = self.code, self.routine.dtype
        height = tile_height(code.processor, dtype)
        largest, totals, shrinking = (code.local(dtype, height) for _ in range(3))
        for i in range(height):
            largest.put(code.number(-math.inf, dtype), i)
            totals.put(code.number(0.0, dtype), i)
        clear(code, dtype, self.result, self.wide * height)
        limit = self.sources
        if self.routine.causal:
            limit = code.least(self.sources, self.row + height)
        for start in code.range(0, limit, KEY_BLOCK):
            count = code.least(limit - start, KEY_BLOCK)
            self._scores(height, start, count)
            self._exponentials(height, start, count, largest, totals, shrinking)
            self._values(height, start, count, shrinking)
        for i in code.range(height):
            for _ in code.when(code.index(self.row + i) < self.targets):
                self._finish(i, largest, totals)

    def _scores(self, height: int, start: Bound, count: Bound) -> None:
        """Scores of these queries and `count` keys from `start` on."""
        code, dtype, lanes = self.code, self.routine.dtype, self.code.lanes(self.routine.dtype)
        step = KEY_VECTORS * lanes
        rows = [code.least(self.row + i, self.targets - 1) for i in range(height)]
        lines = [self.query.row(row) for row in rows]
        scale = self.scale.spread(lanes)
        for offset in code.range(0, count, step):
            panel = self.keys_turned + (start + offset) * self.width
            tile = multiply_accumulate(
                code, dtype, height, KEY_VECTORS, self.width,
                lambda p, i: lines[i].number(p),
                lambda p, j, panel=panel: panel.vector(p * step + j * lanes),
            )  # fmt: skip
            for i in range(height):
                added = self.mask.row(rows[i]) + (start + offset) if self.routine.masked else None
                for j in range(KEY_VECTORS):
                    left = self.sources - (start + offset + j * lanes)
                    score = masked_score(code, tile[i][j].value, scale, added, left, j * lanes)
                    self.scores.put(score, i * KEY_BLOCK + offset + j * lanes)

    def _exponentials(
        self, height: int, start: Bound, count: Bound, largest: Pointer, totals: Pointer, shrinking: Pointer
    ) -> None:
        """Scores of a block become e^(score − largest), all rows in step; the sums go on."""
        code, dtype, lanes = self.code, self.routine.dtype, self.code.lanes(self.routine.dtype)
        rows = range(height)
        limits = [count] * height
        if self.routine.causal:
            limits = [code.least(count, self.row + (i + 1) - start) for i in rows]
        held = [code.variable(code.number(-math.inf, dtype, lanes)) for _ in rows]
        for offset in code.range(0, count, lanes):
            for i in rows:
                seen = visible(code, limits[i] - offset, lanes)
                score = self.scores.vector(i * KEY_BLOCK + offset)
                held[i].value = seen.select(score, -math.inf).larger(held[i].value)
        before = largest.vector(0, height)
        for i in rows:
            largest.put(held[i].value.largest().larger(largest.number(i)), i)
        now = largest.vector(0, height)
        shift = _finite(now)
        shrink = functions.exp(before - shift)
        shrinking.put(shrink)
        shifts = code.local(dtype, height)
        shifts.put(shift)
        sums = [code.variable(code.zeros(dtype)) for _ in rows]
        for offset in code.range(0, count, lanes):
            for i in rows:
                place = self.scores + (offset + i * KEY_BLOCK)
                seen = visible(code, limits[i] - offset, lanes)
                value = seen.select(functions.exp(place.vector() - shifts.number(i)), 0.0)
                place.put(value)
                sums[i].value = sums[i].value + value
        for i in rows:
            totals.put(totals.number(i) * shrinking.number(i) + sums[i].value.total(), i)

    def _values(self, height: int, start: Bound, count: Bound, shrinking: Pointer) -> None:
        """result = result · shrinking + weights · values."""
        code, dtype, lanes = self.code, self.routine.dtype, self.code.lanes(self.routine.dtype)
        vectors = self.routine.value_vectors
        for column in code.range(0, self.wide, vectors * lanes):
            tile = [
                [
                    code.variable(
                        self.result.vector(i * self.wide + column + j * lanes) * shrinking.number(i)
                    )
                    for j in range(vectors)
                ]
                for i in range(height)
            ]
            block = self.values + start * self.wide + column
            multiply_accumulate(
                code, dtype, height, vectors, count,
                lambda p, i: self.scores.number(p + i * KEY_BLOCK),
                lambda p, j, block=block: block.vector(p * self.wide + j * lanes),
                tile,
            )  # fmt: skip
            for i in range(height):
                for j in range(vectors):
                    self.result.put(tile[i][j].value, i * self.wide + column + j * lanes)

    def _finish(self, i: Bound, largest: Pointer, totals: Pointer) -> None:
        """Divides by the sum of exponentials, and writes a query's result and the sum's logarithm."""
        code, dtype, lanes = self.code, self.routine.dtype, self.code.lanes(self.routine.dtype)
        total = totals.number(i)
        nothing = total.equals(0.0)
        factor = nothing.select(code.number(0.0, dtype), 1.0 / total).spread(lanes)
        line = self.y.row(self.row + i)
        for column, count in code.blocks(self.value_width, lanes):
            mask = code.mask(count, lanes)
            line.put(self.result.vector(i * self.wide + column) * factor, column, mask)
        logarithm = _finite(largest.number(i)) + functions.log(total)
        self.logs.put(nothing.select(code.number(math.inf, dtype), logarithm), self.row + i)


def _finite(largest: Vector) -> Vector:
    """0 in place of −∞: what a row of which nothing is seen is shifted by."""
    return largest.equals(-math.inf).select(largest.like(0.0), largest)
