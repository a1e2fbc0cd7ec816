"""Formulas in matrix form as a plain NumPy program: the forward and backward pass as one writes them by hand.

    lines of formulas, shapes of their symbols  ->  program_lines  ->  lines of code
    the helpers that these lines call           ->  helper_sources ->  their text, for the top of the program

A program needs Python and NumPy alone. Every symbol of the formulas is one variable of the same name.
"""

from __future__ import annotations

import keyword
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Line,
    Loop,
    Symbol,
    children,
)
from deltarule.autodiff.formula.formula import Formula
from deltarule.autodiff.formula.program_helpers import helper_texts, helpers_by_name
from deltarule.autodiff.formula.program_writer import Writer
from deltarule.autodiff.formula.shapes import Shape, shape_of
from deltarule.errors import ArgumentError

INDENT = "    "
_WIDTH = 100


@dataclass(frozen=True)
class CodeLine:
    """One line of a program.

    text     without its indentation
    reads    symbols that it reads, in the order in which they stand
    defines  symbols that it defines; both are empty for the head of a loop
    indent   0, or 1 inside a loop
    helpers  helpers that it calls, which helper_sources gives the text of
    """

    text: str
    reads: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    indent: int = 0
    helpers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return INDENT * self.indent + self.text


def code(expression: Expression, shapes: Mapping[str, Shape]) -> str:
    """One expression in matrix form as NumPy source.

    shapes   symbol -> shape, of every symbol that the expression reads

    >>> from deltarule.autodiff.formula.expression import Symbol, function
    >>> x, weight, bias = Symbol("x", 2), Symbol("weight", 2), Symbol("bias", 1)
    >>> shapes = {"x": (8, 3), "weight": (5, 3), "bias": (5,)}
    >>> code(function("tanh", x @ weight.T + bias), shapes)
    'np.tanh(x @ weight.T + bias)'
    """
    _require_shapes(expression, shapes)
    return Writer(shapes).write(expression).text


def program_lines(lines: Sequence[Line], shapes: Mapping[str, Shape]) -> list[CodeLine]:
    """Formulas in matrix form as lines of a NumPy program, in their order.

    A loop becomes `for t in range(T)`, or `reversed(range(T))`, with its arrays allocated ahead of it.
    A line that says what an earlier one has said already is left out: gradients of several inputs repeat
    the errors that they share.

    lines    equations and loops in matrix form; what an equation defines may be read by later ones
    shapes   symbol -> shape, at least of every symbol that is read before it is defined

    Raises ArgumentError where a shape is missing, or a symbol's name cannot be that of a variable.

    >>> from deltarule.autodiff.formula.expression import Symbol, array_function
    >>> x, weight, delta = Symbol("x", 2), Symbol("W", 2), Symbol("delta", 2)
    >>> lines = [Equation(Symbol("grad_W"), delta.T @ x),
    ...          Equation(Symbol("grad_b"), array_function("sum", delta, axis=0))]
    >>> for line in program_lines(lines, {"x": (8, 3), "delta": (8, 5)}):
    ...     print(line)
    grad_W = delta.T @ x
    grad_b = np.sum(delta, axis=0)
    """
    program = _Program(shapes)
    for line in lines:
        program.add(line)
    return program.written


def helper_sources(lines: Iterable[CodeLine]) -> list[str]:
    """The text of every helper function that these lines call, each before those that call it.

    They need `import math` and `import numpy as np`.
    """
    return helper_texts(dict.fromkeys(name for line in lines for name in line.helpers))


def reserved_names() -> set[str]:
    """Names that no symbol of a program may have: its modules, its helpers and Python's own words."""
    return {"np", "math", "range", "reversed", "float", *keyword.kwlist, *helpers_by_name()}


