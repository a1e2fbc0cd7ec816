"""How Python writes arithmetic: operators with their binding strength, comparisons, numbers, calls.

No expression of formulas is known here; program_writer.py writes those.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    """Source of an expression: its text, how strongly its operator binds, whether it is True or False."""

    text: str
    strength: int = ATOM
    boolean: bool = False

    def at(self, place: int) -> str:
        """The text, in parentheses where its place needs a stronger operator."""
        return f"({self.text})" if self.strength < place else self.text


def as_number(code: Code) -> Code:
    """What is True or False as 1 or 0, where Python's operators would not take it for a number."""
    return Code(f"1.0 * {code.at(PRODUCT)}", PRODUCT) if code.boolean else code


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
    root = round(1 / value**2) if 1e-4 < value < 1 else 0
    if len(digits) > 12 and root and 1 / math.sqrt(root) == value:
        return Code(f"1 / np.sqrt({root})", PRODUCT)
    if len(digits) > 12:
        # 0.15 for 0.15000000000000002: the last place is rounding, not meaning.
        if len(f"{value:.15g}") <= 12:
            return Code(f"{value:.15g}")
        for denominator in range(3, 1000):
            numerator = round(value * denominator)
            if numerator / denominator == value:
                return Code(f"{numerator} / {denominator}", PRODUCT)
    return Code(digits)


def filled(template: str, arguments: Sequence[Code], places: Sequence[int]) -> str:
    """An operator's template with its operands, in parentheses where they bind more weakly."""
    return template.format(*(each.at(place) for each, place in zip(arguments, places, strict=True)))


def called(template: str, arguments: Sequence[Code], options: Mapping[str, Any]) -> str:
    """A template with its arguments; one that is indexed, or asked for an attribute, must be an atom."""
    texts = []
    for position, argument in enumerate(arguments):
        field = f"{{{position}}}"
        follows = template[template.find(field) + len(field) :][:1] if field in template else ""
        texts.append(argument.at(ATOM if follows in (".", "[") and follows else CHOICE))
    listed = ", ".join(argument.text for argument in arguments)
    return template.format(*texts, all=listed, **{name: str(value) for name, value in options.items()})


def options_source(helper: Any, options: Mapping[str, Any]) -> list[str]:
    """Options as keyword arguments in the helper's order, without those that are its defaults."""
    parameters = inspect.signature(helper).parameters
    given = {name: options[name] for name in parameters if name in options}
    return [
        f"{name}={_option_source(value)}"
        for name, value in given.items()
        if not _is_default(value, parameters[name].default)
    ]


def _is_default(value: Any, default: Any) -> bool:
    """Whether an option says no more than the default, of which one axis or two may be meant."""
    return value == default or (isinstance(default, tuple) and tuple(value) == default[: len(value)])


def _option_source(value: Any) -> str:
    if isinstance(value, float):
        return number_source(value).text
    return str(value)
