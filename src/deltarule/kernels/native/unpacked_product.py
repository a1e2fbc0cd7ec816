"""What products that read both operands where they lie have in common: sizes, strides, an epilogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.epilogue import Epilogue
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Pointer


@dataclass(frozen=True)
class UnpackedProduct(Routine):
    """A product out = epilogue(...) of a and b.

    sizes, strides   (M, N, K) and elements from row to row of a, b, out where they are known, else None
    """

    dtype: str
    sizes: tuple[int, int, int] | None = None
    strides: tuple[int, int, int] | None = None
    epilogue: Epilogue | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken = {"a": array, "b": array, "out": array}
        taken |= dict.fromkeys(("rows", "columns", "depth", "a_stride", "b_stride", "out_stride"), "index")
        return taken | ({} if self.epilogue is None else self.epilogue.parameters(self.dtype))

    def write(self, code: Code, a: Pointer, b: Pointer, out: Pointer, *numbers: Any) -> None:
        sizes = numbers[:3] if self.sizes is None else self.sizes
        strides = numbers[3:6] if self.strides is None else self.strides
        self.multiply(code, a, b, out, sizes, strides, list(numbers[6:]))

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
        """Writes the product; `more` are the arguments of the epilogue."""
        raise NotImplementedError(f"{type(self).__name__}: multiply")
