"""How fast something shrinks or grows with the number of steps: fitted rate, what is left, horizon.

Norms are kept as logarithms, since they leave the range of floats in the very cases that one looks at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array

# Steps that a page says what is left after.
STEPS_SHOWN = 20
# A rate this near to 1 neither vanishes nor explodes within any sequence that one would train on.
NEARLY_KEPT = 1e-4


@dataclass(frozen=True)
class Rate:
    """Norms over lags, fitted by a straight line through their logarithms.

    per_step     the factor that each further step multiplies the norm by
    start        the fitted norm at lag 0, as a logarithm
    deviation    root mean square distance of the logarithms from the line
    lags         how many were fitted: those where the norm is not 0

    >>> rate = fitted_rate([1, 2, 3], np.log([0.5, 0.25, 0.125]))
    >>> round(rate.per_step, 12), round(rate.left_after(2), 12)
    (0.5, 0.25)
    """

    per_step: float
    start: float
    deviation: float
    lags: int

    def left_after(self, steps: int) -> float:
        """What is left after so many steps: per_step to that power, inf where it is too large."""
        with np.errstate(over="ignore"):
            return float(np.float64(self.per_step) ** steps)


@dataclass(frozen=True)
class Horizon:
    """How far a gradient reaches before float arithmetic loses it.

    kind       "vanishes" (falls below the float type's resolution, eps, relative to where it starts),
               "explodes" (exceeds its largest number), "keeps", or "unknown" where norms are nan
    lag        the number of steps, None for "keeps" and "unknown"
    measured   whether it happened within the sequence; else the fitted rate was continued
    limit      eps or the largest number
    dtype      the float type
    """

    kind: str
    lag: int | None
    measured: bool
    limit: float | None
    dtype: str


def fitted_rate(lags: Any, log_norms: Any) -> Rate | None:
    """The rate of norms given as logarithms, -inf for 0; None without any lag.

    Where all are 0 the rate is 0; a single one that is not counts from 1 at lag 0. One nan makes it nan.
    """
    x, y = np.asarray(lags, np.float64), np.asarray(log_norms, np.float64)
    if not len(x):
        return None
    if np.isnan(y).any():
        return Rate(math.nan, math.nan, math.nan, 0)
    usable = np.isfinite(y)
    x, y = x[usable], y[usable]
    if not len(x):
        return Rate(0.0, -math.inf, 0.0, 0)
    if len(x) == 1:
        return Rate(math.exp(y[0] / x[0]), 0.0, 0.0, 1)
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    start = float(y.mean() - slope * x.mean())
    deviation = float(np.sqrt(np.mean(np.square(y - start - slope * x))))
    return Rate(math.exp(min(slope, 700.0)), start, deviation, len(x))


def horizon_of(lags: Array, log_norms: Array, rate: Rate | None, dtype: Any) -> Horizon:
    """The lag at which a norm leaves what a float type resolves, measured or continued from the rate."""
    limits = np.finfo(dtype)
    name = np.dtype(dtype).name
    small, large = math.log(limits.eps), math.log(limits.max)
    before = (0, 0.0)
    for lag, log_norm in zip(lags, log_norms, strict=True):
        for kind, limit, passed in (
            ("vanishes", small, log_norm < small),
            ("explodes", large, log_norm > large),
        ):
            if passed:
                number = limits.eps if kind == "vanishes" else limits.max
                return Horizon(
                    kind, _crossing(before, (int(lag), log_norm), limit), True, float(number), name
                )
        before = (int(lag), float(log_norm))
    if rate is not None and math.isnan(rate.per_step):
        return Horizon("unknown", None, False, None, name)
    if rate is None or abs(rate.per_step - 1) < NEARLY_KEPT:
        return Horizon("keeps", None, False, None, name)
    shrinks = rate.per_step < 1
    # The rate is above 0, or a measured norm would have been below the limit.
    reached = math.ceil(((small if shrinks else large) - rate.start) / math.log(rate.per_step))
    lag = max(reached, int(lags[-1]) + 1)
    kind, limit = ("vanishes", limits.eps) if shrinks else ("explodes", limits.max)
    return Horizon(kind, lag, False, float(limit), name)


def _crossing(before: tuple[int, float], after: tuple[int, float], limit: float) -> int:
    """The first lag beyond a limit, between two lags on either side of it."""
    (start, log_start), (end, log_end) = before, after
    if end - start == 1 or not math.isfinite(log_end):
        return end
    return min(end, start + math.ceil((limit - log_start) / (log_end - log_start) * (end - start)))
