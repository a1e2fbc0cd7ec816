"""Turns element-wise expressions into Python functions, once, by writing their source.

The same function runs on NumPy arrays and on tensors: operators are Python's own, and other
functions are looked up in the namespace that it is given (`f.exp(x)`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deltarule.autodiff.formula.expression import Expression, Function, Number, Symbol
from deltarule.autodiff.formula.functions import FUNCTIONS


def source(expression: Expression, computed: Mapping[int, str] | None = None) -> str:
    """An element-wise expression as a line of Python, its functions in a namespace `f`.

    computed   by the identity of a part: the variable that already holds it
    """
    computed = computed or {}
    if id(expression) in computed:
        return computed[id(expression)]
    if isinstance(expression, Number):
        assert math.isfinite(expression.value), "an infinite constant in an element-wise formula"
        # A whole number that a row writes without a point leaves integer arrays integers.
        text = repr(expression.value if isinstance(expression.value, int) else float(expression.value))
        return f"({text})" if expression.value < 0 else text
    if isinstance(expression, Symbol):
        return expression.name
    assert isinstance(expression, Function), f"{expression!r} is not element-wise"
    arguments = [source(argument, computed) for argument in expression.arguments]
    template = FUNCTIONS[expression.name].source
    if template:
        return f"({template.format(*arguments)})"
    return f"f.{expression.name}({', '.join(arguments)})"


def compile_expressions(
    names: Sequence[str], expressions: Sequence[Expression], title: str
) -> Callable[..., Any]:
    """A function of (f, *names) that returns the tuple of the expressions' values.

    A part that is the same object in several places is computed once.
    """
    computed: dict[int, str] = {}
    lines = []
    for part in _repeated(expressions):
        lines.append(f"    part{len(lines)} = {source(part, computed)}\n")
        computed[id(part)] = f"part{len(lines) - 1}"
    body = ", ".join(source(expression, computed) for expression in expressions)
    text = f"def compiled(f, {', '.join(names)}):\n{''.join(lines)}    return ({body},)\n"
    namespace: dict[str, Any] = {}
    exec(compile(text, f"<formula of {title}>", "exec"), namespace)
    return namespace["compiled"]


def _repeated(expressions: Sequence[Expression]) -> list[Function]:
    """The functions that occur more than once, the inner ones first."""
    found: dict[int, Function] = {}
    repeated: set[int] = set()

    def visit(expression: Expression) -> None:
        if not isinstance(expression, Function):
            return
        if id(expression) in found:
            repeated.add(id(expression))
            return
        for argument in expression.arguments:
            visit(argument)
        found[id(expression)] = expression

    for expression in expressions:
        visit(expression)
    return [part for identity, part in found.items() if identity in repeated]
