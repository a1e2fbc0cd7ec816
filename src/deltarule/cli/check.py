"""`deltarule check`: are the gradients of a run's own network right, on its own data?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from deltarule.autodiff.check import GradientCheck, check_gradients
from deltarule.autodiff.tensor import Tensor
from deltarule.cli.assembly import build_loss, build_penalty
from deltarule.cli.exit_codes import FAILED, OK
from deltarule.cli.figures import json_line
from deltarule.cli.program import Command, report
from deltarule.cli.saved_run import RUN, WEIGHTS, SavedRun, open_run
from deltarule.errors import ArgumentError, GradientError
from deltarule.kernels.threads import limited_threads
from deltarule.nn.module import Module
from deltarule.operations.random import manual_seed
from deltarule.training.evaluation import forward

EXAMPLES = (
    ("deltarule check runs/digits-lenet-1", "all gradients, on 8 rows of the training data"),
    ("deltarule check runs/digits-lenet-1 --samples 32", "on more rows"),
)
_CHARACTERS = 12


@click.command(cls=Command, examples=EXAMPLES)
@RUN
@click.option(
    "--samples", type=click.IntRange(1), default=8, show_default=True, help="Training rows to take."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, min_open=True),
    default=1e-6,
    show_default=True,
    help="Largest relative error that is right.",
)
@WEIGHTS
@click.option("--json", is_flag=True, help="One JSON object.")
def check(run: Path, samples: int, tolerance: float, best: bool, json: bool) -> int:
    """Check the gradients of the network of RUN.

    In float64, the gradient that back-propagation gives for each parameter is compared with central
    differences of the loss, element by element for small parameters and along random directions for large
    ones. The network is in training mode: dropout drops the same units each time, regularisation is part
    of the loss. A wrong gradient gives exit code 1 and the name of the first operation that is wrong.

    At a kink, such as a ReLU's at 0, a gradient between the one-sided derivatives is right.
    """
    saved = open_run(run, best)
    model = saved.model.astype("float64").train()
    parameters = dict(model.named_parameters())
    width = max((len(name) for name in parameters), default=0)
    loss = loss_of(saved, model, samples)
    passed: dict[str, GradientCheck] = {}
    wrong: dict[str, str] = {}
    if not json:
        click.echo(f"{saved.folder.path}, weights of epoch {saved.epoch}, float64, tolerance {tolerance:g}")
        click.echo(f"{'parameter':<{width}}  {'shape':<16}  {'compared':<14}  largest relative error")
    for name, parameter in parameters.items():
        # A few rows are too little for several threads.
        with limited_threads(1):
            try:
                passed[name] = check_parameter(model, name, loss, tolerance)
            except GradientError as error:
                wrong[name] = str(error)
        if not json:
            click.echo(
                f"{name:<{width}}  {parameter.shape!s:<16}  {_cells(passed.get(name), parameter.size)}"
            )
    largest = max((each.max_error for each in passed.values()), default=0.0)
    if json:
        compared = {
            name: {"error": each.max_error, "compared": each.checked, "kinks": len(each.kinks)}
            for name, each in passed.items()
        }
        record = {"passed": not wrong, "largest_error": largest, "parameters": compared, "wrong": wrong}
        click.echo(json_line({**record, "run_folder": str(saved.folder.path)}))
    if wrong:
        first, problem = next(iter(wrong.items()))
        report(
            f"check: {len(wrong)} of {len(parameters)} gradients are wrong, first that of {first}: {problem}"
        )
        return FAILED
    if not json:
        click.echo(f"all {len(parameters)} gradients are right; largest relative error {largest:.1e}")
    return OK


def _cells(each: GradientCheck | None, size: int) -> str:
    """How a parameter was compared and how well it agreed, as the last columns of its line."""
    if each is None:
        return "WRONG"
    way = "elements" if each.checked == size else "directions"
    compared = f"{each.checked} {way}"
    kinks = f"  ({len(each.kinks)} at kinks)" if each.kinks else ""
    return f"{compared:<14}  {each.max_error:.1e}{kinks}"


def loss_of(saved: SavedRun, model: Module, samples: int) -> Callable[[], Tensor]:
    """The loss of a run on the first rows of its training data, regularisation included.

    samples   rows, or texts of a few characters
    returns   a function that gives the same value in each call, as long as the parameters do not change
    """
    part = saved.dataset.train
    config = saved.config
    if saved.task == "text":
        time = min(_CHARACTERS, len(part))
        count = len(part) // time
        chosen = np.arange(min(samples, count))[:, np.newaxis] * time + np.arange(time)
    else:
        chosen = np.arange(min(samples, len(part)))
    inputs, targets = part.inputs[chosen], np.asarray(part.targets)[chosen]
    if targets.dtype.kind == "f":
        targets = targets.astype(np.float64)
    if inputs.dtype.kind == "f":
        inputs = inputs.astype(np.float64)
    mean, penalty = build_loss(config), build_penalty(config)

    def loss() -> Tensor:
        # The same units are dropped in every call, so that differences are those of one function.
        manual_seed(config["seed"])
        output, _ = forward(model, Tensor(inputs))
        value = mean(output, Tensor(targets))
        return value if penalty is None else value + penalty(model)

    return loss


def check_parameter(
    model: Module, name: str, loss: Callable[[], Tensor], tolerance: float = 1e-6
) -> GradientCheck:
    """Check the gradient of a loss for one parameter of a model, whose others stay as they are.

    Raises GradientError naming the first wrong operation.
    """
    owner_name, _, own_name = name.rpartition(".")
    owner = dict(model.named_modules())[owner_name]
    parameter = owner._parameters[own_name]
    if parameter is None:
        raise ArgumentError("check", f"the model has no parameter {name!r}", "Check the name.")

    def of_values(values: Tensor) -> Tensor:
        table: dict[str, Any] = owner._parameters
        table[own_name] = values
        try:
            return loss()
        finally:
            table[own_name] = parameter

    return check_gradients(of_values, parameter.numpy().copy(), tolerance=tolerance)
