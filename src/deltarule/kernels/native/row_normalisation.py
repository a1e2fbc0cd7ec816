"""Normalisation of each row: layer norm and root mean square norm, forward and backward.

x̂[n, i] = (x[n, i] − μ[n]) / √(σ²[n] + eps),  y[n, i] = x̂[n, i] · weight[i] + bias[i]
With δ = ∂L/∂y · weight and ⟨·⟩ the mean over i: ∂L/∂x = (δ − ⟨δ⟩ − x̂ ⟨δ x̂⟩) / √(σ² + eps)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.sums import float_of, sums_along
from deltarule.kernels.native.values import Mask, Pointer, Vector


@dataclass(frozen=True)
class RowNormalise(Routine):
    """y and the statistics of each row. The variance comes from deviations, so that nothing cancels.

    centred           whether the mean is subtracted; without, `mean` is not written
    weighted, biased  whether there are weights and biases, one for each column
    columns           their number where it is known, else None
    """

    dtype: str
    centred: bool = True
    weighted: bool = True
    biased: bool = True
    columns: int | None = None

    def parameters(self) -> dict[str, str]:
        names = ("x", "weight", "bias", "y", "mean", "variance", "inverse")
        taken = dict.fromkeys(names, self.dtype + "*")
        return taken | {"rows": "index", "columns": "index", "eps": self.dtype}

    def write(
        self,
        code: Code,
        x: Pointer,
        weight: Pointer,
        bias: Pointer,
        y: Pointer,
        mean: Pointer,
        variance: Pointer,
        inverse: Pointer,
        rows: Bound,
        columns: Bound,
        eps: Vector,
    ) -> None:
        columns = columns if self.columns is None else self.columns
        lanes = code.lanes(self.dtype)
        part = 1.0 / float_of(code, columns, self.dtype)
        low, high = code.share(rows)
        for row in code.range(low, high):
            line, result = x + row * columns, y + row * columns
            centre = code.number(0.0, self.dtype)
            if self.centred:
                (total,) = sums_along(
                    code, self.dtype, columns, 1, lambda i, mask, line=line: [line.vector(i, mask=mask)]
                )
                centre = total * part
                mean.put(centre, row)
            wide = centre.spread(lanes)

            def squared(
                i: Bound, mask: Mask | None, line: Pointer = line, wide: Vector = wide
            ) -> list[Vector]:
                deviation = line.vector(i, mask=mask) - wide
                return [deviation * deviation]

            (total,) = sums_along(code, self.dtype, columns, 1, squared)
            spread = total * part
            variance.put(spread, row)
            scale = 1.0 / (spread + eps).function("sqrt")
            inverse.put(scale, row)
            factor = scale.spread(lanes)
            for i, count in code.blocks(columns, lanes):
                mask = code.mask(count, lanes)
                value = (line.vector(i, mask=mask) - wide) * factor
                if self.weighted:
                    value = value * weight.vector(i, mask=mask)
                if self.biased:
                    value = value + bias.vector(i, mask=mask)
                result.put(value, i, mask)


def row_scratch_elements(columns: int) -> int:
    """Elements of scratch memory that each thread of RowNormaliseGradient needs."""
    return 2 * (-(-columns // 16) * 16)


@dataclass(frozen=True)
class RowNormaliseGradient(Routine):
    """∂L/∂x, and where there are weights and biases their gradients.

    Each thread sums the gradients of weights over its rows; these sums are added in the order of the threads.
    So they depend on the number of threads, in the last digits.
    """

    dtype: str
    centred: bool = True
    weighted: bool = True
    biased: bool = True
    columns: int | None = None

    def parameters(self) -> dict[str, str]:
        names = (
            "x",
            "weight",
            "upstream",
            "mean",
            "inverse",
            "grad_x",
            "grad_weight",
            "grad_bias",
            "scratch",
        )
        return dict.fromkeys(names, self.dtype + "*") | {"rows": "index", "columns": "index"}

    def write(
        self,
        code: Code,
        x: Pointer,
        weight: Pointer,
        upstream: Pointer,
        mean: Pointer,
        inverse: Pointer,
        grad_x: Pointer,
        grad_weight: Pointer,
        grad_bias: Pointer,
        scratch: Pointer,
        rows: Bound,
        columns: Bound,
    ) -> None:
        columns = columns if self.columns is None else self.columns
        dtype, lanes = self.dtype, code.lanes(self.dtype)
        half = (columns + 15) // 16 * 16
        own = scratch + code.thread * (half * 2)
        part = 1.0 / float_of(code, columns, dtype)
        if self.weighted or self.biased:
            for i, count in code.blocks(half * 2, lanes):
                own.put(code.zeros(dtype), i, code.mask(count, lanes))
        low, high = code.share(rows)
        for row in code.range(low, high):
            line, above = x + row * columns, upstream + row * columns
            wide = (mean.number(row) if self.centred else code.number(0.0, dtype)).spread(lanes)
            factor = inverse.number(row).spread(lanes)

            def parts(
                i: Bound, mask: Mask | None, line: Any = line, above: Any = above, wide: Any = wide,
                factor: Any = factor,
            ) -> tuple[Vector, Vector, Vector]:  # fmt: skip
                given = above.vector(i, mask=mask)
                delta = given * weight.vector(i, mask=mask) if self.weighted else given
                return given, delta, (line.vector(i, mask=mask) - wide) * factor

            def sums(i: Bound, mask: Mask | None, parts: Any = parts) -> list[Vector]:
                given, delta, normalised = parts(i, mask)
                if self.weighted:
                    own.put(own.vector(i, mask=mask) + given * normalised, i, mask)
                if self.biased:
                    own.put(own.vector(half + i, mask=mask) + given, half + i, mask)
                return [delta, delta * normalised] if self.centred else [delta * normalised]

            *average, aligned = sums_along(code, dtype, columns, 2 if self.centred else 1, sums)
            slope = (aligned * part).spread(lanes)
            for i, count in code.blocks(columns, lanes):
                mask = code.mask(count, lanes)
                _, delta, normalised = parts(i, mask)
                rest = delta - normalised * slope
                if self.centred:
                    rest = rest - (average[0] * part).spread(lanes)
                grad_x.put(rest * factor, row * columns + i, mask)
        wanted = [grad_weight] * self.weighted + [grad_bias] * self.biased
        if not wanted:
            return
        code.barrier()
        offsets = [0] * self.weighted + [half] * self.biased
        first, last = code.share(columns, lanes)
        for i, count in code.blocks(last, lanes, first):
            mask = code.mask(count, lanes)
            for target, offset in zip(wanted, offsets, strict=True):
                total = code.variable(code.zeros(dtype))
                for thread in code.range(code.threads):
                    total.value = total.value + scratch.vector(thread * (half * 2) + offset + i, mask=mask)
                target.put(total.value, i, mask)
