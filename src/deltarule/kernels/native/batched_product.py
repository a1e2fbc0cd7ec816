"""Many matrix products of one size, divided between threads by whole products."""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.matrix_product import Product, scratch_elements
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Pointer


@dataclass(frozen=True)
class BatchedProduct(Routine):
    """out[i] = (aᵀ or a)[i] · (bᵀ or b)[i] for i below `count`.

    a_step, b_step, out_step are elements from one matrix to the next: 0 where all products share it. Sizes
    and strides as in Product.
    """

    dtype: str
    transposed_a: bool = False
    transposed_b: bool = False
    sizes: tuple[int, int, int] | None = None
    strides: tuple[int, int, int] | None = None
    packed: bool = True

    def parameters(self) -> dict[str, str]:
        taken: dict[str, str] = dict.fromkeys(("a", "b", "out", "scratch"), self.dtype + "*")
        numbers = ("rows", "columns", "depth", "a_stride", "b_stride", "out_stride")
        taken |= dict.fromkeys(numbers, "index")
        return taken | dict.fromkeys(("count", "a_step", "b_step", "out_step"), "index")

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
        count: Bound,
        a_step: Bound,
        b_step: Bound,
        out_step: Bound,
    ) -> None:
        product = Product(
            self.dtype,
            self.transposed_a,
            self.transposed_b,
            sizes=self.sizes,
            strides=self.strides,
            packed=self.packed,
        )
        own = scratch + code.thread * scratch_elements(code.processor, self.dtype)
        low, high = code.share(count)
        for i in code.range(low, high):
            code.call(
                product,
                a + i * a_step,
                b + i * b_step,
                out + i * out_step,
                own,
                rows,
                columns,
                depth,
                a_stride,
                b_stride,
                out_stride,
                alone=True,
            )
