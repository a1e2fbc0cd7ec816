"""Prints src/deltarule/kernels/native/coefficients.py: polynomials for exp, log, erf and the others.

    python benchmarks/coefficients.py > src/deltarule/kernels/native/coefficients.py

Each polynomial interpolates its function at Chebyshev's points, in decimal arithmetic of 60 digits, which
comes within a factor of two or so of the best polynomial of that degree.
Source: Trefethen, Approximation Theory and Approximation Practice, 2013, chapters 2 to 8.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, getcontext

getcontext().prec = 60
ONE, HALF = Decimal(1), Decimal("0.5")


def series(term: Decimal, following: Callable[[int, Decimal], Decimal]) -> Decimal:
    """Sum of a series from its first term and the rule for the next one."""
    total, n = term, 0
    while term and abs(term) > abs(total) * Decimal(10) ** -58:
        term = following(n, term)
        total += term
        n += 1
    return total


def arc_tangent(x: Decimal) -> Decimal:
    """atan by its series, after two halvings of the angle."""
    for _ in range(2):
        x = x / (1 + (1 + x * x).sqrt())
    square = x * x
    return 4 * series(x, lambda n, term: -term * square * (2 * n + 1) / (2 * n + 3))


PI = 4 * arc_tangent(ONE)


def sine(x: Decimal) -> Decimal:
    return series(x, lambda n, term: -term * x * x / ((2 * n + 2) * (2 * n + 3)))


def cosine(x: Decimal) -> Decimal:
    return series(ONE, lambda n, term: -term * x * x / ((2 * n + 1) * (2 * n + 2)))


def error_function(x: Decimal) -> Decimal:
    """erf as exp(−x²) times a series of positive terms."""
    return 2 / PI.sqrt() * (-x * x).exp() * series(x, lambda n, term: term * 2 * x * x / (2 * n + 3))


def scaled_complement(x: Decimal) -> Decimal:
    """exp(x²) · erfc(x): from erf where x is small, else by its continued fraction."""
    if x < 4:
        return (x * x).exp() * (1 - error_function(x))
    value = x
    for n in range(700, 0, -1):
        value = x + HALF * n / value
    return 1 / (PI.sqrt() * value)


def polynomial(function: Callable[[Decimal], Decimal], low: Decimal, high: Decimal, degree: int) -> list[str]:
    """Coefficients, the constant one first."""
    count = degree + 1
    angles = [PI * (2 * k + 1) / (2 * count) for k in range(count)]
    middle, half = (low + high) / 2, (high - low) / 2
    values = [function(middle + half * cosine(angle)) for angle in angles]
    weights = [
        sum((value * cosine(j * angle) for value, angle in zip(values, angles, strict=True)), Decimal(0))
        * 2
        / count
        for j in range(count)
    ]
    weights[0] /= 2
    # Chebyshev's polynomials of t = (x − middle) / half, written out in powers of x.
    scale, shift = 1 / half, -middle / half
    before, now = [ONE], [shift, scale]
    total = [Decimal(0)] * count
    for j in range(count):
        current = before if j == 0 else now
        for power, coefficient in enumerate(current):
            total[power] += weights[j] * coefficient
        if j >= 1:
            following = [Decimal(0)] * (len(now) + 1)
            for power, coefficient in enumerate(now):
                following[power] += 2 * shift * coefficient
                following[power + 1] += 2 * scale * coefficient
            for power, coefficient in enumerate(before):
                following[power] -= coefficient
            before, now = now, following
    return [repr(float(coefficient)) for coefficient in total]


def exponential_tail(r: Decimal) -> Decimal:
    # The middle point is zero but for the last digit.
    return ((r.exp() - 1 - r) / (r * r)) if abs(r) > Decimal("1e-20") else HALF


def logarithm_tail(z: Decimal) -> Decimal:
    s = z.sqrt()
    return (((1 + s) / (1 - s)).ln() - 2 * s) / (s * z) if z else Decimal(2) / 3


def logarithm_rest(z: Decimal) -> Decimal:
    return (logarithm_tail(z) - Decimal(2) / 3) / z if z else Decimal(2) / 5


def arc_sine_tail(z: Decimal) -> Decimal:
    s = z.sqrt()
    return (arc_tangent(s / (1 - z).sqrt()) / s - 1) / z if z else ONE / 6


def arc_tangent_tail(z: Decimal) -> Decimal:
    s = z.sqrt()
    return (arc_tangent(s) / s - 1) / z if z else -ONE / 3


def sine_tail(z: Decimal) -> Decimal:
    s = z.sqrt()
    return (sine(s) / s - 1) / z if z else -ONE / 6


def cosine_tail(z: Decimal) -> Decimal:
    return (cosine(z.sqrt()) - 1 + z / 2) / (z * z) if z else ONE / 24


def error_small(z: Decimal) -> Decimal:
    s = z.sqrt()
    return error_function(s) / s - 1 if s else 2 / PI.sqrt() - 1


def error_exponent(x: Decimal) -> Decimal:
    return (1 - error_function(x)).ln()


# The complement is fitted in q = (x − 4) / (x + 4), from x = 0.4 on.
MAPPED_AT = 4


def complement(q: Decimal) -> Decimal:
    x = MAPPED_AT * (1 + q) / (1 - q)
    return (1 + 2 * x) * scaled_complement(x)


def mapped(x: str) -> Decimal:
    return (Decimal(x) - MAPPED_AT) / (Decimal(x) + MAPPED_AT)


HALF_LN2 = Decimal(2).ln() / 2 + Decimal("1e-5")
LOG_END = ((Decimal(2).sqrt() - 1) / (Decimal(2).sqrt() + 1)) ** 2 + Decimal("1e-7")
ZERO = Decimal(0)

# name: (comment, function, from, to, degree for float32 or None, degree for float64)
TABLES = {
    "EXPONENTIAL": ("(eʳ − 1 − r) / r², |r| ≤ ½ ln 2", exponential_tail, -HALF_LN2, HALF_LN2, 5, 10),
    "LOGARITHM": (
        "(ln((1 + s)/(1 − s)) − 2 s) / s³ in s², s ≤ 0.1716", logarithm_tail, ZERO, LOG_END, 2, 6,
    ),
    "LOGARITHM_REST": (
        "what is left of that after the 2/3, divided by s²", logarithm_rest, ZERO, LOG_END, None, 8,
    ),
    "ARC_SINE": ("(asin s / s − 1) / s² in s², s ≤ ½", arc_sine_tail, ZERO, ONE / 4, None, 12),
    "ARC_TANGENT": (
        "(atan s / s − 1) / s² in s², s ≤ tan π/8", arc_tangent_tail, ZERO, Decimal("0.1716"), None, 11,
    ),
    "SINE": ("(sin s / s − 1) / s² in s², s ≤ π/4", sine_tail, ZERO, Decimal("0.6170"), None, 6),
    "COSINE": ("(cos s − 1 + s²/2) / s⁴ in s², s ≤ π/4", cosine_tail, ZERO, Decimal("0.6170"), None, 6),
    "ERROR_SMALL": ("erf s / s − 1 in s², s ≤ 1", error_small, ZERO, ONE, 6, 12),
    "ERROR_EXPONENT": ("ln(1 − erf s), 1 ≤ s ≤ 4", error_exponent, ONE, Decimal(4), 8, None),
    "COMPLEMENT": (
        "(1 + 2x) eˣˣ erfc x in (x − 4)/(x + 4), 0.4 ≤ x ≤ 28", complement, mapped("0.4"), mapped("28"),
        None, 21,
    ),
}  # fmt: skip


def main() -> None:
    print(
        '"""Coefficients of polynomials, the constant one first. Printed by benchmarks/coefficients.py."""\n'
    )
    print("# fmt: off")
    for name, (comment, function, low, high, single, double) in TABLES.items():
        print(f"# {comment}\n{name} = {{")
        for dtype, degree in (("float32", single), ("float64", double)):
            if degree is not None:
                listed = polynomial(function, low, high, degree)
                print(f'    "{dtype}": (')
                for start in range(0, len(listed), 4):
                    print(f"        {', '.join(listed[start : start + 4])},")
                print("    ),")
        print("}")


if __name__ == "__main__":
    main()
