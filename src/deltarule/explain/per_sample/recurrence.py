"""Loops of formulas in matrix form, run once.

What does not wait for the step before is computed for all steps at once; where the results of a recurrence
are known (its output), that is most of it. The rest becomes Python functions of the step, which run in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Element,
    Equation,
    Expression,
    Function,
    Index,
    Line,
    Loop,
    Number,
    Symbol,
)
from deltarule.autodiff.formula.functions import ARRAY_FUNCTIONS, FUNCTIONS
from deltarule.explain.per_sample.evaluator import UnreadableError
from deltarule.explain.per_sample.stacked import depends_on, is_known, names_read, product, stacked
from deltarule.kernels.threads import limited_threads

AtStep = Callable[[int], Any]


def solve_loops(lines: Sequence[Line], arrays: dict[str, Any], dtype: Any) -> None:
    """Adds what lines in matrix form define to the arrays; results of loops are of this type.

    Raises UnreadableError for a loop of another kind than one over whole arrays.
    """
    # Products of one step are small: a second thread mostly waits.
    with limited_threads(1):
        for line in lines:
            if isinstance(line, Loop):
                _run(line, arrays, dtype)
            else:
                solve([line], arrays)


def _run(loop: Loop, arrays: dict[str, Any], dtype: Any) -> None:
    time, extent = loop.index, loop.index.extent
    waiting = [(_name(each, time), each.right) for each in loop.equations]
    waiting = [(name, right) for name, right in waiting if name not in arrays]
    while True:
        ready = [(name, right) for name, right in waiting if is_known(right, arrays)]
        if not ready:
            break
        for name, right in ready:
            value = np.asarray(stacked(right, time, arrays))
            whole = value if value.ndim == 3 else np.broadcast_to(value, (extent, *value.shape))
            arrays[name] = whole.astype(dtype, copy=False)
        waiting = [(name, right) for name, right in waiting if name not in arrays]
    known = set(arrays)
    equations = [(name, _compiled(right, time, arrays, known)) for name, right in waiting]
    steps = range(extent)
    for step in reversed(steps) if loop.reverse else steps:
        for name, at_step in equations:
            value = np.asarray(at_step(step))
            if name not in arrays:
                arrays[name] = np.zeros((extent, *value.shape), dtype)
            arrays[name][step] = value


def _name(equation: Equation, time: Index) -> str:
    left = equation.left
    if not isinstance(left, Element) or left.indices != (time,):
        raise UnreadableError("a loop over other than whole arrays")
    return left.symbol.name


def _compiled(expression: Expression, time: Index, arrays: dict[str, Any], known: set[str]) -> AtStep:
    """The expression as a function of the step; parts of it that are known are computed at once."""
    if names_read(expression) and not isinstance(expression, Symbol) and is_known(expression, known):
        try:
            whole = stacked(expression, time, arrays)
        except UnreadableError:
            pass
        else:
            return (lambda step: whole[step]) if depends_on(expression, time) else (lambda step: whole)
    if isinstance(expression, Number):
        number = expression.value
        return lambda step: number
    if isinstance(expression, Index):
        if expression is not time:
            raise UnreadableError("a second index in a loop")
        return lambda step: step
    if isinstance(expression, Symbol):
        name = expression.name
        return lambda step: arrays[name]
    if isinstance(expression, Element):
        return _element(expression, time, arrays, known)
    if isinstance(expression, Function):
        parts = [_compiled(each, time, arrays, known) for each in expression.arguments]
        if expression.name == "where" and _is_of_steps(expression.arguments[0]):
            condition, chosen, otherwise = parts
            return lambda step: chosen(step) if condition(step) else otherwise(step)
        value = FUNCTIONS[expression.name].value
        if len(parts) == 2:
            one, other = parts
            return lambda step: value(one(step), other(step))
        return lambda step: value(*(part(step) for part in parts))
    if isinstance(expression, ArrayFunction):
        return _array_function(expression, time, arrays, known)
    raise UnreadableError("a sum in matrix form")


def _element(expression: Element, time: Index, arrays: dict[str, Any], known: set[str]) -> AtStep:
    name, outside = expression.symbol.name, expression.outside
    if len(expression.indices) != 1:
        raise UnreadableError("a loop over other than whole arrays")
    place = _compiled(expression.indices[0], time, arrays, known)

    def read(step: int) -> Any:
        at, array = int(place(step)), arrays.get(name)
        if array is None or not 0 <= at < len(array):
            assert outside is not None, f"{name} is read beyond its edges"
            return outside
        return array[at]

    return read


def _array_function(
    expression: ArrayFunction, time: Index, arrays: dict[str, Any], known: set[str]
) -> AtStep:
    parts = [_compiled(each, time, arrays, known) for each in expression.arguments]
    options = dict(expression.options)
    if expression.name == "matmul":
        one, other = parts
        return lambda step: product(one(step), other(step))
    value = ARRAY_FUNCTIONS[expression.name].value
    return lambda step: value(*(part(step) for part in parts), **options)


def _is_of_steps(expression: Expression) -> bool:
    if isinstance(expression, Function):
        return all(_is_of_steps(each) for each in expression.arguments)
    return isinstance(expression, (Index, Number))
