"""Writes one expression in matrix form as NumPy source, the way one writes it by hand.

Parentheses stand where Python's binding strengths need them, numbers are short and come first in products,
and spreading to a shape is left to NumPy's broadcasting where that does it.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from deltarule.autodiff.formula.evaluate import evaluate_index
from deltarule.autodiff.formula.expression import (
    ArrayFunction,
    Element,
    Expression,
    Function,
    Index,
    Number,
    Symbol,
)
from deltarule.autodiff.formula.functions import ARRAY_FUNCTIONS, FUNCTIONS
from deltarule.autodiff.formula.program_helpers import helper_name, is_helper
from deltarule.autodiff.formula.rewriting import without_broadcasts
from deltarule.autodiff.formula.shape_rules import reduced_axes
from deltarule.autodiff.formula.shapes import Shape, shape_of

# Binding strength in Python, weakest first. `//`, `%` and `@` bind as `*` does, but are kept apart from it.
CHOICE, COMPARISON, OR, XOR, AND, SHIFT, SUM, MIXED, PRODUCT, NEGATIVE, POWER, ATOM = range(12)

# Operators: name -> (template, strength, strength that each operand needs).
OPERATORS: dict[str, tuple[str, int, tuple[int, ...]]] = {
    "divide": ("{0} / {1}", PRODUCT, (PRODUCT, NEGATIVE)),
    "floor_divide": ("{0} // {1}", MIXED, (NEGATIVE, NEGATIVE)),
    "remainder": ("{0} % {1}", MIXED, (NEGATIVE, NEGATIVE)),
    "pow": ("{0} ** {1}", POWER, (ATOM, NEGATIVE)),
    "square": ("{0} ** 2", POWER, (ATOM,)),
    "bitwise_and": ("{0} & {1}", AND, (AND, SHIFT)),
    "bitwise_xor": ("{0} ^ {1}", XOR, (XOR, AND)),
    "bitwise_or": ("{0} | {1}", OR, (OR, XOR)),
    "bitwise_invert": ("~{0}", NEGATIVE, (NEGATIVE,)),
    "bitwise_left_shift": ("{0} << {1}", SHIFT, (SHIFT, SUM)),
    "bitwise_right_shift": ("{0} >> {1}", SHIFT, (SHIFT, SUM)),
}

# What answers with True and False; a formula means 1 and 0 by it.
COMPARISONS: dict[str, tuple[str, int, tuple[int, ...]]] = {
    **{
        name: (f"{{0}} {sign} {{1}}", COMPARISON, (OR, OR))
        for name, sign in {
            "equal": "==",
            "not_equal": "!=",
            "less": "<",
            "less_equal": "<=",
            "greater": ">",
            "greater_equal": ">=",
        }.items()
    },
    "isnan": ("np.isnan({0})", ATOM, (CHOICE,)),
    "isinf": ("np.isinf({0})", ATOM, (CHOICE,)),
    "isfinite": ("np.isfinite({0})", ATOM, (CHOICE,)),
    "logical_and": ("np.logical_and({0}, {1})", ATOM, (CHOICE, CHOICE)),
    "logical_or": ("np.logical_or({0}, {1})", ATOM, (CHOICE, CHOICE)),
    "logical_xor": ("np.logical_xor({0}, {1})", ATOM, (CHOICE, CHOICE)),
    "logical_not": ("np.logical_not({0})", ATOM, (CHOICE,)),
}

# NumPy's short names.
_SHORT = {"absolute": "abs"}

# Constants that nobody writes as digits: (value, source, strength).
CONSTANTS: tuple[tuple[float, str, int], ...] = (
    (math.pi, "np.pi", ATOM),
    (math.log(2), "np.log(2)", ATOM),
    (math.log(10), "np.log(10)", ATOM),
    (math.sqrt(2), "np.sqrt(2)", ATOM),
    (math.sqrt(0.5), "np.sqrt(0.5)", ATOM),
    (math.sqrt(2 / math.pi), "np.sqrt(2 / np.pi)", ATOM),
    (2 / math.sqrt(math.pi), "2 / np.sqrt(np.pi)", PRODUCT),
    (1 / math.sqrt(2 * math.pi), "1 / np.sqrt(2 * np.pi)", PRODUCT),
    (math.log(2 * math.pi), "np.log(2 * np.pi)", ATOM),
)


@dataclass(frozen=True)
class Code:
    """Source of an expression: text, how strongly its outermost operator binds, whether it is True or False."""

    text: str
    strength: int = ATOM
    boolean: bool = False

    def at(self, place: int) -> str:
        """The text, in parentheses where its place needs a stronger operator."""
        return f"({self.text})" if self.strength < place else self.text


class Writer:
    """Writes expressions; remembers which helpers they call.

    shapes    symbol -> shape
    booleans  symbols that a program defines as arrays of True and False
    helpers   names of helpers called so far
    """

    def __init__(self, shapes: Mapping[str, Shape], booleans: set[str] | None = None):
        self.shapes = shapes
        self.booleans = booleans if booleans is not None else set()
        self.helpers: dict[str, None] = {}

    def write(self, expression: Expression) -> Code:
        """The source of an expression that stands alone."""
        return self._write(without_broadcasts(expression, self.shapes))

    def _write(self, expression: Expression) -> Code:
        if isinstance(expression, Number):
            return number_source(expression.value)
        if isinstance(expression, Index):
            return Code(expression.name)
        if isinstance(expression, Symbol):
            return Code(expression.name, boolean=expression.name in self.booleans)
        if isinstance(expression, Element):
            return self._element(expression)
        if isinstance(expression, Function):
            return self._function(expression)
        assert isinstance(expression, ArrayFunction), f"not in matrix form: {expression!r}"
        return self._array_function(expression)

    # ---- elements of loops

    def _element(self, expression: Element, reachable: Mapping[Index, Sequence[int]] | None = None) -> Code:
        """One entry along the first axes; guarded where a loop may read before the start or after the end."""
        indices = [self._write(index) for index in expression.indices]
        text = f"{expression.symbol.name}[{', '.join(index.text for index in indices)}]"
        element = Code(text, boolean=expression.symbol.name in self.booleans)
        if expression.outside is None:
            return element
        conditions = []
        extents = self.shapes[expression.symbol.name]
        for index, source, extent in zip(expression.indices, indices, extents, strict=False):
            places = _places(index, reachable or {})
            if min(places, default=0) < 0:
                conditions.append(f"{source.text} >= 0")
            if max(places, default=0) >= extent:
                conditions.append(f"{source.text} < {extent}")
        if not conditions:
            return element
        outside = number_source(expression.outside).text
        return Code(f"{text} if {' and '.join(conditions)} else {outside}", CHOICE)

    # ---- element-wise functions

    def _function(self, expression: Function) -> Code:
        name = expression.name
        if name == "where":
            return self._where(expression)
        if name in ("add", "subtract"):
            return self._sum(expression)
        if name in ("multiply", "negative"):
            return self._product(expression)
        mean = self._mean(expression)
        if mean is not None:
            return mean
        arguments = [self._write(argument) for argument in expression.arguments]
        if name == "positive" or (name == "divide" and arguments[1].text == "1"):
            return arguments[0]
        if name in COMPARISONS:
            template, strength, places = COMPARISONS[name]
            if name == "logical_not" and arguments[0].boolean:
                template, strength, places = "~{0}", NEGATIVE, (NEGATIVE,)
            return Code(_filled(template, arguments, places), strength, boolean=True)
        if name in OPERATORS:
            template, strength, places = OPERATORS[name]
            if not name.startswith("bitwise"):
                arguments = [as_number(argument) for argument in arguments]
            return Code(_filled(template, arguments, places), strength)
        value = FUNCTIONS[name].value
        called = f"np.{_SHORT.get(value.__name__, value.__name__)}"
        if is_helper(value):
            called = helper_name(value)
            self.helpers[called] = None
        boolean = all(argument.boolean for argument in arguments)
        return Code(f"{called}({', '.join(argument.text for argument in arguments)})", boolean=boolean)

    def _where(self, expression: Function) -> Code:
        condition, chosen, otherwise = expression.arguments
        if shape_of(condition, self.shapes) == () and _indices_only(condition):
            return self._choice(condition, chosen, otherwise)
        parts = [self._write(part) for part in expression.arguments]
        text = f"np.where({', '.join(part.text for part in parts)})"
        return Code(text, boolean=parts[1].boolean and parts[2].boolean)

    def _choice(self, condition: Expression, chosen: Expression, otherwise: Expression) -> Code:
        """A choice by the step of a loop: `h0 if t == 0 else hidden[t - 1]`."""
        index = next(part for part in _indices_in(condition))
        steps = range(index.extent)
        true = [step for step in steps if evaluate_index(condition, {index: step})]
        false = [step for step in steps if step not in true]
        if not false:
            return self._within(chosen, {index: true})
        if not true:
            return self._within(otherwise, {index: false})
        first = self._within(chosen, {index: true}).at(COMPARISON)
        second = self._within(otherwise, {index: false}).at(CHOICE)
        return Code(f"{first} if {self._write(condition).text} else {second}", CHOICE)

    def _within(self, expression: Expression, reachable: Mapping[Index, Sequence[int]]) -> Code:
        return (
            self._element(expression, reachable)
            if isinstance(expression, Element)
            else self._write(expression)
        )

    def _sum(self, expression: Function) -> Code:
        left, right = (self._write(argument) for argument in expression.arguments)
        if left.boolean and right.boolean:
            left = as_number(left)
        plus = expression.name == "add"
        if right.text == "0":
            return left
        if left.text == "0" and plus:
            return right
        if right.text.startswith("-") and right.strength >= (SUM if plus else MIXED):
            # a + -b is a - b, and a - -b is a + b.
            right, plus = replace(right, text=right.text[1:]), not plus
        place = SUM if plus else MIXED
        return Code(f"{left.at(SUM)} {'+' if plus else '-'} {right.at(place)}", SUM)

    def _product(self, expression: Function) -> Code:
        """Factors with the numbers first, as one number; equal neighbours as a power."""
        number, negative, constants, factors = 1.0, False, [], []
        waiting: list[Expression] = [expression]
        while waiting:
            part = waiting.pop(0)
            if isinstance(part, Number) and part.latex:
                constants.append(number_source(part.value))
            elif isinstance(part, Number):
                number *= part.value
            elif isinstance(part, Function) and part.name == "multiply":
                waiting = [*part.arguments, *waiting]
            elif isinstance(part, Function) and part.name == "negative":
                negative = not negative
                waiting = [*part.arguments, *waiting]
            else:
                factors.append(self._write(part))
        if negative:
            number = -number
        factors = [*constants, *_with_powers(factors)]
        if not factors:
            return number_source(number)
        if all(factor.boolean for factor in factors) and abs(number) == 1:
            factors[0] = as_number(factors[0])
        if abs(number) != 1:
            factors = [number_source(number), *factors]
            number = 1.0
        if len(factors) == 1:
            if number == 1:
                return factors[0]
            return Code(f"-{factors[0].at(PRODUCT)}", NEGATIVE)
        first, *rest = factors
        text = " * ".join([first.at(PRODUCT), *(factor.at(PRODUCT) for factor in rest)])
        return Code(f"-{text}" if number == -1 else text, PRODUCT)

    def _mean(self, expression: Function) -> Code | None:
        """A sum that is divided by how many it adds up."""
        if expression.name != "divide":
            return None
        total, count = expression.arguments
        if not isinstance(total, ArrayFunction) or not isinstance(count, Number):
            return None
        x = shape_of(total.arguments[0], self.shapes) if total.name in ("sum", "sum_all") else ()
        axes = reduced_axes(x, total.options.get("axis"))
        if not axes or math.prod(x[axis] for axis in axes) != count.value:
            return None
        written = self._write(total)
        return replace(written, text=re.sub(r"^np\.sum\(", "np.mean(", written.text))

    # ---- functions of whole arrays

    def _array_function(self, expression: ArrayFunction) -> Code:
        row = ARRAY_FUNCTIONS[expression.name]
        if expression.name == "matmul":
            return self._matmul(expression)
        arguments = [self._write(argument) for argument in expression.arguments]
        options = dict(expression.options)
        template = row.source
        if callable(template):
            shapes = [shape_of(argument, self.shapes) for argument in expression.arguments]
            template = template(*shapes, **options)
        if template == "{0}":
            return arguments[0]
        if row.helper is not None:
            name = helper_name(row.helper)
            template = template or f"{name}({', '.join([*_listed(arguments), *_options(row.helper, options)])})"
            if template.startswith(f"{name}("):
                self.helpers[name] = None
        boolean = bool(arguments) and all(argument.boolean for argument in arguments)
        return Code(_called(template, arguments, options), boolean=boolean)

    def _matmul(self, expression: ArrayFunction) -> Code:
        left, right = expression.arguments
        if isinstance(left, ArrayFunction) and left.name == "one_hot" and isinstance(right, Symbol):
            # Rows picked by number are what one writes for a product with one-hot rows.
            return Code(f"{right.name}[{self._write(left.arguments[0]).text}]")
        first, second = self._write(left), self._write(right)
        chained = isinstance(left, ArrayFunction) and left.name == "matmul"
        return Code(f"{first.at(MIXED if chained else NEGATIVE)} @ {second.at(NEGATIVE)}", MIXED)


def as_number(code: Code) -> Code:
    """What is True or False as 1 or 0, where Python's operators would not take it for a number."""
    return Code(f"1.0 * {code.at(PRODUCT)}", PRODUCT) if code.boolean else code


