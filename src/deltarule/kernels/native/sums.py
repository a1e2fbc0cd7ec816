"""Sums along elements that lie one after another."""

from __future__ import annotations

from collections.abc import Callable

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.values import Index, Mask, Vector

# Vectors that are added side by side, so that no addition waits for the one before.
_ABREAST = 4


def sums_along(
    code: Code, dtype: str, length: Bound, count: int, terms: Callable[[Bound, Mask | None], list[Vector]]
) -> list[Vector]:
    """`count` sums over `length` elements, as single numbers.

    terms   answers a vector for each sum, of the elements from a position on; what a mask leaves out is
            not added
    """
    lanes = code.lanes(dtype)
    step = _ABREAST * lanes
    sums = [[code.variable(code.zeros(dtype)) for _ in range(_ABREAST)] for _ in range(count)]
    whole = length // step * step
    for start in code.range(0, whole, step):
        for place in range(_ABREAST):
            for each, term in zip(sums, terms(start + place * lanes, None), strict=True):
                each[place].value = each[place].value + term
    for start, rest in code.blocks(length, lanes, whole):
        mask = code.mask(rest, lanes)
        for each, term in zip(sums, terms(start, mask), strict=True):
            each[0].value = each[0].value + (term if mask is None else mask.select(term, 0.0))
    return [added([part.value for part in each]).total() for each in sums]


def added(parts: list[Vector]) -> Vector:
    """The sum of vectors, in pairs; their number is a power of two."""
    while len(parts) > 1:
        parts = [parts[i] + parts[i + 1] for i in range(0, len(parts), 2)]
    return parts[0]


def float_of(code: Code, value: Bound, dtype: str) -> Vector:
    """A count as a number of a float type."""
    return code.number(value, dtype) if isinstance(value, int) else Index.of(code, value).to(dtype)
