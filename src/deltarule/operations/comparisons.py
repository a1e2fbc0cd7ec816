"""Comparisons, logic and bits: boolean or integer results, no gradient. Rows of `elementwise.define`."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import derived
from deltarule.autodiff.formula.expression import function
from deltarule.autodiff.tensor import Tensor
from deltarule.operations.axes import axis_positions
from deltarule.operations.broadcast import broadcast_shape
from deltarule.operations.elementwise import a, b, define, x

equal = define(
    "equal", ("a", "b"), function("equal", a, b), {}, "a = b, element by element.",
    example="""
    >>> dr.equal(dr.tensor([1, 2, 3]), dr.tensor([1, 0, 3]))
    tensor([ True, False,  True])
    """,
)  # fmt: skip
not_equal = define(
    "not_equal", ("a", "b"), function("not_equal", a, b), {}, "a ≠ b, element by element.",
    example="""
    >>> dr.not_equal(dr.tensor([1, 2, 3]), 2)
    tensor([ True, False,  True])
    """,
)  # fmt: skip
less = define(
    "less", ("a", "b"), function("less", a, b), {}, "a < b, element by element.",
    example="""
    >>> dr.less(dr.tensor([1, 2, 3]), 2)
    tensor([ True, False, False])
    """,
)  # fmt: skip
less_equal = define(
    "less_equal", ("a", "b"), function("less_equal", a, b), {}, "a ≤ b, element by element.",
    example="""
    >>> dr.less_equal(dr.tensor([1, 2, 3]), 2)
    tensor([ True,  True, False])
    """,
)  # fmt: skip
greater = define(
    "greater", ("a", "b"), function("greater", a, b), {}, "a > b, element by element.",
    example="""
    >>> dr.greater(dr.tensor([1, 2, 3]), 2)
    tensor([False, False,  True])
    >>> dr.greater(dr.tensor([1.0, dr.nan]), 0.0)
    tensor([ True, False])
    """,
)  # fmt: skip
greater_equal = define(
    "greater_equal", ("a", "b"), function("greater_equal", a, b), {}, "a ≥ b, element by element.",
    example="""
    >>> dr.greater_equal(dr.tensor([[1], [2]]), dr.tensor([1, 2]))
    tensor([[ True, False],
            [ True,  True]])
    """,
)  # fmt: skip
logical_and = define(
    "logical_and", ("a", "b"), function("logical_and", a, b), {}, "Both are true.",
    example="""
    >>> dr.logical_and(dr.tensor([True, True, False]), dr.tensor([True, False, False]))
    tensor([ True, False, False])
    """,
)  # fmt: skip
logical_or = define(
    "logical_or", ("a", "b"), function("logical_or", a, b), {}, "One or both are true.",
    example="""
    >>> dr.logical_or(dr.tensor([True, True, False]), dr.tensor([True, False, False]))
    tensor([ True,  True, False])
    """,
)  # fmt: skip
logical_xor = define(
    "logical_xor", ("a", "b"), function("logical_xor", a, b), {}, "Exactly one is true.",
    example="""
    >>> dr.logical_xor(dr.tensor([True, True, False]), dr.tensor([True, False, False]))
    tensor([False,  True, False])
    """,
)  # fmt: skip
bitwise_and = define(
    "bitwise_and", ("a", "b"), function("bitwise_and", a, b), {},
    "a & b: the bits that both have set. Raises DTypeError for floats.",
    example="""
    >>> dr.bitwise_and(dr.tensor([0b1100, 7]), dr.tensor([0b1010, 2]))
    tensor([8, 2])
    """,
)  # fmt: skip
bitwise_or = define(
    "bitwise_or", ("a", "b"), function("bitwise_or", a, b), {},
    "a | b: the bits that one or both have set. Raises DTypeError for floats.",
    example="""
    >>> dr.bitwise_or(dr.tensor([0b1100, 7]), dr.tensor([0b1010, 8]))
    tensor([14, 15])
    """,
)  # fmt: skip
bitwise_xor = define(
    "bitwise_xor", ("a", "b"), function("bitwise_xor", a, b), {},
    "a ^ b: the bits that exactly one has set. Raises DTypeError for floats.",
    example="""
    >>> dr.bitwise_xor(dr.tensor([0b1100, 7]), dr.tensor([0b1010, 7]))
    tensor([6, 0])
    """,
)  # fmt: skip
bitwise_invert = define(
    "bitwise_invert", ("x",), function("bitwise_invert", x), {},
    "~x: every bit flipped; for booleans, not. Raises DTypeError for floats.",
    example="""
    >>> dr.bitwise_invert(dr.tensor([0, 5, -1]))
    tensor([-1, -6,  0])
    >>> dr.bitwise_invert(dr.tensor([True, False]))
    tensor([False,  True])
    """,
)  # fmt: skip
bitwise_left_shift = define(
    "bitwise_left_shift", ("a", "b"), function("bitwise_left_shift", a, b), {},
    "a · 2^b for integers. Raises DTypeError for floats.",
    example="""
    >>> dr.bitwise_left_shift(dr.tensor([1, 3]), 2)
    tensor([ 4, 12])
    """,
)  # fmt: skip
bitwise_right_shift = define(
    "bitwise_right_shift", ("a", "b"), function("bitwise_right_shift", a, b), {},
    "⌊a / 2^b⌋ for integers. Raises DTypeError for floats.",
    example="""
    >>> dr.bitwise_right_shift(dr.tensor([7, -7]), 1)
    tensor([ 3, -4])
    """,
)  # fmt: skip
logical_not = define(
    "logical_not", ("x",), function("logical_not", x), {}, "True becomes false and back.",
    example="""
    >>> dr.logical_not(dr.tensor([True, False]))
    tensor([False,  True])
    """,
)  # fmt: skip
isnan = define(
    "isnan", ("x",), function("isnan", x), {}, "True where x is not a number.",
    example="""
    >>> dr.isnan(dr.tensor([0.0, dr.inf, dr.nan]))
    tensor([False, False,  True])
    """,
)  # fmt: skip
isinf = define(
    "isinf", ("x",), function("isinf", x), {}, "True where x is plus or minus infinity.",
    example="""
    >>> dr.isinf(dr.tensor([-dr.inf, 0.0, dr.nan]))
    tensor([ True, False, False])
    """,
)  # fmt: skip
isfinite = define(
    "isfinite", ("x",), function("isfinite", x), {}, "True where x is neither infinite nor NaN.",
    example="""
    >>> dr.isfinite(dr.tensor([-dr.inf, 0.0, dr.nan]))
    tensor([False,  True, False])
    """,
)  # fmt: skip


def any(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """True where any element along the axis is true (not zero).

    axis      axis, tuple of axes, or None for all of them
    keepdims  keep these axes, with length 1

    Raises ShapeError for an axis that x does not have.

    >>> import deltarule as dr
    >>> dr.any(dr.tensor([[0, 1], [0, 0]]), axis=1)
    tensor([ True, False])
    """
    x = as_tensor(x)
    return derived(np.any, x, axis=axis_positions("any", axis, x.ndim), keepdims=keepdims)


def all(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """True where all elements along the axis are true (not zero).

    Options and errors are those of `any`; of no elements all are true.

    >>> import deltarule as dr
    >>> dr.all(dr.tensor([[1, 1], [0, 1]]), axis=1)
    tensor([ True, False])
    >>> dr.all(dr.zeros(0))
    tensor(True)
    """
    x = as_tensor(x)
    return derived(np.all, x, axis=axis_positions("all", axis, x.ndim), keepdims=keepdims)


def isclose(a: Any, b: Any, /, rtol: float = 1e-5, atol: float = 1e-8, *, equal_nan: bool = False) -> Tensor:
    """|a − b| ≤ atol + rtol · |b|, element by element.

    equal_nan   whether NaN counts as close to NaN

    Raises ShapeError where a and b do not broadcast together.

    >>> import deltarule as dr
    >>> dr.isclose(dr.tensor([1.0, 1.0, dr.nan]), dr.tensor([1.000001, 1.1, dr.nan]), equal_nan=True)
    tensor([ True, False,  True])
    """
    left, right = as_tensor(a), as_tensor(b)
    broadcast_shape("isclose", left.shape, right.shape)
    return derived(np.isclose, left, right, rtol=rtol, atol=atol, equal_nan=equal_nan)


def allclose(a: Any, b: Any, /, rtol: float = 1e-5, atol: float = 1e-8, *, equal_nan: bool = False) -> bool:
    """Whether |a − b| ≤ atol + rtol · |b| holds for every element. Options are those of `isclose`.

    >>> import deltarule as dr
    >>> dr.allclose(dr.tensor([0.1, 0.2]) + 0.1, dr.tensor([0.2, 0.3]))
    True
    >>> dr.allclose(dr.tensor(dr.nan), dr.tensor(dr.nan))
    False
    """
    return bool(isclose(a, b, rtol, atol, equal_nan=equal_nan).numpy().all())
