"""What forward and backward of a recurrent layer share: packed weights, and products of bands of rows.

Weights are packed once for a whole sequence, in groups of units: for each summed element the vectors of one
group lie together, gate after gate, so that one tile of registers gets all gates of its units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.matrix_product import transposed
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.tile import multiply_accumulate, tile_rows
from deltarule.kernels.native.values import Index, Mask, Pointer

# Rows of the batch that a thread takes through all steps before it begins with others: what they read and
# write in a step stays in the second cache.
ROWS_AT_ONCE = 32


def padded(length: Bound, lanes: int) -> Bound:
    """Elements from row to row of scratch memory: whole vectors, and one more, so that rows do not all fall
    on the same places of the caches."""
    return (length + (lanes - 1)) // lanes * lanes + lanes


@dataclass(frozen=True)
class PackGates(Routine):
    """panel[k, gate, unit] = weight[gate · hidden + first + unit, k], for `blocks` vectors of units.

    Units beyond the last are filled with what the tile computes but nothing reads.
    """

    dtype: str
    gates: int
    blocks: int

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {"weight": array, "panel": array, "first": "index", "hidden": "index"}

    def write(self, code: Code, weight: Pointer, panel: Pointer, first: Index, hidden: Index) -> None:
        lanes = code.lanes(self.dtype)
        width = self.gates * self.blocks * lanes
        for k, count in code.blocks(hidden, lanes):
            mask = code.mask(count, lanes)
            for block in range(self.blocks):
                units = [code.least(hidden - 1, first + block * lanes + i) for i in range(lanes)]
                for gate in code.range(self.gates):
                    lines = [
                        (weight + (gate * hidden + unit) * hidden).vector(k, mask=mask) for unit in units
                    ]
                    turned = transposed(lines)
                    place = panel + k * width + (gate * self.blocks + block) * lanes
                    for i in range(lanes):
                        for _ in code.when(count > i):
                            place.put(turned[i], i * width)


@dataclass(frozen=True)
class StepTile(Routine):
    """out[i, j] = Σ_k left[i, k] · panel[k, j] for a few rows i and the vectors j of one panel."""

    dtype: str
    rows: int
    vectors: int

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {"left": array, "stride": "index", "panel": array, "depth": "index", "out": array}

    def write(
        self, code: Code, left: Pointer, stride: Index, panel: Pointer, depth: Index, out: Pointer
    ) -> None:
        lanes = code.lanes(self.dtype)
        width = self.vectors * lanes
        lines = [left + i * stride for i in range(self.rows)]
        tile = multiply_accumulate(
            code,
            self.dtype,
            self.rows,
            self.vectors,
            depth,
            lambda k, i: lines[i].number(k),
            lambda k, j: (panel + k * width).vector(j * lanes),
        )
        for i in range(self.rows):
            for j in range(self.vectors):
                out.put(tile[i][j].value, i * width + j * lanes)


def band_rows(processor: Processor, vectors: int) -> int:
    """Rows of a band at most: those of a tile, or 8, from which higher ones gain nothing."""
    return min(8, tile_rows(processor, vectors))


def banded_products(
    code: Code,
    dtype: str,
    vectors: int,
    left: Pointer,
    stride: Bound,
    packed: Pointer,
    depth: Bound,
    panel: Bound,
    groups: tuple[Bound, Bound],
    rows: Bound,
    out: Pointer,
    ahead: Callable[[Bound, Bound, Bound], None],
) -> Iterator[tuple[Bound, Bound, Bound]]:
    """For each group of units and band of rows (group, first row, rows), whose product then stands in `out`.

    panel    elements from panel to panel
    groups   the first group, and the one behind the last
    ahead    asks for the memory that will be read after the product of a (group, first row, rows)
    """
    height = band_rows(code.processor, vectors)
    bands = (rows + (height - 1)) // height
    possible: Any = range(1, height + 1)
    if isinstance(rows, int) and isinstance(bands, int) and bands:
        possible = sorted({rows // bands, -(-rows // bands)})
    for group in code.range(*groups):
        for band in code.range(bands):
            # Bands of much the same height: a low one would leave most of the registers idle.
            first = band * rows // bands
            count = (band + 1) * rows // bands - first
            ahead(group, first, count)
            for exact in code.cases(count, possible):
                tile = StepTile(dtype, exact, vectors)
                code.call(tile, left + first * stride, stride, packed + group * panel, depth, out, alone=True)
            yield group, first, count


def tile_memory(code: Code, dtype: str, vectors: int) -> Pointer:
    """Room for one tile."""
    return code.local(dtype, band_rows(code.processor, vectors) * vectors * code.lanes(dtype))


def whole_and_rest(code: Code, group: Bound, width: int, hidden: Bound) -> Iterator[bool]:
    """The body for a group whose units are all there (True), and for one of which some are not (False)."""
    if isinstance(hidden, int) and hidden % width == 0:
        yield True
        return
    stop = (group + 1) * width
    for _ in code.when(stop <= hidden):
        yield True
    for _ in code.when(stop > hidden):
        yield False


def present(code: Code, mask: Pointer, place: Bound, dtype: str) -> Mask:
    """In every lane whether a step of a sequence is there."""
    return mask.number(place).to(dtype).spread(code.lanes(dtype)).differs(0.0)


def copied_units(
    code: Code, dtype: str, groups: tuple[Bound, Bound], width: Bound, hidden: Bound, rows: Bound
) -> Iterator[tuple[Bound, Bound, Mask | None]]:
    """(row, first unit, mask) of all vectors of some groups of units."""
    lanes = code.lanes(dtype)
    stop = code.least(groups[1] * width, hidden)
    for row in code.range(rows):
        for unit in code.range(groups[0] * width, stop, lanes):
            yield row, unit, code.mask(hidden - unit, lanes)
