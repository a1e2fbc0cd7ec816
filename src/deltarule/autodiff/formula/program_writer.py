"""Writes one expression in matrix form as NumPy source, the way one writes it by hand.

Parentheses stand where Python's binding strengths need them, numbers are short and come first in products,
and spreading to a shape is left to NumPy's broadcasting where that does it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

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
from deltarule.autodiff.formula.program_idioms import without_leading_axes
from deltarule.autodiff.formula.program_notation import (
    ATOM,
    CHOICE,
    COMPARISON,
    COMPARISONS,
    MIXED,
    NEGATIVE,
    OPERATORS,
    POWER,
    PRODUCT,
    SUM,
    Code,
    as_number,
    called,
    filled,
    number_source,
    options_source,
)
from deltarule.autodiff.formula.shape_rules import reduced_axes
from deltarule.autodiff.formula.shapes import Shape, shape_of
from deltarule.autodiff.formula.simplifying import without_broadcasts

# What only arranges elements leaves True and False as they are.
_ARRANGING = {"reshape", "transpose", "permute", "broadcast_to", "slice", "flip", "roll", "tile", "repeat"}
_ARRANGING |= {"gather", "take_along_axis", "concat", "stack", "tril", "triu", "max", "min"}

# NumPy's short names.
_SHORT = {"absolute": "abs"}


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
        expression = without_leading_axes(without_broadcasts(expression, self.shapes), self.shapes)
        if isinstance(expression, Function) and expression.name == "multiply":
            left, right = expression.arguments
            if isinstance(left, Symbol) and isinstance(right, Symbol) and left.name == right.name:
                # A product that is all there is stays one: x * x. Inside of more it is a power.
                return self._times([as_number(self._write(left)), self._write(right)])
        return self._write(expression)

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
        if name == "log" and arguments[0].text.startswith("1 + np.exp("):
            softened = expression.arguments[0].arguments[-1]  # type: ignore[attr-defined]
            if isinstance(softened, Function) and softened.name == "exp":
                # ln(1 + e^a) without overflow.
                return Code(f"np.logaddexp(0, {self._write(softened.arguments[0]).text})")
        if name == "positive" or (name == "divide" and arguments[1].text == "1"):
            return arguments[0]
        if name in COMPARISONS:
            template, strength, places = COMPARISONS[name]
            if name == "logical_not" and arguments[0].boolean:
                template, strength, places = "~{0}", NEGATIVE, (NEGATIVE,)
            return Code(filled(template, arguments, places), strength, boolean=True)
        if name in OPERATORS:
            template, strength, places = OPERATORS[name]
            if not name.startswith("bitwise"):
                arguments = [as_number(argument) for argument in arguments]
            return Code(filled(template, arguments, places), strength)
        value = FUNCTIONS[name].value
        known_as = f"np.{_SHORT.get(value.__name__, value.__name__)}"
        if is_helper(value):
            known_as = helper_name(value)
            self.helpers[known_as] = None
        boolean = name in ("maximum", "minimum") and all(argument.boolean for argument in arguments)
        if not boolean:
            # Of True and False NumPy's functions are numbers of three digits.
            arguments = [as_number(argument) for argument in arguments]
        return Code(f"{known_as}({', '.join(argument.text for argument in arguments)})", boolean=boolean)

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
        plus = expression.name == "add"
        if right.text == "0":
            return as_number(left)
        if left.text == "0" and plus:
            return as_number(right)
        if left.boolean and (right.boolean or right.strength == SUM):
            # True + True is True, and the terms of a sum on the right stand beside the left.
            left = as_number(left)
        if plus and right.text.startswith("-") and right.strength >= SUM:
            # a + (-b - c) is a - b - c.
            return Code(f"{left.at(SUM)} - {right.text[1:]}", SUM)
        if right.text.startswith("-") and right.strength >= MIXED:
            # a - -b is a + b.
            right, plus = replace(right, text=right.text[1:]), not plus
        place = SUM if plus else MIXED
        return Code(f"{left.at(SUM)} {'+' if plus else '-'} {right.at(place)}", SUM)

    def _product(self, expression: Function) -> Code:
        """Factors with the numbers first, as one; the same ones as a power; divisors of numbers last."""
        number, negative, constants, factors, divisors = 1.0, False, [], [], []
        waiting: list[Expression] = [expression]
        while waiting:
            part = waiting.pop(0)
            if isinstance(part, Number) and part.latex:
                constant = number_source(part.value)
                if constant.text.startswith("1 / "):
                    divisors.append(Code(constant.text.removeprefix("1 / ")))
                else:
                    constants.append(constant)
            elif isinstance(part, Number):
                number *= part.value
            elif isinstance(part, Function) and part.name == "multiply":
                waiting = [*part.arguments, *waiting]
            elif isinstance(part, Function) and part.name == "negative":
                negative = not negative
                waiting = [*part.arguments, *waiting]
            elif isinstance(part, Function) and part.name == "divide" and _is_number(part.arguments[0]):
                waiting = [part.arguments[0], *waiting]
                divisors.append(self._write(part.arguments[1]))
            else:
                factors.append(self._write(part))
        if negative:
            number = -number
        if divisors:
            dividend = self._product_of(number, constants, factors)
            divided = " / ".join([dividend.at(PRODUCT), *(each.at(NEGATIVE) for each in divisors)])
            return Code(divided, PRODUCT)
        return self._product_of(number, constants, factors)

    def _product_of(self, number: float, constants: Sequence[Code], others: Sequence[Code]) -> Code:
        # True and False come last, as they take no sign.
        factors = sorted([*constants, *_with_powers(others)], key=lambda factor: factor.boolean)
        if not factors:
            return number_source(number)
        if factors[0].boolean and abs(number) == 1:
            factors[0] = as_number(factors[0])
        if abs(number) != 1:
            factors = [number_source(number), *factors]
            number = 1.0
        if len(factors) == 1:
            if number == 1:
                return factors[0]
            strength = PRODUCT if factors[0].strength == PRODUCT else NEGATIVE
            return Code(f"-{factors[0].at(PRODUCT)}", strength)
        product = self._times(factors)
        return Code(f"-{product.text}", PRODUCT) if number == -1 else product

    @staticmethod
    def _times(factors: Sequence[Code]) -> Code:
        return Code(" * ".join(factor.at(PRODUCT) for factor in factors), PRODUCT)

    def _mean(self, expression: Function) -> Code | None:
        """A sum that is divided by how many it adds up."""
        if expression.name != "divide":
            return None
        total, count = expression.arguments
        if not isinstance(total, ArrayFunction) or not isinstance(count, Number):
            return None
        if total.name not in ("sum", "sum_all"):
            return None
        x = shape_of(total.arguments[0], self.shapes)
        axes = reduced_axes(x, total.options.get("axis"))
        if not axes or math.prod(x[axis] for axis in axes) != count.value:
            return None
        written = self._write(total)
        return replace(written, text=re.sub(r"^(-?)np\.sum\(", r"\1np.mean(", written.text))

    # ---- functions of whole arrays

    def _array_function(self, expression: ArrayFunction) -> Code:
        if expression.name == "matmul":
            return self._matmul(expression)
        if expression.name == "broadcast_to" and isinstance(expression.arguments[0], Number):
            return _full(expression.arguments[0], expression.options["shape"])
        if expression.name == "reshape":
            expression = self._with_fitting_axes(expression)
        if expression.name in ("sum", "sum_all") and _is_negative(expression.arguments[0]):
            inside = expression.arguments[0].arguments  # type: ignore[attr-defined]
            positive = self._write(ArrayFunction(expression.name, inside, expression.options))
            return Code(f"-{positive.text}", NEGATIVE)
        row = ARRAY_FUNCTIONS[expression.name]
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
            listed = ["{all}"] if arguments else []
            template = template or f"{name}({', '.join([*listed, *options_source(row.helper, options)])})"
            if template.startswith(f"{name}("):
                self.helpers[name] = None
        boolean = expression.name in _ARRANGING and all(argument.boolean for argument in arguments)
        return Code(called(template, arguments, options), boolean=boolean)

    def _with_fitting_axes(self, expression: ArrayFunction) -> ArrayFunction:
        """A reduction whose result gets its axes back, or loses them, keeps or drops them from the start."""
        inner, shape = expression.arguments[0], shape_of(expression, self.shapes)
        if not isinstance(inner, ArrayFunction):
            return expression
        if inner.name == "sum_to":
            x, wide = shape_of(inner.arguments[0], self.shapes), inner.options["shape"]
            summed = tuple(
                axis for axis, extent in enumerate(x) if len(x) == len(wide) and extent != wide[axis]
            )
            inner = ArrayFunction("sum", inner.arguments, {"axis": summed}) if summed else inner
        if inner.name in ("sum", "max", "min", "prod"):
            for keepdims in (True, False):
                fitting = replace(inner, options={**inner.options, "keepdims": keepdims})
                if shape_of(fitting, self.shapes) == shape:
                    return fitting
        return expression

    def _matmul(self, expression: ArrayFunction) -> Code:
        left, right = expression.arguments
        if isinstance(left, ArrayFunction) and left.name == "one_hot" and isinstance(right, Symbol):
            # Rows picked by number are what one writes for a product with one-hot rows.
            return Code(f"{right.name}[{self._write(left.arguments[0]).text}]")
        first, second = self._write(left), self._write(right)
        chained = isinstance(left, ArrayFunction) and left.name == "matmul"
        return Code(f"{first.at(MIXED if chained else NEGATIVE)} @ {second.at(NEGATIVE)}", MIXED)


def _full(number: Number, shape: Shape) -> Code:
    """An array that is one number everywhere."""
    extents = tuple(shape) if len(shape) != 1 else shape[0]
    if number.value in (0, 1):
        return Code(f"np.{'ones' if number.value else 'zeros'}({extents})")
    return Code(f"np.full({extents}, {number_source(number.value).text})")


def _with_powers(factors: Sequence[Code]) -> list[Code]:
    """Factors that are the same as one power, in the place of the first."""
    counts: dict[Code, int] = {}
    for factor in factors:
        counts[factor] = counts.get(factor, 0) + 1
    return [
        Code(f"{as_number(factor).at(ATOM)} ** {count}", POWER) if count > 1 else factor
        for factor, count in counts.items()
    ]


def _is_number(expression: Expression) -> bool:
    return isinstance(expression, Number) and not expression.latex


def _is_negative(expression: Expression) -> bool:
    return isinstance(expression, Function) and expression.name == "negative"


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
