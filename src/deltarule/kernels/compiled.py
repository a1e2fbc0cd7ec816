"""Loops that Numba compiles, where one pass beats NumPy's many: each has its NumPy twin elsewhere.

Numba is loaded at the first call, not before; compiled code is cached on disk. Every loop does the
operations of its twin in the same order on each element, so both give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Elements from which loading Numba (0.5 s, once a process) is soon earned back: on 401,408 float32 elements
# a step of Adam takes 0.47 ms in NumPy, which passes over memory 14 times, and 0.09 ms here
# (benchmarks/updates.py).
WORTH_IT = 100_000


def is_worth_it(*arrays: Array | None) -> bool:
    """Whether these arrays are large and laid out as the loops need them."""
    first = arrays[0]
    assert first is not None
    if first.size < WORTH_IT or first.dtype not in (np.float32, np.float64):
        return False
    return all(each is None or (each.flags.c_contiguous and each.dtype == first.dtype) for each in arrays)


def adam(
    parameter: Array,
    gradient: Array,
    first: Array,
    second: Array,
    betas: tuple[float, float],
    root_correction: float,
    epsilon: float,
    rate: float,
) -> None:
    """One step of Adam in one pass over memory. Twin: `updates.adam`.

    root_correction   √(1 − β₂ᵗ)
    rate              learning rate / (1 − β₁ᵗ)
    """
    number = parameter.dtype.type
    options = (betas[0], 1 - betas[0], betas[1], 1 - betas[1], root_correction, epsilon, rate)
    _compiled(_adam)(
        parameter.reshape(-1),
        gradient.reshape(-1),
        first.reshape(-1),
        second.reshape(-1),
        *(number(option) for option in options),
    )


def _adam(
    parameter: Any,
    gradient: Any,
    first: Any,
    second: Any,
    beta1: Any,
    rest1: Any,
    beta2: Any,
    rest2: Any,
    root_correction: Any,
    epsilon: Any,
    rate: Any,
) -> None:
    for i in range(parameter.size):
        g = gradient[i]
        m = first[i] * beta1 + rest1 * g
        v = second[i] * beta2 + g * g * rest2
        first[i] = m
        second[i] = v
        parameter[i] -= m / (np.sqrt(v) / root_correction + epsilon) * rate


@cache
def _compiled(loop: Callable[..., None]) -> Callable[..., None]:
    import numba

    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(loop)
    except RuntimeError:
        # No folder that may be written to: compiled anew in every process.
        return numba.njit(nogil=True, error_model="numpy")(loop)
