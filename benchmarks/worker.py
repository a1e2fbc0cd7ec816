"""The process that runs one row in one library: it answers orders, one JSON object a line.

    python -m benchmarks.worker ROW IMPLEMENTATION

Without being asked it says {"first_step": true} when the first step is finished, and {"losses": [...]}
after the steps that are compared. Then each line on standard input is an order: {"measure": seconds} gives
{"milliseconds": median of a step}, {"run": steps} gives {"seconds": ...}, {"peak": true} gives
{"peak_mib": ...}. It ends with its standard input.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from benchmarks.agreement import STEPS
from benchmarks.libraries import IMPLEMENTATIONS, Session
from benchmarks.rows import row_named

# A sample is as many steps as last this long, so that the clock costs nothing.
SAMPLE_SECONDS = 0.02
LEAST_SAMPLES = 3


class Runner:
    """Steps of a session, counted on from one order to the next."""

    def __init__(self, session: Session):
        self.session = session
        self.count = 0

    def losses(self, steps: int) -> list[float]:
        """What each of the next steps gave."""
        found: list[float] = []
        for _ in range(steps):
            found += self.session.numbers(self.session.step(self.count))
            self.count += 1
        return found

    def seconds(self, steps: int) -> float:
        """Time of so many steps, until the last is finished."""
        started = time.perf_counter()
        for _ in range(steps):
            result = self.session.step(self.count)
            self.count += 1
        self.session.numbers(result)
        return time.perf_counter() - started

    def milliseconds(self, seconds: float) -> float:
        """Median time of a step, of samples over that time."""
        self.seconds(1)
        steps = max(1, int(SAMPLE_SECONDS / self.seconds(1)))
        steps = max(1, int(steps * SAMPLE_SECONDS / self.seconds(steps)))
        samples: list[float] = []
        end = time.perf_counter() + seconds
        while len(samples) < LEAST_SAMPLES or time.perf_counter() < end:
            samples.append(self.seconds(steps) / steps)
        return 1e3 * statistics.median(samples)


def peak_mib() -> float:
    """Most memory that this process ever held, in MiB.

    Linux keeps the figure with the process's memory; getrusage's would include what the parent held when it
    started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def answer(order: dict[str, Any], runner: Runner) -> dict[str, Any]:
    """What an order asks for."""
    if "measure" in order:
        return {"milliseconds": runner.milliseconds(order["measure"])}
    if "run" in order:
        return {"seconds": runner.seconds(order["run"])}
    return {"peak_mib": peak_mib()}


def serve(row: str, implementation: str, orders: TextIO, answers: TextIO) -> None:
    """Builds the network, says that it runs, and answers orders until there are none."""

    def say(record: dict[str, Any]) -> None:
        print(json.dumps(record), file=answers, flush=True)

    runner = Runner(IMPLEMENTATIONS[implementation].prepare(row_named(row)))
    losses = runner.losses(1)
    say({"first_step": True})
    say({"losses": losses + runner.losses(STEPS - 1)})
    for line in orders:
        say(answer(json.loads(line), runner))


def main() -> None:
    # What libraries print must not come among the answers.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        serve(sys.argv[1], sys.argv[2], sys.stdin, answers)


if __name__ == "__main__":
    main()
