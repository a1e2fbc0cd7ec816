"""What attention forward and backward share: sizes of blocks, where heads lie, copies for tiles to read.

A head's matrices are rows of features that lie a stride apart: of an array (batch, heads, time, features),
or of one (batch, time, heads · features), or of a third of the latter.
"""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.matrix_product import Pack
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.values import Mask, Pointer, Vector

# Vectors of keys in a tile of scores.
KEY_VECTORS = 2

SIZES = ("batch", "heads", "targets", "sources", "width", "value_width")


def tile_height(processor: Processor, dtype: str) -> int:
    """Rows of a tile: enough sums to hide the latency of multiplication, and a divisor of its columns."""
    return min(8 if processor.registers > 16 else 4, KEY_VECTORS * processor.lanes(dtype))


def feature_vectors(processor: Processor, dtype: str, width: int) -> int:
    """Vectors of features in a tile, such that little of the last tile is empty."""
    vectors = -(-width // processor.lanes(dtype))
    return min((2, 1, 3 if processor.registers > 16 else 2), key=lambda n: (-(-vectors // n) * n, -n))


def whole(length: Bound, unit: int) -> Bound:
    """The length rounded up to a multiple of a unit."""
    return (length + (unit - 1)) // unit * unit


@dataclass(frozen=True)
class Matrix:
    """One head's rows of features: where they begin, and elements from row to row."""

    start: Pointer
    stride: Bound

    def row(self, number: Bound) -> Pointer:
        return self.start + number * self.stride


def matrix_of(array: Pointer, strides: tuple[Bound, Bound, Bound], batch: Bound, head: Bound) -> Matrix:
    """A head of an array whose strides along batch, heads and time are given."""
    return Matrix(array + (batch * strides[0] + head * strides[1]), strides[2])


def copy_rows(
    code: Code,
    dtype: str,
    matrix: Matrix,
    first: Bound,
    rows: Bound,
    width: Bound,
    target: Pointer,
    wide: Bound,
) -> None:
    """Rows from `first` on, one after another, each filled up with zeros to `wide` elements."""
    lanes = code.lanes(dtype)
    for row in code.range(rows):
        line, place = matrix.row(first + row), target + row * wide
        for i in code.range(0, wide, lanes):
            place.put(line.vector(i, mask=code.mask(width - i, lanes)), i)


def clear(code: Code, dtype: str, target: Pointer, length: Bound) -> None:
    """Zeros in memory whose length is a multiple of a vector's."""
    for i in code.range(0, length, code.lanes(dtype)):
        target.put(code.zeros(dtype), i)


def pack_columns(code: Code, dtype: str, matrix: Matrix, rows: Bound, width: Bound, target: Pointer) -> None:
    """The transpose in panels of KEY_VECTORS vectors of rows: panel by panel, feature by feature."""
    step = KEY_VECTORS * code.lanes(dtype)
    for first in code.range(0, rows, step):
        code.call(
            Pack(dtype, True, KEY_VECTORS), matrix.row(first), target + first * width, width, rows - first,
            matrix.stride, alone=True,
        )  # fmt: skip


def visible(code: Code, limit: Bound, lanes: int) -> Mask:
    """The lanes of a vector of keys before a limit, which may lie anywhere."""
    made = code.mask(code.index(limit), lanes)
    assert made is not None
    return made


def masked_score(
    code: Code, score: Vector, scale: Vector, mask: Pointer | None, limit: Bound, place: Bound
) -> Vector:
    """score · scale + what the mask adds; `limit` is how many sources there are from `place` on."""
    score = score * scale
    if mask is None:
        return score
    return score + mask.vector(place, mask=visible(code, limit, score.lanes))
