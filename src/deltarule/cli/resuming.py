"""Going on with a run: which options may change without breaking the promise of bit-for-bit equality."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from deltarule.cli.saved_run import find_run
from deltarule.data import Dataset, load, load_again
from deltarule.errors import ArgumentError, DataError
from deltarule.training import RunFolder

# They decide how long to train and what is shown, not what an update computes.
_FREE = {"resume", "epochs", "checkpoint_every", "json", "quiet", "data", "debug"}


def resumed(context: click.Context, given: dict[str, Any]) -> tuple[RunFolder, Dataset]:
    """The run folder to go on with, its configuration brought up to date, and its data.

    Raises ArgumentError for options that would make it another run; DataError if the data has changed;
    RunError if there is no such run, or it has no checkpoint.
    """
    changed = [
        name
        for name in context.params
        if name not in _FREE and context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    ]
    if changed:
        options = ", ".join("MODEL" if name == "model" else _option(context, name) for name in changed)
        raise ArgumentError(
            "train --resume",
            f"{options} cannot change: a resumed run continues bit for bit as if never stopped",
            "Only --epochs, --checkpoint-every, --json and --quiet can be given; start a new run for others.",
        )
    folder = find_run(given["resume"])
    config = dict(folder.config)
    done = folder.load("last").values["progress"]["epoch"]
    epochs = config["epochs"] if given["epochs"] is None else given["epochs"]
    if epochs <= done:
        raise ArgumentError(
            "train --resume",
            f"{done} epochs are done already, and {epochs} are asked for",
            f"--epochs counts all of them: --epochs {2 * done} trains {done} more.",
        )
    if epochs != config["epochs"] and config["schedule"]["name"] == "cosine":
        raise ArgumentError(
            "train --resume",
            f"--epochs {epochs} would bend the cosine of the learning rate, which ends at epoch "
            f"{config['epochs']}",
            "Leave --epochs out, or start a new run.",
        )
    config["epochs"] = epochs
    if given["checkpoint_every"] is not None:
        config["checkpoint_every"] = given["checkpoint_every"]
    dataset = _data(config["data"], given["data"])
    if config != folder.config:
        folder.write_json("config", config)
        folder = RunFolder(folder.path)
    return folder, dataset


def _option(context: click.Context, name: str) -> str:
    """An option as it is typed."""
    parameter = next(each for each in context.command.params if each.name == name)
    return parameter.opts[0]


def _data(description: dict[str, Any], source: str | None) -> Dataset:
    """The data of the run, from where it was, or from where it is now."""
    if source is None:
        return load_again(description)
    dataset = load(source, **description["options"])
    differences = dataset.matches(description)
    if differences:
        raise DataError(
            source,
            f"is not the data of the run: {'; '.join(differences)}",
            "Leave DATA out, or start a new run.",
        )
    return dataset
