"""Exponentials, logarithms, trigonometric and hyperbolic functions. Rows of `elementwise.define`."""

from __future__ import annotations

import math

from deltarule.autodiff.formula.expression import Expression, Number, function
from deltarule.operations.elementwise import a, b, define, upstream, x, y


def _unary(name: str, local: Expression, doc: str):
    """A function of one array whose row in the formula language has the same name."""
    return define(name, ("x",), function(name, x), {"x": upstream * local}, doc, floating=True)


exp = _unary("exp", y, "e^x. Local gradient: y itself.")
expm1 = _unary("expm1", y + 1.0, "e^x − 1, accurate for small x. Local gradient: y + 1.")
log = _unary("log", 1.0 / x, "Natural logarithm ln x. Local gradient: 1 / x.")
log1p = _unary("log1p", 1.0 / (x + 1.0), "ln(1 + x), accurate for small x.")
log2 = _unary("log2", 1.0 / (x * Number(math.log(2), r"\ln 2")), "Logarithm to base 2.")
log10 = _unary("log10", 1.0 / (x * Number(math.log(10), r"\ln 10")), "Logarithm to base 10.")
sqrt = _unary("sqrt", 0.5 / y, "√x. Local gradient: 1 / (2y).")
sin = _unary("sin", function("cos", x), "Sine of x in radians.")
cos = _unary("cos", -function("sin", x), "Cosine of x in radians.")
tan = _unary("tan", 1.0 + function("square", y), "Tangent of x in radians. Local gradient: 1 + y².")
asin = _unary(
    "asin", 1.0 / function("sqrt", 1.0 - function("square", x)), "Arc sine, in radians from −π/2 to π/2."
)
acos = _unary(
    "acos", -1.0 / function("sqrt", 1.0 - function("square", x)), "Arc cosine, in radians from 0 to π."
)
atan = _unary("atan", 1.0 / (1.0 + function("square", x)), "Arc tangent, in radians from −π/2 to π/2.")
sinh = _unary("sinh", function("cosh", x), "Hyperbolic sine.")
cosh = _unary("cosh", function("sinh", x), "Hyperbolic cosine.")
tanh = _unary("tanh", 1.0 - function("square", y), "Hyperbolic tangent, −1 to 1. Local gradient: 1 − y².")
asinh = _unary("asinh", 1.0 / function("sqrt", function("square", x) + 1.0), "Inverse hyperbolic sine.")
acosh = _unary(
    "acosh", 1.0 / function("sqrt", function("square", x) - 1.0), "Inverse hyperbolic cosine, x ≥ 1."
)
atanh = _unary("atanh", 1.0 / (1.0 - function("square", x)), "Inverse hyperbolic tangent, −1 < x < 1.")
erf = _unary(
    "erf",
    Number(2 / math.sqrt(math.pi), r"\tfrac{2}{\sqrt{\pi}}") * function("exp", -function("square", x)),
    "Error function (2/√π) ∫₀ˣ e^(−t²) dt.",
)
_squared_distance = function("square", a) + function("square", b)
atan2 = define(
    "atan2", ("a", "b"), function("atan2", a, b),
    {"a": upstream * b / _squared_distance, "b": -(upstream * a) / _squared_distance},
    "Angle of the point (b, a), in radians from −π to π.",
    floating=True,
)  # fmt: skip
rsqrt = define(
    "rsqrt", ("x",), 1.0 / function("sqrt", x), {"x": upstream * (y / x) * -0.5}, "1 / √x.", floating=True
)
