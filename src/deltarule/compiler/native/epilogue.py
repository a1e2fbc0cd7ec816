"""The element-wise steps after a product, done to each tile while it is in registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.epilogue import Epilogue
from deltarule.kernels.native.loop_nest import Body, Operand
from deltarule.kernels.native.values import Mask, Vector


@dataclass(frozen=True)
class FusedEpilogue(Epilogue):
    """body(product, inputs) -> (what the product's routine stores, further results).

    inputs, results   how each lies: strides of rows and of columns (0 or 1)
    """

    body: Body
    inputs: tuple[Operand, ...]
    results: tuple[Operand, ...]

    def parameters(self, dtype: str) -> dict[str, str]:
        taken = {f"x{i}": each.dtype + "*" for i, each in enumerate(self.inputs)}
        return taken | {f"y{i}": each.dtype + "*" for i, each in enumerate(self.results)}

    def apply(
        self, code: Code, value: Vector, row: Bound, column: Bound, mask: Mask | None, arguments: list[Any]
    ) -> Vector:
        vectors: list[Any] = [value]
        for each, pointer in zip(self.inputs, arguments, strict=False):
            where = pointer + row * each.strides[0]
            if each.strides[1] == 0:
                read = where.number().spread(value.lanes)
            else:
                read = where.vector(column, lanes=value.lanes, mask=mask)
            vectors.append(read.differs(0) if each.dtype == "bool" else read)
        stored, *others = self.body.function(code, vectors)
        for each, pointer, result in zip(self.results, arguments[len(self.inputs) :], others, strict=True):
            if isinstance(result, Mask):
                result = result.select(
                    code.number(1, "bool", value.lanes), code.number(0, "bool", value.lanes)
                )
            pointer.put(result, row * each.strides[0] + column, mask)
        return stored
