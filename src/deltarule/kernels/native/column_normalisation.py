"""Normalisation of each column: batch norm of (batch, channels) and of channels-last images.

x̂[n, c] = (x[n, c] − μ[c]) / √(σ²[c] + eps),  y[n, c] = x̂[n, c] · weight[c] + bias[c]
With ⟨·⟩ the mean over n: ∂L/∂x = (∂L/∂y − ⟨∂L/∂y⟩ − x̂ ⟨∂L/∂y · x̂⟩) · weight / √(σ² + eps)

Rows are shared among the threads, and each thread's sums are put together in the order of the threads:
results depend on the number of threads, in the last digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.sums import added, float_of
from deltarule.kernels.native.values import Mask, Pointer, Vector

# Rows whose mean is taken before their deviations are: few enough to be still in the first cache then.
_ROWS = 32
# Columns are taken so many vectors at a time; where one vector is left, so many rows are added side by side.
_ABREAST = 4


def column_scratch_elements(columns: int) -> int:
    """Elements of scratch memory that each thread needs."""
    return 2 * columns


def _bands(code: Code, dtype: str, columns: Bound) -> Iterator[tuple[Bound, int, Mask | None]]:
    """(first column, vectors, mask of the last vector) that cover all columns."""
    lanes = code.lanes(dtype)
    wide = columns // (_ABREAST * lanes) * (_ABREAST * lanes)
    for first in code.range(0, wide, _ABREAST * lanes):
        yield first, _ABREAST, None
    for first, count in code.blocks(columns, lanes, wide):
        yield first, 1, code.mask(count, lanes)


def _sums(
    code: Code, dtype: str, vectors: int, low: Bound, high: Bound, count: int, terms: Any
) -> list[list[Vector]]:
    """Sums over rows of terms(row, j), which answers `count` vectors for the j-th vector of columns."""
    abreast = _ABREAST // vectors
    sums = [
        [[code.variable(code.zeros(dtype)) for _ in range(abreast)] for _ in range(vectors)]
        for _ in range(count)
    ]

    def add(row: Bound, place: int) -> None:
        for j in range(vectors):
            for each, term in zip(sums, terms(row, j), strict=True):
                each[j][place].value = each[j][place].value + term

    whole = low + (high - low) // abreast * abreast
    for row in code.range(low, whole, abreast):
        for place in range(abreast):
            add(row + place, place)
    if abreast > 1:
        for row in code.range(whole, high):
            add(row, 0)
    return [[added([each.value for each in column]) for column in kind] for kind in sums]


@dataclass(frozen=True)
class ColumnStatistics(Routine):
    """Mean, variance and 1 / √(σ² + eps) of each column.

    Blocks of rows are put together from their own means and squared deviations, so that nothing cancels.
    Source: Chan, Golub & LeVeque 1983, eq. 2.1.
    """

    dtype: str
    columns: int | None = None

    def parameters(self) -> dict[str, str]:
        taken = dict.fromkeys(("x", "mean", "variance", "inverse", "scratch"), self.dtype + "*")
        return taken | {"rows": "index", "columns": "index", "eps": self.dtype}

    def write(
        self,
        code: Code,
        x: Pointer,
        mean: Pointer,
        variance: Pointer,
        inverse: Pointer,
        scratch: Pointer,
        rows: Bound,
        columns: Bound,
        eps: Vector,
    ) -> None:
        columns = columns if self.columns is None else self.columns
        dtype, lanes = self.dtype, code.lanes(self.dtype)
        own = scratch + code.thread * (columns * 2)
        low, high = code.share(rows, _ROWS)
        for first, vectors, mask in _bands(code, dtype, columns):
            means = [code.variable(code.zeros(dtype)) for _ in range(vectors)]
            squares = [code.variable(code.zeros(dtype)) for _ in range(vectors)]

            def element(row: Bound, j: int, first: Bound = first, mask: Mask | None = mask) -> Vector:
                return x.vector(row * columns + first + j * lanes, mask=mask)

            for start in code.range(low, high, _ROWS):
                count = code.least(high - start, _ROWS)
                stop, before = start + count, start - low
                (totals,) = _sums(
                    code, dtype, vectors, start, stop, 1, lambda row, j, element=element: [element(row, j)]
                )
                here = [total / float_of(code, count, dtype) for total in totals]

                def squared(row: Bound, j: int, element: Any = element, here: Any = here) -> list[Vector]:
                    deviation = element(row, j) - here[j]
                    return [deviation * deviation]

                (deviations,) = _sums(code, dtype, vectors, start, stop, 1, squared)
                for j in range(vectors):
                    _combine(code, means[j], squares[j], before, here[j], deviations[j], count)
            for j in range(vectors):
                own.put(means[j].value, first + j * lanes, mask)
                own.put(squares[j].value, columns + first + j * lanes, mask)
        code.barrier()
        start, stop = code.share(columns, lanes)
        for first, count in code.blocks(stop, lanes, start):
            mask = code.mask(count, lanes)
            centre, square = code.variable(code.zeros(dtype)), code.variable(code.zeros(dtype))
            for thread in code.range(code.threads):
                before, after = _part(code, rows, thread), _part(code, rows, thread + 1)
                place = thread * (columns * 2) + first
                for _ in code.when(after > before):
                    _combine(
                        code,
                        centre,
                        square,
                        before,
                        scratch.vector(place, mask=mask),
                        scratch.vector(place + columns, mask=mask),
                        after - before,
                    )
            spread = square.value / float_of(code, rows, dtype)
            mean.put(centre.value, first, mask)
            variance.put(spread, first, mask)
            inverse.put(1.0 / (spread + eps).function("sqrt"), first, mask)


def _part(code: Code, rows: Bound, thread: Bound) -> Any:
    """Where the rows of a thread begin, as `Code.share` cuts them."""
    grains = (rows + (_ROWS - 1)) // _ROWS
    return code.index(code.least(thread * grains // code.threads * _ROWS, rows))


def _combine(
    code: Code, mean: Any, squares: Any, count: Bound, other_mean: Vector, other_squares: Vector, more: Bound
) -> None:
    """Adds `more` elements of given mean and squared deviations to `count` others, in place."""
    dtype = other_mean.dtype
    old, new = float_of(code, count, dtype), float_of(code, more, dtype)
    share = new / (old + new)
    difference = other_mean - mean.value
    mean.value = mean.value + difference * share
    squares.value = squares.value + (other_squares + difference * difference * (old * share))


@dataclass(frozen=True)
class ColumnScale(Routine):
    """y[n, c] = (x[n, c] − mean[c]) · inverse[c] · weight[c] + bias[c]; absent ones are left out."""

    dtype: str
    weighted: bool = True
    biased: bool = True
    columns: int | None = None

    def parameters(self) -> dict[str, str]:
        names = ("x", "mean", "inverse", "weight", "bias", "y")
        return dict.fromkeys(names, self.dtype + "*") | {"rows": "index", "columns": "index"}

    def write(
        self,
        code: Code,
        x: Pointer,
        mean: Pointer,
        inverse: Pointer,
        weight: Pointer,
        bias: Pointer,
        y: Pointer,
        rows: Bound,
        columns: Bound,
    ) -> None:
        columns = columns if self.columns is None else self.columns
        lanes = code.lanes(self.dtype)
        low, high = code.share(rows)
        for first, vectors, mask in _bands(code, self.dtype, columns):
            places = [first + j * lanes for j in range(vectors)]
            centres = [mean.vector(place, mask=mask) for place in places]
            factors = [inverse.vector(place, mask=mask) for place in places]
            if self.weighted:
                factors = [
                    f * weight.vector(place, mask=mask) for f, place in zip(factors, places, strict=True)
                ]
            shifts = [bias.vector(place, mask=mask) if self.biased else None for place in places]
            for row in code.range(low, high):
                for j, place in enumerate(places):
                    value = (x.vector(row * columns + place, mask=mask) - centres[j]) * factors[j]
                    shift = shifts[j]
                    y.put(value if shift is None else value + shift, row * columns + place, mask)


@dataclass(frozen=True)
class ColumnNormaliseGradient(Routine):
    """∂L/∂x, ∂L/∂weight = Σ ∂L/∂y · x̂ and ∂L/∂bias = Σ ∂L/∂y; the two sums are always written."""

    dtype: str
    weighted: bool = True
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
        own = scratch + code.thread * (columns * 2)
        low, high = code.share(rows)
        for first, vectors, mask in _bands(code, dtype, columns):
            places = [first + j * lanes for j in range(vectors)]
            centres = [mean.vector(place, mask=mask) for place in places]
            factors = [inverse.vector(place, mask=mask) for place in places]

            def terms(
                row: Bound, j: int, places: Any = places, centres: Any = centres, factors: Any = factors,
                mask: Mask | None = mask,
            ) -> list[Vector]:  # fmt: skip
                given = upstream.vector(row * columns + places[j], mask=mask)
                deviation = x.vector(row * columns + places[j], mask=mask) - centres[j]
                return [given, given * (deviation * factors[j])]

            totals, aligned = _sums(code, dtype, vectors, low, high, 2, terms)
            for j, place in enumerate(places):
                own.put(totals[j], place, mask)
                own.put(aligned[j], columns + place, mask)
        code.barrier()
        start, stop = code.share(columns, lanes)
        for first, count in code.blocks(stop, lanes, start):
            mask = code.mask(count, lanes)
            for target, offset in ((grad_bias, 0), (grad_weight, columns)):
                total = code.variable(code.zeros(dtype))
                for thread in code.range(code.threads):
                    place = thread * (columns * 2) + offset + first
                    total.value = total.value + scratch.vector(place, mask=mask)
                target.put(total.value, first, mask)
        code.barrier()
        part = 1.0 / float_of(code, rows, dtype)
        for first, vectors, mask in _bands(code, dtype, columns):
            places = [first + j * lanes for j in range(vectors)]
            centres = [mean.vector(place, mask=mask) for place in places]
            averages = [grad_bias.vector(place, mask=mask) * part for place in places]
            factors = [inverse.vector(place, mask=mask) for place in places]
            slopes = [
                grad_weight.vector(place, mask=mask) * part * factor
                for place, factor in zip(places, factors, strict=True)
            ]
            if self.weighted:
                factors = [
                    f * weight.vector(place, mask=mask) for f, place in zip(factors, places, strict=True)
                ]
            for row in code.range(low, high):
                for j, place in enumerate(places):
                    here = row * columns + place
                    deviation = x.vector(here, mask=mask) - centres[j]
                    rest = upstream.vector(here, mask=mask) - averages[j] - deviation * slopes[j]
                    grad_x.put(rest * factors[j], here, mask)
