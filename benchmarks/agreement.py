"""Whether two libraries computed the same: their losses over the first steps are compared."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Steps that are compared before anything is timed.
STEPS = 10


def difference(found: Sequence[float], reference: Sequence[float]) -> float:
    """Largest difference, relative to the largest reference value; infinite if numbers are missing or NaN.

    Float32 has 1.2e-7 of relative accuracy; sums in another order, over ten steps, come to a few times that.

    >>> difference([1.0, 2.0], [1.0, 2.5])
    0.2
    """
    if len(found) != len(reference) or not reference:
        return math.inf
    if not all(map(math.isfinite, [*found, *reference])):
        return math.inf
    scale = max(map(abs, reference))
    largest = max(abs(mine - theirs) for mine, theirs in zip(found, reference, strict=True))
    return largest / scale if scale else (0.0 if largest == 0 else math.inf)
