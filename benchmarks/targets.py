"""What each row is meant to reach, and whether it did.

Compiled steps are compared with the best peer, eager ones with PyTorch eager; memory and the time to the
first step are those of the compiled process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import table
from benchmarks.measuring import Measurement
from benchmarks.rows import Row

# How many times as fast as the best peer a compiled step is meant to be.
COMPILED = {
    "mlp": 1.15,
    "mlp-online": 2.0,
    "lenet": 3.0,
    "cnn": 1.25,
    "rnn": 2.0,
    "lstm": 1.15,
    "gru": 2.0,
    "gpt": 1.4,
    "lecun-1989": 5.0,
}
COMPILED_ELSEWHERE = 1.1
# And how many times as fast as PyTorch eager, where that is asked for as well.
COMPILED_PYTORCH = {"mlp-online": 20.0}
# How many times as fast as PyTorch eager an eager step is meant to be.
EAGER, EAGER_ONE_SAMPLE = 1.0, 2.0
# Seconds from a cold process to the end of its first step.
FIRST_WARM, FIRST_EMPTY = 1.5, 30.0


@dataclass(frozen=True)
class Target:
    """One figure of one row: what was wanted and what was found, None where it was not measured."""

    row: Row
    what: str
    wanted: float
    found: float | None
    unit: str = "times"

    @property
    def reached(self) -> bool | None:
        """Ratios are to be at least, times and memory at most what was wanted."""
        if self.found is None:
            return None
        return self.found >= self.wanted if self.unit == "times" else self.found <= self.wanted


def targets_of(row: Row, measurements: Sequence[Measurement]) -> list[Target]:
    """Every target of a row, in the order of the page."""
    by_name = {
        each.implementation.name: each
        for each in measurements
        if each.row.name == row.name and not each.failure and each.agrees
    }
    compiled, eager, pytorch = (by_name.get(name) for name in ("deltarule-compiled", "deltarule", "pytorch"))
    found = [
        Target(
            row,
            "compiled, best peer",
            COMPILED.get(row.name, COMPILED_ELSEWHERE),
            None if compiled is None else table.ratio(compiled, measurements),
        )
    ]
    if row.name in COMPILED_PYTORCH:
        wanted = COMPILED_PYTORCH[row.name]
        found.append(Target(row, "compiled, PyTorch eager", wanted, _faster(compiled, pytorch)))
    wanted = EAGER_ONE_SAMPLE if row.batch == 1 else EAGER
    found.append(Target(row, "eager, PyTorch eager", wanted, _faster(eager, pytorch)))
    if pytorch is not None and pytorch.peak_mib is not None:
        peak = None if compiled is None else compiled.peak_mib
        found.append(Target(row, "peak memory, PyTorch's", pytorch.peak_mib, peak, "MiB"))
    warm, empty = (None, None) if compiled is None else (compiled.first_warm, compiled.first_empty)
    found.append(Target(row, "first step, caches warm", FIRST_WARM, warm, "s"))
    found.append(Target(row, "first step, caches empty", FIRST_EMPTY, empty, "s"))
    return found


def _faster(ours: Measurement | None, theirs: Measurement | None) -> float | None:
    """How many times as fast ours is."""
    if ours is None or theirs is None or not ours.milliseconds or theirs.milliseconds is None:
        return None
    return theirs.milliseconds / ours.milliseconds
