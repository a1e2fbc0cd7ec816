"""Circular functions of vectors and their inverses, in float64; float32 is computed in float64 and rounded.

Errors, in units in the last place of the result: sin, cos 2; tan 4; asin, acos, atan, atan2 3; for float32 1.
Beyond 2²⁰ the angle is reduced by the C library, lane by lane.
Source of the reductions: Muller, Elementary Functions, 3rd edition 2016, chapters 10 and 11.
"""

from __future__ import annotations

import math

from deltarule.kernels.native.coefficients import ARC_SINE, ARC_TANGENT, COSINE, SINE
from deltarule.kernels.native.format import FORMATS
from deltarule.kernels.native.functions import in_float64, limited, polynomial
from deltarule.kernels.native.values import Mask, Vector

_HALF_PI = math.pi / 2
# π/2 beyond the digits of a float64.
_HALF_PI_REST = 6.123233995736766e-17
_LARGE = 2.0**20


def _quarter(x: Vector) -> tuple[Vector, Vector, Vector]:
    """(n, sin r, cos r) with x = n π/2 + r, |r| ≤ π/4; n as integers."""
    format = FORMATS["float64"]
    shifted = x.fma(2 / math.pi, format.rounder)
    whole = shifted - format.rounder
    r = whole.fma(-_HALF_PI_REST, whole.fma(-_HALF_PI, x))
    z = r * r
    sine = (r * z).fma(polynomial(z, SINE["float64"]), r)
    cosine = (z * z).fma(polynomial(z, COSINE["float64"]), z.fma(-0.5, 1.0))
    return shifted.bits("int64"), sine, cosine


def _odd(n: Vector) -> Mask:
    return (n & 1).differs(0)


def _turned(value: Vector, n: Vector) -> Vector:
    """−value where n is 2 or 3 beyond a multiple of 4."""
    return (n & 2).differs(0).select(-value, value)


def _by_library(x: Vector, value: Vector, name: str) -> Vector:
    """The value, but for large lanes what the C library says."""
    code = x.code
    large = (abs(x) > _LARGE) & (abs(x) < math.inf)
    result = code.variable(value)
    for _ in code.when(large.any()):
        called = value
        for lane in range(x.lanes):
            one = x.lane(lane)
            text = code.intrinsic("double", name, ("double", one.text))
            called = called.with_lane(lane, Vector(code, text, "float64", 1))
        result.value = large.select(called, value)
    return result.value


@in_float64
def sin(x: Vector) -> Vector:
    """Sine of x in radians."""
    n, sine, cosine = _quarter(x)
    value = _turned(_odd(n).select(cosine, sine), n)
    # The sine of −0 is −0.
    return _by_library(x, x.equals(0.0).select(x, value), "sin")


@in_float64
def cos(x: Vector) -> Vector:
    """Cosine of x in radians."""
    n, sine, cosine = _quarter(x)
    return _by_library(x, _turned(_odd(n).select(sine, cosine), n + 1), "cos")


@in_float64
def tan(x: Vector) -> Vector:
    """Tangent of x in radians."""
    n, sine, cosine = _quarter(x)
    odd = _odd(n)
    value = odd.select(-cosine, sine) / odd.select(sine, cosine)
    return _by_library(x, x.equals(0.0).select(x, value), "tan")


def _arc_sine_parts(x: Vector) -> tuple[Mask, Vector, Vector]:
    """(|x| < ½, s, asin s) where s is |x| there, else √((1 − |x|)/2)."""
    magnitude = abs(x)
    small = magnitude < 0.5
    half = magnitude.fma(-0.5, 0.5)
    s = small.select(magnitude, half.function("sqrt"))
    z = small.select(magnitude * magnitude, half)
    return small, s, (s * z).fma(polynomial(z, ARC_SINE["float64"]), s)


@in_float64
def asin(x: Vector) -> Vector:
    """Arc sine; NaN beyond ±1."""
    small, _, arc = _arc_sine_parts(x)
    value = small.select(arc, arc.fma(-2.0, _HALF_PI_REST) + _HALF_PI)
    return (abs(x) > 1.0).select(math.nan, value.function("copysign", x))


@in_float64
def acos(x: Vector) -> Vector:
    """Arc cosine; NaN beyond ±1."""
    small, _, arc = _arc_sine_parts(x)
    near = (-arc.function("copysign", x) + _HALF_PI_REST) + _HALF_PI
    far = (x < 0.0).select(arc.fma(-2.0, 2 * _HALF_PI_REST) + math.pi, arc * 2.0)
    return (abs(x) > 1.0).select(math.nan, small.select(near, far))


def _arc_tangent(numerator: Vector, denominator: Vector) -> Vector:
    """atan(numerator / denominator) for both at least 0."""
    swapped = numerator > denominator
    low, high = swapped.select(denominator, numerator), swapped.select(numerator, denominator)
    beyond = low > high * (math.sqrt(2) - 1)
    t = beyond.select(low - high, low) / beyond.select(low + high, high)
    z = t * t
    arc = (t * z).fma(polynomial(z, ARC_TANGENT["float64"]), t)
    near = beyond.select(arc + _HALF_PI_REST / 2 + math.pi / 4, arc)
    return swapped.select(-near + _HALF_PI_REST + _HALF_PI, near)


@in_float64
def atan(x: Vector) -> Vector:
    """Arc tangent."""
    magnitude = limited(abs(x), 0.0, 1e300)
    return _arc_tangent(magnitude, x.like(1.0)).function("copysign", x)


@in_float64
def atan2(a: Vector, b: Vector) -> Vector:
    """Angle of the point (b, a)."""
    # Scaled, so that neither the sum of the two overflows nor a small one loses digits; infinite ones
    # count as equally large, and the origin lies where b's sign says.
    width, height = abs(b), abs(a)
    infinite = width.equals(math.inf) | height.equals(math.inf)
    large, small = (width > 1e300) | (height > 1e300), (width < 1e-280) & (height < 1e-280)
    factor = large.select(2.0**-60, small.select(2.0**100, width.like(1.0)))
    x = infinite.select(width.equals(math.inf).vector("float64"), width * factor)
    y = infinite.select(height.equals(math.inf).vector("float64"), height * factor)
    origin = x.equals(0.0) & y.equals(0.0)
    angle = _arc_tangent(y, origin.select(1.0, x))
    negative = b.bits("int64") < 0
    turned = negative.select(-angle + 2 * _HALF_PI_REST + math.pi, angle).function("copysign", a)
    return (a.differs(a) | b.differs(b)).select(a + b, turned)
