"""Builds a program line by line: equations, loops with their arrays, parts that get a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Line,
    Loop,
    Symbol,
    children,
)
from deltarule.autodiff.formula.program_helpers import reserved_names
from deltarule.autodiff.formula.program_idioms import part_to_name, with_named_part, with_safe_exponentials
from deltarule.autodiff.formula.program_writer import Writer
from deltarule.autodiff.formula.shapes import Shape, shape_of
from deltarule.autodiff.formula.simplifying import without_broadcasts
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
    shape    of what it computes, where it computes one array
    """

    text: str
    reads: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    indent: int = 0
    helpers: tuple[str, ...] = ()
    shape: Shape = ()

    def __str__(self) -> str:
        return INDENT * self.indent + self.text


class ProgramBuilder:
    """Lines of a program, with what is known of its symbols.

    shapes    symbol -> shape
    taken     names that a part cannot get
    booleans  symbols that hold True and False
    parts     text of a part that has a name -> the name
    """

    def __init__(self, shapes: Mapping[str, Shape], lines: Sequence[Line]):
        self.shapes = dict(shapes)
        self.reserved = reserved_names()
        self.taken = {*self.reserved, *shapes, *_names_in(lines)}
        self.booleans: set[str] = set()
        self.parts: dict[str, str] = {}
        self.written: list[CodeLine] = []
        self.said: set[tuple[str, ...]] = set()

    def add(self, line: Line) -> None:
        if isinstance(line, Loop):
            self._loop(line)
            return
        self._require(line)
        if isinstance(line.left, Symbol):
            self.shapes[line.left.name] = shape_of(line.right, self.shapes)
        if not self._said_before([line]):
            self.written += self._equation(line, looped=False)

    def _said_before(self, equations: Sequence[Equation], head: str = "") -> bool:
        """Whether these equations stand in the program already; from now on they do."""
        said = (head, *(f"{self._text(each.left)} = {self._text(each.right)}" for each in equations))
        before = said in self.said
        self.said.add(said)
        return before

    def _equation(self, equation: Equation, *, looped: bool) -> list[CodeLine]:
        """The line of an equation, after the lines of parts that have a name."""
        right = with_safe_exponentials(
            without_broadcasts(equation.right, self.shapes), self.shapes, self._text
        )
        lines: list[CodeLine] = []
        while (named := part_to_name(right, self._text, looped=looped)) is not None:
            name, part = named
            text = self._text(part)
            known = self.parts.get(text)
            if known is None:
                known = self._free_name(name)
                self.shapes[known] = shape_of(part, self.shapes)
                lines += self._line(known, part, (known,), looped=looped)
                if not looped:
                    self.parts[text] = known
            right = with_named_part(right, text, known, self.shapes, self._text)
        left = Writer(self.shapes).write(equation.left).text
        return [*lines, *self._line(left, right, (_defined(equation),), looped=looped)]

    def _line(
        self, target: str, right: Expression, defines: tuple[str, ...], *, looped: bool
    ) -> list[CodeLine]:
        writer = Writer(self.shapes, self.booleans)
        written = writer.write(right)
        if written.boolean:
            self.booleans |= set(defines)
        text, helpers = f"{target} = {written.text}", tuple(writer.helpers)
        return [CodeLine(text, _read(right), defines, int(looped), helpers, shape_of(right, self.shapes))]

    def _text(self, expression: Expression) -> str:
        return Writer(self.shapes, self.booleans).write(expression).text

    def _free_name(self, name: str) -> str:
        numbered = (name, *(f"{name}{number}" for number in range(2, len(self.taken) + 3)))
        free = next(each for each in numbered if each not in self.taken)
        self.taken.add(free)
        return free

    def _loop(self, loop: Loop) -> None:
        arrays = self._shapes_of_loop(loop)
        for equation in loop.equations:
            self._require(equation, loop.index.name)
        steps = f"range({loop.index.extent})"
        head = f"for {loop.index.name} in {f'reversed({steps})' if loop.reverse else steps}:"
        if not self._said_before(loop.equations, head):
            self.written += [*_allocations(arrays), CodeLine(head)]
            for equation in loop.equations:
                self.written += self._equation(equation, looped=True)

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

    def _require(self, equation: Equation, index: str = "") -> None:
        """Raises unless every name is free, beside a loop's index too, and every shape is known."""
        for name in (_defined(equation), *_read(equation.right)):
            if not name.isidentifier() or name in self.reserved or name == index:
                raise ArgumentError(
                    "program_lines",
                    f"a symbol is named {name!r}, expected a free name of a variable",
                    "Rename the symbol; see reserved_names().",
                )
        require_shapes(equation.right, self.shapes)


def _defined(equation: Equation) -> str:
    left = equation.left
    assert isinstance(left, (Symbol, Element)), "the left side is a symbol or an element"
    return left.name if isinstance(left, Symbol) else left.symbol.name


def _names_in(lines: Sequence[Line]) -> set[str]:
    """Every symbol and index of these lines."""
    names = set()
    for line in lines:
        for equation in line.equations if isinstance(line, Loop) else (line,):
            names |= {_defined(equation), *_read(equation.right)}
        if isinstance(line, Loop):
            names.add(line.index.name)
    return names


def _read(expression: Expression) -> tuple[str, ...]:
    """Symbols of an expression, in the order in which they stand."""
    found: dict[str, None] = {}

    def visit(expression: Expression) -> None:
        if isinstance(expression, Symbol):
            found[expression.name] = None
        for part in children(expression):
            visit(part)

    visit(expression)
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


def require_shapes(expression: Expression, shapes: Mapping[str, Shape]) -> None:
    """Raises ArgumentError unless the shape of every symbol that an expression reads is known."""
    try:
        shape_of(expression, shapes)
    except KeyError as error:
        raise ArgumentError(
            "program_lines",
            f"the shape of symbol {error.args[0]!r} is not known, expected it in `shapes`",
            f"Shapes are known of {', '.join(sorted(shapes)) or 'nothing'}.",
        ) from None
