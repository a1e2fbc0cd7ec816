"""The language of formulas: trees of symbols, elements, functions, sums and whole-array functions.

One tree serves two forms. In *index form* symbols carry indices (`x[n, i]`), products are numbers'
products and sums name their index. In *matrix form* symbols stand for whole arrays, `@` is the
matrix product, `.T` the transpose, and functions and `*` act element by element (map and Hadamard
product). Readers: `evaluate.py` (numbers), `latex.py` (notation), `source.py` (Python code).

    i, j, k = Index("i", 2), Index("j", 3), Index("k", 4)
    a, b = Symbol("a", 2), Symbol("b", 2)
    Equation(Symbol("y", 2)[i, j], Sum(a[i, k] * b[k, j], k))        index form
    Equation(Symbol("y", 2), a @ b)                                  matrix form
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

Operand = Union["Expression", int, float]
LETTERS = "ijklmnpquv"


class Expression:
    """A node of a formula. Immutable; operators build larger trees."""

    __slots__ = ()

    def __add__(self, other: Operand) -> Function:
        return Function("add", (self, as_expression(other)))

    def __radd__(self, other: Operand) -> Function:
        return Function("add", (as_expression(other), self))

    def __sub__(self, other: Operand) -> Function:
        return Function("subtract", (self, as_expression(other)))

    def __rsub__(self, other: Operand) -> Function:
        return Function("subtract", (as_expression(other), self))

    def __mul__(self, other: Operand) -> Function:
        return Function("multiply", (self, as_expression(other)))

    def __rmul__(self, other: Operand) -> Function:
        return Function("multiply", (as_expression(other), self))

    def __truediv__(self, other: Operand) -> Function:
        return Function("divide", (self, as_expression(other)))

    def __rtruediv__(self, other: Operand) -> Function:
        return Function("divide", (as_expression(other), self))

    def __floordiv__(self, other: Operand) -> Function:
        return Function("floor_divide", (self, as_expression(other)))

    def __mod__(self, other: Operand) -> Function:
        return Function("remainder", (self, as_expression(other)))

    def __pow__(self, other: Operand) -> Function:
        return Function("pow", (self, as_expression(other)))

    def __rpow__(self, other: Operand) -> Function:
        return Function("pow", (as_expression(other), self))

    def __neg__(self) -> Function:
        return Function("negative", (self,))

    def __matmul__(self, other: Expression) -> ArrayFunction:
        return ArrayFunction("matmul", (self, other))

    @property
    def T(self) -> ArrayFunction:
        """Transpose; of a stack of matrices, that of each matrix."""
        return ArrayFunction("transpose", (self,))


@dataclass(frozen=True, eq=False)
class Number(Expression):
    """A constant; `latex` gives its usual notation where digits would hide it."""

    value: float
    latex: str = ""


@dataclass(frozen=True, eq=False)
class Symbol(Expression):
    """An input, output, parameter or intermediate, whole: a matrix, vector or number.

    ndim   number of axes where it is known; 0 marks a number, whose product needs no ⊙
    """

    name: str
    ndim: int | None = None

    def __getitem__(self, indices: Operand | tuple[Operand, ...]) -> Expression:
        return self.at(indices if isinstance(indices, tuple) else (indices,))

    def at(self, indices: Sequence[Operand], outside: float | None = None) -> Expression:
        """One element; `outside` is the value read beyond the edges (padding), if that may happen."""
        if not indices:
            return self
        return Element(self, tuple(as_expression(index) for index in indices), outside)


@dataclass(frozen=True, eq=False)
class Index(Expression):
    """An integer that runs from 0 to extent - 1."""

    name: str
    extent: int


@dataclass(frozen=True, eq=False)
class Element(Expression):
    """symbol[indices]; indices may be arithmetic on indices, or elements of an index array."""

    symbol: Symbol
    indices: tuple[Expression, ...]
    outside: float | None = None


@dataclass(frozen=True, eq=False)
class Function(Expression):
    """An element-wise function or arithmetic operator of FUNCTIONS in functions.py."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Reduction(Expression):
    """Sum, product, maximum or minimum of the body over indices."""

    kind: str
    body: Expression
    indices: tuple[Index, ...]


