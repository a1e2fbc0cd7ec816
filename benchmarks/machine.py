"""What the benchmark ran on: processor, versions, and how fast it multiplies matrices.

    python -m benchmarks.machine
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

PACKAGES = ("numpy", "numba", "torch", "jax")
SIDE = 2048


@dataclass(frozen=True)
class Machine:
    """product_limit is the fastest float32 matrix product that NumPy's library reached, in Gflop/s."""

    processor: str
    cores: int
    python: str
    versions: dict[str, str]
    product_limit: float

    def text(self) -> str:
        """One line for the table."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            f"{self.processor}, {self.cores} cores; matrix products at {self.product_limit:.0f} Gflop/s; "
            f"Python {self.python}, {versions}"
        )


def product_limit(seconds: float = 2.0) -> float:
    """Gflop/s of the fastest product of two square float32 matrices within that time."""
    generator = np.random.default_rng(0)
    left, right = (generator.random((SIDE, SIDE), np.float32) for _ in range(2))
    output = left @ right
    best = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        np.matmul(left, right, out=output)
        best = min(best, time.perf_counter() - started)
    return 2 * SIDE**3 / best / 1e9


def describe() -> Machine:
    """This machine, its products measured now, in this process."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Machine(_processor(), os.cpu_count() or 1, platform.python_version(), versions, product_limit())


def described_apart() -> Machine:
    """The same from a process of its own, whose threads end with it."""
    command = [sys.executable, "-m", "benchmarks.machine"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    return Machine(**json.loads(finished.stdout))


def _processor() -> str:
    """Its name where the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    print(json.dumps(asdict(describe())))
