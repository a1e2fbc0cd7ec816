"""The options of `train` that say which network is trained, and their defaults from the data."""

from __future__ import annotations

from typing import Any

import click

from deltarule.cli.training_options import Sizes
from deltarule.data import Dataset
from deltarule.errors import ArgumentError
from deltarule.nn import models
from deltarule.nn.activation import ACTIVATIONS

MODEL = (
    click.option("--model", "model_option", metavar="NAME", help="The same as the argument MODEL."),
    click.option(
        "--hidden",
        type=Sizes(),
        help="Units of the hidden layers, such as 128,64; none for a linear model.",
    ),
    click.option("--layers", type=click.IntRange(1), help="Layers of one size (mlp, rnn, gru, lstm)."),
    click.option(
        "--activation",
        metavar="NAME",
        type=click.Choice(list(ACTIVATIONS)),
        help=f"Of the hidden layers: {', '.join(ACTIVATIONS)}.",
    ),
    click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), help="Share of units left out."),
    click.option(
        "--init",
        "initialiser",
        metavar="NAME",
        type=click.Choice(models.INITIALISERS),
        help=f"How the weights begin: {', '.join(models.INITIALISERS)}.",
    ),
    click.option("--batch-norm/--no-batch-norm", default=None, help="Batch normalisation (mlp, cnn)."),
    click.option("--channels", type=Sizes(), help="Maps of the convolutions (lenet, cnn)."),
    click.option("--kernel-size", type=click.IntRange(1), help="Side of the convolutions (lenet)."),
    click.option("--convolutions", type=click.IntRange(1), help="Convolutions in each block (cnn)."),
    click.option("--pool", type=click.Choice(["max", "avg"]), help="Kind of pooling (lenet)."),
    click.option(
        "--embedding", type=click.IntRange(0), help="Features of a character (rnn, gru, lstm); 0: one-hot."
    ),
    click.option(
        "--bidirectional/--no-bidirectional", default=None, help="Read from both ends (rnn, gru, lstm)."
    ),
    click.option("--forget-bias", type=float, help="Bias of the forget gates at the start (lstm)."),
)

_OPTIONS = (
    *("hidden", "layers", "activation", "dropout", "initialiser", "batch_norm", "channels", "kernel_size"),
    *("convolutions", "pool", "embedding", "bidirectional", "forget_bias"),
)
_TYPED = {"initialiser": "init"}


def choose_model(dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    """The model's name and all options that build it.

    given     options of the command line by name, None where left out

    Raises ArgumentError for an unknown model, and for an option that the model does not have.
    """
    name = _name(dataset, given)
    options = models.defaults_for(name, dataset.input_shape, dataset.outputs, dataset.kind)
    known = models.options_of(name)
    layers = given["layers"]
    for option in _OPTIONS:
        if given[option] is None or (option == "layers" and "layers" not in known):
            continue
        if option not in known:
            raise ArgumentError(
                "train",
                f"the model {name} has no --{_typed(option)}",
                f"It takes {', '.join(f'--{_typed(each)}' for each in _OPTIONS if each in known)}.",
            )
        options[option] = given[option]
    if layers is not None and "layers" not in known:
        options["hidden"] = _repeated(name, given["hidden"] or options["hidden"][:1], layers)
    # The options that the model itself fills in are kept too: a later version may have other defaults.
    return {"name": name, "options": models.build(name, **options).options}


def _name(dataset: Dataset, given: dict[str, Any]) -> str:
    named = [name for name in (given["model"], given["model_option"]) if name is not None]
    if len(set(named)) > 1:
        raise ArgumentError("train", f"got two models, {named[0]} and {named[1]}", "Name one.")
    return named[0] if named else models.default_name(dataset.input_shape, dataset.kind)


def _repeated(name: str, hidden: list[int], layers: int) -> list[int]:
    """One size for each of so many layers."""
    if name != "mlp":
        raise ArgumentError("train", f"the model {name} has no --layers", "Use --hidden, or --channels.")
    if len(hidden) == layers:
        return hidden
    if len(set(hidden)) != 1:
        raise ArgumentError(
            "train",
            f"--layers {layers} does not fit --hidden {','.join(map(str, hidden))}",
            "Give one of them.",
        )
    return [hidden[0]] * layers


def _typed(option: str) -> str:
    return _TYPED.get(option, option).replace("_", "-")
