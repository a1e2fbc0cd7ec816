"""The functions that formulas may use: one row each, with NumPy meaning, LaTeX notation and NumPy source.

Element-wise functions are called by their Array API names, so the same name also finds deltarule's
operation. Adding a function is one row. A function that has a name here, and is not NumPy's own, is a
helper: emitted programs carry its text, so it uses NumPy, math and other helpers only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.formula.array_sources import (
    broadcast_source,
    reducing_source,
    reshape_source,
    sum_to_source,
    transpose_source,
)
from deltarule.autodiff.formula.shape_rules import Shape, product, reduced, same, stated

# Binding strength in notation, weakest first; an operand weaker than its place gets parentheses.
SUM, NEGATIVE, PRODUCT, POWER, ATOM = range(1, 6)


@dataclass(frozen=True)
class FunctionRow:
    """value: the NumPy meaning. latex: template over its arguments. strength: of the whole;
    places: the strength that each argument needs. source: Python operator template, if it has one."""

    value: Callable[..., Any]
    latex: str
    strength: int = ATOM
    places: tuple[int, ...] = ()
    source: str = ""


def _erf(x: Any) -> Any:
    """The error function of each element, from Python's math."""
    return np.vectorize(math.erf, otypes=[float])(x)


def _sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow for negative x."""
    decay = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), 1, decay) / (1 + decay)


def _bracket(compare: Callable[..., Any]) -> Callable[..., Any]:
    return lambda left, right: np.where(compare(left, right), 1.0, 0.0)


def _named(name: str) -> str:
    return rf"\operatorname{{{{{name}}}}}\left({{0}}\right)"


FUNCTIONS: dict[str, FunctionRow] = {
    "add": FunctionRow(np.add, "{0} + {1}", SUM, (SUM, SUM), "{0} + {1}"),
    "subtract": FunctionRow(np.subtract, "{0} - {1}", SUM, (SUM, PRODUCT), "{0} - {1}"),
    "multiply": FunctionRow(np.multiply, r"{0} \, {1}", PRODUCT, (PRODUCT, PRODUCT), "{0} * {1}"),
    "divide": FunctionRow(np.divide, r"\frac{{{0}}}{{{1}}}", PRODUCT, (0, 0), "{0} / {1}"),
    "floor_divide": FunctionRow(
        np.floor_divide, r"\left\lfloor \tfrac{{{0}}}{{{1}}} \right\rfloor", ATOM, (0, 0)
    ),
    "remainder": FunctionRow(np.remainder, r"{0} \bmod {1}", PRODUCT, (PRODUCT, POWER)),
    "pow": FunctionRow(np.power, "{0}^{{{1}}}", POWER, (ATOM, 0)),
    "positive": FunctionRow(np.positive, "{0}", NEGATIVE, (PRODUCT,)),
    "negative": FunctionRow(np.negative, "-{0}", NEGATIVE, (PRODUCT,), "-{0}"),
    "abs": FunctionRow(np.abs, r"\left|{0}\right|"),
    "sign": FunctionRow(np.sign, _named("sign")),
    "exp": FunctionRow(np.exp, "e^{{{0}}}", POWER, (0,)),
    "expm1": FunctionRow(np.expm1, "e^{{{0}}} - 1", SUM, (0,)),
    "log": FunctionRow(np.log, r"\ln {0}", PRODUCT, (ATOM,)),
    "log1p": FunctionRow(np.log1p, r"\ln \left(1 + {0}\right)", PRODUCT, (SUM,)),
    "log2": FunctionRow(np.log2, r"\log_2 {0}", PRODUCT, (ATOM,)),
    "log10": FunctionRow(np.log10, r"\log_{{10}} {0}", PRODUCT, (ATOM,)),
    "sqrt": FunctionRow(np.sqrt, r"\sqrt{{{0}}}"),
    "square": FunctionRow(np.square, "{0}^{{2}}", POWER, (ATOM,)),
    "sin": FunctionRow(np.sin, r"\sin {0}", PRODUCT, (ATOM,)),
    "cos": FunctionRow(np.cos, r"\cos {0}", PRODUCT, (ATOM,)),
    "tan": FunctionRow(np.tan, r"\tan {0}", PRODUCT, (ATOM,)),
    "asin": FunctionRow(np.arcsin, r"\arcsin {0}", PRODUCT, (ATOM,)),
    "acos": FunctionRow(np.arccos, r"\arccos {0}", PRODUCT, (ATOM,)),
    "atan": FunctionRow(np.arctan, r"\arctan {0}", PRODUCT, (ATOM,)),
    "atan2": FunctionRow(np.arctan2, r"\operatorname{{atan2}}\left({0}, {1}\right)"),
    "sinh": FunctionRow(np.sinh, r"\sinh {0}", PRODUCT, (ATOM,)),
    "cosh": FunctionRow(np.cosh, r"\cosh {0}", PRODUCT, (ATOM,)),
    "tanh": FunctionRow(np.tanh, r"\tanh {0}", PRODUCT, (ATOM,)),
    "asinh": FunctionRow(np.arcsinh, _named("arsinh")),
    "acosh": FunctionRow(np.arccosh, _named("arcosh")),
    "atanh": FunctionRow(np.arctanh, _named("artanh")),
    "erf": FunctionRow(_erf, _named("erf")),
    "sigmoid": FunctionRow(_sigmoid, r"\sigma\left({0}\right)"),
    "maximum": FunctionRow(np.maximum, r"\max\left({0}, {1}\right)"),
    "minimum": FunctionRow(np.minimum, r"\min\left({0}, {1}\right)"),
    "floor": FunctionRow(np.floor, r"\left\lfloor {0} \right\rfloor"),
    "ceil": FunctionRow(np.ceil, r"\left\lceil {0} \right\rceil"),
    "round": FunctionRow(np.round, _named("round")),
    "trunc": FunctionRow(np.trunc, _named("trunc")),
    "where": FunctionRow(
        lambda condition, chosen, otherwise: np.where(np.asarray(condition) != 0, chosen, otherwise),
        r"\begin{{cases}} {1} & \text{{if }} {0} \\ {2} & \text{{otherwise}} \end{{cases}}",
    ),
    "equal": FunctionRow(_bracket(np.equal), r"\left[{0} = {1}\right]"),
    "not_equal": FunctionRow(_bracket(np.not_equal), r"\left[{0} \ne {1}\right]"),
    "less": FunctionRow(_bracket(np.less), r"\left[{0} < {1}\right]"),
    "less_equal": FunctionRow(_bracket(np.less_equal), r"\left[{0} \le {1}\right]"),
    "greater": FunctionRow(_bracket(np.greater), r"\left[{0} > {1}\right]"),
    "greater_equal": FunctionRow(_bracket(np.greater_equal), r"\left[{0} \ge {1}\right]"),
    "logical_and": FunctionRow(_bracket(np.logical_and), r"{0} \wedge {1}", PRODUCT, (ATOM, ATOM)),
    "logical_or": FunctionRow(_bracket(np.logical_or), r"{0} \vee {1}", PRODUCT, (ATOM, ATOM)),
    "logical_xor": FunctionRow(_bracket(np.logical_xor), r"{0} \oplus {1}", PRODUCT, (ATOM, ATOM)),
    "bitwise_and": FunctionRow(np.bitwise_and, r"{0} \mathbin{{\&}} {1}", PRODUCT, (ATOM, ATOM)),
    "bitwise_or": FunctionRow(np.bitwise_or, r"{0} \mathbin{{|}} {1}", PRODUCT, (ATOM, ATOM)),
    "bitwise_xor": FunctionRow(np.bitwise_xor, r"{0} \oplus {1}", PRODUCT, (ATOM, ATOM)),
    "bitwise_invert": FunctionRow(np.bitwise_invert, r"\mathord{{\sim}} {0}", PRODUCT, (ATOM,)),
    "bitwise_left_shift": FunctionRow(np.bitwise_left_shift, r"{0} \ll {1}", PRODUCT, (ATOM, ATOM)),
    "bitwise_right_shift": FunctionRow(np.bitwise_right_shift, r"{0} \gg {1}", PRODUCT, (ATOM, ATOM)),
    "logical_not": FunctionRow(lambda x: np.where(x, 0.0, 1.0), r"\neg {0}", PRODUCT, (ATOM,)),
    "isnan": FunctionRow(lambda x: np.where(np.isnan(x), 1.0, 0.0), r"\left[{0} = \text{{NaN}}\right]"),
    "isinf": FunctionRow(
        lambda x: np.where(np.isinf(x), 1.0, 0.0), r"\left[\left|{0}\right| = \infty\right]"
    ),
    "isfinite": FunctionRow(
        lambda x: np.where(np.isfinite(x), 1.0, 0.0), r"\left[\left|{0}\right| < \infty\right]"
    ),
}

# kind -> (of an array along axes, its LaTeX sign, of two values).
REDUCTIONS: dict[str, tuple[Callable[..., Any], str, Callable[..., Any]]] = {
    "sum": (np.sum, r"\sum", np.add),
    "prod": (np.prod, r"\prod", np.multiply),
    "max": (np.max, r"\max", np.maximum),
    "min": (np.min, r"\min", np.minimum),
}


Source = str | Callable[..., str]


@dataclass(frozen=True)
class ArrayFunctionRow:
    """A whole-array function.

    value    value(*arrays, **options): the NumPy meaning
    latex    template over arguments and options; {all} is every argument with commas between
    shape    shape(*shapes, **options): the shape of the result
    source   NumPy source: a template like `latex`, or a function of (*shapes, **options) that answers with
             one. Left out, the helper is called by its name
    helper   the function whose text a program carries to run the source: `value` where there is no source
    """

    value: Callable[..., Any]
    latex: str
    shape: Callable[..., Shape]
    source: Source = ""
    helper: Callable[..., Any] | None = None
    strength: int = ATOM
    places: tuple[int, ...] = ()


def _sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    x = np.asarray(x)
    skipped = x.ndim - len(shape)
    axes = tuple(range(skipped)) + tuple(
        axis + skipped for axis, extent in enumerate(shape) if extent == 1 != x.shape[axis + skipped]
    )
    return np.sum(x, axis=axes, keepdims=True).reshape(shape)


def _transpose(x: Any) -> Any:
    return np.swapaxes(x, -1, -2) if np.ndim(x) >= 2 else x


def _transposed_shape(x: Shape) -> Shape:
    return (*x[:-2], x[-1], x[-2]) if len(x) >= 2 else x


def _matmul(left: Any, right: Any) -> Any:
    """np.matmul; the matrices of a stack that meet the same matrix as one product of all their rows.

    Some hundred small products, each shared among threads, take several times as long as their one.
    """
    left, right = np.asarray(left), np.asarray(right)
    if left.ndim < 3 or right.ndim != 2:
        return np.matmul(left, right)
    rows = left.reshape(math.prod(left.shape[:-1]), left.shape[-1])
    return np.matmul(rows, right).reshape(*left.shape[:-1], right.shape[-1])


ARRAY_FUNCTIONS: dict[str, ArrayFunctionRow] = {
    # The writer of programs knows the product as an operator: its source is never a template.
    "matmul": ArrayFunctionRow(
        _matmul, r"{0} \, {1}", product, "{0} @ {1}", strength=PRODUCT, places=(PRODUCT, PRODUCT)
    ),
    "outer": ArrayFunctionRow(
        np.outer,
        r"{0} \, {1}^{{\mathsf{{T}}}}",
        lambda a, b: (*a, *b),
        "np.outer({0}, {1})",
        strength=PRODUCT,
        places=(PRODUCT, ATOM),
    ),
    "transpose": ArrayFunctionRow(
        _transpose,
        r"{0}^{{\mathsf{{T}}}}",
        _transposed_shape,
        transpose_source,
        strength=POWER,
        places=(ATOM,),
    ),
    "sum_to": ArrayFunctionRow(
        _sum_to, r"\operatorname{{sum\_to}}_{{{shape}}}\left({0}\right)", stated, sum_to_source
    ),
    "broadcast_to": ArrayFunctionRow(
        np.broadcast_to,
        r"\operatorname{{broadcast}}_{{{shape}}}\left({0}\right)",
        stated,
        broadcast_source,
    ),
    "sum": ArrayFunctionRow(
        np.sum, r"\operatorname{{sum}}_{{{axis}}}\left({0}\right)", reduced, reducing_source("sum")
    ),
    "max": ArrayFunctionRow(
        np.max, r"\operatorname{{max}}_{{{axis}}}\left({0}\right)", reduced, reducing_source("max")
    ),
    "min": ArrayFunctionRow(
        np.min, r"\operatorname{{min}}_{{{axis}}}\left({0}\right)", reduced, reducing_source("min")
    ),
    "prod": ArrayFunctionRow(
        np.prod, r"\operatorname{{prod}}_{{{axis}}}\left({0}\right)", reduced, reducing_source("prod")
    ),
    "reshape": ArrayFunctionRow(
        np.reshape,
        r"\operatorname{{reshape}}_{{{shape}}}\left({0}\right)",
        stated,
        reshape_source,
    ),
}


def define_array_function(
    name: str,
    value: Callable[..., Any],
    latex: str,
    *,
    shape: Callable[..., Shape] = same,
    source: Source = "",
    helper: Callable[..., Any] | None = None,
    places: tuple[int, ...] = (),
) -> None:
    """Adds a whole-array function for a family of operations; its file calls this once."""
    assert name not in ARRAY_FUNCTIONS, f"array function {name!r} is defined twice"
    carried = helper or (None if source else value)
    ARRAY_FUNCTIONS[name] = ArrayFunctionRow(value, latex, shape, source, carried, places=places)
