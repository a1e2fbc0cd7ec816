"""Trains the same networks in deltarule and beside it in PyTorch and JAX, and prints one table.

    python -m benchmarks.compare
    python -m benchmarks.compare --rows mlp,lstm --libraries deltarule,pytorch --rounds 3 --quick

Same data, same first weights; the losses of the first ten steps are compared with PyTorch's before anything
is timed. Each library runs in a process of its own, in turn, over several rounds; figures are medians. A
step is forward, backward and update, with one of four batches that are in the library's arrays already.
"times the best peer" divides the time of the fastest of PyTorch, torch.compile and JAX by this line's; a
line whose losses disagree is marked WRONG. Gflop/s count products and convolutions alone. Run it on a quiet
machine.

The peers come with `pip install deltarule[peers]`; those that are absent are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import table
from benchmarks.libraries import IMPLEMENTATIONS, Implementation
from benchmarks.machine import describe
from benchmarks.measuring import Measurement, Plan, measure_row
from benchmarks.process import CHECKOUT
from benchmarks.rows import ROWS, Row, row_named

DEFAULT = Plan()
# Load average of the last minute from which on other programs disturb the figures.
BUSY = 0.5


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rows",
        type=rows_named,
        default=list(ROWS.values()),
        help=f"of {', '.join(ROWS)}; with other sizes: --rows 'lstm:time=128,batch=1;mlp:batch=8'",
    )
    parser.add_argument(
        "--libraries",
        type=libraries_named,
        default=list(IMPLEMENTATIONS),
        help=f"of {', '.join(IMPLEMENTATIONS)}",
    )
    parser.add_argument("--rounds", type=int, default=DEFAULT.rounds, help="timed in turn so many times")
    parser.add_argument("--seconds", type=float, default=DEFAULT.seconds, help="of a library in a round")
    parser.add_argument("--quick", action="store_true", help="leave out the time to the first step")
    parser.add_argument("--whole", action="store_true", help="run whole trainings to their end")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line, not the table")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to a page as well")
    found = parser.parse_args(arguments)
    if found.rounds < 1:
        parser.error(f"--rounds expected at least 1, got {found.rounds}")
    return found


def installed(names: Sequence[str]) -> list[Implementation]:
    """Those of the implementations that can run here; of each other one it says what is missing."""
    found = []
    for name in names:
        each = IMPLEMENTATIONS[name]
        if each.is_installed():
            found.append(each)
        else:
            print(f"{each.title} is left out: {each.package} is not installed", file=sys.stderr)
    return found


def warn_if_busy() -> None:
    """Says so where other programs use the processor: threads that wait for each other then crawl."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > BUSY:
        print(
            f"The machine is busy (load {load:.1f}): figures will be too slow, and unevenly.", file=sys.stderr
        )


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(arguments)
    implementations = installed(chosen.libraries)
    plan = Plan(chosen.rounds, chosen.seconds, first_step=not chosen.quick, whole=chosen.whole)
    warn_if_busy()
    machine = describe()
    if chosen.json:
        print(json.dumps({"machine": asdict(machine)}), flush=True)
    measurements: list[Measurement] = []
    for row in chosen.rows:
        found = _measured(row, implementations, plan)
        measurements += found
        if chosen.json:
            for each in found:
                print(json.dumps(table.record(each, found, machine)), flush=True)
    if not chosen.json:
        print(table.as_text(measurements, machine))
    if chosen.markdown:
        chosen.markdown.write_text(table.as_markdown(measurements, machine), encoding="utf-8")


def _measured(row: Row, implementations: Sequence[Implementation], plan: Plan) -> list[Measurement]:
    found = measure_row(row, implementations, plan, lambda line: print(line, file=sys.stderr, flush=True))
    for each in found:
        figure = each.failure or f"{each.milliseconds:.3f} ms"
        print(f"    {each.implementation.title}: {figure}", file=sys.stderr, flush=True)
    return found


def rows_named(text: str) -> list[Row]:
    """Rows for argparse: names with semicolons between them, or commas where no row has sizes of its own."""
    try:
        return [row_named(name.strip()) for name in text.split(";" if ":" in text else ",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def libraries_named(text: str) -> list[str]:
    """Names of implementations for argparse."""
    found = [name.strip() for name in text.split(",")]
    for name in found:
        if name not in IMPLEMENTATIONS:
            raise argparse.ArgumentTypeError(f"expected names of {', '.join(IMPLEMENTATIONS)}; got {name!r}")
    return found


if __name__ == "__main__":
    # The checkout that this file stands in is measured, not another installed copy.
    sys.path.insert(0, str(CHECKOUT / "src"))
    main()
