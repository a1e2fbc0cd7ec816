"""One row of the table: every implementation in a process of its own, checked, then timed in turn."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.agreement import difference
from benchmarks.libraries import REFERENCE, Implementation
from benchmarks.process import PATIENCE_SECONDS, Worker, WorkerError
from benchmarks.rows import Row


@dataclass
class Measurement:
    """What was found of one row in one implementation. None: not measured.

    rounds        milliseconds of a step, the median of each round
    peak_mib      most memory of the process
    first_warm    seconds from a cold process to the end of the first step, compiled code found on disk
    first_empty   the same with nothing on disk
    difference    from the reference's losses, see agreement.py
    whole_run     seconds of the whole training, for rows that stand for one
    failure       why there are no figures
    """

    row: Row
    implementation: Implementation
    rounds: list[float] = field(default_factory=list)
    peak_mib: float | None = None
    first_warm: float | None = None
    first_empty: float | None = None
    difference: float | None = None
    whole_run: float | None = None
    failure: str = ""

    @property
    def milliseconds(self) -> float | None:
        """Of a step: the median over rounds."""
        return statistics.median(self.rounds) if self.rounds else None

    @property
    def gigaflops(self) -> float | None:
        """Gflop/s of the row's products and convolutions."""
        return None if self.milliseconds is None else self.row.operations() / self.milliseconds / 1e6

    @property
    def agrees(self) -> bool:
        """Whether its losses are the reference's; True where there was no reference."""
        return self.difference is None or self.difference <= self.row.tolerance


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    rounds       times that the implementations are timed in turn
    seconds      how long each is timed in a round
    first_step   whether cold processes are timed too, which starts each twice
    whole        whether rows that stand for a whole training run it to its end
    patience     seconds after which a worker that says nothing is ended
    caches       folder of compiled code that outlasts the row; without it every row starts with none
    """

    rounds: int = 5
    seconds: float = 1.0
    first_step: bool = True
    whole: bool = False
    patience: float = PATIENCE_SECONDS
    caches: Path | None = None


def measure_row(
    row: Row, implementations: Sequence[Implementation], plan: Plan, tell: Callable[[str], None]
) -> list[Measurement]:
    """The row in each implementation; one that fails keeps the reason and stops no other."""
    measurements = {each.name: Measurement(row, each) for each in implementations}
    workers: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for name, measurement in measurements.items():
                tell(f"{row.name}: starting {measurement.implementation.title}")
                try:
                    workers[name] = _started(measurement, (plan.caches or Path(scratch)) / name, plan)
                except WorkerError as error:
                    measurement.failure = str(error)
            _compare(measurements, workers)
            for count in range(plan.rounds):
                tell(f"{row.name}: round {count + 1} of {plan.rounds}")
                for name, worker in workers.items():
                    found = _asked(measurements[name], worker.milliseconds, plan.seconds)
                    measurements[name].rounds += [] if found is None else [found]
            for name, worker in workers.items():
                measurement = measurements[name]
                if plan.whole and row.whole_run:
                    tell(f"{row.name}: whole run, {measurement.implementation.title}")
                    measurement.whole_run = _asked(measurement, worker.run, row.whole_run)
                measurement.peak_mib = _asked(measurement, worker.peak_mib)
        finally:
            for worker in workers.values():
                worker.close()
    return list(measurements.values())


def _asked(measurement: Measurement, question: Callable[..., float], *arguments: Any) -> float | None:
    """A worker's answer; one that ends instead keeps the reason and is asked no more."""
    if measurement.failure:
        return None
    try:
        return question(*arguments)
    except WorkerError as error:
        measurement.failure = str(error)
        return None


def _started(measurement: Measurement, caches: Path, plan: Plan) -> Worker:
    caches.mkdir(parents=True, exist_ok=True)
    names = measurement.row.name, measurement.implementation.name
    if plan.first_step:
        with Worker(*names, caches, patience=plan.patience) as worker:
            measurement.first_empty = worker.first_step
    worker = Worker(*names, caches, patience=plan.patience)
    if plan.first_step:
        measurement.first_warm = worker.first_step
    return worker


def _compare(measurements: dict[str, Measurement], workers: dict[str, Worker]) -> None:
    if REFERENCE in workers:
        for name, worker in workers.items():
            measurements[name].difference = difference(worker.losses, workers[REFERENCE].losses)
