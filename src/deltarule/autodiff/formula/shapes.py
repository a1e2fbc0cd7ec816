"""The shape of an expression in matrix form, from the shapes of the symbols that it reads."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Element,
    Expression,
    Function,
    Reduction,
    Symbol,
)
from deltarule.autodiff.formula.functions import ARRAY_FUNCTIONS

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]


def shape_of(expression: Expression, shapes: Shapes) -> Shape:
    """The shape of what an expression in matrix form computes; nothing is computed for it.

    shapes   symbol -> shape
    returns  () for numbers and for indices of a loop

    Raises KeyError with the name of a symbol whose shape is not given; a choice by cases needs that of one
    case only, since a recurrence reads its own start before it is there.

    >>> from deltarule.autodiff.formula.expression import Symbol
    >>> shape_of(Symbol("x") @ Symbol("weight").T + Symbol("b"), {"x": (8, 3), "weight": (5, 3), "b": (5,)})
    (8, 5)
    """
    if isinstance(expression, Symbol):
        return tuple(shapes[expression.name])
    if isinstance(expression, Element):
        return tuple(shapes[expression.symbol.name][len(expression.indices) :])
    if isinstance(expression, ArrayFunction):
        parts = [shape_of(argument, shapes) for argument in expression.arguments]
        return tuple(ARRAY_FUNCTIONS[expression.name].shape(*parts, **expression.options))
    if isinstance(expression, Function):
        if expression.name == "where":
            return _choice(expression, shapes)
        return np.broadcast_shapes(*(shape_of(argument, shapes) for argument in expression.arguments))
    assert not isinstance(expression, Reduction), "sums over indices are index form"
    return ()


def _choice(expression: Function, shapes: Shapes) -> Shape:
    found, missing = [shape_of(expression.arguments[0], shapes)], None
    for case in expression.arguments[1:]:
        try:
            found.append(shape_of(case, shapes))
        except KeyError as error:
            missing = error
    if missing is not None and len(found) == 1:
        raise missing
    return np.broadcast_shapes(*found)
