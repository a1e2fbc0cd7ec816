"""Computes formulas with NumPy, straight from their trees: slow, literal, independent of the engine.

Every free index becomes an axis of its own, every sum a reduction over its axes; nothing is
simplified, so agreement with the engine says that formula and engine mean the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

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
    Reduction,
    Symbol,
)
from deltarule.autodiff.formula.functions import ARRAY_FUNCTIONS, FUNCTIONS, REDUCTIONS

Environment = dict[str, Any]


class _Scope:
    """Indices in sight: running ones, each with its axis, and ones held fixed by a loop."""

    def __init__(self, running: tuple[Index, ...] = (), fixed: Mapping[Index, int] | None = None):
        self.running = running
        self.fixed = dict(fixed or {})

    def within(self, indices: Sequence[Index]) -> _Scope:
        return _Scope(self.running + tuple(indices), self.fixed)

    def value(self, index: Index) -> Any:
        if index in self.fixed:
            return self.fixed[index]
        axis = self.running.index(index)
        shape = [1] * len(self.running)
        shape[axis] = index.extent
        return np.arange(index.extent).reshape(shape)


def evaluate(expression: Expression, environment: Mapping[str, Any], scope: _Scope | None = None) -> Any:
    """The value of an expression, given arrays by symbol name."""
    scope = scope or _Scope()
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Index):
        return scope.value(expression)
    if isinstance(expression, Symbol):
        return environment[expression.name]
    if isinstance(expression, Element):
        return _element(expression, environment, scope)
    if isinstance(expression, Function):
        arguments = [evaluate(argument, environment, scope) for argument in expression.arguments]
        return FUNCTIONS[expression.name].value(*arguments)
    if isinstance(expression, ArrayFunction):
        arguments = [evaluate(argument, environment, scope) for argument in expression.arguments]
        return ARRAY_FUNCTIONS[expression.name].value(*arguments, **expression.options)
    if isinstance(expression, Reduction):
        return _reduction(expression, environment, scope)
    raise AssertionError(f"no such expression: {expression!r}")


def evaluate_index(expression: Expression, fixed: Mapping[Index, int]) -> Any:
    """Arithmetic of indices that have these values."""
    return evaluate(expression, {}, _Scope((), fixed))


def _element(expression: Element, environment: Mapping[str, Any], scope: _Scope) -> Any:
    positions = [np.asarray(evaluate(index, environment, scope)) for index in expression.indices]
    positions = [position.astype(np.int64) for position in positions]
    array = environment.get(expression.symbol.name)
    if array is None:
        # A recurrence reads its own start before it is there: beyond the edge, or an error.
        assert expression.outside is not None, f"{expression.symbol.name} is not defined"
        return expression.outside
    array = np.asarray(array)
    if expression.outside is None:
        for position in positions:
            assert position.size == 0 or position.min() >= 0, f"negative index into {expression.symbol.name}"
        return array[tuple(positions)]
    inside: Any = True
    clipped = []
    for position, extent in zip(positions, array.shape, strict=False):
        inside = inside & (position >= 0) & (position < extent)
        clipped.append(np.clip(position, 0, max(extent - 1, 0)))
    value = array[tuple(clipped)]
    if len(positions) < array.ndim:
        return value if np.all(inside) else np.full_like(value, expression.outside)
    return np.where(inside, value, expression.outside)


def _reduction(expression: Reduction, environment: Mapping[str, Any], scope: _Scope) -> Any:
    inner = scope.within(expression.indices)
    value = np.asarray(evaluate(expression.body, environment, inner))
    depth = len(scope.running)
    outer_shape = value.shape[:depth] if value.ndim == depth + len(expression.indices) else (1,) * depth
    extents = tuple(index.extent for index in expression.indices)
    full = np.broadcast_to(value, outer_shape + extents)
    reduce = REDUCTIONS[expression.kind][0]
    return reduce(full, axis=tuple(range(depth, depth + len(extents))))


def solve(lines: Sequence[Line], environment: Environment) -> Environment:
    """Computes lines in order and adds what they define to the environment, which is returned."""
    for line in lines:
        if isinstance(line, Loop):
            for equation in line.equations:
                _allocate(equation, environment)
            steps = range(line.index.extent)
            for step in reversed(steps) if line.reverse else steps:
                for equation in line.equations:
                    _assign(equation, environment, {line.index: step})
        else:
            _assign(line, environment, {})
    return environment


def _allocate(equation: Equation, environment: Environment) -> None:
    left = equation.left
    if isinstance(left, Element) and len(left.indices) == left.symbol.ndim:
        if all(isinstance(index, Index) for index in left.indices):
            shape = [index.extent for index in left.indices if isinstance(index, Index)]
            environment[left.symbol.name] = np.zeros(shape)


def _assign(equation: Equation, environment: Environment, fixed: dict[Index, int]) -> None:
    left = equation.left
    if isinstance(left, Symbol):
        environment[left.name] = np.asarray(evaluate(equation.right, environment, _Scope((), fixed)))
        return
    assert isinstance(left, Element), "the left side is a symbol or an element"
    indices = [index for index in left.indices if isinstance(index, Index)]
    assert len(indices) == len(left.indices), "the left side has plain indices"
    running = tuple(index for index in indices if index not in fixed)
    value = np.asarray(evaluate(equation.right, environment, _Scope(running, fixed)))
    if running:
        value = np.broadcast_to(value, tuple(index.extent for index in running))
    name = left.symbol.name
    if len(running) == len(indices):
        environment[name] = np.array(value)
        return
    if name not in environment:
        environment[name] = np.zeros(tuple(index.extent for index in indices if index in fixed) + value.shape)
    environment[name][tuple(fixed.get(index, slice(None)) for index in indices)] = value
