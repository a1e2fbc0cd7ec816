"""Guesses why a gradient is wrong from how it differs: the mistakes that people make by hand."""

from __future__ import annotations

import numpy as np

from deltarule.autodiff.tensor import Array


def likely_cause(analytic: Array, numerical: Array, x: Array, y: Array, upstream: Array) -> str:
    """A clause about the likely mistake, beginning with a dash, or "" where none fits.

    analytic, numerical   both gradients for the input x
    x, y, upstream        the input, the operation's output, the output's upstream gradient
    """
    guess = (
        _zero(analytic, numerical)
        or _sign(analytic, numerical)
        or _transposed(analytic, numerical)
        or _constant_factor(analytic, numerical, x, y)
        or _missing_factor(analytic, numerical, x, y, upstream)
        or _missing_accumulation(analytic, numerical)
        or _unsummed(analytic, numerical, x, y)
    )
    return f" – likely cause: {guess}" if guess else ""


def _close(left: Array, right: Array) -> bool:
    scale = max(float(np.max(np.abs(right), initial=0.0)), 1e-12)
    return left.shape == right.shape and bool(np.all(np.abs(left - right) <= 1e-5 * scale))


def _zero(analytic: Array, numerical: Array) -> str:
    return "the gradient is missing (all zero)" if not np.any(analytic) and np.any(numerical) else ""


def _sign(analytic: Array, numerical: Array) -> str:
    return "the sign is wrong" if _close(-analytic, numerical) else ""


def _transposed(analytic: Array, numerical: Array) -> str:
    if analytic.ndim < 2 or analytic.shape[-1] != analytic.shape[-2] or analytic.shape[-1] < 2:
        return ""
    return "it is transposed" if _close(np.swapaxes(analytic, -1, -2), numerical) else ""


def _constant_factor(analytic: Array, numerical: Array, x: Array, y: Array) -> str:
    used = np.abs(numerical) > 1e-8 * np.max(np.abs(numerical), initial=0.0)
    if not np.any(used) or np.sum(used) < 2:
        return ""
    ratios = analytic[used] / numerical[used]
    factor = float(np.median(ratios))
    if (
        factor == 0
        or not np.allclose(ratios, factor, rtol=1e-4)
        or not np.allclose(analytic[~used], 0, atol=1e-6)
    ):
        return ""
    inverse = 1 / factor
    extents = sorted({*x.shape, *y.shape, x.size, y.size} - {0, 1})
    for extent in extents:
        if np.isclose(inverse, extent, rtol=1e-4):
            return f"a missing factor or sum: it is too small by {extent}, the length of an axis"
        if np.isclose(factor, extent, rtol=1e-4):
            return f"a wrong factor: it is too large by {extent}, the length of an axis"
    return f"a wrong factor: it is {factor:.6g} times the right gradient"


def _missing_factor(analytic: Array, numerical: Array, x: Array, y: Array, upstream: Array) -> str:
    if y.shape != x.shape:
        return ""
    with np.errstate(all="ignore"):
        candidates = {
            "1 − y²": 1 - y**2,
            "y (1 − y)": y * (1 - y),
            "y": y,
            "x": x,
            "2x": 2 * x,
            "1/x": 1 / x,
            "the upstream gradient": upstream,
        }
        for name, factor in candidates.items():
            if np.all(np.isfinite(factor)) and _close(analytic * factor, numerical):
                return f"a missing factor {name}"
            if np.all(np.isfinite(factor)) and _close(analytic, numerical * factor):
                return f"a factor {name} too much"
    return ""


def _missing_accumulation(analytic: Array, numerical: Array) -> str:
    scale = max(float(np.max(np.abs(numerical), initial=0.0)), 1e-12)
    wrong = np.abs(analytic - numerical) > 1e-5 * scale
    if np.all(wrong) or not np.any(wrong):
        return ""
    smaller = np.abs(analytic[wrong]) < np.abs(numerical[wrong])
    if np.all(smaller):
        return (
            f"a missing accumulation: {int(np.sum(wrong))} of {wrong.size} elements are too small, the "
            "others right, as when an element that is used several times gets only one of its contributions"
        )
    return f"{int(np.sum(wrong))} of {wrong.size} elements are wrong, the others right"


def _unsummed(analytic: Array, numerical: Array, x: Array, y: Array) -> str:
    """Every element is wrong, and x is one that was spread over more axes of y."""
    try:
        spread = x.size < y.size and np.broadcast_shapes(x.shape, y.shape) == y.shape
    except ValueError:
        return ""
    if spread and np.linalg.norm(analytic) < np.linalg.norm(numerical):
        return (
            f"a missing accumulation: shape {x.shape} is broadcast to {y.shape}, its gradient not summed back"
        )
    return ""
