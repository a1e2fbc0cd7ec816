"""The order that sorts a plain array."""

from __future__ import annotations

from typing import Any

import numpy as np


def argsort(x: Any, axis: int, descending: bool) -> Any:
    """Positions that sort along an axis; equal elements keep their order in both directions."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    # Sorting the reversed line and reversing the answer leaves equal elements in their own order.
    reversed_order = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - reversed_order, axis)
