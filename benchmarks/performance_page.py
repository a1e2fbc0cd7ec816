"""Writes docs/performance.md from what the benchmark printed.

    python -m benchmarks.compare --json --whole > figures.jsonl
    python -m benchmarks.performance_page figures.jsonl

Several files are read one after the other: a row that was measured again replaces its earlier figures, all
libraries of it at once, so that every ratio comes from one run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import table
from benchmarks.libraries import IMPLEMENTATIONS
from benchmarks.limits import LIMITS
from benchmarks.machine import Machine
from benchmarks.measuring import Measurement
from benchmarks.process import CHECKOUT
from benchmarks.rows import ROWS, Row, row_named
from benchmarks.targets import Target, targets_of

PAGE = CHECKOUT / "docs" / "performance.md"


def read(paths: Sequence[Path]) -> tuple[list[Measurement], Machine]:
    """Measurements and machine from the lines of `compare --json`. Raises ValueError for other lines."""
    machine: Machine | None = None
    rows: dict[str, list[Measurement]] = {}
    for path in paths:
        fresh: set[str] = set()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                record = json.loads(line)
                if "machine" in record:
                    found = Machine(**record["machine"])
                    require_same(machine, found)
                    machine = found
                    continue
                measurement = measured(record)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {number}: {type(error).__name__}: {error}") from None
            name = measurement.row.name
            if name not in fresh:
                fresh.add(name)
                rows[name] = []
            rows[name].append(measurement)
    if machine is None:
        raise ValueError("expected a line with the machine first, as compare --json prints it")
    order = {name: place for place, name in enumerate(ROWS)}
    in_order = sorted(rows, key=lambda name: order.get(name, len(order)))
    return [each for name in in_order for each in rows[name]], machine


def require_same(one: Machine | None, other: Machine) -> None:
    """Raises ValueError where figures of two machines, or of other versions, would stand in one table."""
    if one is None:
        return
    before, now = asdict(one), asdict(other)
    for name in ("processor", "cores", "python", "versions"):
        if before[name] != now[name]:
            raise ValueError(f"expected one machine in all files, got {name} {before[name]} and {now[name]}")


def measured(record: dict[str, Any]) -> Measurement:
    """The measurement that `table.record` wrote down."""
    return Measurement(
        row_named(record["row"]),
        IMPLEMENTATIONS[record["library"]],
        rounds=record["rounds"],
        peak_mib=record["peak_mib"],
        first_warm=record["first_step_warm_seconds"],
        first_empty=record["first_step_empty_seconds"],
        difference=record["loss_difference"],
        whole_run=record["whole_run_seconds"],
        failure=record["failure"],
    )


def page(measurements: Sequence[Measurement], machine: Machine) -> str:
    """The whole page."""
    rows = list({each.row.name: each.row for each in measurements}.values())
    targets = [target for row in rows for target in targets_of(row, measurements)]
    return f"""# Performance

Written by `python -m benchmarks.performance_page`; change that script, not this page.

A step is forward, backward and update. Every library runs the same networks from the same weights on the
same data, each in a process of its own, in turn over several rounds; figures are medians. The best peer is
the fastest of PyTorch eager, torch.compile and JAX jit.

## The table, as printed

```
{table.as_text(measurements, machine)}
```

## What was wanted, and what was reached

{_targets_table(targets)}

## What limits the rows that fall short

{_shortfalls(targets)}
{_growth()}"""


def _growth() -> str:
    """The plots of how time and memory grow, where they were made."""
    plots = sorted((PAGE.parent / "growth").glob("growth-*.svg"))
    if not plots:
        return ""
    shown = "\n".join(f"![{plot.stem}](growth/{plot.name})\n" for plot in plots)
    return f"""
## How time and memory grow

Drawn by `python -m benchmarks.growth --folder docs/growth`.

{shown}"""


def _targets_table(targets: Sequence[Target]) -> str:
    lines = ["| row | figure | wanted | reached | |", "| --- | --- | ---: | ---: | --- |"]
    words = {True: "reached", False: "short", None: "not measured"}
    last: Row | None = None
    for each in targets:
        sign = "≥" if each.unit == "times" else "≤"
        title = "" if each.row is last else each.row.title
        found = "" if each.found is None else _number(each.found)
        lines.append(
            f"| {title} | {each.what} | {sign} {_number(each.wanted)} {each.unit} | {found} "
            f"| {words[each.reached]} |"
        )
        last = each.row
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def _shortfalls(targets: Sequence[Target]) -> str:
    short = [each for each in targets if each.reached is False]
    if not short:
        return "None does."
    lines = []
    for each in short:
        reason = LIMITS.get((each.row.name, each.what), "what limits it is not measured yet.")
        lines.append(f"- {each.row.title}; {each.what}: {reason}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.performance_page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("figures", type=Path, nargs="+", help="what compare --json printed")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    chosen = parser.parse_args(arguments)
    try:
        measurements, machine = read(chosen.figures)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    chosen.page.write_text(page(measurements, machine), encoding="utf-8")


if __name__ == "__main__":
    main()
