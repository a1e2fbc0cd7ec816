"""`deltarule predict`: what a run's network says about new data, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from deltarule.cli.data_options import READING
from deltarule.cli.option_groups import with_options
from deltarule.cli.program import Command
from deltarule.cli.saved_run import RUN, WEIGHTS, SavedRun, open_run
from deltarule.errors import ArgumentError, NonFiniteError
from deltarule.kernels.threads import limited_threads
from deltarule.training import predict as outputs_of
from deltarule.training.atomic_file import write_atomic

Array = NDArray[Any]

EXAMPLES = (
    ("deltarule predict runs/flowers-mlp-1 new.csv", "a line for each row, on the screen"),
    ("deltarule predict runs/flowers-mlp-1 new.csv --out said.csv", "into a file"),
    ("deltarule predict runs/digits-lenet-1 digits --probabilities", "with all probabilities"),
    ("deltarule predict runs/mnist-lenet-1 scans.npz --top-k 3", "with the three best guesses"),
)


@click.command(cls=Command, examples=EXAMPLES)
@RUN
@click.argument("data", metavar="INPUT")
@click.option(
    "--out", default="-", metavar="FILE", help="Where the CSV goes; - is standard output.  [default: -]"
)
@click.option("--probabilities", is_flag=True, help="A column with the probability of each class.")
@click.option("--top-k", type=click.IntRange(1), help="The k most probable classes with their probabilities.")
@WEIGHTS
@with_options(READING)
def predict(
    run: Path, data: str, out: str, probabilities: bool, top_k: int | None, best: bool, **reading: Any
) -> None:
    """Say what the network of RUN makes of INPUT.

    INPUT is a CSV, npz or IDX file like the training data, with or without targets, or the name of a set.
    The rows come in the order of the input, counted from 1. Numbers are in the unit of the training data.
    """
    saved = open_run(run, best)
    saved.require_task(text=False, command="predict")
    classes = saved.preprocessing.class_names
    if (probabilities or top_k) and not classes:
        raise ArgumentError(
            "predict", "--probabilities and --top-k expect classes, this run gives numbers", ""
        )
    if (probabilities or top_k) and saved.config["loss"]["name"] == "hinge":
        raise ArgumentError(
            "predict",
            "this run was trained with the hinge loss, whose scores are no probabilities",
            "Leave --probabilities and --top-k out, or train with --loss cross_entropy.",
        )
    if top_k and top_k > len(classes):
        raise ArgumentError(
            "predict", f"--top-k {top_k} expects at most {len(classes)}, the classes", "Lower it."
        )
    if probabilities and top_k:
        raise ArgumentError(
            "predict", "--probabilities and --top-k both list probabilities", "Give one of them."
        )
    inputs = saved.new_part(data, **reading).inputs
    with limited_threads(saved.config["threads"]):
        outputs = outputs_of(saved.model, inputs)
    if not np.isfinite(outputs).all():
        raise NonFiniteError(
            "predict", "the network's outputs are not finite", "Its training diverged: train anew."
        )
    if not classes:
        table = numbers(saved, outputs)
    elif top_k:
        table = best_guesses(classes, softmax(outputs), top_k)
    else:
        table = decisions(classes, outputs, probabilities)
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(table)
    write(out, text.getvalue())


def numbers(saved: SavedRun, outputs: Array) -> Iterator[list[str]]:
    """The table of a regression: the target's name as the title, or numbered ones for several outputs."""
    restored = saved.preprocessing.restore_targets(outputs)
    encoding = saved.preprocessing.targets
    name = encoding.name if encoding is not None else "prediction"
    columns = restored.shape[1]
    yield ["row", *([name] if columns == 1 else [f"{name} {index + 1}" for index in range(columns)])]
    for row, values in enumerate(restored, 1):
        yield [str(row), *(f"{value:.7g}" for value in values)]


def decisions(classes: tuple[str, ...], outputs: Array, probabilities: bool) -> Iterator[list[str]]:
    """The table of a classification: the class, and perhaps every probability."""
    yield ["row", "prediction", *(f"probability of {name}" for name in classes if probabilities)]
    shares = softmax(outputs) if probabilities else np.empty((len(outputs), 0))
    for row, (chosen, values) in enumerate(zip(outputs.argmax(axis=1), shares, strict=True), 1):
        yield [str(row), classes[chosen], *(f"{value:.6f}" for value in values)]


def best_guesses(classes: tuple[str, ...], shares: Array, count: int) -> Iterator[list[str]]:
    """The table of the most probable classes, the best one first."""
    titles = [(f"prediction {place}", f"probability {place}") for place in range(1, count + 1)]
    yield ["row", *(title for pair in titles for title in pair)]
    order = np.argsort(-shares, axis=1, kind="stable")[:, :count]
    for row, chosen in enumerate(order):
        pairs = ((classes[index], f"{shares[row, index]:.6f}") for index in chosen)
        yield [str(row + 1), *(cell for pair in pairs for cell in pair)]


def softmax(logits: Array) -> Array:
    """Probabilities of each row of logits, in float64.

    >>> softmax(np.array([[0.0, np.log(3.0)]])).round(2).tolist()
    [[0.25, 0.75]]
    """
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def write(out: str, text: str) -> None:
    """Write to standard output, or a file, which is written whole or not at all."""
    if out == "-":
        click.echo(text, nl=False)
        return
    write_atomic(Path(out), text.encode())
