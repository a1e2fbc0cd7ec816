"""Writes formulas as LaTeX, in index form or in matrix form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
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
    function,
)
from deltarule.autodiff.formula.functions import (
    ARRAY_FUNCTIONS,
    ATOM,
    FUNCTIONS,
    NEGATIVE,
    POWER,
    PRODUCT,
    REDUCTIONS,
    SUM,
)

Names = Mapping[str, tuple[str, str]]
# The key under which names have the letter of what is differentiated, L if left out.
LOSS = "∂"
Marks = Mapping[str, str]

# Longer sums and choices show their first terms and the last one.
_MOST_TERMS = 8

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


def latex(
    expression: Expression, *, matrix: bool = False, names: Names | None = None, marks: Marks | None = None
) -> str:
    """An expression as LaTeX.

    matrix  matrix form: capital letters for whole arrays, ⊙ for the Hadamard product
    names   notation for symbols that differs from the default; under LOSS, of what is differentiated
    marks   symbol -> key: what stands for the symbol is put into \\ref{key}{...}, for pages that light it up
    """
    return _Writer(matrix, names or {}, marks or {}).write(expression, 0)


def latex_lines(
    lines: Sequence[Line], *, matrix: bool = False, names: Names | None = None, marks: Marks | None = None
) -> list[str]:
    """Equations as LaTeX, one string a line; a loop's lines end in the range of its index."""
    writer = _Writer(matrix, names or {}, marks or {})
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
    def __init__(self, matrix: bool, names: Names, marks: Marks):
        self.matrix = matrix
        self.names = names
        self.marks = marks

    def equation(self, equation: Equation) -> str:
        return f"{self.write(equation.left, 0)} = {self.write(equation.right, 0)}"

    def write(self, expression: Expression, place: int) -> str:
        text, strength = self._parts(expression)
        return rf"\left({text}\right)" if strength < place else text

    def _parts(self, expression: Expression) -> tuple[str, int]:
        if isinstance(expression, Number):
            text = number(expression)
            return text, NEGATIVE if expression.value < 0 else PRODUCT if r"\cdot" in text else ATOM
        if isinstance(expression, Index):
            return expression.name, ATOM
        if isinstance(expression, Symbol):
            return _bound(self._symbol(expression.name, "", whole=self.matrix or not expression.ndim))
        if isinstance(expression, Element):
            return _bound(self._element(expression))
        if isinstance(expression, Function):
            return self._function(expression)
        if isinstance(expression, ArrayFunction):
            row = ARRAY_FUNCTIONS[expression.name]
            letter = expression.arguments[0] if expression.name == "transpose" else None
            if isinstance(letter, Symbol) and self._is_raisable(letter):
                return self._symbol(letter.name, "", whole=True, above=r"\mathsf{T}"), POWER
            options = {name: option(value, name) for name, value in expression.options.items()}
            places = row.places
            if expression.name == "matmul":
                places = [POWER if self._is_hadamard(each) else PRODUCT for each in expression.arguments]
            arguments = self._arguments(expression.arguments, places)
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
            return self._product(expression)
        if expression.name == "where":
            return self._cases(expression), row.strength
        if expression.name == "log1p":
            return self._parts(function("log", 1.0 + expression.arguments[0]))
        last = expression.arguments[-1]
        if expression.name == "divide" and isinstance(last, Number) and last.value == 1:
            return self._parts(expression.arguments[0])
        if expression.name == "divide" and self.matrix and not _is_scalar(last):
            numerator, denominator = self._arguments(expression.arguments, (PRODUCT, ATOM))
            return rf"{numerator} \oslash {denominator}", PRODUCT
        if expression.name == "add" and len(terms := _terms(expression)) > _MOST_TERMS:
            first = " + ".join(self.write(term, SUM) for term in terms[:3])
            return rf"{first} + \dots + {self.write(terms[-1], SUM)}", SUM
        if expression.name == "add":
            left, right = self._arguments(expression.arguments, row.places)
            if right.startswith("-"):
                # a + (-b - c) is a - b - c.
                return f"{left} - {right[1:]}", SUM
        if self.matrix and expression.name in ("pow", "square") and not _is_scalar(expression.arguments[0]):
            template = template.replace("^{{", r"^{{\odot ")
        return template.format(*self._arguments(expression.arguments, row.places)), row.strength

    def _product(self, expression: Function) -> tuple[str, int]:
        """Factors with the numbers first, as they are written by hand; a factor 1 is left out."""
        factors = [
            factor
            for factor in _factors(expression)
            if not (isinstance(factor, Number) and factor.value == 1)
        ]
        if any(isinstance(factor, Number) and factor.value == 0 for factor in factors):
            return "0", ATOM
        # A sum comes last, as everything behind its sign belongs to it.
        factors.sort(
            key=lambda factor: 2 if isinstance(factor, Reduction) else not isinstance(factor, Number)
        )
        if not factors:
            return "1", ATOM
        if len(factors) == 1:
            return self._parts(factors[0])
        # A minus may lead the product without parentheses.
        text = self.write(factors[0], POWER if self._is_product_of_matrices(factors[0]) else NEGATIVE)
        for left, right in pairwise(factors):
            if isinstance(right, Number):
                sign = r"\cdot"
            else:
                sign = r"\odot" if self.matrix and not _is_scalar(left) and not _is_scalar(right) else r"\,"
            place = POWER if self._is_product_of_matrices(right) and not _is_scalar(left) else PRODUCT
            text += f" {sign} {self.write(right, place)}"
        return text, NEGATIVE if text.startswith("-") else PRODUCT

    def _is_product_of_matrices(self, factor: Expression) -> bool:
        """A matrix product beside ⊙ stands in parentheses."""
        return self.matrix and isinstance(factor, ArrayFunction) and factor.name == "matmul"

    def _is_hadamard(self, factor: Expression) -> bool:
        """A product element by element inside a matrix product stands in parentheses."""
        return (
            self.matrix
            and isinstance(factor, Function)
            and factor.name == "multiply"
            and sum(not _is_scalar(each) for each in _factors(factor)) > 1
        )

    def _cases(self, expression: Function) -> str:
        """A choice by cases; a choice in its last case gives further lines."""
        lines = []
        rest: Expression = expression
        while isinstance(rest, Function) and rest.name == "where":
            condition, chosen, rest = rest.arguments
            lines.append(rf"{self.write(chosen, 0)} & \text{{if }} {self._condition(condition)}")
        if len(lines) > _MOST_TERMS:
            lines = [*lines[:3], r"\dots &", lines[-1]]
        lines.append(rf"{self.write(rest, 0)} & \text{{otherwise}}")
        return r"\begin{cases} " + r" \\ ".join(lines) + r" \end{cases}"

    def _condition(self, condition: Expression) -> str:
        """The Iverson brackets of comparisons are for sums; in a case the comparisons themselves stand."""
        factors = _factors(condition)
        if not all(_is_bracket(factor) for factor in factors):
            return self.write(condition, 0)
        stated = [self.write(factor, 0) for factor in factors]
        return ", ".join(each.removeprefix(r"\left[").removesuffix(r"\right]") for each in stated)

    def _is_raisable(self, symbol: Symbol) -> bool:
        """Whether a T can stand above, beside the number of a layer: not at fractions and powers."""
        text = self._unmarked_symbol(symbol.name, "", whole=True)
        return self.matrix and r"\frac" not in text and ("^" not in text or ")}" in text)

    def _symbol(self, name: str, subscript: str, *, whole: bool, above: str = "") -> str:
        text = raised(self._unmarked_symbol(name, subscript, whole=whole), above)
        return rf"\ref{{{self.marks[name]}}}{{{text}}}" if name in self.marks else text

    def _unmarked_symbol(self, name: str, subscript: str, *, whole: bool) -> str:
        if name.startswith("grad_") and name not in self.names:
            inner = self._unmarked_symbol(name.removeprefix("grad_"), subscript, whole=whole)
            return rf"\frac{{\partial {self.names.get(LOSS, ('L', 'L'))[0]}}}{{\partial {inner}}}"
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


