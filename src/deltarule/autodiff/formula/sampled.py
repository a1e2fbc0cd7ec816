"""Computes formulas in index form at a few positions only, so that those of large models can be checked too.

The literal evaluation of evaluate.py gives every free index an axis; here the positions lie along one axis
together, and only sums spread out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.evaluate import MOST_ELEMENTS, Environment, Scope, evaluate, solve
from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Index,
    Line,
    Loop,
    Reduction,
    Symbol,
    children,
)
from deltarule.autodiff.formula.rewriting import read_by

Positions = np.ndarray


def evaluate_at(equation: Equation, environment: Mapping[str, Any], positions: Positions) -> np.ndarray:
    """The right side of an equation at some positions of its left side.

    positions  (samples, axes of the left side), whole numbers; axes is 0 for a number
    returns    (samples,)

    Memory stays below about 200 MB, however large the arrays and sums are: positions are taken a few at a
    time. An equation whose left side is a whole array is computed whole.

    >>> from deltarule.autodiff.formula.expression import Index, Sum, Symbol
    >>> i, j, k = Index("i", 2), Index("j", 2), Index("k", 3)
    >>> a, b, y = Symbol("a", 2), Symbol("b", 2), Symbol("y", 2)
    >>> product = Equation(y[i, j], Sum(a[i, k] * b[k, j], k))
    >>> arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones((3, 2))}
    >>> evaluate_at(product, arrays, np.array([[0, 1], [1, 1]]))
    array([ 3., 12.])
    """
    positions = np.asarray(positions, dtype=np.int64)
    left = equation.left
    if isinstance(left, Symbol):
        value = np.asarray(evaluate(equation.right, environment))
        return value[tuple(positions.T)] if value.ndim else np.full(len(positions), value)
    assert isinstance(left, Element), "the left side is a symbol or an element"
    indices = [index for index in left.indices if isinstance(index, Index)]
    assert len(indices) == len(left.indices) == positions.shape[1], (
        "one number for each index of the left side"
    )
    step = max(1, MOST_ELEMENTS // max(1, _spread(equation.right)))
    parts = []
    for start in range(0, len(positions), step):
        chunk = positions[start : start + step]
        fixed = dict(zip(indices, chunk.T, strict=True))
        value = np.asarray(evaluate(equation.right, environment, Scope((), fixed, len(chunk))))
        parts.append(np.broadcast_to(value, len(chunk)))
    return np.concatenate(parts) if parts else np.zeros(0)


def solve_at(
    lines: Sequence[Line], environment: Environment, positions: Mapping[str, Positions]
) -> dict[str, np.ndarray]:
    """What lines define, at some positions.

    lines        in index form, in order
    environment  arrays by symbol; intermediates that are missing are computed whole and added to it
    positions    symbol -> (samples, axes): where each wanted symbol is computed
    returns      symbol -> (samples,)

    A loop is computed once, whole: each of its steps needs the one before.
    """
    found: dict[str, np.ndarray] = {}
    for number, line in enumerate(lines):
        if isinstance(line, Loop):
            names = [_name(equation) for equation in line.equations]
            # The loop starts from nothing: what it defines may be there already, from the engine.
            whole = solve([line], {name: array for name, array in environment.items() if name not in names})
            for name in names:
                environment.setdefault(name, whole[name])
                if name in positions:
                    found[name] = np.asarray(whole[name])[tuple(np.asarray(positions[name]).T)]
            continue
        name = _name(line)
        if name not in environment and any(name in read_by(later) for later in lines[number + 1 :]):
            solve([line], environment)
        if name in positions:
            found[name] = evaluate_at(line, environment, positions[name])
    return found


def sample_positions(
    shape: Sequence[int], count: int, generator: np.random.Generator | None = None
) -> Positions:
    """Positions in an array, none twice: all of them if there are no more than `count`.

    The first and the last are among them, since padding and the ends of sequences go wrong at edges.

    returns  (samples, axes), in the array's own order

    >>> sample_positions((2, 2), 10).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    size = math.prod(shape)
    numbers = np.arange(min(size, count))
    if size > count:
        generator = generator or np.random.default_rng(0)
        inner = generator.choice(size - 2, max(count - 2, 0), replace=False) + 1
        numbers = np.sort(np.concatenate([[0, size - 1][:count], inner]))
    return np.stack(np.unravel_index(numbers, shape), axis=1) if len(shape) else np.zeros((1, 0), np.int64)


def _name(equation: Equation) -> str:
    left = equation.left
    assert isinstance(left, (Symbol, Element)), "the left side is a symbol or an element"
    return left.name if isinstance(left, Symbol) else left.symbol.name


def _spread(expression: Expression) -> int:
    """Elements that the sums of an expression spread out for one position."""
    inner = max((_spread(part) for part in children(expression)), default=1)
    if isinstance(expression, Reduction):
        return inner * math.prod(index.extent for index in expression.indices)
    return inner
