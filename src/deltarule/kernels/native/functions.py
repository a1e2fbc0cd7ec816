"""Exponentials, logarithms, error functions and hyperbolic functions of vectors, for float32 and float64.

Each reduces its argument to a short interval, where a polynomial of coefficients.py holds, and chooses
between branches by masks, so that all lanes take the same time. Zeros, infinities, NaN, overflow and results
below the smallest normal number come out as NumPy's do. tests/kernels/native/test_functions.py holds the
errors, in units in the last place of the result:

    float32   exp 1  exp2 1  expm1 2  log 1  log1p 2  log2 2  tanh 3  sigmoid 3  softplus 2  erf 2
    float64   exp 1  exp2 2  expm1 2  log 1  log1p 2  log2 2  tanh 3  sigmoid 3  softplus 2  erf 2

In float64 also erfc 4, sinh 3, cosh 2, asinh 3, acosh 3, atanh 3; these float32 takes from float64: 1 unit.
Source of the reductions: Muller, Elementary Functions, 3rd edition 2016, chapters 3, 6 and 11.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps

from deltarule.kernels.native.coefficients import (
    COMPLEMENT,
    ERROR_EXPONENT,
    ERROR_SMALL,
    EXPONENTIAL,
    LOGARITHM,
)
from deltarule.kernels.native.format import FORMATS, Format
from deltarule.kernels.native.values import Vector

Unary = Callable[[Vector], Vector]


def polynomial(x: Vector, coefficients: tuple[float, ...]) -> Vector:
    """Σ coefficients[i] · xⁱ, by Horner's rule."""
    total = x.like(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total.fma(x, coefficient)
    return total


def limited(x: Vector, low: float, high: float) -> Vector:
    """x, not below one limit nor above the other; NaN stays NaN."""
    return x.like(low).larger(x.like(high).smaller(x))


def in_float64(function: Callable[..., Vector]) -> Callable[..., Vector]:
    """The function for float32 too: computed in float64, then rounded."""

    @wraps(function)
    def widened(*vectors: Vector) -> Vector:
        if vectors[0].dtype == "float64":
            return function(*vectors)
        return function(*(vector.to("float64") for vector in vectors)).to("float32")

    return widened


# ---- exponentials


def _reduced(x: Vector, format: Format) -> tuple[Vector, Vector]:
    """(n, r) with x = n ln 2 + r, |r| ≤ ½ ln 2; n as integers. x must be limited."""
    # Adding 1.5 · 2^(digits − 1) leaves the whole number in the last bits.
    shifted = x.fma(1 / math.log(2), format.rounder)
    whole = shifted - format.rounder
    r = whole.fma(-format.ln2, x)
    return shifted.bits(format.integer) - format.rounder_bits, whole.fma(-format.ln2_rest, r)


def _exponential_less_one(r: Vector) -> Vector:
    """eʳ − 1 for |r| ≤ ½ ln 2."""
    return (r * r).fma(polynomial(r, EXPONENTIAL[r.dtype]), r)


def power_of_two(n: Vector, format: Format) -> Vector:
    """2ⁿ for integers n that give a normal number."""
    return ((n + format.bias) << format.fraction_bits).bits(format.name)


def scaled(x: Vector, n: Vector, format: Format) -> Vector:
    """x · 2ⁿ, in two steps, so that what overflows or falls below the normal numbers comes out right."""
    half = n >> 1
    return x.times(power_of_two(half, format)).times(power_of_two(n - half, format))


def exp(x: Vector) -> Vector:
    """eˣ."""
    format = FORMATS[x.dtype]
    n, r = _reduced(limited(x, format.exp_zero, format.exp_infinite), format)
    return scaled(_exponential_less_one(r) + 1.0, n, format)


def exponential_of_sum(x: Vector, rest: Vector) -> Vector:
    """eˣ⁺ʳ for a rest that is small beside x, which lies between −800 and 800; in float64."""
    format = FORMATS["float64"]
    n, r = _reduced(x, format)
    return scaled(_exponential_less_one(r + rest) + 1.0, n, format)


def exp2(x: Vector) -> Vector:
    """2ˣ."""
    format = FORMATS[x.dtype]
    x = limited(x, format.exp_zero / math.log(2), format.exp_infinite / math.log(2))
    shifted = x + format.rounder
    r = (x - (shifted - format.rounder)) * math.log(2)
    return scaled(_exponential_less_one(r) + 1.0, shifted.bits(format.integer) - format.rounder_bits, format)


def _expm1_half(x: Vector) -> Vector:
    """(eˣ − 1) / 2 for x between −100 and where that overflows."""
    format = FORMATS[x.dtype]
    n, r = _reduced(x, format)
    # Halved once more, so that the power of two does not overflow before its multiple does.
    scale = power_of_two(n - 2, format)
    return scale.fma(_exponential_less_one(r), scale - 0.25) * 2.0


def expm1(x: Vector) -> Vector:
    """eˣ − 1."""
    format = FORMATS[x.dtype]
    value = _expm1_half(limited(x, -80.0, format.exp_infinite)) * 2.0
    # The halves of the smallest numbers have lost digits.
    return (abs(x) < format.smallest * 8).select(x, value)


def tanh(x: Vector) -> Vector:
    """(e²ˣ − 1) / (e²ˣ + 1)."""
    format = FORMATS[x.dtype]
    n, r = _reduced(limited(abs(x) * 2.0, 0.0, 48.0), format)
    scale = power_of_two(n, format)
    grown = scale.fma(_exponential_less_one(r), scale - 1.0)
    return (grown / (grown + 2.0)).function("copysign", x)


def sigmoid(x: Vector) -> Vector:
    """1 / (1 + e⁻ˣ), without overflow and exact in proportion on both sides."""
    decay = exp(-abs(x))
    return (x < 0.0).select(decay, 1.0) / (decay + 1.0)


def softplus(x: Vector) -> Vector:
    """ln(1 + eˣ), without overflow."""
    return x.like(0.0).larger(x) + log1p(exp(-abs(x)))


@in_float64
def sinh(x: Vector) -> Vector:
    """(eˣ − e⁻ˣ) / 2."""
    format, magnitude = FORMATS[x.dtype], abs(x)
    half = _expm1_half(limited(magnitude, 0.0, format.exp_infinite + 0.6))
    # ½ (1 − e⁻ˣ), which is ½ long before the other half is infinite.
    kept = half.like(1e30).smaller(half)
    value = (half + kept / (kept * 2.0 + 1.0)).function("copysign", x)
    return (magnitude < format.smallest * 8).select(x, value)


@in_float64
def cosh(x: Vector) -> Vector:
    """(eˣ + e⁻ˣ) / 2."""
    format = FORMATS[x.dtype]
    n, r = _reduced(limited(abs(x), 0.0, format.exp_infinite + 0.6), format)
    half = scaled(_exponential_less_one(r) + 1.0, n - 1, format)
    return half + half.like(0.25) / half


# ---- logarithms


def split(x: Vector, format: Format) -> tuple[Vector, Vector]:
    """(e, m) with x = 2ᵉ · m, √½ ≤ m < √2, e as integers; for x above 0 and finite."""
    tiny = x < format.smallest
    bits = tiny.select(x * format.lift, x).bits(format.integer)
    exponent = (bits - format.sqrt_half_bits) >> format.fraction_bits
    fraction = (bits - (exponent << format.fraction_bits)).bits(format.name)
    return exponent - tiny.select(exponent.like(format.lift_exponent), 0), fraction


def _log_of_fraction(m: Vector) -> tuple[Vector, Vector, Vector]:
    """Three parts f, h, c of ln m = f − (h − c), for √½ ≤ m < √2."""
    f = m - 1.0
    s = f / (f + 2.0)
    z = s * s
    half_square = f * f * 0.5
    return f, half_square, s * (half_square + z * polynomial(z, LOGARITHM[m.dtype]))


def where_positive(x: Vector, value: Vector) -> Vector:
    """A logarithm of x: the value where x is above 0 and finite, else −∞, NaN or x."""
    usual = (x > 0.0) & (x < math.inf)
    return usual.select(value, x.equals(0.0).select(x.like(-math.inf), (x < 0.0).select(x.like(math.nan), x)))


def _log_of_positive(x: Vector) -> Vector:
    format = FORMATS[x.dtype]
    n, m = split(x, format)
    exponent = n.to(x.dtype)
    f, half_square, correction = _log_of_fraction(m)
    low = exponent.fma(format.ln2_low, correction)
    return exponent.fma(format.ln2_short, f - (half_square - low))


def log(x: Vector) -> Vector:
    """ln x."""
    return where_positive(x, _log_of_positive(x))


def log2(x: Vector) -> Vector:
    """Logarithm to base 2; exact for powers of 2."""
    n, m = split(x, FORMATS[x.dtype])
    f, half_square, correction = _log_of_fraction(m)
    return where_positive(x, (f - (half_square - correction)).fma(1 / math.log(2), n.to(x.dtype)))


def log1p(x: Vector) -> Vector:
    """ln(1 + x), exact in proportion for small x."""
    grown = x + 1.0
    # What the sum lost, to first order.
    lost = (x - (grown - 1.0)) / grown
    usual = (grown > 0.0) & (grown < math.inf)
    value = where_positive(grown, _log_of_positive(grown) + usual.select(lost, 0.0))
    return grown.equals(1.0).select(x, value)


@in_float64
def asinh(x: Vector) -> Vector:
    """ln(x + √(x² + 1))."""
    magnitude = abs(x)
    large = magnitude > 1e8
    kept = large.select(1.0, magnitude)
    square = kept * kept
    small = log1p(kept + square / ((square + 1.0).function("sqrt") + 1.0))
    return large.select(log(magnitude) + math.log(2), small).function("copysign", x)


@in_float64
def acosh(x: Vector) -> Vector:
    """ln(x + √(x² − 1)); NaN below 1."""
    large = x > 1e8
    above = large.select(1.0, x) - 1.0
    small = log1p(above + (above * (above + 2.0)).function("sqrt"))
    return (x < 1.0).select(math.nan, large.select(log(x) + math.log(2), small))


@in_float64
def atanh(x: Vector) -> Vector:
    """½ ln((1 + x) / (1 − x))."""
    magnitude = abs(x)
    value = log1p(magnitude * 2.0 / (-magnitude + 1.0)) * 0.5
    return value.function("copysign", x)


# ---- error functions


def _complement(x: Vector) -> Vector:
    """erfc x for 0.4 ≤ x ≤ 28, in float64."""
    format = FORMATS["float64"]
    square = x.times(x)
    rest = x.fma(x, -square)
    n, r = _reduced(-square, format)
    mapped = polynomial((x - 4.0) / (x + 4.0), COMPLEMENT["float64"]) / (x * 2.0 + 1.0)
    value = (_exponential_less_one(r) + 1.0) * mapped
    return scaled(value.fma(-rest, value), n, format)


def _erf_small(x: Vector) -> Vector:
    """erf x for |x| ≤ 1."""
    return x.fma(polynomial(x * x, ERROR_SMALL[x.dtype]), x)


def erf(x: Vector) -> Vector:
    """(2/√π) ∫₀ˣ exp(−t²) dt."""
    magnitude = abs(x)
    if x.dtype == "float32":
        format = FORMATS["float32"]
        n, r = _reduced(polynomial(limited(magnitude, 1.0, 4.0), ERROR_EXPONENT["float32"]), format)
        scale = power_of_two(n, format)
        large = -scale.fma(_exponential_less_one(r), scale) + 1.0
    else:
        large = -_complement(limited(magnitude, 1.0, 6.0)) + 1.0
    small = _erf_small(limited(magnitude, 0.0, 1.0))
    return (magnitude < 1.0).select(small, large).function("copysign", x)


@in_float64
def erfc(x: Vector) -> Vector:
    """1 − erf x, exact in proportion for large x."""
    magnitude = abs(x)
    large = _complement(limited(magnitude, 0.4, 28.0))
    return (magnitude < 0.5).select(
        -_erf_small(limited(x, -1.0, 1.0)) + 1.0, (x < 0.0).select(-large + 2.0, large)
    )