def _bound(text: str) -> tuple[str, int]:
    """A symbol with its strength: one that has an exponent, or is a fraction, takes no further exponent."""
    return text, POWER if "^" in text or r"\frac{\partial" in text else ATOM


def _terms(expression: Expression) -> list[Expression]:
    """The terms of a sum that is written as nested additions, in their order."""
    terms: list[Expression] = []
    waiting = [expression]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Function) and part.name == "add":
            waiting += reversed(part.arguments)
        else:
            terms.append(part)
    return terms


def _factors(expression: Expression) -> list[Expression]:
    if isinstance(expression, Function) and expression.name == "multiply":
        return [factor for argument in expression.arguments for factor in _factors(argument)]
    return [expression]


def _is_bracket(expression: Expression) -> bool:
    return isinstance(expression, Function) and FUNCTIONS[expression.name].latex.startswith(r"\left[")


def _is_scalar(expression: Expression) -> bool:
    if isinstance(expression, Symbol):
        return expression.ndim == 0
    if isinstance(expression, Function):
        return all(_is_scalar(argument) for argument in expression.arguments)
    return isinstance(expression, (Number, Index))


def raised(latex: str, above: str) -> str:
    """A letter with something above it, the number of its layer say; beside an exponent that is there.

    >>> raised("W", "(1)"), raised("w^{hh}", "(1)"), raised("W_{hh}", "(1)")
    ('W^{(1)}', 'w^{hh(1)}', 'W^{(1)}_{hh}')
    """
    if not above:
        return latex
    found = re.search(r"\^(\{.*?\}(?=_|$)|[^{_])", latex)
    if found:
        exponent = found.group(1).removeprefix("{").removesuffix("}")
        return f"{latex[: found.start()]}^{{{exponent}{above}}}{latex[found.end() :]}"
    head, separator, below = latex.partition("_")
    return f"{head}^{{{above}}}{separator}{below}"


def number(expression: Number) -> str:
    """A constant as LaTeX: its own notation, or up to 6 significant digits."""
    if expression.latex:
        return expression.latex
    value = expression.value
    if value in (float("inf"), float("-inf")):
        return r"\infty" if value > 0 else r"-\infty"
    # Of two zeros, one has a sign that nobody writes.
    digits = f"{value + 0.0:.6g}"
    if "e" in digits:
        mantissa, exponent = digits.split("e")
        power = f"10^{{{int(exponent)}}}"
        return power if mantissa == "1" else rf"{mantissa} \cdot {power}"
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
