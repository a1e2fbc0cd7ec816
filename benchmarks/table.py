"""Measurements as one table, in plain text or Markdown, and as plain records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.machine import Machine
from benchmarks.measuring import Measurement

HEADINGS = (
    "row",
    "library",
    "ms a step",
    "times the best peer",
    "Gflop/s",
    "of the limit",
    "peak MiB",
    "first step, warm s",
    "first step, empty s",
    "loss difference",
)
# Columns of words stand left, figures right.
WORDS = 2


def best_peer(measurements: Sequence[Measurement], row: str) -> float | None:
    """Milliseconds of the fastest peer on a row, among those that agree."""
    peers = [
        each.milliseconds
        for each in measurements
        if each.row.name == row and each.implementation.is_peer and each.agrees
    ]
    return min((each for each in peers if each is not None), default=None)


def ratio(measurement: Measurement, measurements: Sequence[Measurement]) -> float | None:
    """How many times as fast as the best peer; below 1 is slower."""
    best = best_peer(measurements, measurement.row.name)
    if best is None or measurement.milliseconds is None:
        return None
    return best / measurement.milliseconds


def cells(measurements: Sequence[Measurement], machine: Machine) -> list[tuple[str, ...]]:
    """The table's lines below its headings."""
    found = []
    for each in measurements:
        title, library = each.row.title, each.implementation.title
        if each.failure:
            found.append((title, library, "failed", *[""] * (len(HEADINGS) - 3)))
            continue
        gigaflops = each.gigaflops
        share = None if gigaflops is None else 100 * gigaflops / machine.product_limit
        found.append(
            (
                title,
                library,
                _figure(each.milliseconds, 3),
                _figure(ratio(each, measurements), 2, digits=False),
                _figure(gigaflops, 3),
                "" if share is None else f"{share:.0f} %" if share >= 1 else f"{share:.2f} %",
                "" if each.peak_mib is None else f"{each.peak_mib:.0f}",
                _figure(each.first_warm, 2, digits=False),
                _figure(each.first_empty, 2, digits=False),
                "" if each.difference is None else f"{each.difference:.0e}{'' if each.agrees else ' WRONG'}",
            )
        )
    return found


def notes(measurements: Sequence[Measurement], machine: Machine) -> list[str]:
    """What stands below the table: the machine, failures, disagreements, whole runs."""
    found = [machine.text()]
    for each in measurements:
        who = f"{each.row.title}, {each.implementation.title}"
        if each.failure:
            found.append(f"{who}: {each.failure}")
        elif not each.agrees:
            found.append(
                f"{who}: losses differ from the reference by {each.difference:.1e}, "
                f"more than {each.row.tolerance:.0e}"
            )
        if each.row.whole_run and each.milliseconds is not None:
            steps = f"{each.row.whole_run:,} steps"
            if each.whole_run is not None:
                found.append(f"{who}: the whole run of {steps} took {each.whole_run:.1f} s")
            else:
                seconds = each.row.whole_run * each.milliseconds / 1e3
                found.append(f"{who}: {steps} at this pace take {seconds:.1f} s")
    return found


def as_text(measurements: Sequence[Measurement], machine: Machine) -> str:
    """The table for a terminal, a row's name once."""
    lines = [HEADINGS, *_named_once(cells(measurements, machine))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    found = []
    for line in lines:
        padded = [
            cell.ljust(width) if column < WORDS else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        found.append("  ".join(padded).rstrip())
    return "\n".join([*found, "", *notes(measurements, machine)])


def as_markdown(measurements: Sequence[Measurement], machine: Machine) -> str:
    """The table for a page."""
    rules = ["---"] * WORDS + ["---:"] * (len(HEADINGS) - WORDS)
    lines = [HEADINGS, rules, *_named_once(cells(measurements, machine))]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    below = "\n".join(f"- {note}" for note in notes(measurements, machine))
    return f"{table}\n\n{below}\n"


def record(measurement: Measurement, measurements: Sequence[Measurement], machine: Machine) -> dict[str, Any]:
    """Everything known of one measurement under plain names."""
    gigaflops = measurement.gigaflops
    return {
        "row": measurement.row.name,
        "library": measurement.implementation.name,
        "milliseconds": measurement.milliseconds,
        "rounds": measurement.rounds,
        "times_best_peer": ratio(measurement, measurements),
        "gigaflops": gigaflops,
        "share_of_limit": None if gigaflops is None else gigaflops / machine.product_limit,
        "peak_mib": measurement.peak_mib,
        "first_step_warm_seconds": measurement.first_warm,
        "first_step_empty_seconds": measurement.first_empty,
        "loss_difference": measurement.difference,
        "agrees": measurement.agrees,
        "whole_run_seconds": measurement.whole_run,
        "failure": measurement.failure,
    }


def _figure(value: float | None, places: int, *, digits: bool = True) -> str:
    """A number with so many significant digits, or places after the point; none is an empty cell."""
    if value is None:
        return ""
    if not digits:
        return f"{value:.{places}f}"
    for whole, least in ((0, 100.0), (1, 10.0), (2, 1.0), (3, 0.1)):
        if value >= least:
            return f"{value:.{whole}f}"
    return f"{value:.{places}g}"


def _named_once(lines: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    found, last = [], ""
    for line in lines:
        found.append(("" if line[0] == last else line[0], *line[1:]))
        last = line[0]
    return found
