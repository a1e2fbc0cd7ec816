"""The register tile that products, convolutions and recurrences are made of.

rows × vectors accumulators stay in registers while the summed axis runs: for each step, `vectors` loads of
the right operand and `rows` single elements of the left one, each multiplied into a row of accumulators.
Source: Goto & van de Geijn, Anatomy of high-performance matrix multiplication, 2008.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.values import Vector

Left = Callable[[Bound, int], Vector]
Right = Callable[[Bound, int], Vector]
Tile = list[list[Any]]


def tile_rows(processor: Processor, vectors: int) -> int:
    """Rows of the tile that fill the registers: accumulators, the right operand's vectors, one to spare."""
    spare = 2 if processor.registers > 16 else 1
    return max(1, min(14, (processor.registers - vectors - spare) // vectors))


def multiply_accumulate(
    code: Code,
    dtype: str,
    rows: int,
    vectors: int,
    depth: Bound,
    left: Left,
    right: Right,
    start: Tile | None = None,
    unroll: int = 1,
) -> Tile:
    """tile[i][j] = start[i][j] + Σ_p left(p, i) · right(p, j), as variables.

    left(p, i)    one element; right(p, j)  one vector; both read at step p
    """
    tile = start
    if tile is None:
        tile = [[code.variable(code.zeros(dtype)) for _ in range(vectors)] for _ in range(rows)]

    def step(p: Bound) -> None:
        held = [right(p, j) for j in range(vectors)]
        for i in range(rows):
            factor = left(p, i).spread(held[0].lanes)
            for j in range(vectors):
                tile[i][j].value = factor.fma(held[j], tile[i][j].value)

    whole = depth - depth % unroll if isinstance(depth, int) else depth // unroll * unroll
    for p in code.range(0, whole, unroll):
        for u in range(unroll):
            step(p + u)
    if isinstance(depth, int):
        for p in range(whole, depth):
            step(p)
    else:
        for p in code.range(whole, depth):
            step(p)
    return tile
