"""A run folder opened for use: its model with trained weights, and the preprocessing of its data."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from deltarule.cli.assembly import build_model
from deltarule.data import Dataset, Part, Preprocessing, load_again, load_part
from deltarule.errors import ArgumentError, DataError, RunError
from deltarule.nn.module import Module
from deltarule.training import RunFolder
from deltarule.training.checkpoint import Checkpoint

RUNS = Path("runs")
CONFIG = "config.json"
_NEEDED = (
    *("task", "data", "model", "loss", "optimizer", "batch_size", "sequence_length", "epochs", "schedule"),
    *("clip", "penalty", "patience", "monitor", "seed", "dtype", "checkpoint_every", "threads"),
)

RUN = click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
WEIGHTS = click.option(
    "--best/--last",
    "best",
    default=True,
    help="Weights of the best epoch (on the validation part), or of the last one.  [default: best]",
)


def find_run(path: Path) -> RunFolder:
    """The run folder at a path, or of that name in the folder runs.

    Raises RunError naming the closest one if there is none, and for a run that `train` did not make.
    """
    inside = RUNS / path
    if not path.exists() and inside.is_dir():
        path = inside
    if not path.exists():
        known = list_runs(RUNS)
        close = difflib.get_close_matches(path.name, [run.name for run in known], 1, 0.6)
        fix = "Check the path; deltarule runs lists those that are there."
        raise RunError(
            str(path), "there is no such run folder", f"Did you mean {RUNS / close[0]}?" if close else fix
        )
    run = RunFolder(path)
    lacking = [name for name in _NEEDED if name not in run.config]
    if lacking:
        raise RunError(
            str(run.path / CONFIG),
            f"expected the configuration that deltarule train writes, it lacks {', '.join(lacking)}",
            "A run that a script made is used by scripts; an edited file has to be restored.",
        )
    return run


def list_runs(folder: Path) -> list[Path]:
    """The run folders directly inside a folder, the oldest first."""
    if not folder.is_dir():
        return []
    found = [entry for entry in folder.iterdir() if (entry / CONFIG).is_file()]
    return sorted(found, key=lambda entry: ((entry / CONFIG).stat().st_mtime, entry.name))


@dataclass(frozen=True)
class SavedRun:
    """What commands need of a run. Open one with `open_run`.

    folder   the run folder
    model    its model with trained weights, in evaluation mode
    epoch    the epoch that the weights are from
    checkpoint   what they were saved with
    """

    folder: RunFolder
    model: Module
    epoch: int
    checkpoint: Checkpoint

    @property
    def name(self) -> str:
        """The name of its folder, also where that was given as a dot."""
        return self.folder.path.resolve().name

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the run."""
        return self.folder.config

    @property
    def task(self) -> str:
        """ "classification", "regression" or "text"."""
        return self.config["task"]

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """What was done to the training data."""
        return Preprocessing.from_dict(self.config["data"]["preprocessing"])

    @cached_property
    def dataset(self) -> Dataset:
        """The run's own data. Raises DataError if it has gone or changed."""
        return load_again(self.config["data"])

    def new_part(self, source: str, **options: Any) -> Part:
        """New data, treated as the training data was. Raises DataError if it does not fit or is empty."""
        part = load_part(source, self.preprocessing, **options)
        if not len(part):
            raise DataError(source, "expected rows, got none", "Check the file.")
        return part

    def require_task(self, text: bool, command: str) -> None:
        """Raise ArgumentError where a command is for language models, or for all others."""
        if text and self.task != "text":
            raise ArgumentError(
                str(self.folder.path),
                f"{command} expects the run of a text, this one learned {self.task}",
                "Use deltarule predict.",
            )
        if not text and self.task == "text":
            raise ArgumentError(
                str(self.folder.path),
                f"{command} expects rows to predict, this run learned a text",
                "Use deltarule generate.",
            )


def open_run(path: Path, best: bool = True) -> SavedRun:
    """Open a run folder with its best weights, or the last ones.

    Raises RunError if it is missing, damaged, or was stopped before its first checkpoint.
    """
    folder = find_run(path)
    name = "best" if best and "best" in folder.checkpoints() else "last"
    checkpoint = folder.load(name)
    try:
        model = build_model(folder.config)
    except (KeyError, TypeError) as error:
        raise RunError(
            str(folder.path / CONFIG),
            f"does not describe a model that can be built ({type(error).__name__}: {error})",
            "Restore it from a copy; it must not be edited.",
        ) from None
    try:
        model.load_state_dict(checkpoint.part("model"))
    except (ArgumentError, ValueError) as error:
        raise RunError(
            str(folder.checkpoint_path(name)), f"does not fit the model of {CONFIG}: {error}", ""
        ) from None
    return SavedRun(folder, model.eval(), checkpoint.values["progress"]["epoch"], checkpoint)
