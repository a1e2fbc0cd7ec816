"""What a running training shows: a progress bar on a terminal, plain lines elsewhere, JSON, or nothing."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

import click

from deltarule.cli.figures import duration, json_line, said, shown, split_name

# Names of an epoch's record that its line shows, for each part of the data.
_IN_A_LINE = ("loss", "accuracy", "r2")
# A terminal shows about so many lines of epochs; the bar shows the others.
_LINES = 30


class Display:
    """Shows nothing but what it must. Subclasses show more.

    say     a sentence for people
    batch   after each batch: the mean loss of the epoch so far
    epoch   after each epoch: its record
    final   the results: metrics and the run folder
    """

    def say(self, sentence: str) -> None:
        """A sentence for people."""

    def begin(self, first_epoch: int, epochs: int) -> None:
        """Training begins with this epoch, counted from 1, of so many."""

    def batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """A batch of an epoch is done."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done."""

    def end(self) -> None:
        """Training is over, however it ended."""

    def final(self, record: Mapping[str, Any]) -> None:
        """The results."""


class JsonLines(Display):
    """One JSON object a line for each epoch, and a last one with the results; nothing else."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        click.echo(json_line(record))

    def final(self, record: Mapping[str, Any]) -> None:
        click.echo(json_line(record))


class PlainLines(Display):
    """One line for each epoch: for files, pipes and logs."""

    epochs = 0

    def say(self, sentence: str) -> None:
        click.echo(sentence)

    def begin(self, first_epoch: int, epochs: int) -> None:
        self.epochs = epochs

    def epoch(self, record: Mapping[str, Any]) -> None:
        click.echo(epoch_line(record, self.epochs))


class TerminalProgress(PlainLines):
    """A progress bar under the lines of the last epochs."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = Console(highlight=False, soft_wrap=True)
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %  loss {task.fields[loss]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            expand=True,
        )
        self.task: Any = None
        self.next_update = 0.0

    def say(self, sentence: str) -> None:
        self.console.print(sentence, markup=False)

    def begin(self, first_epoch: int, epochs: int) -> None:
        super().begin(first_epoch, epochs)
        self.progress.start()
        self.task = self.progress.add_task(
            "", total=epochs, completed=first_epoch - 1, epoch=first_epoch, epochs=epochs, loss="-"
        )

    def batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        # Updating the bar costs about 20 microseconds, more than a small network's step.
        now = time.monotonic()
        if now < self.next_update:
            return
        self.next_update = now + 0.1
        self.progress.update(
            self.task, completed=epoch - 1 + batch / max(batches, 1), epoch=epoch, loss=shown("loss", loss)
        )

    def epoch(self, record: Mapping[str, Any]) -> None:
        number = record["epoch"]
        self.progress.update(self.task, completed=number, epoch=number)
        if number % math.ceil(self.epochs / _LINES) == 0 or number in (1, self.epochs):
            self.say(epoch_line(record, self.epochs))

    def end(self) -> None:
        self.progress.stop()


def epoch_line(record: Mapping[str, Any], epochs: int) -> str:
    """An epoch's record as a line.

    >>> epoch_line({"epoch": 3, "train_loss": 0.5, "validation_loss": 0.25, "seconds": 0.31}, 20)
    'epoch  3/20  train loss 0.5        validation loss 0.25       310 ms'
    """
    pieces = [f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}"]
    for name, value in record.items():
        part, bare = split_name(name)
        if part and bare in _IN_A_LINE and (bare == "loss" or part == "validation"):
            # Of a fixed width, so that the numbers of all epochs stand below each other.
            pieces.append(f"{said(name)} {shown(name, value):<9}")
    if "seconds" in record:
        pieces.append(duration(record["seconds"]))
    return "  ".join(pieces)


def display_for(json: bool, quiet: bool) -> Display:
    """The display that suits the options and the place where the output goes."""
    if json:
        return JsonLines()
    if quiet:
        return Display()
    return TerminalProgress() if sys.stdout is not None and sys.stdout.isatty() else PlainLines()
