"""Formulas of a time step for all steps at once: what in a recurrence does not wait for the step before."""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Element,
    Expression,
    Function,
    Index,
    Number,
    Symbol,
    children,
    symbols_in,
)
from deltarule.autodiff.formula.functions import ARRAY_FUNCTIONS, FUNCTIONS
from deltarule.autodiff.tensor import Array
from deltarule.explain.per_sample.evaluator import UnreadableError, affine
from deltarule.kernels.linear_algebra import matmul

# Functions of whole arrays that mean the same for a stack of arrays, one for each step.
_ALIKE = frozenset(("transpose", "rows", "column", "three_gates", "four_gates"))


@lru_cache(4096)
def names_read(expression: Expression) -> frozenset[str]:
    """Names of all symbols that an expression reads: asked of every part of a formula at every call."""
    return frozenset(symbols_in(expression))


def is_known(expression: Expression, known: Container[str]) -> bool:
    """Whether all that an expression reads is there, for all steps."""
    return all(name in known for name in names_read(expression))


def depends_on(expression: Expression, time: Index) -> bool:
    """Whether an expression differs from step to step."""
    return expression is time or any(depends_on(part, time) for part in children(expression))


def stacked(expression: Expression, time: Index, arrays: Mapping[str, Any]) -> Any:
    """The value at all steps, along a first axis; without that axis where it is the same at all of them.

    Raises UnreadableError for an expression that does not mean the same for a stack.
    """
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Symbol):
        return arrays[expression.name]
    if isinstance(expression, Index):
        if expression is not time:
            raise UnreadableError("a second index in a loop")
        return np.arange(time.extent).reshape(-1, 1, 1)
    if isinstance(expression, Element):
        return _element(expression, time, arrays)
    if isinstance(expression, Function):
        parts = [stacked(each, time, arrays) for each in expression.arguments]
        return FUNCTIONS[expression.name].value(*parts)
    if isinstance(expression, ArrayFunction):
        return _array_function(expression, time, arrays)
    raise UnreadableError("a sum in matrix form")


def product(left: Any, right: Any) -> Array:
    """left @ right in the library's own threads: NumPy's would wait for the same cores."""
    left, right = np.asarray(left), np.asarray(right)
    if left.dtype != right.dtype:
        left = left.astype(right.dtype)
    return matmul(np.ascontiguousarray(left), right)


def _element(expression: Element, time: Index, arrays: Mapping[str, Any]) -> Any:
    """An array at this step, or so many steps before or after."""
    array = np.asarray(arrays[expression.symbol.name])
    place = affine(expression.indices[0])
    if len(expression.indices) != 1 or place is None:
        raise UnreadableError("a loop over other than whole arrays")
    offset, factors = place
    if not factors:
        return array[offset]
    if factors != {time: 1} or len(array) != time.extent:
        raise UnreadableError("a loop over other than steps")
    if not offset:
        return array
    if expression.outside is None:
        raise UnreadableError("an index beyond its axis")
    moved = np.full_like(array, expression.outside)
    if offset > 0:
        moved[:-offset] = array[offset:]
    else:
        moved[-offset:] = array[:offset]
    return moved


def _array_function(expression: ArrayFunction, time: Index, arrays: Mapping[str, Any]) -> Any:
    if expression.name == "at_time":
        sequence, step = expression.arguments
        if step is not time:
            raise UnreadableError("a sequence at another step")
        return np.swapaxes(stacked(sequence, time, arrays), 0, 1)
    parts = [stacked(each, time, arrays) for each in expression.arguments]
    if expression.name == "matmul":
        return product(*parts)
    if expression.name not in _ALIKE:
        raise UnreadableError(f"{expression.name} of a stack")
    return ARRAY_FUNCTIONS[expression.name].value(*parts, **expression.options)
