"""Cross-entropy of logits against class numbers, forward and backward.

term[n] = ln Σ_c e^x[n, c] − x[n, target[n]];  ∂L/∂x[n, c] = scale[n] (e^(x[n, c] − ln Σ) − [c = target[n]])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native import functions
from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.softmax import exponential_sum, largest_along
from deltarule.kernels.native.sums import sums_along
from deltarule.kernels.native.values import Mask, Pointer, Vector


class _OverClasses(Routine):
    """What forward and backward share: which rows count."""

    ignoring: bool

    def own_class(self, code: Code, target: Pointer, row: Bound, ignored: Bound) -> tuple[Bound, Any]:
        """(class of a row, 0 where it is ignored; whether it counts)."""
        own = target.number(row).index()
        if not self.ignoring:
            return own, True
        counts = own != ignored
        return code.choose(counts, own, 0), counts


@dataclass(frozen=True)
class CrossEntropy(_OverClasses):
    """Terms and, for the gradient, the largest logit of each row and ln Σ_c e^(x[n, c] − largest[n]).

    reduction   "none" writes the terms alone; "sum" and "mean" also add them, and write the number to `out`
    ignoring    whether rows of the class `ignored` are left out
    divisor     how many rows count is written to it
    """

    dtype: str
    reduction: str
    ignoring: bool = False
    columns: int | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken = {"x": array, "target": "int64*", "terms": array, "largest": array, "log_sums": array}
        taken |= {"divisor": array, "out": array, "rows": "index", "columns": "index"}
        return taken | ({"ignored": "index"} if self.ignoring else {})

    def write(
        self,
        code: Code,
        x: Pointer,
        target: Pointer,
        terms: Pointer,
        largest: Pointer,
        log_sums: Pointer,
        divisor: Pointer,
        out: Pointer,
        rows: Bound,
        columns: Bound,
        ignored: Bound = 0,
    ) -> None:
        columns = columns if self.columns is None else self.columns
        dtype, lanes = self.dtype, code.lanes(self.dtype)
        low, high = code.share(rows)
        for row in code.range(low, high):
            line = x + row * columns
            own, counts = self.own_class(code, target, row, ignored)
            shift = largest_along(code, dtype, line, columns)
            total = functions.log(exponential_sum(code, dtype, line, shift, columns))
            largest.put(shift, row)
            log_sums.put(total, row)
            term = code.variable(total - (line.number(own) - shift))
            if self.ignoring:
                for _ in code.when(code.choose(counts, 0, 1) == 1):
                    term.value = code.number(0.0, dtype)
            terms.put(term.value, row)
        if self.reduction == "none":
            return
        code.barrier()

        def summed(i: Bound, mask: Mask | None) -> list[Vector]:
            one = code.number(1.0, dtype, lanes)
            if self.ignoring:
                numbers = target.vector(i, lanes, mask)
                one = numbers.differs(ignored_wide).select(one, 0.0)
            return [terms.vector(i, mask=mask), one]

        for _ in code.first_thread():
            ignored_wide = Vector(code, code.index(ignored).text, "int64", 1).spread(lanes)
            total, count = sums_along(code, dtype, rows, 2, summed)
            divisor.put(count)
            out.put(total if self.reduction == "sum" else total / count)


@dataclass(frozen=True)
class CrossEntropyGradient(_OverClasses):
    """The gradient of the logits from what CrossEntropy wrote.

    upstream   one number, or with reduction "none" one for each row
    """

    dtype: str
    reduction: str
    ignoring: bool = False
    columns: int | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken = {"x": array, "target": "int64*", "largest": array, "log_sums": array, "divisor": array}
        taken |= {"upstream": array, "grad_x": array, "rows": "index", "columns": "index"}
        return taken | ({"ignored": "index"} if self.ignoring else {})

    def write(
        self,
        code: Code,
        x: Pointer,
        target: Pointer,
        largest: Pointer,
        log_sums: Pointer,
        divisor: Pointer,
        upstream: Pointer,
        grad_x: Pointer,
        rows: Bound,
        columns: Bound,
        ignored: Bound = 0,
    ) -> None:
        columns = columns if self.columns is None else self.columns
        dtype, lanes = self.dtype, code.lanes(self.dtype)
        low, high = code.share(rows)
        for row in code.range(low, high):
            line, result = x + row * columns, grad_x + row * columns
            own, counts = self.own_class(code, target, row, ignored)
            given = upstream.number(row if self.reduction == "none" else 0)
            scale = code.variable(given / divisor.number() if self.reduction == "mean" else given)
            if self.ignoring:
                for _ in code.when(code.choose(counts, 0, 1) == 1):
                    scale.value = code.number(0.0, dtype)
            factor = scale.value
            shift, log_sum = largest.number(row).spread(lanes), log_sums.number(row).spread(lanes)
            for i, count in code.blocks(columns, lanes):
                mask = code.mask(count, lanes)
                probability = functions.exp((line.vector(i, mask=mask) - shift) - log_sum)
                result.put(probability * factor, i, mask)
            result.put(result.number(own) - factor, own)
