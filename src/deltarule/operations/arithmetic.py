"""Arithmetic, rounding and choice, element by element. Rows of `elementwise.define`."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.formula.expression import Symbol, equal, function, greater, less
from deltarule.autodiff.formula.expression import where as choose
from deltarule.autodiff.tensor import Tensor
from deltarule.operations.elementwise import a, b, define, upstream, x, y

add = define(
    "add", ("a", "b"), a + b, {"a": upstream, "b": upstream},
    "a + b with broadcasting. The gradient goes to both unchanged: the distributor gate.",
)  # fmt: skip
subtract = define("subtract", ("a", "b"), a - b, {"a": upstream, "b": -upstream}, "a − b with broadcasting.")
multiply = define(
    "multiply", ("a", "b"), a * b, {"a": upstream * b, "b": upstream * a},
    "a · b element by element. Each gets the gradient times the other: the switcher gate.",
)  # fmt: skip
divide = define(
    "divide", ("a", "b"), a / b, {"a": upstream / b, "b": -(upstream * y) / b},
    "a / b element by element; integers give the default float.",
    floating=True,
)  # fmt: skip
floor_divide = define("floor_divide", ("a", "b"), a // b, {}, "⌊a / b⌋; no gradient (it is a step function).")
remainder = define(
    "remainder", ("a", "b"), a % b, {"a": upstream, "b": -(upstream * function("floor", a / b))},
    "a − b·⌊a / b⌋, with the sign of b, as in Python and NumPy.",
)  # fmt: skip
# d(a^b)/da is b·a^(b−1); the exponent is kept at 1 where b = 0, since 0 · 0^(−1) would be NaN.
# d(a^b)/db is y·ln a, and 0 at a = 0.
pow = define(
    "pow", ("a", "b"), a**b,
    {
        "a": upstream * (b * a ** choose(equal(b, 0.0), 1.0, b - 1.0)),
        "b": upstream * (y * function("log", choose(equal(a, 0.0), 1.0, a))),
    },
    "a to the power b. The gradient for b is NaN where a is negative.",
)  # fmt: skip
negative = define("negative", ("x",), -x, {"x": -upstream}, "−x.")
abs = define(
    "abs", ("x",), function("abs", x), {"x": upstream * function("sign", x)}, "|x|; the gradient at 0 is 0."
)
sign = define("sign", ("x",), function("sign", x), {"x": upstream * 0.0}, "−1, 0 or 1; gradient 0.")
square = define("square", ("x",), function("square", x), {"x": upstream * (x * 2.0)}, "x².")
reciprocal = define(
    "reciprocal", ("x",), 1.0 / x, {"x": -(upstream * function("square", y))}, "1 / x.", floating=True
)
maximum = define(
    "maximum", ("a", "b"), function("maximum", a, b),
    {
        "a": choose(greater(a, b), upstream, choose(equal(a, b), upstream * 0.5, 0.0)),
        "b": choose(less(a, b), upstream, choose(equal(a, b), upstream * 0.5, 0.0)),
    },
    "The larger of a and b: the router gate. Where they are equal each gets half of the gradient.",
)  # fmt: skip
minimum = define(
    "minimum", ("a", "b"), function("minimum", a, b),
    {
        "a": choose(less(a, b), upstream, choose(equal(a, b), upstream * 0.5, 0.0)),
        "b": choose(greater(a, b), upstream, choose(equal(a, b), upstream * 0.5, 0.0)),
    },
    "The smaller of a and b. Where they are equal each gets half of the gradient.",
)  # fmt: skip
floor = define(
    "floor", ("x",), function("floor", x), {"x": upstream * 0.0}, "Largest integer ≤ x; gradient 0."
)
ceil = define("ceil", ("x",), function("ceil", x), {"x": upstream * 0.0}, "Smallest integer ≥ x; gradient 0.")
round = define(
    "round", ("x",), function("round", x), {"x": upstream * 0.0}, "Nearest, ties to even; gradient 0."
)
trunc = define("trunc", ("x",), function("trunc", x), {"x": upstream * 0.0}, "x towards zero; gradient 0.")

_condition = Symbol("condition")
_choose = define(
    "where", ("condition", "a", "b"), choose(_condition, a, b),
    {"a": choose(_condition, upstream, 0.0), "b": choose(_condition, 0.0, upstream)},
    "a where the condition holds, else b.",
    promoted=("a", "b"),
)  # fmt: skip


def where(condition: Any, a: Any, b: Any, /) -> Tensor:
    """a where the condition holds, else b; all three broadcast together.

    y[i] = a[i] if condition[i] else b[i]

    condition   boolean tensor or array
    returns     a and b's common type

    The gradient goes to whichever was chosen.

    >>> import deltarule as dr
    >>> dr.where(dr.tensor([True, False]), dr.tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.], dtype=float32)
    """
    return _choose(condition, a, b)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Tensor:
    """x limited to the range from min to max; either may be None.

    y = maximum(minimum(x, max), min)

    The gradient is that of x inside the range (limits included), and 0 outside.
    """
    if min is None and max is None:
        return _unlimited(x)
    if max is None:
        return _clip_below(x, min)
    if min is None:
        return _clip_above(x, max)
    return _clip(x, min, max)


_low, _high = Symbol("low"), Symbol("high")
_unlimited = define("positive", ("x",), function("positive", x), {"x": upstream}, "+x.")
_clip = define(
    "clip", ("x", "low", "high"), function("maximum", function("minimum", x, _high), _low),
    {"x": choose(less(x, _low), 0.0, choose(greater(x, _high), 0.0, upstream))},
    "x limited to a range.",
)  # fmt: skip
_clip_below = define(
    "clip_below", ("x", "low"), function("maximum", x, _low), {"x": choose(less(x, _low), 0.0, upstream)},
    "x, or the lower limit where it is below.",
)  # fmt: skip
_clip_above = define(
    "clip_above", ("x", "high"), function("minimum", x, _high),
    {"x": choose(greater(x, _high), 0.0, upstream)},
    "x, or the upper limit where it is above.",
)  # fmt: skip
positive = _unlimited
