"""Random generators that depend on a seed and on nothing else.

What lives here: the one way in which data/ draws random numbers. No global random state is read or
written anywhere in data/.
"""

from __future__ import annotations

import numpy as np

from deltarule.errors import ArgumentError


def check_seed(seed: int, who: str) -> int:
    """Return the seed as an int, or say what a seed has to be.

    Raises ArgumentError unless the seed is a whole number of zero or more.

        >>> check_seed(7, "load")
        7
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ArgumentError(
            who, f"seed expects a whole number of 0 or more, got {seed!r}", "Use for example seed=0."
        )
    return int(seed)


def generator(seed: int, *position: int) -> np.random.Generator:
    """A PCG64 generator whose stream depends on the seed and on a position such as (epoch,) alone.

    seed       whole number of 0 or more
    position   further whole numbers, such as the epoch, that select an independent stream

    Source: O'Neill 2014, PCG; the mixing of seed and position is numpy.random.SeedSequence.

        >>> bool(generator(1, 5).integers(100) == generator(1, 5).integers(100))
        True
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *position])))
