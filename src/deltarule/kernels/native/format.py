"""The two float types, as the bits and limits that vector functions need."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Format:
    """A float type.

    integer, fraction_bits, bias   integers of its size, bits of its fraction, its exponent's offset
    smallest                       smallest normal number
    rounder, rounder_bits          1.5 · 2^fraction_bits, whose addition rounds to whole numbers
    ln2, ln2_rest                  ln 2 as a sum of two numbers
    ln2_short, ln2_low             the same; multiples of the first by exponents are exact
    exp_zero, exp_infinite         where eˣ is 0 and infinite
    lift, lift_exponent            a power of two that makes every number normal
    """

    name: str
    integer: str
    fraction_bits: int
    bias: int
    smallest: float
    rounder: float
    rounder_bits: int
    ln2: float
    ln2_rest: float
    ln2_short: float
    ln2_low: float
    sqrt_half_bits: int
    exp_zero: float
    exp_infinite: float

    @property
    def lift_exponent(self) -> int:
        return self.fraction_bits + 2

    @property
    def lift(self) -> float:
        return 2.0**self.lift_exponent


# ln 2 beyond the digits of a float64.
_LN2_BEYOND = 2.3190468138462996e-17


def _format(name: str, integer: str, fraction_bits: int, bias: int, zero: float, infinite: float) -> Format:
    number = np.dtype(name).type
    ln2 = math.log(2)
    near = float(number(ln2))
    # As many digits as leave room for those of an exponent.
    places = 2.0 ** (fraction_bits + 1 - int(math.log2(bias)) - 4)
    short = math.floor(ln2 * places) / places
    rounder = 1.5 * 2.0**fraction_bits
    return Format(
        name=name,
        integer=integer,
        fraction_bits=fraction_bits,
        bias=bias,
        smallest=2.0 ** (1 - bias),
        rounder=rounder,
        rounder_bits=int(number(rounder).view(integer)),
        ln2=near,
        ln2_rest=(ln2 - near) + _LN2_BEYOND,
        ln2_short=short,
        ln2_low=(ln2 - short) + _LN2_BEYOND,
        sqrt_half_bits=int(number(math.sqrt(0.5)).view(integer)),
        exp_zero=zero,
        exp_infinite=infinite,
    )


FORMATS = {
    "float32": _format("float32", "int32", 23, 127, -104.0, 89.0),
    "float64": _format("float64", "int64", 52, 1023, -746.0, 710.0),
}
