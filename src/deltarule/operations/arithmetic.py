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
    example="""
    >>> a, b = dr.tensor(3.0, requires_grad=True), dr.tensor([1.0, 2.0], requires_grad=True)
    >>> dr.add(a, b).sum().backward()
    >>> a.grad.item(), b.grad.tolist()
    (2.0, [1.0, 1.0])
    """,
)  # fmt: skip
subtract = define(
    "subtract", ("a", "b"), a - b, {"a": upstream, "b": -upstream}, "a − b with broadcasting.",
    example="""
    >>> dr.grad(dr.subtract, argnums=(0, 1))(5.0, 3.0)
    (tensor(1., dtype=float32), tensor(-1., dtype=float32))
    """,
)  # fmt: skip
multiply = define(
    "multiply", ("a", "b"), a * b, {"a": upstream * b, "b": upstream * a},
    "a · b element by element. Each gets the gradient times the other: the switcher gate.",
    example="""
    >>> dr.grad(dr.multiply, argnums=(0, 1))(3.0, -4.0)
    (tensor(-4., dtype=float32), tensor(3., dtype=float32))
    """,
)  # fmt: skip
divide = define(
    "divide", ("a", "b"), a / b, {"a": upstream / b, "b": -(upstream * y) / b},
    "a / b element by element; integers give the default float.",
    floating=True,
    example="""
    >>> dr.divide(dr.tensor([1, 2, 3]), 4)
    tensor([0.25, 0.5 , 0.75], dtype=float32)
    >>> dr.grad(dr.divide, argnums=(0, 1))(1.0, 2.0)
    (tensor(0.5, dtype=float32), tensor(-0.25, dtype=float32))
    """,
)  # fmt: skip
floor_divide = define(
    "floor_divide", ("a", "b"), a // b, {}, "⌊a / b⌋; no gradient (it is a step function).",
    example="""
    >>> dr.floor_divide(dr.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """,
)  # fmt: skip
remainder = define(
    "remainder", ("a", "b"), a % b, {"a": upstream, "b": -(upstream * function("floor", a / b))},
    "a − b·⌊a / b⌋, with the sign of b, as in Python and NumPy.",
    example="""
    >>> dr.remainder(dr.tensor([7, -7]), 3)
    tensor([1, 2])
    >>> dr.grad(dr.remainder, argnums=(0, 1))(7.0, 3.0)
    (tensor(1., dtype=float32), tensor(-2., dtype=float32))
    """,
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
    example="""
    >>> dr.pow(dr.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.], dtype=float32)
    >>> dr.grad(dr.pow, argnums=(0, 1))(1.0, 3.0)
    (tensor(3., dtype=float32), tensor(0., dtype=float32))
    """,
)  # fmt: skip
negative = define(
    "negative", ("x",), -x, {"x": -upstream}, "−x.",
    example="""
    >>> dr.grad(dr.negative)(2.0)
    tensor(-1., dtype=float32)
    """,
)  # fmt: skip
abs = define(
    "abs", ("x",), function("abs", x), {"x": upstream * function("sign", x)}, "|x|; the gradient at 0 is 0.",
    example="""
    >>> dr.abs(dr.tensor([-2, 0, 3]))
    tensor([2, 0, 3])
    >>> dr.grad(dr.abs)(-2.0), dr.grad(dr.abs)(0.0)
    (tensor(-1., dtype=float32), tensor(0., dtype=float32))
    """,
)  # fmt: skip
sign = define(
    "sign", ("x",), function("sign", x), {"x": upstream * 0.0}, "−1, 0 or 1; gradient 0.",
    example="""
    >>> dr.sign(dr.tensor([-2.5, 0.0, 3.0]))
    tensor([-1.,  0.,  1.], dtype=float32)
    """,
)  # fmt: skip
square = define(
    "square", ("x",), function("square", x), {"x": upstream * (x * 2.0)}, "x².",
    example="""
    >>> dr.value_and_grad(dr.square)(3.0)
    (tensor(9., dtype=float32), tensor(6., dtype=float32))
    """,
)  # fmt: skip
reciprocal = define(
    "reciprocal", ("x",), 1.0 / x, {"x": -(upstream * function("square", y))}, "1 / x.", floating=True,
    example="""
    >>> dr.value_and_grad(dr.reciprocal)(2.0)
    (tensor(0.5, dtype=float32), tensor(-0.25, dtype=float32))
    """,
)  # fmt: skip
maximum = define(
    "maximum", ("a", "b"), function("maximum", a, b),
    {
        "a": choose(greater(a, b), upstream, choose(equal(a, b), upstream * 0.5, 0.0)),
        "b": choose(less(a, b), upstream, choose(equal(a, b), upstream * 0.5, 0.0)),
    },
    "The larger of a and b: the router gate. Where they are equal each gets half of the gradient.",
    example="""
    >>> a = dr.tensor([1.0, 5.0, 2.0], requires_grad=True)
    >>> b = dr.tensor([4.0, 3.0, 2.0], requires_grad=True)
    >>> dr.maximum(a, b).sum().backward()
    >>> a.grad.tolist(), b.grad.tolist()
    ([0.0, 1.0, 0.5], [1.0, 0.0, 0.5])
    """,
)  # fmt: skip
minimum = define(
    "minimum", ("a", "b"), function("minimum", a, b),
    {
        "a": choose(less(a, b), upstream, choose(equal(a, b), upstream * 0.5, 0.0)),
        "b": choose(greater(a, b), upstream, choose(equal(a, b), upstream * 0.5, 0.0)),
    },
    "The smaller of a and b. Where they are equal each gets half of the gradient.",
    example="""
    >>> dr.minimum(dr.tensor([1.0, 5.0]), 3.0)
    tensor([1., 3.], dtype=float32)
    >>> dr.grad(dr.minimum, argnums=(0, 1))(1.0, 4.0)
    (tensor(1., dtype=float32), tensor(0., dtype=float32))
    """,
)  # fmt: skip
floor = define(
    "floor", ("x",), function("floor", x), {"x": upstream * 0.0}, "Largest integer ≤ x; gradient 0.",
    example="""
    >>> dr.floor(dr.tensor([1.7, -1.2]))
    tensor([ 1., -2.], dtype=float32)
    """,
)  # fmt: skip
ceil = define(
    "ceil", ("x",), function("ceil", x), {"x": upstream * 0.0}, "Smallest integer ≥ x; gradient 0.",
    example="""
    >>> dr.ceil(dr.tensor([1.2, -1.7]))
    tensor([ 2., -1.], dtype=float32)
    """,
)  # fmt: skip
round = define(
    "round", ("x",), function("round", x), {"x": upstream * 0.0}, "Nearest, ties to even; gradient 0.",
    example="""
    >>> dr.round(dr.tensor([0.5, 1.5, 2.5, -1.7]))
    tensor([ 0.,  2.,  2., -2.], dtype=float32)
    """,
)  # fmt: skip
trunc = define(
    "trunc", ("x",), function("trunc", x), {"x": upstream * 0.0}, "x towards zero; gradient 0.",
    example="""
    >>> dr.trunc(dr.tensor([1.7, -1.7]))
    tensor([ 1., -1.], dtype=float32)
    """,
)  # fmt: skip

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

    >>> import deltarule as dr
    >>> x = dr.tensor([-2.0, 0.5, 3.0], requires_grad=True)
    >>> dr.clip(x, 0.0, 1.0).sum().backward()
    >>> dr.clip(x, 0.0, 1.0).tolist(), x.grad.tolist()
    ([0.0, 0.5, 1.0], [0.0, 1.0, 0.0])
    """
    if min is None and max is None:
        return _unlimited(x)
    if max is None:
        return _clip_below(x, min)
    if min is None:
        return _clip_above(x, max)
    return _clip(x, min, max)


_low, _high = Symbol("low"), Symbol("high")
_unlimited = define(
    "positive", ("x",), function("positive", x), {"x": upstream}, "+x.",
    example="""
    >>> dr.positive(dr.tensor([-1, 2]))
    tensor([-1,  2])
    """,
)  # fmt: skip
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