@dataclass(frozen=True, eq=False)
class ArrayFunction(Expression):
    """A function of whole arrays (matrix form only), of ARRAY_FUNCTIONS in functions.py."""

    name: str
    arguments: tuple[Expression, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


def as_expression(value: Operand) -> Expression:
    """The value itself, or a Python number as a constant."""
    return value if isinstance(value, Expression) else Number(value)


def function(name: str, *arguments: Operand) -> Function:
    """An element-wise function by name: function("exp", x)."""
    return Function(name, tuple(as_expression(argument) for argument in arguments))


def array_function(name: str, *arguments: Operand, **options: Any) -> ArrayFunction:
    """A whole-array function by name: array_function("reshape", x, shape=(2, 3))."""
    return ArrayFunction(name, tuple(as_expression(argument) for argument in arguments), options)


def Sum(body: Operand, *indices: Index) -> Expression:
    """Σ over the indices; the body itself if there are none."""
    return Reduction("sum", as_expression(body), indices) if indices else as_expression(body)


def Product(body: Operand, *indices: Index) -> Expression:
    """Π over the indices; the body itself if there are none."""
    return Reduction("prod", as_expression(body), indices) if indices else as_expression(body)


def Maximum(body: Operand, *indices: Index) -> Expression:
    """Largest value over the indices; the body itself if there are none."""
    return Reduction("max", as_expression(body), indices) if indices else as_expression(body)


def Minimum(body: Operand, *indices: Index) -> Expression:
    """Smallest value over the indices; the body itself if there are none."""
    return Reduction("min", as_expression(body), indices) if indices else as_expression(body)


def equal(left: Operand, right: Operand) -> Function:
    """Iverson bracket [left = right]: 1 where it holds, else 0. Kronecker's delta on indices."""
    return function("equal", left, right)


def nonzero(divisor: Expression) -> Function:
    """A divisor that is 0 only where the dividend is too, as 1 there: 0 / 0 is 0.

    Derivations leave the bracket out where no 0 occurs.
    """
    return divisor + equal(divisor, 0)


def less(left: Operand, right: Operand) -> Function:
    """Iverson bracket [left < right]."""
    return function("less", left, right)


def less_equal(left: Operand, right: Operand) -> Function:
    """Iverson bracket [left ≤ right]."""
    return function("less_equal", left, right)


def greater(left: Operand, right: Operand) -> Function:
    """Iverson bracket [left > right]."""
    return function("greater", left, right)


def where(condition: Operand, chosen: Operand, otherwise: Operand) -> Function:
    """`chosen` where the condition holds, else `otherwise`."""
    return function("where", condition, chosen, otherwise)


def letters(shape: Sequence[int], start: int = 0, avoid: str = "") -> tuple[Index, ...]:
    """One index per axis, named i, j, k, ...; `start` and `avoid` keep names apart."""
    names = [letter for letter in LETTERS if letter not in avoid][start:]
    names += [f"{letter}'" for letter in LETTERS]
    return tuple(Index(name, extent) for name, extent in zip(names, shape, strict=False))


def broadcast_indices(small: Sequence[int], large: Sequence[Index]) -> list[Expression]:
    """Where an array of shape `small` is read when it is broadcast over the indices `large`."""
    own = large[len(large) - len(small) :]
    return [
        Number(0) if extent == 1 != index.extent else index for index, extent in zip(own, small, strict=True)
    ]


def summed_indices(small: Sequence[int], large: Sequence[Index]) -> tuple[list[Index], list[Index]]:
    """(indices that define an array of shape `small`, those of `large` that are summed away for it)."""
    skipped = len(large) - len(small)
    left, summed = [], list(large[:skipped])
    for index, extent in zip(large[skipped:], small, strict=True):
        if extent == 1 != index.extent:
            summed.append(index)
            left.append(Index(f"{index.name}'", 1))
        else:
            left.append(index)
    return left, summed


def children(expression: Expression) -> tuple[Expression, ...]:
    """Direct parts of an expression."""
    if isinstance(expression, (Function, ArrayFunction)):
        return expression.arguments
    if isinstance(expression, Reduction):
        return (expression.body,)
    if isinstance(expression, Element):
        return (expression.symbol, *expression.indices)
    return ()


def symbols_in(expression: Expression) -> set[str]:
    """Names of all symbols that an expression reads."""
    if isinstance(expression, Symbol):
        return {expression.name}
    return set().union(*(symbols_in(part) for part in children(expression)))


def substitute(expression: Expression, replacement: Callable[[Symbol], Expression]) -> Expression:
    """The same tree with every bare symbol replaced."""
    if isinstance(expression, Symbol):
        return replacement(expression)
    if isinstance(expression, Function):
        return Function(
            expression.name, tuple(substitute(part, replacement) for part in expression.arguments)
        )
    if isinstance(expression, ArrayFunction):
        parts = tuple(substitute(part, replacement) for part in expression.arguments)
        return ArrayFunction(expression.name, parts, expression.options)
    if isinstance(expression, Reduction):
        return Reduction(expression.kind, substitute(expression.body, replacement), expression.indices)
    return expression


@dataclass(frozen=True, eq=False)
class Equation:
    """left = right. The left side is a symbol, or one of its elements with plain indices."""

    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class Loop:
    """Equations computed once for each value of an index, in order: a recurrence over time."""

    index: Index
    equations: tuple[Equation, ...]
    reverse: bool = False


Line = Equation | Loop


def lines(value: Line | Sequence[Line]) -> tuple[Line, ...]:
    """One line or several, as a tuple."""
    return (value,) if isinstance(value, (Equation, Loop)) else tuple(value)
