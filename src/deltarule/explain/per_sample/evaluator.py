"""Evaluator: index formulas as strided views and matrix products, at the speed of NumPy.

`autodiff/formula/evaluate.py` computes every term of every sum, literally; this one gives the same numbers
for the same trees, but reads elements whose indices are affine (p·stride + u·dilation − padding) as views
without copying, and contracts products of them pair by pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Element,
    Expression,
    Function,
    Index,
    Number,
    Reduction,
    Symbol,
    children,
)
from deltarule.autodiff.formula.functions import FUNCTIONS, REDUCTIONS
from deltarule.autodiff.tensor import Array
from deltarule.explain.per_sample.contraction import Operand, contracted


class UnreadableError(Exception):
    """A formula that these readers do not take: whoever asks goes another way."""


class Evaluator:
    """Values of expressions, given arrays by symbol name."""

    def __init__(self, arrays: Mapping[str, Any]):
        self.arrays = arrays

    def value(self, expression: Expression, running: Sequence[Index]) -> Array:
        """The value with one axis for each running index, of length 1 where it does not matter."""
        if isinstance(expression, Number):
            return np.full((1,) * len(running), expression.value)
        if isinstance(expression, Index):
            return _placed(Operand((expression,), np.arange(expression.extent)), running)
        if isinstance(expression, (Symbol, Element)):
            return _placed(self._read(expression), running)
        if isinstance(expression, Function):
            if expression.name == "multiply" and _has_sum(expression):
                return self._product(expression, (), running)
            parts = [self.value(each, running) for each in expression.arguments]
            return np.asarray(FUNCTIONS[expression.name].value(*parts))
        if isinstance(expression, Reduction) and expression.kind == "sum":
            return self._product(expression.body, expression.indices, running)
        if isinstance(expression, Reduction):
            inner = (*running, *expression.indices)
            full = np.broadcast_to(self.value(expression.body, inner), _extents(inner, self, expression.body))
            axes = tuple(range(len(running), len(inner)))
            return np.asarray(REDUCTIONS[expression.kind][0](full, axis=axes))
        raise UnreadableError(f"{type(expression).__name__} in index form")

    def operands(self, body: Expression) -> tuple[float, list[Operand]]:
        """A product as a number and its factors."""
        factor, factors = 1.0, list[Operand]()
        for inverse, part in _factors(body, False):
            if isinstance(part, Number):
                factor = factor / part.value if inverse else factor * part.value
                continue
            if isinstance(part, (Symbol, Element)):
                operand = self._read(part)
            else:
                own = tuple(free_indices(part))
                operand = Operand(own, np.broadcast_to(self.value(part, own), [each.extent for each in own]))
            factors.append(Operand(operand.indices, 1.0 / operand.array) if inverse else operand)
        return factor, factors

    def _product(self, body: Expression, summed: Sequence[Index], running: Sequence[Index]) -> Array:
        factor, factors = self.operands(body)
        present = {index for operand in factors for index in operand.indices}
        # A sum over an index that no factor depends on only counts.
        for index in summed:
            if index not in present:
                factor *= index.extent
        kept = [index for index in running if index in present]
        if not factors:
            return np.full((1,) * len(running), factor)
        value = contracted(factors, kept)
        return _placed(Operand(tuple(kept), value if factor == 1.0 else value * factor), running)

    def _read(self, expression: Symbol | Element) -> Operand:
        if isinstance(expression, Symbol):
            return Operand((), np.asarray(self.arrays[expression.name]))
        array = np.asarray(self.arrays[expression.symbol.name])
        places = [affine(index) for index in expression.indices]
        if array.size and all(each is not None for each in places) and len(places) == array.ndim:
            return _view(array, places, expression.outside)  # type: ignore[arg-type]
        return self._gathered(array, expression)

    def _gathered(self, array: Array, expression: Element) -> Operand:
        """Elements at places that data says."""
        own = tuple(free_indices(expression))
        places = [np.asarray(self.value(index, own)).astype(np.int64) for index in expression.indices]
        inside: Any = True
        clipped = []
        for place, extent in zip(places, array.shape, strict=True):
            inside = inside & (place >= 0) & (place < extent)
            clipped.append(np.clip(place, 0, max(extent - 1, 0)))
        value = array[tuple(clipped)]
        if expression.outside is not None:
            value = np.where(inside, value, expression.outside)
        return Operand(own, np.broadcast_to(value, [index.extent for index in own]))


def free_indices(expression: Expression) -> list[Index]:
    """The indices of an expression that no sum inside it binds, in the order in which they appear."""
    if isinstance(expression, Index):
        return [expression]
    found = dict.fromkeys(index for part in children(expression) for index in free_indices(part))
    bound = expression.indices if isinstance(expression, Reduction) else ()
    return [index for index in found if index not in bound]


def with_index(expression: Expression, old: Index, new: Expression) -> Expression:
    """The same tree with an index replaced."""
    if expression is old:
        return new
    if isinstance(expression, Function):
        return Function(expression.name, tuple(with_index(part, old, new) for part in expression.arguments))
    if isinstance(expression, Element):
        places = tuple(with_index(part, old, new) for part in expression.indices)
        return Element(expression.symbol, places, expression.outside)
    if isinstance(expression, Reduction):
        return Reduction(expression.kind, with_index(expression.body, old, new), expression.indices)
    if isinstance(expression, ArrayFunction):
        raise UnreadableError("a function of whole arrays in index form")
    return expression


def _extents(indices: Sequence[Index], evaluator: Evaluator, body: Expression) -> list[int]:
    present = set(free_indices(body))
    return [index.extent if index in present else 1 for index in indices]


def _has_sum(expression: Expression) -> bool:
    return isinstance(expression, Reduction) or any(_has_sum(part) for part in children(expression))


def _factors(expression: Expression, inverse: bool) -> list[tuple[bool, Expression]]:
    """(whether it divides, factor) of a product."""
    if isinstance(expression, Function):
        if expression.name == "multiply":
            return [each for part in expression.arguments for each in _factors(part, inverse)]
        if expression.name == "divide":
            above, below = expression.arguments
            return [*_factors(above, inverse), *_factors(below, not inverse)]
        if expression.name == "negative":
            return [(False, Number(-1.0)), *_factors(expression.arguments[0], inverse)]
    return [(inverse, expression)]


def affine(expression: Expression) -> tuple[int, dict[Index, int]] | None:
    """(constant, factor of each index), or None for anything else."""
    if isinstance(expression, Number):
        return (int(expression.value), {}) if float(expression.value).is_integer() else None
    if isinstance(expression, Index):
        return 0, {expression: 1}
    if not isinstance(expression, Function) or expression.name not in ("add", "subtract", "multiply"):
        return None
    left, right = (affine(part) for part in expression.arguments)
    if left is None or right is None:
        return None
    if expression.name == "multiply":
        if left[1] and right[1]:
            return None
        constant, (offset, factors) = (left[0], right) if not left[1] else (right[0], left)
        return constant * offset, {index: constant * factor for index, factor in factors.items()}
    sign = 1 if expression.name == "add" else -1
    factors = dict(left[1])
    for index, factor in right[1].items():
        factors[index] = factors.get(index, 0) + sign * factor
    return left[0] + sign * right[0], factors


def _view(array: Array, affine: Sequence[tuple[int, dict[Index, int]]], outside: float | None) -> Operand:
    """array[affine indices] as a view with one axis for each index; only edges are copied, for padding."""
    used = tuple(dict.fromkeys(index for _, factors in affine for index in factors))
    if any(index.extent == 0 for index in used):
        return Operand(used, np.zeros([index.extent for index in used], array.dtype))
    margins, starts = [], []
    for (constant, factors), extent in zip(affine, array.shape, strict=True):
        reach = [factor * (index.extent - 1) for index, factor in factors.items()]
        low = constant + sum(min(each, 0) for each in reach)
        high = constant + sum(max(each, 0) for each in reach)
        before, after = max(-low, 0), max(high - extent + 1, 0)
        margins.append((before, after))
        starts.append(constant + before)
    if any(before or after for before, after in margins):
        if outside is None:
            raise UnreadableError("an index beyond its axis")
        array = np.pad(array, margins, constant_values=outside)
    steps: dict[Index, int] = {}
    for (_, factors), stride in zip(affine, array.strides, strict=True):
        for index, factor in factors.items():
            steps[index] = steps.get(index, 0) + factor * stride
    corner = array[tuple(slice(start, None) for start in starts)]
    view = as_strided(corner, [index.extent for index in used], [steps[index] for index in used])
    return Operand(used, view)


def _placed(operand: Operand, running: Sequence[Index]) -> Array:
    """Its axes in the order of the running indices, with axes of length 1 for the others."""
    order = [operand.indices.index(index) for index in running if index in operand.indices]
    if len(order) != len(operand.indices):
        raise UnreadableError("an index that nothing runs over")
    shape = [index.extent if index in operand.indices else 1 for index in running]
    return operand.array.transpose(order).reshape(shape)
