"""Writes formulas as LaTeX, in index form or in matrix form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Element,
    Equation,
    Expression,
    Function,
    Index,
    Line,
    Loop,
    Number,
    Reduction,
    Symbol,
)
from deltarule.autodiff.formula.functions import (
    ARRAY_FUNCTIONS,
    ATOM,
    FUNCTIONS,
    NEGATIVE,
    PRODUCT,
    REDUCTIONS,
)

Names = Mapping[str, tuple[str, str]]

# name -> (as an element of index form, as a whole in matrix form)
SYMBOLS: dict[str, tuple[str, str]] = {
    "weight": ("w", "W"),
    "bias": ("b", "b"),
    "target": ("t", "T"),
    "hidden": ("h", "h"),
    "hidden_state": ("h", "h"),
    "cell_state": ("c", "c"),
    "condition": ("c", "C"),
    "indices": (r"\mathit{idx}", r"\mathit{idx}"),
    "mean": (r"\mu", r"\mu"),
    "variance": (r"\sigma^2", r"\sigma^2"),
    "gamma": (r"\gamma", r"\gamma"),
    "beta": (r"\beta", r"\beta"),
}


def latex(expression: Expression, *, matrix: bool = False, names: Names | None = None) -> str:
    """An expression as LaTeX.

    matrix  matrix form: capital letters for whole arrays, ⊙ for the Hadamard product
    names   notation for symbols that differs from the default
    """
    return _Writer(matrix, names or {}).write(expression, 0)


def latex_lines(lines: Sequence[Line], *, matrix: bool = False, names: Names | None = None) -> list[str]:
    """Equations as LaTeX, one string a line; a loop's lines end in the range of its index."""
    writer = _Writer(matrix, names or {})
    written = []
    for line in lines:
        if isinstance(line, Loop):
            name, last = line.index.name, line.index.extent - 1
            span = f"{name} = {last}, \\dots, 0" if line.reverse else f"{name} = 0, \\dots, {last}"
            written += [f"{writer.equation(equation)} \\qquad {span}" for equation in line.equations]
        else:
            written.append(writer.equation(line))
    return written


class _Writer:
    def __init__(self, matrix: bool, names: Names):
        self.matrix = matrix
        self.names = names

    def equation(self, equation: Equation) -> str:
        return f"{self.write(equation.left, 0)} = {self.write(equation.right, 0)}"

    def write(self, expression: Expression, place: int) -> str:
        text, strength = self._parts(expression)
        return rf"\left({text}\right)" if strength < place else text

    def _parts(self, expression: Expression) -> tuple[str, int]:
        if isinstance(expression, Number):
            return number(expression), NEGATIVE if expression.value < 0 else ATOM
        if isinstance(expression, Index):
            return expression.name, ATOM
        if isinstance(expression, Symbol):
            return self._symbol(expression.name, "", whole=self.matrix or not expression.ndim), ATOM
        if isinstance(expression, Element):
            return self._element(expression), ATOM
        if isinstance(expression, Function):
            return self._function(expression)
        if isinstance(expression, ArrayFunction):
            row = ARRAY_FUNCTIONS[expression.name]
            options = {name: option(value, name) for name, value in expression.options.items()}
            arguments = self._arguments(expression.arguments, row.places)
            return row.latex.format(*arguments, all=", ".join(arguments), **options), row.strength
        if isinstance(expression, Reduction):
            symbol = REDUCTIONS[expression.kind][1]
            below = ", ".join(index.name for index in expression.indices)
            return rf"{symbol}_{{{below}}} {self.write(expression.body, PRODUCT)}", PRODUCT
        raise AssertionError(f"no such expression: {expression!r}")

    def _arguments(self, arguments: Sequence[Expression], places: Sequence[int]) -> list[str]:
        wanted = list(places) + [0] * (len(arguments) - len(places))
        return [self.write(argument, place) for argument, place in zip(arguments, wanted, strict=True)]

    def _function(self, expression: Function) -> tuple[str, int]:
        row = FUNCTIONS[expression.name]
        template = row.latex
        if expression.name == "multiply":
            template = "{0} " + self._product_sign(*expression.arguments) + " {1}"
        elif expression.name == "divide" and self.matrix and not _is_scalar(expression.arguments[1]):
            numerator, denominator = self._arguments(expression.arguments, (PRODUCT, ATOM))
            return rf"{numerator} \oslash {denominator}", PRODUCT
        elif self.matrix and expression.name == "pow":
            template = r"{0}^{{\odot {1}}}"
        return template.format(*self._arguments(expression.arguments, row.places)), row.strength

    def _product_sign(self, left: Expression, right: Expression) -> str:
        if self.matrix and not _is_scalar(left) and not _is_scalar(right):
            return r"\odot"
        return r"\cdot" if isinstance(right, Number) else r"\,"

    def _symbol(self, name: str, subscript: str, *, whole: bool) -> str:
        if name.startswith("grad_"):
            inner = self._symbol(name.removeprefix("grad_"), subscript, whole=whole)
            return rf"\frac{{\partial L}}{{\partial {inner}}}"
        stem = name.rstrip("0123456789")
        digits = name[len(stem) :]
        base = self.names.get(name) or self.names.get(stem) or SYMBOLS.get(name) or SYMBOLS.get(stem)
        if base is None:
            plain = stem if len(stem) == 1 else rf"\mathit{{{escape(stem)}}}"
            base = (plain, plain.upper() if len(stem) == 1 else plain)
        known = name in self.names or name in SYMBOLS
        notation = base[1] if whole and self.matrix else base[0]
        if digits and not known:
            notation = f"{notation}^{{({digits})}}"
        return f"{notation}_{{{subscript}}}" if subscript else notation

    def _element(self, expression: Element) -> str:
        parts = [self.write(index, 0) for index in expression.indices]
        plain = all(isinstance(index, Index) for index in expression.indices)
        subscript = "".join(parts) if plain and all(len(part) == 1 for part in parts) else ", ".join(parts)
        return self._symbol(expression.symbol.name, subscript, whole=False)


def _is_scalar(expression: Expression) -> bool:
    if isinstance(expression, Symbol):
        return expression.ndim == 0
    if isinstance(expression, Function):
        return all(_is_scalar(argument) for argument in expression.arguments)
    return isinstance(expression, (Number, Index))


def number(expression: Number) -> str:
    """A constant as LaTeX: its own notation, or up to 6 significant digits."""
    if expression.latex:
        return expression.latex
    value = expression.value
    if value in (float("inf"), float("-inf")):
        return r"\infty" if value > 0 else r"-\infty"
    digits = f"{value:.6g}"
    if "e" in digits:
        mantissa, exponent = digits.split("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
    return digits


def option(value: Any, name: str = "") -> str:
    """A parameter of an operation as LaTeX: the sizes of a shape with ×, other lists with commas."""
    if isinstance(value, (tuple, list)):
        between = r" \times " if name == "shape" else ", "
        return between.join(option(part, name) for part in value) if value else "()"
    return escape(str(value))


def escape(text: str) -> str:
    """Text with LaTeX's special characters made harmless."""
    for special in ("\\", "{", "}"):
        text = text.replace(special, " ")
    for special in "_%$&#":
        text = text.replace(special, "\\" + special)
    return text.replace("^", r"\hat{}").replace("~", r"\sim{}")
