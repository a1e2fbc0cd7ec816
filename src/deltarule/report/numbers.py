"""Numbers: how figures and shapes are written for people, the same in every form of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def figure(value: float) -> str:
    """A short number: whole ones as they are, others to 3 digits, large and small ones with a power of ten.

    >>> figure(0.61), figure(5e-5), figure(-3), figure(1234567.0)
    ('0.61', '5.0·10⁻⁵', '−3', '1.23·10⁶')
    >>> figure(float("nan")), figure(float("-inf"))
    ('NaN', '−∞')
    """
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if value == 0:
        return "0"
    size = abs(value)
    if size == int(size) and size < 1e6:
        text = str(int(size))
    elif 9.995e-4 <= size < 99999.5:
        digits = max(0, 2 - math.floor(math.log10(size)))
        text = f"{size:.{digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        mantissa, exponent = f"{size:.2e}".split("e")
        mantissa = mantissa.rstrip("0")
        text = f"{mantissa}0" if mantissa.endswith(".") else mantissa
        text += f"·{power_of_ten(int(exponent))}"
    return f"{MINUS}{text}" if value < 0 else text


def power_of_ten(exponent: int) -> str:
    """10 with its exponent raised.

    >>> power_of_ten(-12)
    '10⁻¹²'
    """
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def shape_text(shape: Sequence[int]) -> str:
    """The sizes of an array; a single element has none.

    >>> shape_text((64, 3)), shape_text((5,)), shape_text(())
    ('64 × 3', '5', '()')
    """
    return " × ".join(str(size) for size in shape) if len(shape) else "()"
