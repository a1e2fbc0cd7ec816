"""Attention, backward: the gradients of queries, keys and values; scores are computed again, block by block.

With w = e^(q · kᵀ · scale + mask − logs) and D[t] = Σ_e ∂L/∂y[t, e] y[t, e]:
    ∂L/∂v = wᵀ · ∂L/∂y,  s = w ⊙ (∂L/∂y · vᵀ − D) · scale,  ∂L/∂q = s · k,  ∂L/∂k = sᵀ · q
Source: Dao, Fu, Ermon, Rudra & Ré 2022, algorithm 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native import functions
from deltarule.kernels.native.attention import MASK_STRIDES
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
from deltarule.kernels.native.sums import sums_along
from deltarule.kernels.native.tile import Left, multiply_accumulate
from deltarule.kernels.native.values import Pointer, Vector

# Queries and keys that meet at once: their weights and the gradients of these stay in the first cache.
QUERY_BLOCK = 32
KEY_BLOCK = 128

_ARRAYS = ("q", "k", "v", "y", "grad_y", "grad_q", "grad_k", "grad_v")
STRIDES = tuple(f"{array}_{axis}" for array in _ARRAYS for axis in ("batch", "head", "time"))


def gradient_scratch_elements(
    processor: Processor,
    dtype: str,
    key_vectors: int,
    value_vectors: int,
    sources: int,
    width: int,
    value_width: int,
) -> int:
    """Elements of scratch memory that each thread needs."""
    lanes = processor.lanes(dtype)
    keys = whole(sources, KEY_VECTORS * lanes)
    wide, value_wide = whole(width, key_vectors * lanes), whole(value_width, value_vectors * lanes)
    return (
        keys * (width + value_width + 2 * wide + value_wide)
        + QUERY_BLOCK * (2 * KEY_BLOCK + 2 * wide + value_wide)
    )  # fmt: skip


@dataclass(frozen=True)
class AttentionGradient(Routine):
    """grad_q, grad_k, grad_v, which are written, not added to. Each head is one thread's: no sum is split.

    key_vectors, value_vectors   vectors of features in a tile (`feature_vectors` of the two widths)
    The other fields are those of Attention.
    """

    dtype: str
    causal: bool
    masked: bool
    key_vectors: int
    value_vectors: int
    sizes: tuple[int, int, int, int, int, int] | None = None

    def parameters(self) -> dict[str, str]:
        arrays = ("q", "k", "v", "mask", "y", "logs", "grad_y", "grad_q", "grad_k", "grad_v", "scratch")
        taken = dict.fromkeys(arrays, self.dtype + "*")
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
        grad_y: Pointer,
        grad_q: Pointer,
        grad_k: Pointer,
        grad_v: Pointer,
        scratch: Pointer,
        *numbers: Any,
    ) -> None:
        batch, heads, targets, sources, width, value_width = self.sizes or numbers[:6]
        arrays = dict(zip(_ARRAYS, (q, k, v, y, grad_y, grad_q, grad_k, grad_v), strict=True))
        strides, mask_strides, scale = numbers[6:30], numbers[30:33], numbers[33]
        lanes = code.lanes(self.dtype)
        keys = whole(sources, KEY_VECTORS * lanes)
        wide, value_wide = (
            whole(width, self.key_vectors * lanes),
            whole(value_width, self.value_vectors * lanes),
        )
        lengths = {
            "keys_turned": keys * width,
            "values_turned": keys * value_width,
            "keys": keys * wide,
            "key_sums": keys * wide,
            "value_sums": keys * value_wide,
            "weights": QUERY_BLOCK * KEY_BLOCK,
            "slopes": QUERY_BLOCK * KEY_BLOCK,
            "queries": QUERY_BLOCK * wide,
            "query_sums": QUERY_BLOCK * wide,
            "upstream": QUERY_BLOCK * value_wide,
        }
        total: Bound = 0
        for length in lengths.values():
            total = total + length
        place = scratch + code.thread * total
        pieces: dict[str, Any] = {}
        for name, length in lengths.items():
            pieces[name], place = place, place + length
        low, high = code.share(batch * heads)
        for each in code.range(low, high):
            sample, head = each // heads, each % heads
            matrices: dict[str, Any] = {
                name: matrix_of(array, strides[3 * i : 3 * i + 3], sample, head)
                for i, (name, array) in enumerate(arrays.items())
            }
            _Head(
                self, code, **matrices, mask=matrix_of(mask, mask_strides, sample, head),
                logs=logs + each * targets, **pieces, targets=targets, sources=sources, width=width,
                value_width=value_width, wide=wide, value_wide=value_wide, scale=scale,
            ).write()  # fmt: skip


@dataclass(frozen=True)
class _Head:
    """One head.

    The pieces of scratch memory hold the columns of keys and values, rows of keys, the gradients of keys and
    values, weights and their gradients, and the queries, their gradients and ∂L/∂y of one block.
    """

    routine: AttentionGradient
    code: Code
    q: Matrix
    k: Matrix
    v: Matrix
    y: Matrix
    grad_y: Matrix
    grad_q: Matrix
    grad_k: Matrix
    grad_v: Matrix
    mask: Matrix
    logs: Pointer
    keys_turned: Pointer
    values_turned: Pointer
    keys: Pointer
    key_sums: Pointer
    value_sums: Pointer
    weights: Pointer
    slopes: Pointer
    queries: Pointer
    query_sums: Pointer
    upstream: Pointer
    targets: Bound
    sources: Bound
    width: Bound
    value_width: Bound
    wide: Bound
    value_wide: Bound
    scale: Vector

    def write(self) -> None:
        code, dtype, lanes = self.code, self.routine.dtype, self.code.lanes(self.routine.dtype)
        padded = whole(self.sources, KEY_VECTORS * lanes)
        pack_columns(code, dtype, self.k, self.sources, self.width, self.keys_turned)
        pack_columns(code, dtype, self.v, self.sources, self.value_width, self.values_turned)
        copy_rows(code, dtype, self.k, 0, self.sources, self.width, self.keys, self.wide)
        clear(code, dtype, self.key_sums, padded * self.wide)
        clear(code, dtype, self.value_sums, padded * self.value_wide)
        shifts, inner = (code.local(dtype, QUERY_BLOCK) for _ in range(2))
        for row in code.range(0, self.targets, QUERY_BLOCK):
            here = code.least(self.targets - row, QUERY_BLOCK)
            self._load(row, here, shifts, inner)
            limit = code.least(self.sources, row + here) if self.routine.causal else self.sources
            for start in code.range(0, limit, KEY_BLOCK):
                count = code.least(limit - start, KEY_BLOCK)
                self._weights(row, start, count, shifts, inner)
                vectors = self.routine.value_vectors
                self._accumulate(
                    self.value_sums, start, count, self.weights, self.upstream, self.value_wide, vectors
                )
                vectors = self.routine.key_vectors
                self._accumulate(self.key_sums, start, count, self.slopes, self.queries, self.wide, vectors)
                self._accumulate_queries(start, count)
            self._store(self.query_sums, self.wide, here, self.grad_q, row, self.width)
        self._store(self.key_sums, self.wide, self.sources, self.grad_k, 0, self.width)
        self._store(self.value_sums, self.value_wide, self.sources, self.grad_v, 0, self.value_width)

    def _load(self, row: Bound, count: Bound, shifts: Pointer, inner: Pointer) -> None:
        """A block's queries, ∂L/∂y, ln Σ e^score and Σ ∂L/∂y · y; rows beyond the last weigh nothing."""
        code, dtype = self.code, self.routine.dtype
        for i in range(0, QUERY_BLOCK, code.lanes(dtype)):
            shifts.put(code.number(math.inf, dtype, code.lanes(dtype)), i)
            inner.put(code.zeros(dtype), i)
        clear(code, dtype, self.queries, self.wide * QUERY_BLOCK)
        clear(code, dtype, self.query_sums, self.wide * QUERY_BLOCK)
        clear(code, dtype, self.upstream, self.value_wide * QUERY_BLOCK)
        copy_rows(code, dtype, self.q, row, count, self.width, self.queries, self.wide)
        copy_rows(code, dtype, self.grad_y, row, count, self.value_width, self.upstream, self.value_wide)
        for i in code.range(count):
            given, y = self.grad_y.row(row + i), self.y.row(row + i)
            (total,) = sums_along(
                code, dtype, self.value_width, 1,
                lambda e, mask, given=given, y=y: [given.vector(e, mask=mask) * y.vector(e, mask=mask)],
            )  # fmt: skip
            inner.put(total, i)
            shifts.put(self.logs.number(row + i), i)

    def _weights(self, row: Bound, start: Bound, count: Bound, shifts: Pointer, inner: Pointer) -> None:
        """w and s of a block of queries and `count` keys from `start` on; 0 where a query does not look."""
        code, dtype, lanes = self.code, self.routine.dtype, self.code.lanes(self.routine.dtype)
        height, step = tile_height(code.processor, dtype), KEY_VECTORS * lanes
        scale = self.scale.spread(lanes)
        for offset in code.range(0, count, step):
            key = start + offset
            keys, values = self.keys_turned + key * self.width, self.values_turned + key * self.value_width
            for first in code.range(0, QUERY_BLOCK, height):
                queries, given = self.queries + first * self.wide, self.upstream + first * self.value_wide
                tile = multiply_accumulate(
                    code, dtype, height, KEY_VECTORS, self.width,
                    lambda p, i, queries=queries: queries.number(p + i * self.wide),
                    lambda p, j, keys=keys: keys.vector(p * step + j * lanes),
                )  # fmt: skip
                place = first * KEY_BLOCK + offset
                for i in range(height):
                    added = None
                    if self.routine.masked:
                        added = self.mask.row(code.least(row + first + i, self.targets - 1)) + key
                    limit = self.sources
                    if self.routine.causal:
                        limit = code.least(self.sources, row + first + (i + 1))
                    shift = shifts.number(first + i)
                    for j in range(KEY_VECTORS):
                        left = self.sources - (key + j * lanes)
                        score = masked_score(code, tile[i][j].value, scale, added, left, j * lanes)
                        seen = visible(code, limit - (key + j * lanes), lanes)
                        weight = seen.select(functions.exp(score - shift), 0.0)
                        self.weights.put(weight, place + i * KEY_BLOCK + j * lanes)
                tile = multiply_accumulate(
                    code, dtype, height, KEY_VECTORS, self.value_width,
                    lambda p, i, given=given: given.number(p + i * self.value_wide),
                    lambda p, j, values=values: values.vector(p * step + j * lanes),
                )  # fmt: skip
                for i in range(height):
                    total = inner.number(first + i)
                    for j in range(KEY_VECTORS):
                        here = place + i * KEY_BLOCK + j * lanes
                        slope = self.weights.vector(here) * ((tile[i][j].value - total) * scale)
                        self.slopes.put(slope, here)

    def _accumulate(
        self,
        sums: Pointer,
        start: Bound,
        count: Bound,
        left: Pointer,
        right: Pointer,
        wide: Bound,
        vectors: int,
    ) -> None:
        """sums[key] += Σ_query left[query, key] · right[query]."""
        code, dtype = self.code, self.routine.dtype
        height = tile_height(code.processor, dtype)
        for key in code.range(0, count, height):
            column = left + key
            self._add(
                sums + (start + key) * wide, QUERY_BLOCK, lambda p, i, c=column: c.number(p * KEY_BLOCK + i),
                right, wide, vectors,
            )  # fmt: skip

    def _accumulate_queries(self, start: Bound, count: Bound) -> None:
        """query_sums[query] += Σ_key s[query, key] · k[key]."""
        code, dtype = self.code, self.routine.dtype
        height = tile_height(code.processor, dtype)
        for query in code.range(0, QUERY_BLOCK, height):
            line = self.slopes + query * KEY_BLOCK
            self._add(
                self.query_sums + query * self.wide, count, lambda p, i, c=line: c.number(p + i * KEY_BLOCK),
                self.keys + start * self.wide, self.wide, self.routine.key_vectors,
            )  # fmt: skip

    def _add(
        self, sums: Pointer, depth: Bound, left: Left, right: Pointer, wide: Bound, vectors: int
    ) -> None:
        code, dtype, lanes = self.code, self.routine.dtype, self.code.lanes(self.routine.dtype)
        height = tile_height(code.processor, dtype)
        for column in code.range(0, wide, vectors * lanes):
            places = [[i * wide + column + j * lanes for j in range(vectors)] for i in range(height)]
            tile = [[code.variable(sums.vector(place)) for place in line] for line in places]
            multiply_accumulate(
                code, dtype, height, vectors, depth, left,
                lambda p, j, column=column: right.vector(p * wide + column + j * lanes), tile,
            )  # fmt: skip
            for line, held in zip(places, tile, strict=True):
                for place, each in zip(line, held, strict=True):
                    sums.put(each.value, place)

    def _store(
        self, sums: Pointer, wide: Bound, rows: Bound, target: Matrix, first: Bound, width: Bound
    ) -> None:
        code, lanes = self.code, self.code.lanes(self.routine.dtype)
        for row in code.range(rows):
            line, place = sums + row * wide, target.row(first + row)
            for column, count in code.blocks(width, lanes):
                place.put(line.vector(column), column, code.mask(count, lanes))
