"""Times element-wise operations and their gradients: NumPy's passes beside native code.

python benchmarks/formulas.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from deltarule.autodiff.operation import REGISTRY
from deltarule.kernels.elementwise import array_functions
from deltarule.kernels.native.formulas import FormulaKernel
from deltarule.operations.elementwise import Elementwise

SIZES = (64, 1_024, 4_096, 65_536, 1_000_000)


def microseconds(call: Callable[[], Any], repeats: int = 15) -> float:
    """The least time of a call in several rounds."""
    call()
    started = time.perf_counter()
    call()
    count = max(1, int(1e-3 / (time.perf_counter() - started)))
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(count):
            call()
        best = min(best, (time.perf_counter() - started) / count)
    return 1e6 * best


def always(kernel: FormulaKernel) -> FormulaKernel:
    """The kernel for arrays of every size."""
    made = FormulaKernel(kernel.key, kernel.formula, ("exp", "add"))
    made.least = 1
    return made


def figures(name: str) -> dict[str, list[float]]:
    """Microseconds of NumPy and of native code in turn, size by size, for a row's value and gradient."""
    row = REGISTRY[name]
    assert isinstance(row, Elementwise)
    generator = np.random.default_rng(0)
    arrays = [generator.standard_normal(max(SIZES)).astype(np.float32) for _ in range(4)]
    numbers = [1.0] * len(row.parameter_names)
    native = always(row._native_value())
    kernel, read = row._native_gradient((0,))
    backward = always(kernel)
    plain = row._kernel or partial(row._compiled, array_functions)
    found: dict[str, list[float]] = {name: [], f"{name}, gradient": []}
    for size in SIZES:
        given = [each[:size] for each in arrays[: len(row.inputs)]]
        slopes = [each[:size] for each in arrays[: len(read)]]
        found[name] += [
            microseconds(partial(plain, *given, *numbers)),
            microseconds(partial(native, given, numbers)),
        ]
        found[f"{name}, gradient"] += [
            microseconds(partial(kernel.formula, array_functions, *slopes, *numbers)),
            microseconds(partial(backward, slopes, numbers)),
        ]
    return found


def main() -> None:
    print(f"{'float32, microseconds':24}" + "".join(f"{size:>20,}" for size in SIZES))
    print(" " * 24 + f"{'NumPy':>11}{'native':>9}" * len(SIZES))
    for name in ("add", "relu", "exp", "tanh", "sigmoid", "erf", "gelu", "softplus"):
        for title, times in figures(name).items():
            pairs = zip(times[::2], times[1::2], strict=True)
            print(f"{title:24}" + "".join(f"{plain:11.1f}{native:9.1f}" for plain, native in pairs))


if __name__ == "__main__":
    main()
