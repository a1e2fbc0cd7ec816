"""Computes formulas with NumPy, straight from their trees: slow, literal, independent of the engine.

Every free index becomes an axis of its own, every sum a reduction over its axes; nothing is
simplified, so agreement with the engine says that formula and engine mean the same thing.
"""

from __future__ import annotations

import functools
import math
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


# Elements that a sum spreads out at once; larger ones are added up one value of an index at a time.
MOST_ELEMENTS = 2_000_000


class Scope:
    """Indices in sight: running ones, each with an axis of its own, and ones with given values.

    running  in the order of their axes
    fixed    the value of an index: a number, or an array of one value for each of the samples, which
             then lie along the first axis
    samples  how many samples there are; 0 where all elements are computed
    """

    def __init__(
        self,
        running: tuple[Index, ...] = (),
        fixed: Mapping[Index, Any] | None = None,
        samples: int = 0,
    ):
        self.running = running
        self.fixed = dict(fixed or {})
        self.samples = samples
        self.depth = len(running) + bool(samples)

    def within(self, indices: Sequence[Index]) -> Scope:
        """The scope inside of a sum over these indices."""
        return Scope(self.running + tuple(indices), self.fixed, self.samples)

    def at(self, index: Index, value: int) -> Scope:
        """The same scope with one more index held at a value."""
        return Scope(self.running, {**self.fixed, index: value}, self.samples)

    @property
    def size(self) -> int:
        """Elements of an array that has all axes in sight."""
        return max(self.samples, 1) * math.prod(index.extent for index in self.running)

    def value(self, index: Index) -> Any:
        if index in self.fixed:
            value = self.fixed[index]
            return value if np.ndim(value) == 0 else value.reshape(-1, *[1] * len(self.running))
        shape = [1] * self.depth
        shape[self.running.index(index) + bool(self.samples)] = index.extent
        return np.arange(index.extent).reshape(shape)


def evaluate(expression: Expression, environment: Mapping[str, Any], scope: Scope | None = None) -> Any:
    """The value of an expression, given arrays by symbol name."""
    scope = scope or Scope()
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
    return evaluate(expression, {}, Scope((), fixed))


def _element(expression: Element, environment: Mapping[str, Any], scope: Scope) -> Any:
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


def _reduction(expression: Reduction, environment: Mapping[str, Any], scope: Scope) -> Any:
    extents = tuple(index.extent for index in expression.indices)
    reduce, _, together = REDUCTIONS[expression.kind]
    if scope.size * math.prod(extents) > MOST_ELEMENTS:
        first, *rest = expression.indices
        inner = Reduction(expression.kind, expression.body, tuple(rest)) if rest else expression.body
        parts = (evaluate(inner, environment, scope.at(first, value)) for value in range(first.extent))
        return functools.reduce(together, parts)
    value = np.asarray(evaluate(expression.body, environment, scope.within(expression.indices)))
    depth = scope.depth
    outer_shape = value.shape[:depth] if value.ndim == depth + len(expression.indices) else (1,) * depth
    full = np.broadcast_to(value, outer_shape + extents)
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
        environment[left.name] = np.asarray(evaluate(equation.right, environment, Scope((), fixed)))
        return
    assert isinstance(left, Element), "the left side is a symbol or an element"
    indices = [index for index in left.indices if isinstance(index, Index)]
    assert len(indices) == len(left.indices), "the left side has plain indices"
    running = tuple(index for index in indices if index not in fixed)
    value = np.asarray(evaluate(equation.right, environment, Scope(running, fixed)))
    if running:
        value = np.broadcast_to(value, tuple(index.extent for index in running))
    name = left.symbol.name
    if len(running) == len(indices):
        environment[name] = np.array(value)
        return
    if name not in environment:
        environment[name] = np.zeros(tuple(index.extent for index in indices if index in fixed) + value.shape)
    environment[name][tuple(fixed.get(index, slice(None)) for index in indices)] = value
