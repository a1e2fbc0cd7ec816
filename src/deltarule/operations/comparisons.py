"""Comparisons and logic: boolean results, no gradient. Rows of `elementwise.define`."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import function
from deltarule.autodiff.tensor import Tensor, as_tensor
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
logical_not = define("logical_not", ("x",), function("logical_not", x), {}, "True becomes false and back.")
isnan = define("isnan", ("x",), function("isnan", x), {}, "True where x is not a number.")
isinf = define("isinf", ("x",), function("isinf", x), {}, "True where x is plus or minus infinity.")
isfinite = define(
    "isfinite", ("x",), function("isfinite", x), {}, "True where x is neither infinite nor NaN."
)


def any(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """True where any element along the axis is true (not zero)."""
    return Tensor(np.asarray(np.any(as_tensor(x)._array, axis=axis, keepdims=keepdims)))


def all(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """True where all elements along the axis are true (not zero)."""
    return Tensor(np.asarray(np.all(as_tensor(x)._array, axis=axis, keepdims=keepdims)))


def isclose(a: Any, b: Any, /, *, rtol: float = 1e-5, atol: float = 1e-8) -> Tensor:
    """|a − b| ≤ atol + rtol · |b|, element by element."""
    return Tensor(np.asarray(np.isclose(as_tensor(a)._array, as_tensor(b)._array, rtol=rtol, atol=atol)))


def allclose(a: Any, b: Any, /, *, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether |a − b| ≤ atol + rtol · |b| holds for every element."""
    return bool(isclose(a, b, rtol=rtol, atol=atol).numpy().all())
