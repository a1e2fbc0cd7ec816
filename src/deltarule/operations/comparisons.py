"""Comparisons, logic and bits: boolean or integer results, no gradient. Rows of `elementwise.define`."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import function
from deltarule.autodiff.tensor import Tensor, as_tensor
from deltarule.operations.axes import axis_positions
from deltarule.operations.broadcast import broadcast_shape
from deltarule.operations.elementwise import a, b, define, x

equal = define("equal", ("a", "b"), function("equal", a, b), {}, "a = b, element by element.")
not_equal = define("not_equal", ("a", "b"), function("not_equal", a, b), {}, "a ≠ b, element by element.")
less = define("less", ("a", "b"), function("less", a, b), {}, "a < b, element by element.")
less_equal = define("less_equal", ("a", "b"), function("less_equal", a, b), {}, "a ≤ b, element by element.")
greater = define("greater", ("a", "b"), function("greater", a, b), {}, "a > b, element by element.")
greater_equal = define(
    "greater_equal", ("a", "b"), function("greater_equal", a, b), {}, "a ≥ b, element by element."
)
logical_and = define("logical_and", ("a", "b"), function("logical_and", a, b), {}, "Both are true.")
logical_or = define("logical_or", ("a", "b"), function("logical_or", a, b), {}, "One or both are true.")
logical_xor = define("logical_xor", ("a", "b"), function("logical_xor", a, b), {}, "Exactly one is true.")
bitwise_and = define(
    "bitwise_and",
    ("a", "b"),
    function("bitwise_and", a, b),
    {},
    "a & b: the bits that both have set. Raises DTypeError for floats.",
)
bitwise_or = define(
    "bitwise_or",
    ("a", "b"),
    function("bitwise_or", a, b),
    {},
    "a | b: the bits that one or both have set. Raises DTypeError for floats.",
)
bitwise_xor = define(
    "bitwise_xor",
    ("a", "b"),
    function("bitwise_xor", a, b),
    {},
    "a ^ b: the bits that exactly one has set. Raises DTypeError for floats.",
)
bitwise_invert = define(
    "bitwise_invert",
    ("x",),
    function("bitwise_invert", x),
    {},
    "~x: every bit flipped; for booleans, not. Raises DTypeError for floats.",
)
bitwise_left_shift = define(
    "bitwise_left_shift",
    ("a", "b"),
    function("bitwise_left_shift", a, b),
    {},
    "a · 2^b for integers. Raises DTypeError for floats.",
)
bitwise_right_shift = define(
    "bitwise_right_shift",
    ("a", "b"),
    function("bitwise_right_shift", a, b),
    {},
    "⌊a / 2^b⌋ for integers. Raises DTypeError for floats.",
)
logical_not = define("logical_not", ("x",), function("logical_not", x), {}, "True becomes false and back.")
isnan = define("isnan", ("x",), function("isnan", x), {}, "True where x is not a number.")
isinf = define("isinf", ("x",), function("isinf", x), {}, "True where x is plus or minus infinity.")
isfinite = define(
    "isfinite", ("x",), function("isfinite", x), {}, "True where x is neither infinite nor NaN."
)


def any(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """True where any element along the axis is true (not zero).

    axis      axis, tuple of axes, or None for all of them
    keepdims  keep these axes, with length 1

    Raises ShapeError for an axis that x does not have.
    """
    array = as_tensor(x)._array
    axes = axis_positions("any", axis, array.ndim)
    return Tensor(np.asarray(np.any(array, axis=axes, keepdims=keepdims)))


def all(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """True where all elements along the axis are true (not zero).

    Options and errors are those of `any`; of no elements all are true.
    """
    array = as_tensor(x)._array
    axes = axis_positions("all", axis, array.ndim)
    return Tensor(np.asarray(np.all(array, axis=axes, keepdims=keepdims)))


def isclose(a: Any, b: Any, /, rtol: float = 1e-5, atol: float = 1e-8, *, equal_nan: bool = False) -> Tensor:
    """|a − b| ≤ atol + rtol · |b|, element by element.

    equal_nan   whether NaN counts as close to NaN

    Raises ShapeError where a and b do not broadcast together.
    """
    left, right = as_tensor(a)._array, as_tensor(b)._array
    broadcast_shape("isclose", left.shape, right.shape)
    return Tensor(np.asarray(np.isclose(left, right, rtol=rtol, atol=atol, equal_nan=equal_nan)))


def allclose(a: Any, b: Any, /, rtol: float = 1e-5, atol: float = 1e-8, *, equal_nan: bool = False) -> bool:
    """Whether |a − b| ≤ atol + rtol · |b| holds for every element. Options are those of `isclose`."""
    return bool(isclose(a, b, rtol, atol, equal_nan=equal_nan).numpy().all())
