"""The product of a few rows with a transposed matrix, row by row: out[m, n] = Σ_k a[m, k] · b[n, k].

Both operands are read along the summed axis, so nothing is packed: what a linear layer needs at small
batches, where packing the weights would cost as much as multiplying by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.unpacked_product import UnpackedProduct
from deltarule.kernels.native.values import Pointer, Vector


@dataclass(frozen=True)
class RowProduct(UnpackedProduct):
    """out[m, n] = epilogue(Σ_k a[m, k] · b[n, k]), for few rows m."""

    def multiply(
        self,
        code: Code,
        a: Pointer,
        b: Pointer,
        out: Pointer,
        sizes: tuple[Bound, ...],
        strides: tuple[Bound, ...],
        more: list[Any],
    ) -> None:
        rows, columns, depth = sizes
        a_stride, b_stride, out_stride = strides
        height, width = tile_sizes(code.processor, self.dtype, rows)
        low, high = code.share(columns, width)
        for column in code.range(low, high, width):
            inside = code.least(columns - column, width)
            # Columns beyond the last are computed again from the last one, and not stored.
            lines = [b + code.least(columns - 1, column + j) * b_stride for j in range(width)]
            for first in code.range(0, rows, height):
                count = code.least(rows - first, height)
                possible: Any = range(1, height + 1)
                if isinstance(rows, int):
                    possible = sorted({min(rows, height), rows % height or height})
                for exact in code.cases(count, possible):
                    left = [a + (first + i) * a_stride for i in range(exact)]
                    sums = _products(code, self.dtype, left, lines, depth)
                    for i in range(exact):
                        value, mask = merged(sums[i]), code.mask(inside, width)
                        if self.epilogue is not None:
                            value = self.epilogue.apply(code, value, first + i, column, mask, more)
                        out.put(value, (first + i) * out_stride + column, mask)


def tile_sizes(processor: Processor, dtype: str, rows: Bound) -> tuple[int, int]:
    """Rows of a and of b that are multiplied at once: their sums and themselves fit into the registers.

    The sums of the rows of b end up in the lanes of one vector.
    """
    single = isinstance(rows, int) and rows == 1
    if processor.registers <= 16:
        height, width = (1, 4) if single else (2, 4)
    else:
        height, width = (1, 8) if single else (4, 4)
    return height, min(width, processor.lanes(dtype))


def _products(
    code: Code, dtype: str, left: list[Pointer], right: list[Pointer], depth: Bound
) -> list[list[Vector]]:
    """For each pair of rows a vector whose lanes add up to their product."""
    lanes = code.lanes(dtype)
    sums = [[code.variable(code.zeros(dtype)) for _ in right] for _ in left]

    def step(k: Bound, mask: Any) -> None:
        factors = [line.vector(k, mask=mask) for line in left]
        for j, line in enumerate(right):
            other = line.vector(k, mask=mask)
            for i, factor in enumerate(factors):
                sums[i][j].value = factor.fma(other, sums[i][j].value)

    for k, count in code.blocks(depth, lanes):
        step(k, code.mask(count, lanes))
    return [[total.value for total in line] for line in sums]


def merged(vectors: list[Vector]) -> Vector:
    """One vector of the sums of the lanes of each of these (their numbers are powers of two)."""
    count = len(vectors)
    while len(vectors) > 1:
        half = len(vectors) // 2
        vectors = [_zipped(vectors[i], vectors[i + half]) for i in range(half)]
    vector = vectors[0]
    while vector.lanes > count:
        half = vector.lanes // 2
        low, high = list(range(half)), list(range(half, 2 * half))
        vector = (
            vector.lane(0) + vector.lane(1)
            if half == 1
            else vector.shuffle(vector, low) + vector.shuffle(vector, high)
        )
    return vector


def _zipped(a: Vector, b: Vector) -> Vector:
    """Partial sums of a in the even lanes and of b in the odd ones."""
    lanes = a.lanes
    low = [position for i in range(lanes // 2) for position in (i, lanes + i)]
    high = [position for i in range(lanes // 2, lanes) for position in (i, lanes + i)]
    return a.shuffle(b, low) + a.shuffle(b, high)
