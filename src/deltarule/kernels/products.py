"""Products that leave one element out, and sums and products that run along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np


def product_of_others(x: Any, axis: int) -> Any:
    """At each place along an axis the product of all other elements: those before times those after."""
    rows = np.moveaxis(x, axis, 0)
    before = np.ones_like(rows)
    np.multiply.accumulate(rows[:-1], axis=0, out=before[1:])
    after = np.ones_like(rows)
    np.multiply.accumulate(rows[:0:-1], axis=0, out=after[-2::-1] if len(rows) > 1 else after[:0])
    before *= after
    return np.moveaxis(before, 0, axis)


def cumulative_sum(x: Any, axis: int, include_initial: bool, reverse: bool) -> Any:
    """Running sums. From the end with `reverse`, where `include_initial` then drops the first instead."""
    rows = np.moveaxis(x, axis, 0)
    if reverse:
        rows = rows[:0:-1] if include_initial else rows[::-1]
        return np.moveaxis(np.cumsum(rows, axis=0)[::-1], 0, axis)
    if not include_initial:
        return np.cumsum(x, axis=axis)
    dtype = np.cumsum(rows[:0], axis=0).dtype
    sums = np.zeros((len(rows) + 1, *rows.shape[1:]), dtype)
    np.cumsum(rows, axis=0, out=sums[1:])
    return np.moveaxis(sums, 0, axis)


def cumulative_prod(x: Any, axis: int, include_initial: bool) -> Any:
    """Running products, beginning with 1 if `include_initial`."""
    if not include_initial:
        return np.cumprod(x, axis=axis)
    rows = np.moveaxis(x, axis, 0)
    dtype = np.cumprod(rows[:0], axis=0).dtype
    products = np.ones((len(rows) + 1, *rows.shape[1:]), dtype)
    np.cumprod(rows, axis=0, out=products[1:])
    return np.moveaxis(products, 0, axis)