def _with_powers(factors: Sequence[Code]) -> list[Code]:
    """Factors that are the same as one power, in the place of the first."""
    counts: dict[Code, int] = {}
    for factor in factors:
        counts[factor] = counts.get(factor, 0) + 1
    return [
        Code(f"{as_number(factor).at(ATOM)} ** {count}", POWER) if count > 1 else factor
        for factor, count in counts.items()
    ]


def number_source(value: float) -> Code:
    """A constant as one writes it: 2, 0.1, 1 / 3, np.sqrt(2 / np.pi), -np.inf.

    >>> number_source(2.0).text, number_source(-0.5).text, number_source(2 / 3).text
    ('2', '-0.5', '2 / 3')
    """
    if math.isnan(value):
        return Code("np.nan")
    if value < 0 or (value == 0 and math.copysign(1, value) < 0):
        positive = number_source(-value)
        return Code(f"-{positive.text}", min(positive.strength, NEGATIVE))
    if math.isinf(value):
        return Code("np.inf")
    if value == int(value) and value < 1e16:
        return Code(str(int(value)))
    for constant, text, strength in CONSTANTS:
        if value == constant:
            return Code(text, strength)
    digits = repr(float(value))
    if len(digits) > 12:
        # 0.15 for 0.15000000000000002: the last place is rounding, not meaning.
        if len(f"{value:.15g}") <= 12:
            return Code(f"{value:.15g}")
        fraction = Fraction(value).limit_denominator(10_000)
        if fraction.numerator / fraction.denominator == value:
            return Code(f"{fraction.numerator} / {fraction.denominator}", PRODUCT)
    return Code(digits)


