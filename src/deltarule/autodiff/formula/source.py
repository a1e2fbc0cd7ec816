"""Turns element-wise expressions into Python functions, once, by writing their source.

The same function runs on NumPy arrays and on tensors: operators are Python's own, and other
functions are looked up in the namespace that it is given (`f.exp(x)`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from deltarule.autodiff.formula.expression import Expression, Function, Number, Symbol
from deltarule.autodiff.formula.functions import FUNCTIONS


def source(expression: Expression) -> str:
    """An element-wise expression as a line of Python, its functions in a namespace `f`."""
    if isinstance(expression, Number):
        assert math.isfinite(expression.value), "an infinite constant in an element-wise formula"
        # A whole number that a row writes without a point leaves integer arrays integers.
        text = repr(expression.value if isinstance(expression.value, int) else float(expression.value))
        return f"({text})" if expression.value < 0 else text
    if isinstance(expression, Symbol):
        return expression.name
    assert isinstance(expression, Function), f"{expression!r} is not element-wise"
    arguments = [source(argument) for argument in expression.arguments]
    template = FUNCTIONS[expression.name].source
    if template:
        return f"({template.format(*arguments)})"
    return f"f.{expression.name}({', '.join(arguments)})"


def compile_expressions(
    names: Sequence[str], expressions: Sequence[Expression], title: str
) -> Callable[..., Any]:
    """A function of (f, *names) that returns the tuple of the expressions' values."""
    body = ", ".join(source(expression) for expression in expressions)
    text = f"def compiled(f, {', '.join(names)}):\n    return ({body},)\n"
    namespace: dict[str, Any] = {}
    exec(compile(text, f"<formula of {title}>", "exec"), namespace)
    return namespace["compiled"]
