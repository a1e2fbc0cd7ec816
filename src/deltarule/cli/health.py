"""`deltarule health`: why does a run's network not train, and what would help?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deltarule.cli.assembly import build_model, build_trainer, training_loader
from deltarule.cli.exit_codes import FAILED, OK
from deltarule.cli.figures import json_line
from deltarule.cli.program import Command
from deltarule.cli.report_file import STANDARD_OUTPUT, form_of, require_folder, write_report
from deltarule.cli.saved_run import RUN, WEIGHTS, SavedRun, open_run
from deltarule.errors import ArgumentError
from deltarule.kernels.threads import limited_threads
from deltarule.nn.module import Module
from deltarule.report import present
from deltarule.report.words import LANGUAGES, Words
from deltarule.training.checkpoint import Checkpoint

if TYPE_CHECKING:
    from deltarule.explain.training_health.health import Health
    from deltarule.explain.training_health.setup import Setup

EXAMPLES = (
    ("deltarule health runs/digits-lenet-1", "the causes, and a report RUN/health.html"),
    ("deltarule health runs/digits-lenet-1 --steps 200", "also watch the first 200 updates again"),
    ("deltarule health runs/digits-lenet-1 --try", "try the remedies, and show both curves"),
    ("deltarule health RUN --lang zh --output report.html", "in Chinese"),
)
_MEASUREMENTS = 8
_TRIAL_STEPS = 100


@click.command(cls=Command, examples=EXAMPLES)
@RUN
@click.option(
    "--steps",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Updates to train anew from the first weights, measured at 8 places.",
)
@click.option("--try", "tries", is_flag=True, help="Try the remedy of each cause from the first weights.")
@click.option(
    "--try-steps",
    type=click.IntRange(2),
    help="Updates of each trial, without the remedy and with it; implies --try.  [default: 100]",
)
@click.option(
    "--rows", type=click.IntRange(2), default=256, show_default=True, help="Training rows to measure on."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The report: .html, .tex, .md, .txt or .svg; - is standard output.  [default: RUN/health.html]",
)
@click.option("--lang", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language.")
@WEIGHTS
@click.option("--json", is_flag=True, help="One JSON object; a report only with --output.")
def health(
    run: Path,
    steps: int,
    tries: bool,
    try_steps: int | None,
    rows: int,
    output: Path | None,
    lang: str,
    best: bool,
    json: bool,
) -> int:
    """Name the causes why the network of RUN does not train well.

    Measured are gradients, weights, updates, saturated and dead units, the noise of the gradient, and the
    data, on rows of the run's own training data: with the first weights, which its seed gives again, and with
    the saved ones. Each cause comes with the numbers that speak for it and a remedy.

    Exit code 0 says that nothing was found, 1 that something was. The run stays as it is.
    """
    # Loaded where they are needed: other commands start in half the time.
    from deltarule.explain.training_health.health import health_of_run
    from deltarule.explain.training_health.setup import train_for
    from deltarule.report.health import findings_text

    form = form_of(output)
    require_folder(output)
    if json and output == STANDARD_OUTPUT:
        raise ArgumentError("health", "--json and --output - both write standard output", "Leave one out.")
    saved = open_run(run, best)
    with limited_threads(saved.config["threads"]):
        start, now = setups(saved, rows)
        history = train_for(start, steps, max(1, steps // _MEASUREMENTS)).history[1:] if steps else []
        tries = tries or try_steps is not None
        found = health_of_run(start, now, history, saved.name, tries, try_steps or _TRIAL_STEPS)
    if output is None and not json:
        output = saved.folder.path / "health.html"
    written = "" if output is None else write_report(present(found, form, lang), form, output)
    if json:
        click.echo(json_line(_record(found, saved, output)))
    else:
        # Apart from a report on standard output, which others read.
        click.echo(findings_text(found, Words(lang)) + written, err=not written)
    return OK if found.healthy else FAILED


def setups(saved: SavedRun, rows: int) -> tuple[Setup, Setup]:
    """A run as it was before its first update, and as it was saved."""
    from deltarule.explain.training_health.setup import setup_of

    loader = training_loader(saved.dataset.train, saved.config)

    def setup(model: Module, checkpoint: Checkpoint | None = None) -> Setup:
        trainer = build_trainer(model, saved.config, saved.preprocessing, len(loader), saved.folder)
        if checkpoint is not None:
            trainer.restore(checkpoint, saved.folder.history())
        return setup_of(trainer, loader, rows, saved.config["seed"])

    return setup(build_model(saved.config)), setup(saved.model, saved.checkpoint)


def _record(found: Health, saved: SavedRun, output: Path | None) -> dict:
    return {
        "healthy": found.healthy,
        "findings": [asdict(each) for each in found.findings],
        "trials": [asdict(each) for each in found.trials],
        "history": [asdict(each) for each in found.history],
        "report": None if output is None else str(output),
        "run_folder": str(saved.folder.path),
    }
