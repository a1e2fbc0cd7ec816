"""Time and memory of a training step as one size grows, in deltarule and its peers, as plots.

    python -m benchmarks.growth --folder FOLDER
    python -m benchmarks.growth --folder FOLDER --axes time,batch --libraries deltarule,pytorch --largest 512

Writes one SVG for each axis, and growth.json with the figures. Both scales are logarithmic: work that grows
in proportion is a line of slope one. Libraries run one after the other, each in a process of its own. A point
that would take longer than --limit, start and compilation included, is left out: what it would take is
reckoned from how the points before it grew; the plot says which are missing, and growth.json why.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.compare import installed, libraries_named, warn_if_busy
from benchmarks.libraries import IMPLEMENTATIONS, Implementation
from benchmarks.line_plot import Line, line_plot
from benchmarks.measuring import Measurement, Plan, measure_row
from benchmarks.process import CHECKOUT
from benchmarks.rows import row_named

POWERS = [2**power for power in range(13)]
WIDTH_OF_DEEP = 64


def _deep(layers: int) -> str:
    return "x".join(["784", *[str(WIDTH_OF_DEEP)] * (layers - 1), "10"])


# axis -> (words, smallest and largest size, row of that size)
AXES = {
    "time": ("LSTM 128 -> 256, batch 8: time steps", 64, 4096, lambda size: f"lstm:batch=8,time={size}"),
    "depth": (
        f"MLP with {WIDTH_OF_DEEP} units a layer, batch 128: layers",
        4,
        256,
        lambda size: f"mlp:sizes={_deep(size)}",
    ),
    "width": (
        "MLP with two hidden layers, batch 128: units a layer",
        64,
        4096,
        lambda size: f"mlp:sizes=784x{size}x{size}x10",
    ),
    "batch": ("MLP 784-512-256-10: batch", 1, 4096, lambda size: f"mlp:batch={size}"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the plots go")
    parser.add_argument("--axes", default=",".join(AXES), help=f"of {', '.join(AXES)}")
    parser.add_argument("--largest", type=int, default=POWERS[-1], help="leave out sizes above")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a library in a round")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds that a point may take")
    parser.add_argument("--libraries", type=libraries_named, default=list(IMPLEMENTATIONS))
    chosen = parser.parse_args(arguments)
    axes = chosen.axes.split(",")
    for axis in axes:
        if axis not in AXES:
            parser.error(f"--axes expected names of {', '.join(AXES)}; got {axis!r}")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    warn_if_busy()
    implementations = installed(chosen.libraries)
    figures: dict[str, list[dict[str, object]]] = {}
    with tempfile.TemporaryDirectory() as caches:
        plan = Plan(
            chosen.rounds, chosen.seconds, first_step=False, patience=chosen.limit, caches=Path(caches)
        )
        for axis in axes:
            found = grown(axis, implementations, plan, chosen.largest)
            (chosen.folder / f"growth-{axis}.svg").write_text(plot(axis, found), encoding="utf-8")
            figures[axis] = [
                {
                    "library": each.implementation.name,
                    "size": size,
                    "milliseconds": each.milliseconds,
                    "peak_mib": each.peak_mib,
                    "failure": each.failure,
                }
                for size, each in found
            ]
            # Written after each axis: a run that is stopped keeps what it has.
            (chosen.folder / "growth.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


def grown(
    axis: str, implementations: Sequence[Implementation], plan: Plan, largest: int
) -> list[tuple[int, Measurement]]:
    """(size, what was measured) for every size of the axis up to the largest, and every library."""
    _, first, last, name = AXES[axis]
    sizes = [size for size in POWERS if first <= size <= min(last, largest)]
    found: list[tuple[int, Measurement]] = []
    for implementation in implementations:
        spent: list[float] = []
        stopped = ""
        for size in sizes:
            row = row_named(name(size))
            if not stopped and (expected := reckoned(spent)) > plan.patience:
                stopped = f"left out: it would take about {expected:.0f} s"
            if stopped:
                found.append((size, Measurement(row, implementation, failure=stopped)))
            else:
                started = time.perf_counter()
                found += [(size, each) for each in measure_row(row, [implementation], plan, _silent)]
                spent.append(time.perf_counter() - started)
                failure = found[-1][1].failure
                stopped = failure and f"left out: {size} failed ({failure})"
            _tell(axis, *found[-1])
    return found


def reckoned(spent: Sequence[float]) -> float:
    """Seconds that the next point takes if it grows as the last two did on average; 0 before there are two.

    No axis multiplies the work by more than four from point to point; one slow point alone decides little.

    >>> reckoned([1.0, 2.0, 4.0]), reckoned([3.0, 3.0, 12.0]), reckoned([5.0, 4.0]), reckoned([9.0])
    (8.0, 24.0, 4.0, 0.0)
    """
    if len(spent) < 2:
        return 0.0
    earlier = spent[-3:-1]
    growth = (spent[-1] / earlier[0]) ** (1 / len(earlier))
    return spent[-1] * min(4.0, max(1.0, growth))


def _silent(line: str) -> None:
    """The progress of a single point is not worth a line."""


def _tell(axis: str, size: int, measurement: Measurement) -> None:
    figure = measurement.failure or f"{measurement.milliseconds:.3g} ms, {measurement.peak_mib:.0f} MiB"
    print(f"{axis} {size}, {measurement.implementation.title}: {figure}", file=sys.stderr, flush=True)


def plot(axis: str, found: Sequence[tuple[int, Measurement]]) -> str:
    """Time and memory of one axis, side by side, as SVG."""
    titles = list(dict.fromkeys(each.implementation.title for _, each in found))
    panels = []
    for words, figure in (("milliseconds a step", "milliseconds"), ("peak MiB", "peak_mib")):
        lines = []
        for title in titles:
            points = [
                (float(size), float(getattr(each, figure)))
                for size, each in found
                if each.implementation.title == title and not each.failure
            ]
            lines.append(Line(title, points))
        panels.append((words, lines))
    notes = []
    for title in titles:
        missing = [size for size, each in found if each.implementation.title == title and each.failure]
        if missing:
            notes.append(f"{title} stops before {missing[0]}: it failed there, or would take too long")
    return line_plot(AXES[axis][0], panels, notes)


if __name__ == "__main__":
    sys.path.insert(0, str(CHECKOUT / "src"))
    main()
