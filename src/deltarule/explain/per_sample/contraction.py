"""Products of arrays with named axes, summed over those that are not kept: as products of matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.formula.expression import Index
from deltarule.autodiff.tensor import Array
from deltarule.kernels.einsum import einsum
from deltarule.kernels.linear_algebra import matmul

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Operand:
    """A factor of a product: an array with one axis for each of its indices."""

    indices: tuple[Index, ...]
    array: Array

    def arranged(self, indices: Sequence[Index]) -> Array:
        """Its axes in another order."""
        return self.array.transpose([self.indices.index(index) for index in indices])


def contracted(factors: Sequence[Operand], kept: Sequence[Index]) -> Array:
    """The product of the factors, summed over all indices but those that are kept, in their order."""
    factors = [Operand(each.indices, _as_float(each.array)) for each in factors]
    if len(factors) == 2:
        found = _of_two(factors[0], factors[1], kept)
        if found is not None:
            return found
    letters: dict[Index, str] = {}
    for operand in factors:
        for index in operand.indices:
            letters.setdefault(index, _LETTERS[len(letters)])
    terms = ["".join(letters[index] for index in operand.indices) for operand in factors]
    result = "".join(letters[index] for index in kept)
    return np.asarray(einsum(terms, result, [operand.array for operand in factors]))


def _of_two(left: Operand, right: Operand, kept: Sequence[Index]) -> Array | None:
    """A stack of matrix products: every summed index is in both factors."""
    shared = [index for index in left.indices if index in right.indices]
    inner = [index for index in shared if index not in kept]
    stack = [index for index in kept if index in shared]
    rows = [index for index in kept if index in left.indices and index not in shared]
    columns = [index for index in kept if index in right.indices and index not in shared]
    if len(stack) + len(rows) + len(inner) != len(left.indices):
        return None
    if len(stack) + len(columns) + len(inner) != len(right.indices):
        return None
    if [*stack, *columns, *rows] == list(kept):
        # Written in the order that is asked for, nothing has to be moved.
        left, right, rows, columns = right, left, columns, rows
    a, b = left.arranged([*stack, *rows, *inner]), right.arranged([*stack, *inner, *columns])
    depth, height, width = (_size(each) for each in (stack, rows, columns))
    if inner:
        extent = _size(inner)
        product = matmul(
            np.ascontiguousarray(a).reshape(depth, height, extent),
            np.ascontiguousarray(b).reshape(depth, extent, width),
        )
    else:
        product = a.reshape(depth, height, 1) * b.reshape(depth, 1, width)
    order = [*stack, *rows, *columns]
    whole = product.reshape([index.extent for index in order])
    return whole.transpose([order.index(index) for index in kept])


def _size(indices: Sequence[Index]) -> int:
    return math.prod(index.extent for index in indices)


def _as_float(array: Array) -> Array:
    return array if array.dtype.kind == "f" else array.astype(np.float64)
