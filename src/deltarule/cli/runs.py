"""`deltarule runs`: the run folders that are there, and how good they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from deltarule.cli.evaluate import write_table
from deltarule.cli.figures import json_line, said, shown
from deltarule.cli.program import Command
from deltarule.cli.saved_run import RUNS, list_runs
from deltarule.errors import RunError
from deltarule.training import RunFolder

EXAMPLES = (
    ("deltarule runs", "those in the folder runs"),
    ("deltarule runs experiments/", "of another folder"),
)

# The figure that tells most about a run, the first of these that it has.
_SHOWN = {
    "classification": ("test_accuracy", "validation_accuracy", "train_loss"),
    "regression": ("test_r2", "validation_r2", "train_loss"),
    "text": ("test_loss", "validation_loss", "train_loss"),
}


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("folder", type=click.Path(path_type=Path), default=RUNS)
@click.option("--json", is_flag=True, help="One JSON object a line for each run.")
def runs(folder: Path, json: bool) -> None:
    """List the runs in FOLDER (runs), the oldest first."""
    if not folder.is_dir() and folder != RUNS:
        raise RunError(str(folder), "there is no such folder", "Check the path.")
    found = [described(path) for path in list_runs(folder)]
    if json:
        for record in found:
            click.echo(json_line(record))
        return
    if not found:
        click.echo(f"no runs in {folder}; deltarule train digits makes one")
        return
    lines = [_line(record) for record in found]
    if sys.stdout is not None and sys.stdout.isatty():
        write_table(("run", "data", "model", "epochs", "result"), lines)
        return
    for line in lines:
        click.echo("\t".join(line))


def described(path: Path) -> dict[str, Any]:
    """What a run is and how good it is; results only where it ended. A damaged run tells its error."""
    try:
        run = RunFolder(path)
        history = run.history()
        results = run.read_json("results") if (path / "results.json").is_file() else {}
        return {
            "run_folder": str(path),
            "data": run.config["data"]["name"],
            "model": run.config["model"]["name"],
            "task": run.config["task"],
            "epochs_done": len(history),
            "epochs": run.config["epochs"],
            **results,
        } | {"epochs": run.config["epochs"]}
    except (RunError, KeyError, TypeError) as error:
        return {"run_folder": str(path), "error": " ".join(str(error).split())}


def _line(record: dict[str, Any]) -> tuple[str, ...]:
    if "error" in record:
        return (record["run_folder"], "", "", "", record["error"])
    name = next((name for name in _SHOWN[record["task"]] if name in record), "")
    result = f"{said(name)} {shown(name, record[name])}" if name else "not finished"
    epochs = f"{record['epochs_done']}/{record['epochs']}"
    return (record["run_folder"], record["data"], record["model"], epochs, result)
