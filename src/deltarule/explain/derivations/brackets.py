"""Brackets that hold nowhere in a computation: [y = 0], say, where y has no 0."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deltarule.autodiff.formula.expression import Element, Expression, Function, Line, Number, Symbol
from deltarule.autodiff.formula.rewriting import rebuilt, with_expressions
from deltarule.autodiff.tensor import Array


def without_idle_brackets(line: Line, arrays: Mapping[str, Array]) -> Line:
    """A line with 0 in the place of a bracket [symbol = number] that holds for none of the symbol's elements.

    arrays   symbol -> its elements, as far as they are known

    >>> from deltarule.autodiff.formula.expression import Equation, nonzero
    >>> from deltarule.autodiff.formula.latex import latex
    >>> line = Equation(Symbol("z"), 1 / nonzero(Symbol("y")))
    >>> latex(without_idle_brackets(line, {"y": np.array([3.0, 4.0])}).right)
    '\\\\frac{1}{y + 0}'
    """

    def change(expression: Expression) -> Expression:
        if isinstance(expression, Function) and expression.name == "equal":
            left, right = expression.arguments
            symbol = left.symbol if isinstance(left, Element) else left
            if isinstance(symbol, Symbol) and isinstance(right, Number) and symbol.name in arrays:
                if not np.any(arrays[symbol.name] == right.value):
                    return Number(0)
        return rebuilt(expression, change)

    return with_expressions(line, change)
