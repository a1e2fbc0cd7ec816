"""The product of a transposed matrix of few rows with another: a sum of a few outer products, row by row.

It is the gradient of a layer's weights at batch 1. Threads share its rows as they share those of the update
that follows, so that each finds in its own cache what it wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.unpacked_product import UnpackedProduct
from deltarule.kernels.native.values import Pointer

_VECTORS = 4


@dataclass(frozen=True)
class OuterProduct(UnpackedProduct):
    """out[m, n] = epilogue(Σ_k a[k, m] · b[k, n]), for few k."""

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
        lanes = code.lanes(self.dtype)
        low, high = code.share(rows)
        for row in code.range(low, high):
            for column, count in code.blocks(columns, _VECTORS * lanes):
                vectors = -(-count // lanes) if isinstance(count, int) else _VECTORS
                for j in range(vectors):
                    mask = code.mask(count - j * lanes, lanes)
                    place = column + j * lanes
                    total = code.variable(code.zeros(self.dtype))
                    for k in code.range(depth):
                        factor = a.number(k * a_stride + row).spread(lanes)
                        total.value = factor.fma(b.vector(k * b_stride + place, mask=mask), total.value)
                    value = total.value
                    if self.epilogue is not None:
                        value = self.epilogue.apply(code, value, row, place, mask, more)
                    out.put(value, row * out_stride + place, mask)
