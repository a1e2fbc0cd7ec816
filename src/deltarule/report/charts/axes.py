"""Axes: where round numbers stand on a scale, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from deltarule.report.numbers import MINUS, figure, power_of_ten


@dataclass(frozen=True)
class Scale:
    """From values to places: `low` to `high` becomes `start` to `stop`, by logarithms if `log`.

    whole   whether its values are whole numbers, such as steps: no tick stands between two of them
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False
    whole: bool = False

    def __call__(self, value: float) -> float:
        low, high = (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)
        share = ((math.log10(value) if self.log else value) - low) / (high - low)
        # Beyond what `scale_over` allows, values stand just outside.
        share = min(max(share, -0.05), 1.05)
        return self.start + share * (self.stop - self.start)

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """About `count` round values with their words."""
        if self.log:
            return _log_ticks(self.low, self.high, count)
        return linear_ticks(self.low, self.high, count, whole=self.whole)


def scale_over(
    values: Iterable[float],
    start: float,
    stop: float,
    *,
    log: bool = False,
    margin: float = 0.04,
    whole: bool = False,
) -> Scale:
    """A scale that shows all finite values (on a logarithmic scale: the positive ones), with some room."""
    shown = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    low, high = (min(shown), max(shown)) if shown else (1.0, 10.0) if log else (0.0, 1.0)
    whole = whole and all(float(value).is_integer() for value in shown)
    # Differences and powers of what is shown stay within the range of floats.
    if log:
        low, high = (min(max(math.log10(end), -300.0), 300.0) for end in (low, high))
    else:
        low, high = (min(max(end, -1e300), 1e300) for end in (low, high))
    # Values that are alike to the last bits would otherwise leave no room for a tick.
    if high - low <= max(abs(low) * 1e-9, abs(high) * 1e-9, 1e-280):
        room = abs(low) * 0.1 if not log and not whole and abs(low) > 1e-270 else 0.5
        low, high = low - room, high + room
    room = (high - low) * margin
    low, high = low - room, high + room
    return Scale(10**low, 10**high, start, stop, log) if log else Scale(low, high, start, stop, whole=whole)


def linear_ticks(low: float, high: float, count: int = 5, *, whole: bool = False) -> list[tuple[float, str]]:
    """Multiples of 1, 2 or 5 times a power of ten between low and high; whole numbers alone if `whole`.

    >>> [text for _, text in linear_ticks(-0.1, 1.07)]
    ['0', '0.2', '0.4', '0.6', '0.8', '1.0']
    >>> [text for _, text in linear_ticks(0.9, 3.1, whole=True)]
    ['1', '2', '3']
    """
    raw = (high - low) / count
    exponent = math.floor(math.log10(raw))
    lead = raw / 10.0**exponent
    factor = 1 if lead < 1.5 else 2 if lead < 3.5 else 5 if lead < 7.5 else 10
    if factor == 10:
        factor, exponent = 1, exponent + 1
    if whole and exponent < 0:
        factor, exponent = 1, 0
    step = factor * 10.0**exponent
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # All ticks of an axis are written alike: in full where the longest of them is short.
    largest = max(abs(first), abs(last)) * factor * 10.0**exponent
    full = exponent > -4 and largest < 99999
    return [(number * step, _written(number * factor, exponent, full)) for number in range(first, last + 1)]


def _written(digits: int, exponent: int, full: bool) -> str:
    """digits · 10^exponent, without the rounding of binary fractions."""
    if digits == 0:
        return "0"
    size = len(str(abs(digits))) - 1 + exponent
    sign = MINUS if digits < 0 else ""
    if full:
        shown = abs(digits) * 10**exponent if exponent >= 0 else abs(digits) / 10**-exponent
        return f"{sign}{shown:.{max(0, -exponent)}f}"
    mantissa = str(abs(digits)).rstrip("0")
    lead = mantissa[0] + (f".{mantissa[1:]}" if len(mantissa) > 1 else "")
    power = power_of_ten(size)
    return f"{sign}{power}" if lead == "1" else f"{sign}{lead}·{power}"


def _log_ticks(low: float, high: float, count: int) -> list[tuple[float, str]]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    decades = last - first + 1
    if decades >= 3:
        stride = max(1, math.ceil(decades / (count + 1)))
        chosen = [power for power in range(first, last + 1) if power % stride == 0]
        return [(10.0**power, power_of_ten(power)) for power in chosen]
    for factors in ((1, 3), (1, 2, 5), range(1, 10)):
        found = [
            factor * 10.0**power
            for power in range(first - 1, last + 1)
            for factor in factors
            if low <= factor * 10.0**power <= high
        ]
        if len(found) >= 3:
            return [(value, figure(value)) for value in found]
    return linear_ticks(low, high, count)
