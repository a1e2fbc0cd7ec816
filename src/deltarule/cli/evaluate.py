"""`deltarule evaluate`: how good a run's network is, on its own data or on new data."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from deltarule.cli.assembly import build_loss, build_metrics, evaluation_loader
from deltarule.cli.data_options import READING
from deltarule.cli.figures import json_line, ordered, said, shown
from deltarule.cli.option_groups import with_options
from deltarule.cli.program import Command
from deltarule.cli.saved_run import RUN, WEIGHTS, SavedRun, open_run
from deltarule.data import Part
from deltarule.errors import ArgumentError, DataError
from deltarule.kernels.threads import limited_threads
from deltarule.training import ClassificationMetrics, Metrics
from deltarule.training import evaluate as measure

EXAMPLES = (
    ("deltarule evaluate runs/digits-lenet-1", "on its own test part"),
    ("deltarule evaluate runs/digits-lenet-1 --part train", "on another part"),
    ("deltarule evaluate runs/flowers-mlp-1 --data new.csv", "on new data with its targets"),
    ("deltarule evaluate runs/digits-lenet-1 --confusion", "which class is taken for which"),
)


@click.command(cls=Command, examples=EXAMPLES)
@RUN
@click.option("--data", metavar="DATA", help="New data with targets, instead of the run's own.")
@click.option(
    "--part",
    type=click.Choice(["train", "validation", "test"]),
    help="Part of the run's own data.  [default: test, or validation where there is no test part]",
)
@WEIGHTS
@click.option(
    "--top-k", type=click.IntRange(1), multiple=True, help="Accuracy within the k best; may be repeated."
)
@click.option("--confusion", is_flag=True, help="Show how often each class is taken for each.")
@with_options(READING)
@click.option("--json", is_flag=True, help="One JSON object.")
def evaluate(
    run: Path,
    data: str | None,
    part: str | None,
    best: bool,
    top_k: tuple[int, ...],
    confusion: bool,
    json: bool,
    **reading: Any,
) -> None:
    """Measure the network of RUN.

    Metrics are named after the part they were measured on (test_accuracy); those of new data have no
    such prefix (accuracy).
    """
    saved = open_run(run, best)
    if (top_k or confusion) and saved.task != "classification":
        raise ArgumentError(
            "evaluate", f"--top-k and --confusion expect classes, this run learned {saved.task}", ""
        )
    if data is not None and part is not None:
        raise ArgumentError(
            "evaluate", "--part is of the run's own data, --data is new data", "Give one of them."
        )
    if data is None and any(value is not None for value in reading.values()):
        raise ArgumentError("evaluate", "--encoding and --delimiter expect --data", "Leave them out.")
    name, rows = ("", saved.new_part(data, **reading)) if data is not None else own_part(saved, part)
    if rows.targets is None:
        raise DataError(
            str(data), "expected targets to compare with, got only inputs", "Use deltarule predict."
        )
    metrics = measured(saved, rows, top_k)
    results = {f"{name}_{each}" if name else each: value for each, value in metrics.results().items()}
    record: dict[str, Any] = {**results, "rows": len(rows), "epoch": saved.epoch}
    matrix = metrics.confusion if confusion and isinstance(metrics, ClassificationMetrics) else None
    if matrix is not None:
        record |= {"classes": list(saved.preprocessing.class_names), "confusion": matrix.tolist()}
    if json:
        click.echo(json_line({**record, "run_folder": str(saved.folder.path)}))
        return
    unit = "characters" if saved.task == "text" else "rows"
    place = data if data is not None else f"the {name} part of {saved.config['data']['name']}"
    click.echo(f"{saved.folder.path}, weights of epoch {saved.epoch}, on {place} ({len(rows):,} {unit}):")
    write_metrics(results)
    if matrix is not None:
        click.echo("rows: the true class; columns: what the network said")
        write_matrix(saved.preprocessing.class_names, matrix.tolist())


def own_part(saved: SavedRun, part: str | None) -> tuple[str, Part]:
    """A part of the run's own data and its name; the one asked for, else the first that is there."""
    parts = saved.dataset.parts
    if part is None:
        part = next(name for name in ("test", "validation", "train") if len(parts[name]))
    if not len(parts[part]):
        raise DataError(
            saved.config["data"]["name"],
            f"the run has no {part} part",
            f"Choose {' or '.join(name for name, rows in parts.items() if len(rows))}.",
        )
    return part, parts[part]


def measured(saved: SavedRun, rows: Part, top_k: Sequence[int] = ()) -> Metrics:
    """The metrics of a run's network on rows with targets."""
    config = saved.config
    classes = saved.preprocessing.outputs
    if top_k and max(top_k) > classes:
        raise ArgumentError(
            "evaluate", f"--top-k {max(top_k)} expects at most {classes}, the classes", "Lower it."
        )
    metrics = ClassificationMetrics(tuple(top_k)) if top_k else build_metrics(config, saved.preprocessing)()
    with limited_threads(config["threads"]):
        measure(saved.model, evaluation_loader(rows, config), build_loss(config), metrics)
    return metrics


def write_metrics(results: Mapping[str, Any]) -> None:
    """Metrics on stdout: a table on a terminal, else a line each."""
    lines = [(said(name), shown(name, value)) for name, value in ordered(results).items()]
    if sys.stdout is not None and sys.stdout.isatty():
        write_table(("metric", "value"), lines)
        return
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        click.echo(f"  {name:<{width}}  {value}")


def write_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for people, on a terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for title in titles:
        # Folded, as the end of a path must not be cut off.
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)


def write_matrix(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
    """A confusion matrix as aligned columns."""
    names = [name if len(name) <= 12 else f"{name[:11]}~" for name in classes]
    width = max(len(text) for text in [*names, *(str(count) for row in matrix for count in row)])
    click.echo(" ".join(text.rjust(width) for text in ["", *names]))
    for name, row in zip(names, matrix, strict=True):
        click.echo(" ".join(text.rjust(width) for text in [name, *map(str, row)]))
