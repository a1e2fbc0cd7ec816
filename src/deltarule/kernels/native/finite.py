"""Whether arrays are free of NaN and infinity: x · 0 is 0 for a finite x, and NaN for any other."""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.sums import sums_along
from deltarule.kernels.native.values import Mask, Pointer, Vector


@dataclass(frozen=True)
class TimesZero(Routine):
    """out = Σ_i x[i] · 0: 0 if all are finite, else NaN.

    scratch   a number for each thread
    """

    dtype: str

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        return {"x": array, "out": array, "scratch": array, "length": "index"}

    def write(self, code: Code, x: Pointer, out: Pointer, scratch: Pointer, length: Bound) -> None:
        start, stop = code.share(length, 4 * code.lanes(self.dtype))
        part = x + start

        def terms(i: Bound, mask: Mask | None) -> list[Vector]:
            return [part.vector(i, mask=mask) * 0.0]

        (total,) = sums_along(code, self.dtype, stop - start, 1, terms)
        scratch.put(total, code.thread)
        code.barrier()
        for _ in code.first_thread():
            joined = code.variable(code.number(0.0, self.dtype))
            for thread in code.range(code.threads):
                joined.value = joined.value + scratch.number(thread)
            out.put(joined.value)


@dataclass(frozen=True)
class Gate(Routine):
    """flag = Σ_k numbers[k] · 0: what follows in a step is done only if it is 0, as with finite numbers.

    dtypes   of the numbers, one a pointer
    """

    dtypes: tuple[str, ...]

    def parameters(self) -> dict[str, str]:
        return {f"number_{i}": f"{dtype}*" for i, dtype in enumerate(self.dtypes)} | {"flag": "float64*"}

    def write(self, code: Code, *pointers: Pointer) -> None:
        *numbers, flag = pointers
        for _ in code.first_thread():
            total = code.number(0.0, "float64")
            for each in numbers:
                total = total + each.number().to("float64") * 0.0
            flag.put(total)
