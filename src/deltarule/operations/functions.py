"""Exponentials, logarithms, trigonometric and hyperbolic functions. Rows of `elementwise.define`."""

from __future__ import annotations

import math

from deltarule.autodiff.formula.expression import Expression, Number, function
from deltarule.operations.elementwise import a, b, define, upstream, x, y


def _unary(name: str, local: Expression, doc: str, example: str):
    """A function of one array whose row in the formula language has the same name."""
    gradients = {"x": upstream * local}
    return define(name, ("x",), function(name, x), gradients, doc, floating=True, example=example)


exp = _unary(
    "exp", y, "e^x. Local gradient: y itself.",
    example="""
    >>> dr.exp(dr.tensor([-dr.inf, 0.0]))
    tensor([0., 1.], dtype=float32)
    >>> dr.value_and_grad(dr.exp)(0.0)
    (tensor(1., dtype=float32), tensor(1., dtype=float32))
    """,
)  # fmt: skip
expm1 = _unary(
    "expm1", y + 1.0, "e^x − 1, accurate for small x. Local gradient: y + 1.",
    example="""
    >>> dr.expm1(1e-10), dr.exp(1e-10) - 1
    (tensor(1.e-10, dtype=float32), tensor(0., dtype=float32))
    """,
)  # fmt: skip
log = _unary(
    "log", 1.0 / x, "Natural logarithm ln x. Local gradient: 1 / x.",
    example="""
    >>> dr.value_and_grad(dr.log)(1.0)
    (tensor(0., dtype=float32), tensor(1., dtype=float32))
    >>> dr.grad(dr.log)(4.0)
    tensor(0.25, dtype=float32)
    """,
)  # fmt: skip
log1p = _unary(
    "log1p", 1.0 / (x + 1.0), "ln(1 + x), accurate for small x.",
    example="""
    >>> dr.log1p(1e-10), dr.log(1.0 + dr.tensor(1e-10))
    (tensor(1.e-10, dtype=float32), tensor(0., dtype=float32))
    """,
)  # fmt: skip
log2 = _unary(
    "log2", 1.0 / (x * Number(math.log(2), r"\ln 2")), "Logarithm to base 2.",
    example="""
    >>> dr.log2(dr.tensor([0.5, 1.0, 8.0]))
    tensor([-1.,  0.,  3.], dtype=float32)
    """,
)  # fmt: skip
log10 = _unary(
    "log10", 1.0 / (x * Number(math.log(10), r"\ln 10")), "Logarithm to base 10.",
    example="""
    >>> [round(value, 4) for value in dr.log10([0.1, 1.0, 1000.0]).tolist()]
    [-1.0, 0.0, 3.0]
    """,
)  # fmt: skip
sqrt = _unary(
    "sqrt", 0.5 / y, "√x. Local gradient: 1 / (2y).",
    example="""
    >>> dr.value_and_grad(dr.sqrt)(4.0)
    (tensor(2., dtype=float32), tensor(0.25, dtype=float32))
    """,
)  # fmt: skip
sin = _unary(
    "sin", function("cos", x), "Sine of x in radians.",
    example="""
    >>> dr.value_and_grad(dr.sin)(0.0)
    (tensor(0., dtype=float32), tensor(1., dtype=float32))
    """,
)  # fmt: skip
cos = _unary(
    "cos", -function("sin", x), "Cosine of x in radians.",
    example="""
    >>> dr.cos(0.0)
    tensor(1., dtype=float32)
    >>> round(dr.grad(dr.cos)(dr.pi / 2).item(), 4)
    -1.0
    """,
)  # fmt: skip
tan = _unary(
    "tan", 1.0 + function("square", y), "Tangent of x in radians. Local gradient: 1 + y².",
    example="""
    >>> dr.value_and_grad(dr.tan)(0.0)
    (tensor(0., dtype=float32), tensor(1., dtype=float32))
    >>> round(dr.tan(dr.pi / 4).item(), 4)
    1.0
    """,
)  # fmt: skip
asin = _unary(
    "asin", 1.0 / function("sqrt", 1.0 - function("square", x)), "Arc sine, in radians from −π/2 to π/2.",
    example="""
    >>> [round(angle, 4) for angle in dr.asin([-1, 0, 1]).tolist()]
    [-1.5708, 0.0, 1.5708]
    >>> dr.grad(dr.asin)(0.0)
    tensor(1., dtype=float32)
    """,
)  # fmt: skip
acos = _unary(
    "acos", -1.0 / function("sqrt", 1.0 - function("square", x)), "Arc cosine, in radians from 0 to π.",
    example="""
    >>> [round(angle, 4) for angle in dr.acos([-1, 0, 1]).tolist()]
    [3.1416, 1.5708, 0.0]
    >>> dr.grad(dr.acos)(0.0)
    tensor(-1., dtype=float32)
    """,
)  # fmt: skip
atan = _unary(
    "atan", 1.0 / (1.0 + function("square", x)), "Arc tangent, in radians from −π/2 to π/2.",
    example="""
    >>> round(dr.atan(1.0).item(), 4), round(dr.atan(dr.inf).item(), 4)
    (0.7854, 1.5708)
    >>> dr.grad(dr.atan)(1.0)
    tensor(0.5, dtype=float32)
    """,
)  # fmt: skip
sinh = _unary(
    "sinh", function("cosh", x), "Hyperbolic sine.",
    example="""
    >>> round(dr.sinh(1.0).item(), 4)
    1.1752
    >>> dr.grad(dr.sinh)(0.0)
    tensor(1., dtype=float32)
    """,
)  # fmt: skip
cosh = _unary(
    "cosh", function("sinh", x), "Hyperbolic cosine.",
    example="""
    >>> round(dr.cosh(1.0).item(), 4)
    1.5431
    >>> dr.grad(dr.cosh)(0.0)
    tensor(0., dtype=float32)
    """,
)  # fmt: skip
tanh = _unary(
    "tanh", 1.0 - function("square", y), "Hyperbolic tangent, −1 to 1. Local gradient: 1 − y².",
    example="""
    >>> dr.value_and_grad(dr.tanh)(0.0)
    (tensor(0., dtype=float32), tensor(1., dtype=float32))
    >>> dr.value_and_grad(dr.tanh)(20.0)
    (tensor(1., dtype=float32), tensor(0., dtype=float32))
    """,
)  # fmt: skip
asinh = _unary(
    "asinh", 1.0 / function("sqrt", function("square", x) + 1.0), "Inverse hyperbolic sine.",
    example="""
    >>> round(dr.asinh(1.0).item(), 4)
    0.8814
    >>> dr.grad(dr.asinh)(0.0)
    tensor(1., dtype=float32)
    """,
)  # fmt: skip
acosh = _unary(
    "acosh", 1.0 / function("sqrt", function("square", x) - 1.0), "Inverse hyperbolic cosine, x ≥ 1.",
    example="""
    >>> round(dr.acosh(2.0).item(), 4), dr.acosh(1.0).item()
    (1.317, 0.0)
    """,
)  # fmt: skip
atanh = _unary(
    "atanh", 1.0 / (1.0 - function("square", x)), "Inverse hyperbolic tangent, −1 < x < 1.",
    example="""
    >>> round(dr.atanh(0.5).item(), 4)
    0.5493
    >>> dr.grad(dr.atanh)(0.0)
    tensor(1., dtype=float32)
    """,
)  # fmt: skip
erf = _unary(
    "erf", Number(2 / math.sqrt(math.pi), r"\tfrac{2}{\sqrt{\pi}}") * function("exp", -function("square", x)),
    "Error function (2/√π) ∫₀ˣ e^(−t²) dt.",
    example="""
    >>> [round(value, 4) for value in dr.erf([-1.0, 0.0, 1.0, 10.0]).tolist()]
    [-0.8427, 0.0, 0.8427, 1.0]
    """,
)  # fmt: skip
_squared_distance = function("square", a) + function("square", b)
atan2 = define(
    "atan2", ("a", "b"), function("atan2", a, b),
    {"a": upstream * b / _squared_distance, "b": -(upstream * a) / _squared_distance},
    "Angle of the point (b, a), in radians from −π to π.",
    floating=True,
    example="""
    >>> [round(angle, 4) for angle in dr.atan2([0.0, 1.0, -1.0], [1.0, 1.0, -1.0]).tolist()]
    [0.0, 0.7854, -2.3562]
    >>> dr.grad(dr.atan2)(0.0, 1.0)
    tensor(1., dtype=float32)
    """,
)  # fmt: skip
rsqrt = define(
    "rsqrt", ("x",), 1.0 / function("sqrt", x), {"x": upstream * (y / x) * -0.5}, "1 / √x.", floating=True,
    example="""
    >>> dr.value_and_grad(dr.rsqrt)(4.0)
    (tensor(0.5, dtype=float32), tensor(-0.0625, dtype=float32))
    """,
)  # fmt: skip
