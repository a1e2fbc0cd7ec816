"""A matrix product as a producer of a cluster: which routine computes it, and with which arguments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from deltarule.compiler.native.cluster import Producer
from deltarule.compiler.native.plan import Scratch, View
from deltarule.compiler.program import Value
from deltarule.kernels.native.epilogue import Epilogue
from deltarule.kernels.native.matrix_product import DEPTH_BLOCK, Product, scratch_elements
from deltarule.kernels.native.outer_product import OuterProduct
from deltarule.kernels.native.processor import processor
from deltarule.kernels.native.products import product_kind
from deltarule.kernels.native.row_product import RowProduct


@dataclass(eq=False)
class ProductCall(Producer):
    """(aᵀ or a) · (bᵀ or b), of contiguous matrices as they lie in memory."""

    value: Value
    a: View
    b: View
    transposed_a: bool
    transposed_b: bool
    rows: int
    columns: int
    depth: int
    label: str

    @property
    def keeps_sums(self) -> bool:  # type: ignore[override]
        """Long sums are made block by block, and wait in the result's memory between blocks."""
        return self.depth > DEPTH_BLOCK

    def reads(self) -> list[View]:
        return [self.a, self.b]

    def call(
        self, out: View, epilogue: Epilogue | None, views: list[View], results: list[View]
    ) -> tuple[Any, list[Any], list[int], int]:
        sizes = (self.rows, self.columns, self.depth)
        a_stride = self.rows if self.transposed_a else self.depth
        b_stride = self.depth if self.transposed_b else self.columns
        strides = (a_stride, b_stride, self.columns)
        kind = product_kind(self.rows, self.depth, self.transposed_b, self.transposed_a)
        dtype, given = self.a.dtype, [self.a, self.b, out]
        if kind in ("rows", "outer"):
            few: Any = RowProduct if kind == "rows" else OuterProduct
            routine: Any = few(dtype, sizes, strides, epilogue)
        else:
            routine = Product(
                dtype,
                self.transposed_a,
                self.transposed_b,
                sizes=sizes,
                strides=strides,
                epilogue=epilogue,
                packed=kind != "direct",
            )
            given.append(Scratch(scratch_elements(processor(), dtype), dtype))  # type: ignore[arg-type]
        arguments = [*given, *sizes, *strides, *views, *results]
        writes = [2, *range(len(arguments) - len(results), len(arguments))]
        return routine, arguments, writes, 2 * math.prod(sizes)
