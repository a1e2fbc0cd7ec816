"""The options that say how data is read and split, and what they become for data.load."""

from __future__ import annotations

from typing import Any

import click

FRACTION = click.FloatRange(0, 1, max_open=True)

READING = (
    click.option("--encoding", metavar="NAME", help="Text encoding of a CSV or text file, such as latin-1."),
    click.option("--delimiter", metavar="CHARACTER", help="What separates the columns of a CSV file."),
)

# How a source is read when a network is trained on it; `load_part` takes the rest from the run.
TRAINING = (
    click.option(
        "--task",
        "kind",
        type=click.Choice(["auto", "classification", "regression", "text"]),
        default="auto",
        show_default=True,
        help="What is to be learned; auto finds it from the data.",
    ),
    click.option(
        "--target", metavar="COLUMN", help="Column of a CSV file to predict, by name, or position from 0."
    ),
    click.option("--ignore", multiple=True, metavar="COLUMN", help="Column to leave out; may be repeated."),
    click.option(
        "--categorical",
        multiple=True,
        metavar="COLUMN",
        help="Column whose numbers are codes rather than quantities; may be repeated.",
    ),
    click.option(
        "--missing", multiple=True, metavar="TEXT", help="Cell that means missing; may be repeated."
    ),
    *READING,
    click.option("--header/--no-header", default=None, help="Whether a CSV file names its columns."),
    click.option(
        "--layout",
        type=click.Choice(["channels_first", "channels_last", "as_is"]),
        help="Order of the axes of images in an npz or IDX file.",
    ),
    click.option(
        "--standardise/--no-standardise", default=None, help="Zero mean and unit variance of the inputs."
    ),
    click.option(
        "--standardise-targets/--no-standardise-targets",
        default=None,
        help="For the targets of a regression; metrics stay in their own unit.  [default: yes]",
    ),
    click.option(
        "--validation-fraction", "validation", type=FRACTION, help="Share of the rows.  [default: 0.1]"
    ),
    click.option(
        "--test-fraction",
        "test",
        type=FRACTION,
        help="Share of the rows, where the data has no test part of its own.  [default: 0.2; texts: 0]",
    ),
    click.option(
        "--split-seed",
        type=click.IntRange(0),
        help="Decides which rows are held out, and nothing else does.  [default: 0]",
    ),
    click.option("--samples", type=click.IntRange(1), help="Rows of the drawn sets xor, spirals and sine."),
    click.option("--noise", type=click.FloatRange(0), help="Noise of the drawn sets."),
)

_NAMES = (
    *("kind", "target", "ignore", "categorical", "missing", "encoding", "delimiter", "header", "layout"),
    *("standardise", "standardise_targets", "validation", "test", "split_seed", "samples", "noise"),
)


def take_data_options(given: dict[str, Any]) -> dict[str, Any]:
    """Remove the data options from what a command was given, and return them as data.load takes them.

    Only what was given on the command line is returned: the rest is data.load's own default.

    >>> take_data_options({"kind": "auto", "target": "2", "ignore": (), "split_seed": None, "epochs": 3})
    {'target': '2'}
    """
    taken = {name: given.pop(name, None) for name in _NAMES}
    if taken["kind"] == "auto":
        taken["kind"] = None
    taken["seed"] = taken.pop("split_seed")
    taken["delimiter"] = {"tab": "\t", "\\t": "\t"}.get(taken["delimiter"], taken["delimiter"])
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in taken.items()
        if value is not None and value != ()
    }
