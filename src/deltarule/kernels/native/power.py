"""a to the power b, and the logarithm to base 10, through a logarithm of twice the usual digits.

Errors, in units in the last place of the result: pow 2, log10 1; for float32 1.
Source: Dekker, A floating-point technique for extending the available precision, Numer. Math. 18, 1971;
special cases as in the C standard, annex F.
"""

from __future__ import annotations

import math

from deltarule.kernels.native.coefficients import LOGARITHM_REST
from deltarule.kernels.native.format import FORMATS
from deltarule.kernels.native.functions import (
    exponential_of_sum,
    in_float64,
    limited,
    polynomial,
    split,
    where_positive,
)
from deltarule.kernels.native.values import Vector

_TWO_THIRDS, _TWO_THIRDS_REST = 2 / 3, 3.700743415417188e-17
_LOG10_E, _LOG10_E_REST = 0.4342944819032518, 1.098319650216765e-17


def _sum(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    """a + b as a rounded sum and what rounding lost, for |a| ≥ |b|."""
    total = a + b
    return total, b - (total - a)


def _product(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    """a · b as a rounded product and what rounding lost."""
    total = a.times(b)
    return total, a.fma(b, -total)


def _double_logarithm(x: Vector) -> tuple[Vector, Vector]:
    """ln x as the sum of two numbers, to about 2⁻⁶⁵ of it; for x above 0 and finite."""
    format = FORMATS["float64"]
    exponent, m = split(x, format)
    e = exponent.to("float64")
    f, d = m - 1.0, m + 1.0
    s = f / d
    s_rest = ((-s).fma(d, f) - s * (m - (d - 1.0))) / d
    z, z_rest = _product(s, s)
    z_rest = z_rest + s * s_rest * 2.0
    u, u_rest = _sum(x.like(_TWO_THIRDS), z.times(polynomial(z, LOGARITHM_REST["float64"])))
    u_rest = u_rest + _TWO_THIRDS_REST
    v, v_rest = _product(z, u)
    v_rest = v_rest + (z * u_rest + z_rest * u)
    w, w_rest = _product(s, v)
    w_rest = w_rest + (s * v_rest + s_rest * v)
    high, low = _sum(s.times(2.0), w)
    low = low + (w_rest + s_rest * 2.0)
    total, rest = _sum(e.times(format.ln2_short), high)
    return total, rest + e.fma(format.ln2_low, low)


@in_float64
def log10(x: Vector) -> Vector:
    """Logarithm to base 10; exact for powers of 10."""
    high, low = _double_logarithm(x)
    total, rest = _product(high, x.like(_LOG10_E))
    return where_positive(x, total + (rest + (high * _LOG10_E_REST + low * _LOG10_E)))


@in_float64
def power(a: Vector, b: Vector) -> Vector:
    """a to the power b."""
    base = abs(a)
    usual = (base > 0.0) & (base < math.inf)
    high, low = _double_logarithm(base)
    high = usual.select(high, base.equals(0.0).select(base.like(-math.inf), base))
    product = high.times(b)
    rest = high.fma(b, -product) + low * b
    # Where the product is infinite or zero its rest is no number; exp is 0, 1 or infinite whatever it is.
    known = (abs(product) < 800.0) & usual
    value = exponential_of_sum(limited(product, -800.0, 800.0), known.select(rest, 0.0))
    whole = b.function("rint").equals(b)
    half = b * 0.5
    odd = whole & half.function("rint").differs(half)
    signed = odd.select(value.function("copysign", a), value)
    invalid = (a < 0.0) & (base < math.inf) & ~whole
    result = invalid.select(math.nan, signed)
    one = b.equals(0.0) | a.equals(1.0) | (a.equals(-1.0) & abs(b).equals(math.inf))
    return one.select(1.0, result)
