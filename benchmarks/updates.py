"""Times a step of Adam on one large parameter: NumPy's passes beside the compiled loop.

python benchmarks/updates.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from deltarule.kernels import compiled, updates

SIZES = (10_000, 100_000, 401_408, 4_000_000)


def milliseconds(call: Callable[[], None], repeats: int = 40) -> float:
    """Median time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)


def main() -> None:
    print(f"{'elements':>10}{'NumPy':>10}{'compiled':>10}   ms a step of Adam, float32")
    generator = np.random.default_rng(0)
    for size in SIZES:
        arrays = [generator.uniform(0.1, 1.0, size).astype(np.float32) for _ in range(4)]
        figures = []
        for least in (size + 1, size):
            compiled.WORTH_IT = least
            figures.append(
                milliseconds(lambda: updates.adam(*arrays, None, 10, 1e-3, (0.9, 0.999), 1e-8))  # noqa: B023
            )
        print(f"{size:10,}{figures[0]:10.3f}{figures[1]:10.3f}")


if __name__ == "__main__":
    main()