class _Program:
    def __init__(self, shapes: Mapping[str, Shape]):
        self.shapes = dict(shapes)
        self.reserved = reserved_names()
        self.booleans: set[str] = set()
        self.written: list[CodeLine] = []
        self.said: set[tuple[str, ...]] = set()

    def add(self, line: Line) -> None:
        if isinstance(line, Loop):
            self._loop(line)
            return
        self._require(line)
        if isinstance(line.left, Symbol):
            self.shapes[line.left.name] = shape_of(line.right, self.shapes)
        added = self._equation(line, 0)
        if self._is_new([added]):
            self.written.append(added)

    def _is_new(self, lines: Sequence[CodeLine]) -> bool:
        said = tuple(str(line) for line in lines)
        if said in self.said:
            return False
        self.said.add(said)
        return True

    def _equation(self, equation: Equation, indent: int) -> CodeLine:
        writer = Writer(self.shapes, self.booleans)
        target = writer.write(equation.left).text
        right = writer.write(equation.right)
        name = _defined(equation)
        if right.boolean:
            self.booleans.add(name)
        return CodeLine(f"{target} = {right.text}", _read(equation), (name,), indent, tuple(writer.helpers))

    def _loop(self, loop: Loop) -> None:
        allocated = self._shapes_of_loop(loop)
        for equation in loop.equations:
            self._require(equation)
        steps = f"range({loop.index.extent})"
        head = CodeLine(f"for {loop.index.name} in {f'reversed({steps})' if loop.reverse else steps}:")
        body = [self._equation(equation, 1) for equation in loop.equations]
        if self._is_new([head, *body]):
            self.written += [*_allocations(allocated), head, *body]

    def _shapes_of_loop(self, loop: Loop) -> dict[str, Shape]:
        """The shapes of arrays that the loop fills, one entry a step; known from what each entry is.

        An entry may read what a later equation fills, so this takes several rounds.
        """
        waiting, filled = list(loop.equations), {}
        while waiting:
            unknown = []
            for equation in waiting:
                try:
                    shape = shape_of(equation.right, self.shapes)
                except KeyError:
                    unknown.append(equation)
                    continue
                name = _defined(equation)
                if isinstance(equation.left, Element):
                    shape = (loop.index.extent, *shape)
                    filled[name] = shape
                self.shapes[name] = shape
            if len(unknown) == len(waiting):
                self._require(unknown[0])
            waiting = unknown
        return {_defined(each): filled[_defined(each)] for each in loop.equations if _defined(each) in filled}

    def _require(self, equation: Equation) -> None:
        for name in (_defined(equation), *_read(equation)):
            if not name.isidentifier() or name in self.reserved:
                raise ArgumentError(
                    "program_lines",
                    f"a symbol is named {name!r}, expected a free name of a variable",
                    "Rename the symbol; see reserved_names().",
                )
        _require_shapes(equation.right, self.shapes)


def _require_shapes(expression: Expression, shapes: Mapping[str, Shape]) -> None:
    try:
        shape_of(expression, shapes)
    except KeyError as error:
        raise ArgumentError(
            "program_lines",
            f"the shape of symbol {error.args[0]!r} is not known, expected it in `shapes`",
            f"Shapes are known of {', '.join(sorted(shapes)) or 'nothing'}.",
        ) from None


def _defined(equation: Equation) -> str:
    left = equation.left
    assert isinstance(left, (Symbol, Element)), "the left side is a symbol or an element"
    return left.name if isinstance(left, Symbol) else left.symbol.name


def _read(equation: Equation) -> tuple[str, ...]:
    """Symbols of the right side, in the order in which they stand."""
    found: dict[str, None] = {}

    def visit(expression: Expression) -> None:
        if isinstance(expression, Symbol):
            found[expression.name] = None
        for part in children(expression):
            visit(part)

    visit(equation.right)
    return tuple(found)


def _allocations(arrays: Mapping[str, Shape]) -> list[CodeLine]:
    """Zeros for arrays that a loop fills; those of one shape on one line, as far as it is long."""
    by_shape: dict[Shape, list[str]] = {}
    for name, shape in arrays.items():
        by_shape.setdefault(shape, []).append(name)
    lines = []
    for shape, names in by_shape.items():
        row: list[str] = []
        for name in names:
            if row and len(", ".join([*row, name])) > _WIDTH - 40:
                lines.append(_zeros(row, shape))
                row = []
            row.append(name)
        lines.append(_zeros(row, shape))
    return lines


def _zeros(names: Sequence[str], shape: Shape) -> CodeLine:
    whole = shape if len(names) == 1 else (len(names), *shape)
    return CodeLine(f"{', '.join(names)} = np.zeros({whole})", defines=tuple(names))


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
    program = _Program({name: np.shape(array) for name, array in arrays.items()})
    for line in formula.value.matrix:
        program.add(line)
    split = len(program.written)
    for name in names:
        for line in formula.gradients[name].matrix:
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
