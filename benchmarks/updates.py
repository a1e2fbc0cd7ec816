"""Times a step of Adam on one large parameter: NumPy's passes beside the native one.

python benchmarks/updates.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from deltarule.kernels import updates
from deltarule.kernels.native.update_rules import AdamRule
from deltarule.kernels.native.updating import update_all

SIZES = (1_000, 10_000, 100_000, 401_408, 4_000_000)
# Those of AdamRule, at the tenth step.
NUMBERS = (1e-3 / (1 - 0.9**10), 0.0, 1.0, 1e-8, 0.9, 0.1, 0.999, 0.001, (1 - 0.999**10) ** 0.5)


def milliseconds(call: Callable[[], None], repeats: int = 40) -> float:
    """Median time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)


def compare(size: int) -> tuple[float, float]:
    """Milliseconds of NumPy's step and of the native one."""
    generator = np.random.default_rng(0)
    parameter, gradient, first, second = (
        generator.uniform(0.1, 1.0, size).astype(np.float32) for _ in range(4)
    )
    plain = milliseconds(
        lambda: updates.adam(parameter, gradient, first, second, None, 10, 1e-3, (0.9, 0.999), 1e-8)
    )
    native = milliseconds(
        lambda: update_all(AdamRule(), [parameter], [gradient], [[first], [second]], [NUMBERS])
    )
    return plain, native


def main() -> None:
    print(f"{'elements':>10}{'NumPy':>10}{'native':>10}   ms a step of Adam, float32")
    for size in SIZES:
        plain, native = compare(size)
        print(f"{size:10,}{plain:10.4f}{native:10.4f}")


if __name__ == "__main__":
    main()