def _filled(template: str, arguments: Sequence[Code], places: Sequence[int]) -> str:
    return template.format(*(each.at(place) for each, place in zip(arguments, places, strict=True)))


def _called(template: str, arguments: Sequence[Code], options: Mapping[str, Any]) -> str:
    """A template with its arguments; one that is indexed, or asked for an attribute, must be an atom."""
    texts = []
    for position, argument in enumerate(arguments):
        field = f"{{{position}}}"
        follows = template[template.find(field) + len(field) :][:1] if field in template else ""
        texts.append(argument.at(ATOM if follows in (".", "[") and follows else CHOICE))
    listed = ", ".join(argument.text for argument in arguments)
    return template.format(*texts, all=listed, **{name: str(value) for name, value in options.items()})


def _listed(arguments: Sequence[Code]) -> list[str]:
    return ["{all}"] if arguments else []


def _options(helper: Any, options: Mapping[str, Any]) -> list[str]:
    """Options as keyword arguments in the helper's order, without those that are its defaults."""
    parameters = inspect.signature(helper).parameters
    given = {name: options[name] for name in parameters if name in options}
    return [
        f"{name}={_option(value)}" for name, value in given.items() if parameters[name].default != value
    ]


def _option(value: Any) -> str:
    if isinstance(value, float):
        return number_source(value).text
    return str(value)


def _places(index: Expression, reachable: Mapping[Index, Sequence[int]]) -> list[int]:
    """The values that an index, or arithmetic of one, takes in its loop."""
    found = _indices_in(index)
    if not found:
        return [int(evaluate_index(index, {}))]
    assert len(found) == 1, "an element is read by the step of one loop"
    steps = reachable.get(found[0], range(found[0].extent))
    return [int(evaluate_index(index, {found[0]: step})) for step in steps]


def _indices_in(expression: Expression) -> list[Index]:
    if isinstance(expression, Index):
        return [expression]
    if isinstance(expression, Function):
        found = [index for argument in expression.arguments for index in _indices_in(argument)]
        return list(dict.fromkeys(found))
    return []


def _indices_only(expression: Expression) -> bool:
    """Whether an expression is arithmetic of a loop's index."""
    if isinstance(expression, Function):
        return all(map(_indices_only, expression.arguments)) and bool(_indices_in(expression))
    return isinstance(expression, (Index, Number))
