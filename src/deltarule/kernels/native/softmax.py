"""Softmax of rows, its logarithm, and the gradients of both.

y[n, i] = e^x[n, i] / Σ_j e^x[n, j];  ∂L/∂x[n, i] = y[n, i] (∂L/∂y[n, i] − Σ_j ∂L/∂y[n, j] y[n, j])
z[n, i] = ln y[n, i];                 ∂L/∂x[n, i] = ∂L/∂z[n, i] − y[n, i] Σ_j ∂L/∂z[n, j]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deltarule.kernels.native import functions
from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.sums import sums_along
from deltarule.kernels.native.values import Mask, Pointer, Vector


def largest_along(code: Code, dtype: str, line: Pointer, length: Bound) -> Vector:
    """The largest of `length` elements as a number; −∞ of none. NaN among them may be passed over."""
    lanes = code.lanes(dtype)
    held = code.variable(code.number(-math.inf, dtype, lanes))
    for i, count in code.blocks(length, lanes):
        held.value = line.vector(i, mask=code.mask(count, lanes), fill=-math.inf).larger(held.value)
    return held.value.largest()


def exponential_sum(code: Code, dtype: str, line: Pointer, largest: Vector, length: Bound) -> Vector:
    """Σ e^(x − largest) over `length` elements, as a number."""
    wide = largest.spread(code.lanes(dtype))

    def terms(i: Bound, mask: Mask | None) -> list[Vector]:
        return [functions.exp(line.vector(i, mask=mask) - wide)]

    return sums_along(code, dtype, length, 1, terms)[0]


@dataclass(frozen=True)
class Softmax(Routine):
    """Softmax of each row, or with `logarithm` its logarithm. The largest element is subtracted first."""

    dtype: str
    logarithm: bool = False
    columns: int | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {"x": array, "y": array, "rows": "index", "columns": "index"}

    def write(self, code: Code, x: Pointer, y: Pointer, rows: Bound, columns: Bound) -> None:
        columns = columns if self.columns is None else self.columns
        dtype, lanes = self.dtype, code.lanes(self.dtype)
        low, high = code.share(rows)
        for row in code.range(low, high):
            line, result = x + row * columns, y + row * columns
            largest = largest_along(code, dtype, line, columns)
            if self.logarithm:
                total = functions.log(exponential_sum(code, dtype, line, largest, columns))
                for i, count in code.blocks(columns, lanes):
                    mask = code.mask(count, lanes)
                    result.put((line.vector(i, mask=mask) - largest) - total, i, mask)
                continue
            wide = largest.spread(lanes)

            def terms(
                i: Bound,
                mask: Mask | None,
                line: Pointer = line,
                result: Pointer = result,
                wide: Vector = wide,
            ) -> list[Vector]:
                value = functions.exp(line.vector(i, mask=mask) - wide)
                result.put(value, i, mask)
                return [value]

            (total,) = sums_along(code, dtype, columns, 1, terms)
            factor = (1.0 / total).spread(lanes)
            for i, count in code.blocks(columns, lanes):
                mask = code.mask(count, lanes)
                result.put(result.vector(i, mask=mask) * factor, i, mask)


@dataclass(frozen=True)
class SoftmaxGradient(Routine):
    """The gradient of either from its value y."""

    dtype: str
    logarithm: bool = False
    columns: int | None = None

    def parameters(self) -> dict[str, str]:
        taken = dict.fromkeys(("y", "upstream", "grad_x"), self.dtype + "*")
        return taken | {"rows": "index", "columns": "index"}

    def write(
        self, code: Code, y: Pointer, upstream: Pointer, grad_x: Pointer, rows: Bound, columns: Bound
    ) -> None:
        columns = columns if self.columns is None else self.columns
        dtype, lanes = self.dtype, code.lanes(self.dtype)
        low, high = code.share(rows)
        for row in code.range(low, high):
            line, above = y + row * columns, upstream + row * columns

            def terms(
                i: Bound, mask: Mask | None, line: Pointer = line, above: Pointer = above
            ) -> list[Vector]:
                given = above.vector(i, mask=mask)
                return [given if self.logarithm else given * line.vector(i, mask=mask)]

            (total,) = sums_along(code, dtype, columns, 1, terms)
            total = total.spread(lanes)
            for i, count in code.blocks(columns, lanes):
                mask = code.mask(count, lanes)
                value, given = line.vector(i, mask=mask), above.vector(i, mask=mask)
                if self.logarithm:
                    gradient = given - functions.exp(value) * total
                else:
                    gradient = value * (given - total)
                grad_x.put(gradient, row * columns + i, mask)
