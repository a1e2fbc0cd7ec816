"""Formulas in matrix form as a plain NumPy program: the forward and backward pass as one writes them by hand.

    lines of formulas, shapes of their symbols  ->  program_lines  ->  lines of code
    the helpers that these lines call           ->  helper_sources ->  their text, for the top of the program

A program needs Python 3.11 and NumPy 2 alone. Every symbol of the formulas is one variable of the same name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import Expression, Line
from deltarule.autodiff.formula.formula import Formula
from deltarule.autodiff.formula.program_builder import CodeLine, ProgramBuilder, require_shapes
from deltarule.autodiff.formula.program_helpers import helper_texts, reserved_names
from deltarule.autodiff.formula.program_writer import Writer
from deltarule.autodiff.formula.shapes import Shape

__all__ = ["CodeLine", "array_source", "code", "emit", "helper_sources", "program_lines", "reserved_names"]


def code(expression: Expression, shapes: Mapping[str, Shape]) -> str:
    """One expression in matrix form as NumPy source.

    shapes   symbol -> shape, of every symbol that the expression reads

    >>> from deltarule.autodiff.formula.expression import Symbol, function
    >>> x, weight, bias = Symbol("x", 2), Symbol("weight", 2), Symbol("bias", 1)
    >>> shapes = {"x": (8, 3), "weight": (5, 3), "bias": (5,)}
    >>> code(function("tanh", x @ weight.T + bias), shapes)
    'np.tanh(x @ weight.T + bias)'
    """
    require_shapes(expression, shapes)
    return Writer(shapes).write(expression).text


def program_lines(lines: Sequence[Line], shapes: Mapping[str, Shape]) -> list[CodeLine]:
    """Formulas in matrix form as lines of a NumPy program, in their order.

    A loop becomes `for t in range(T)`, or `reversed(range(T))`, with its arrays allocated ahead of it.
    A line that says what an earlier one has said already is left out: gradients of several inputs repeat
    the errors that they share. Windows of a convolution, and long parts that stand twice in a line, get a
    line and a name of their own ("columns", "exponentials"), which is no symbol of the formulas.

    lines    equations and loops in matrix form; what an equation defines may be read by later ones
    shapes   symbol -> shape, at least of every symbol that is read before it is defined

    Raises ArgumentError where a shape is missing, or a symbol's name cannot be that of a variable.

    >>> from deltarule.autodiff.formula.expression import Equation, Symbol, array_function
    >>> x, weight, delta = Symbol("x", 2), Symbol("W", 2), Symbol("delta", 2)
    >>> lines = [Equation(Symbol("grad_W"), delta.T @ x),
    ...          Equation(Symbol("grad_b"), array_function("sum", delta, axis=0))]
    >>> for line in program_lines(lines, {"x": (8, 3), "delta": (8, 5)}):
    ...     print(line)
    grad_W = delta.T @ x
    grad_b = np.sum(delta, axis=0)
    """
    program = ProgramBuilder(shapes, lines)
    for line in lines:
        program.add(line)
    return program.written


def helper_sources(lines: Iterable[CodeLine]) -> list[str]:
    """The text of every helper function that these lines call, each before those that call it.

    They need `import math` and `import numpy as np`.
    """
    return helper_texts(dict.fromkeys(name for line in lines for name in line.helpers))


def emit(
    formula: Formula, arrays: Mapping[str, Any], *, wanted: Collection[str] | None = None, file: str = ""
) -> str:
    """A program that runs by itself: one operation's forward pass, and its backward pass by the formulas.

    formula  of one call of the operation
    arrays   its inputs by name, and `grad_<output>` for every output whose gradient is known
    wanted   inputs whose gradients are computed: all that the formula has if left out
    file     name of an .npz file that holds the arrays; without it they stand in the program as lists

    The program needs Python and NumPy alone. Raises ArgumentError where an array is missing.
    """
    names = [name for name in formula.gradients if wanted is None or name in wanted]
    ahead, back = formula.value.matrix, [line for name in names for line in formula.gradients[name].matrix]
    program = ProgramBuilder({name: np.shape(array) for name, array in arrays.items()}, [*ahead, *back])
    for line in ahead:
        program.add(line)
    split = len(program.written)
    for line in back:
        program.add(line)
    forward, backward = program.written[:split], program.written[split:]
    helpers = helper_sources(program.written)
    needs_math = any("math." in helper for helper in helpers)
    parts = ["import math\n\nimport numpy as np" if needs_math else "import numpy as np"]
    parts += [f"\n{helper}" for helper in helpers]
    read = {name for line in program.written for name in line.reads}
    given = {name: np.asarray(array) for name, array in arrays.items() if name in read}
    parts.append(("\n" if helpers else "") + _given(given, file))
    parts.append("\n".join(["# Forward pass", *map(str, forward)]))
    if backward:
        parts.append("\n".join(["# Backward pass", *map(str, backward)]))
    return "\n\n".join(parts) + "\n"


def _given(arrays: Mapping[str, np.ndarray], file: str) -> str:
    """Lines that define the inputs, from a file or as lists."""
    if file:
        return "\n".join([f"arrays = np.load({file!r})", *(f'{name} = arrays["{name}"]' for name in arrays)])
    return "\n".join(f"{name} = {array_source(array)}" for name, array in arrays.items())


def array_source(array: np.ndarray) -> str:
    """An array as NumPy source, every digit of it.

    >>> array_source(np.array([[1.0, 0.5], [np.inf, -2.0]]))
    'np.array([[1.0, 0.5], [np.inf, -2.0]])'
    """
    array = np.asarray(array)
    kind = "" if array.dtype in (np.float64, np.int64, np.bool_) else f", dtype=np.{array.dtype}"
    if array.size == 0:
        return f"np.zeros({array.shape}, dtype=np.{array.dtype})"
    text = str(array.tolist())
    for digits, source in (("inf", "np.inf"), ("nan", "np.nan")):
        text = text.replace(digits, source)
    return f"np.array({text}{kind})"
