"""The options of `train` about the network, the updates and the run. Their defaults are in settings.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
SCHEDULES = ("none", "step", "exponential", "cosine", "plateau")
LOSSES = ("cross_entropy", "hinge", "squared", "absolute", "huber")

ABOVE_ZERO = click.FloatRange(0, min_open=True)
FROM_ZERO = click.FloatRange(0)


class BatchSize(click.ParamType):
    """A number of rows, or "full" for all of them at once."""

    name = "N|full"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number, or "full"."""
        if value == "full" or (isinstance(value, int) and value > 0):
            return value
        if isinstance(value, str) and value.isdecimal() and int(value) > 0:
            return int(value)
        self.fail(f"expected a whole number of 1 or more, or full, got {value!r}", param, ctx)


class Sizes(click.ParamType):
    """Whole numbers above 0, separated by commas: 128,64; or none."""

    name = "N[,N...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """The numbers."""
        if isinstance(value, list) or value == "none":
            return [] if value == "none" else value
        numbers = [piece for piece in re.split(r"[, ]+", str(value).strip()) if piece]
        if not numbers or not all(number.isdecimal() and int(number) > 0 for number in numbers):
            self.fail(f"expected sizes such as 128 or 128,64, got {value!r}", param, ctx)
        return [int(number) for number in numbers]


UPDATES = (
    click.option("--epochs", type=click.IntRange(1), help="How often to go through the training data."),
    click.option(
        "--batch-size",
        type=BatchSize(),
        metavar="N|full",
        help="Rows in each update: full for all of them at once, 1 for one sample at a time (online).",
    ),
    click.option(
        "--sequence-length", type=click.IntRange(1), help="Characters in each update of a text model."
    ),
    click.option(
        "--optimizer", type=click.Choice(OPTIMIZERS), help="How gradients become updates.  [default: adam]"
    ),
    click.option("--learning-rate", "--lr", type=ABOVE_ZERO, help="Size of the updates."),
    click.option(
        "--momentum", type=click.FloatRange(0, 1, max_open=True), help="For sgd, momentum, nesterov, rmsprop."
    ),
    click.option("--weight-decay", type=FROM_ZERO, help="Pull of the weights towards 0, by the optimizer."),
    click.option("--loss", type=click.Choice(LOSSES), help="What is made small; found from the task."),
    click.option(
        "--label-smoothing", type=click.FloatRange(0, 1, max_open=True), help="For the loss cross_entropy."
    ),
    click.option(
        "--schedule",
        type=click.Choice(SCHEDULES),
        help="How the learning rate changes: by steps, exponentially, along a cosine, or when the validation "
        "figure no longer improves.  [default: none; exponential for large sets]",
    ),
    click.option(
        "--warm-up",
        type=click.FloatRange(0),
        metavar="EPOCHS",
        help="Epochs of a linear rise, with none or cosine.",
    ),
    click.option(
        "--step-epochs", type=click.IntRange(1), help="Epochs between steps, or patience of plateau."
    ),
    click.option(
        "--decay",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Factor of step, exponential, plateau.",
    ),
    click.option("--clip-norm", type=ABOVE_ZERO, help="Largest joint norm of all gradients."),
    click.option("--clip-value", type=ABOVE_ZERO, help="Largest magnitude of a gradient's element."),
    click.option("--l1", type=FROM_ZERO, help="Weight of the sum of magnitudes, added to the loss."),
    click.option("--l2", type=FROM_ZERO, help="Weight of half the sum of squares, added to the loss."),
    click.option("--elastic", type=FROM_ZERO, help="Weight of a mixture of both."),
    click.option("--l1-ratio", type=click.FloatRange(0, 1), help="Share of L1 in --elastic.  [default: 0.5]"),
    click.option("--patience", type=click.IntRange(1), help="Stop after so many epochs without improvement."),
    click.option(
        "--monitor",
        type=click.Choice(["loss", "accuracy"]),
        help="Validation figure that tells the best epoch.  [default: accuracy for classes, else loss]",
    ),
    click.option(
        "--seed", type=click.IntRange(0), help="Decides initial weights, order and dropout.  [default: 0]"
    ),
    click.option(
        "--threads",
        type=click.IntRange(1),
        help="Threads of matrix products.  [default: 1 for a small network, else all]",
    ),
    click.option(
        "--no-compile",
        is_flag=True,
        help="Run every operation by itself, as the formulas say it.  [default: compile what pays]",
    ),
    click.option(
        "--dtype", type=click.Choice(["float32", "float64"]), help="Type of the weights.  [default: float32]"
    ),
)

OUTPUT = (
    click.option(
        "--runs",
        "runs_folder",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for new run folders.  [default: runs]",
    ),
    click.option("--name", help="Name of the run folder inside it.  [default: data, model and a number]"),
    click.option(
        "--run-folder",
        type=click.Path(path_type=Path, file_okay=False),
        help="The whole path of the run folder.",
    ),
    click.option(
        "--resume",
        metavar="RUN",
        type=click.Path(path_type=Path),
        help="Go on with a run, bit for bit as if never stopped.",
    ),
    click.option(
        "--checkpoint-every",
        type=click.IntRange(1),
        metavar="UPDATES",
        help="Save within epochs too, after so many updates.",
    ),
    click.option("--json", is_flag=True, help="One JSON object a line: each epoch, then the results."),
    click.option("--quiet", "-q", is_flag=True, help="Print errors only."),
)
