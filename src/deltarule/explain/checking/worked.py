"""One number worked out by hand: a formula in symbols with the numbers put in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Function,
    Index,
    Number,
    Reduction,
    Symbol,
)
from deltarule.autodiff.formula.functions import FUNCTIONS

# Binding strengths, as in notation.
_SUM, _PRODUCT, _POWER, _ATOM = 1, 3, 4, 5
_SIGNS = {
    "add": (" + ", _SUM),
    "subtract": (" − ", _SUM),
    "multiply": (" · ", _PRODUCT),
    "divide": (" / ", _PRODUCT),
}
# A longer sum shows its first terms and its last.
_TERMS = 4


def value_of(equation: Equation, environment: Mapping[str, Any]) -> np.ndarray:
    """All elements of an equation's right side, every array that it reads being known."""
    left = equation.left
    if isinstance(left, Element):
        target = Equation(Symbol(" worked", len(left.indices)).at(left.indices), equation.right)
    else:
        target = Equation(Symbol(" worked", 0), equation.right)
    return np.asarray(solve([target], dict(environment))[" worked"], np.float64)


def arithmetic(equation: Equation, environment: Mapping[str, Any], element: Sequence[int]) -> str:
    """The right side with numbers in the place of its symbols, for one element of the left side."""
    left = equation.left
    indices = left.indices if isinstance(left, Element) else ()
    fixed = {index: place for index, place in zip(indices, element, strict=False) if isinstance(index, Index)}
    return _Writer(environment).write(equation.right, fixed, 0)


def digits(value: float) -> str:
    """A number in up to four digits."""
    text = f"{float(value):.4g}"
    return text.replace("-", "−") if text != "-0" else "0"


class _Writer:
    def __init__(self, environment: Mapping[str, Any]):
        self.environment = environment

    def write(self, expression: Expression, fixed: Mapping[Index, int], place: int) -> str:
        text, strength = self.parts(expression, fixed)
        return f"({text})" if strength < place else text

    def number(self, value: float) -> tuple[str, int]:
        return digits(value), _SUM if value < 0 else _ATOM

    def value(self, expression: Expression, fixed: Mapping[Index, int]) -> float:
        """A part as a number."""
        if isinstance(expression, Number):
            return expression.value
        if isinstance(expression, Index):
            return fixed[expression]
        if isinstance(expression, Symbol):
            return float(np.asarray(self.environment[expression.name]).reshape(-1)[0])
        if isinstance(expression, Element):
            return self.element(expression, fixed)
        if isinstance(expression, Function):
            arguments = [self.value(each, fixed) for each in expression.arguments]
            with np.errstate(all="ignore"):
                return float(FUNCTIONS[expression.name].value(*arguments))
        assert isinstance(expression, Reduction), expression
        values = [self.value(expression.body, each) for each in self.places(expression, fixed)]
        reduce = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}[expression.kind]
        return float(reduce(values))

    def element(self, expression: Element, fixed: Mapping[Index, int]) -> float:
        array = np.asarray(self.environment[expression.symbol.name])
        place = tuple(int(self.value(index, fixed)) for index in expression.indices)
        inside = all(0 <= each < extent for each, extent in zip(place, array.shape, strict=False))
        if not inside:
            return float(expression.outside or 0.0)
        return float(array[place])

    def places(self, expression: Reduction, fixed: Mapping[Index, int]) -> list[dict[Index, int]]:
        shape = tuple(index.extent for index in expression.indices)
        return [{**fixed, **dict(zip(expression.indices, place, strict=True))} for place in np.ndindex(shape)]

    def parts(self, expression: Expression, fixed: Mapping[Index, int]) -> tuple[str, int]:
        if isinstance(expression, Reduction) and expression.kind == "sum":
            return self.sum(expression, fixed)
        if not isinstance(expression, Function):
            return self.number(self.value(expression, fixed))
        name = expression.name
        if name in _SIGNS:
            sign, strength = _SIGNS[name]
            left, right = expression.arguments
            own = self.write(left, fixed, strength)
            return f"{own}{sign}{self.write(right, fixed, strength + 1)}", strength
        if name == "negative":
            return f"−{self.write(expression.arguments[0], fixed, _PRODUCT)}", _SUM
        if name == "square":
            return f"{self.write(expression.arguments[0], fixed, _ATOM)}²", _POWER
        if name == "pow":
            base, exponent = expression.arguments
            return f"{self.write(base, fixed, _ATOM)}^{self.write(exponent, fixed, _ATOM)}", _POWER
        if name == "where":
            condition, chosen, other = expression.arguments
            return self.parts(chosen if self.value(condition, fixed) else other, fixed)
        if name in ("tanh", "sigmoid", "exp", "log", "sqrt"):
            title = {"sigmoid": "σ", "log": "ln", "sqrt": "√"}.get(name, name)
            return f"{title}({self.write(expression.arguments[0], fixed, 0)})", _ATOM
        return self.number(self.value(expression, fixed))

    def sum(self, expression: Reduction, fixed: Mapping[Index, int]) -> tuple[str, int]:
        places = self.places(expression, fixed)
        if len(places) == 1:
            return self.parts(expression.body, places[0])
        shown = places if len(places) <= _TERMS else [*places[: _TERMS - 2], None, places[-1]]
        texts = ["…" if each is None else self.write(expression.body, each, _PRODUCT) for each in shown]
        return " + ".join(texts), _SUM
