"""What the benchmark ran on: processor, versions, and how fast it multiplies matrices.

    python -m benchmarks.machine LIBRARY

prints the Gflop/s of one library's float32 products. They differ: on one Zen 5 machine of two cores NumPy's
OpenBLAS reached 226, PyTorch's oneDNN 198 and JAX 399, so that the limit is the best of those installed.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("numpy", "llvmlite", "torch", "jax")
CHECKOUT = Path(__file__).resolve().parents[1]
SIDE = 2048
SECONDS = 2.0


@dataclass(frozen=True)
class Machine:
    """products has the Gflop/s of float32 matrix products by library."""

    processor: str
    cores: int
    python: str
    versions: dict[str, str]
    products: dict[str, float]

    @property
    def product_limit(self) -> float:
        """Gflop/s of the fastest matrix product that was seen here."""
        return max(self.products.values())

    def text(self) -> str:
        """One line for the table."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        products = ", ".join(f"{name} {speed:.0f}" for name, speed in self.products.items())
        return (
            f"{self.processor}, cores used: {self.cores}; Gflop/s of {SIDE}x{SIDE} float32 matrix products: "
            f"{products}, of which the best is the limit; Python {self.python}, {versions}"
        )


def _numpy_product(left: Any, right: Any) -> Callable[[], Any]:
    output = np.empty_like(left)
    return lambda: np.matmul(left, right, out=output)


def _torch_product(left: Any, right: Any) -> Callable[[], Any]:
    import torch

    first, second = torch.from_numpy(left), torch.from_numpy(right)
    output = torch.empty_like(first)
    return lambda: torch.matmul(first, second, out=output)


def _jax_product(left: Any, right: Any) -> Callable[[], Any]:
    import jax

    product = jax.jit(jax.numpy.matmul)
    first, second = jax.numpy.asarray(left), jax.numpy.asarray(right)
    return lambda: product(first, second).block_until_ready()


PRODUCTS = {"numpy": _numpy_product, "torch": _torch_product, "jax": _jax_product}


def product_speed(library: str, seconds: float = SECONDS, side: int = SIDE) -> float:
    """Gflop/s of a library's fastest product of two square float32 matrices within that time."""
    generator = np.random.default_rng(0)
    left, right = (generator.random((side, side), np.float32) for _ in range(2))
    product = PRODUCTS[library](left, right)
    product()
    best = float("inf")
    end = time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        started = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best / 1e9


def describe() -> Machine:
    """This machine; products are measured now, each library in a process of its own."""
    versions = {}
    for package in PACKAGES:
        if importlib.util.find_spec(package) is not None:
            versions[package] = importlib.metadata.version(package)
    products = {}
    for library in PRODUCTS:
        if library in versions:
            command = [sys.executable, "-m", "benchmarks.machine", library]
            finished = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT)
            products[library] = float(finished.stdout)
    return Machine(_processor(), _cores(), platform.python_version(), versions, products)


def _cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    """Its name where the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    print(product_speed(sys.argv[1]))
