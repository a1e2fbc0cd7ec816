"""`deltarule explain`: the back-propagation of a run's network, or of a lecture's example, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from deltarule.cli.check import loss_of
from deltarule.cli.exit_codes import OK
from deltarule.cli.program import Command
from deltarule.cli.report_file import ENDINGS, STANDARD_OUTPUT, form_of, require_folder, write_report
from deltarule.cli.saved_run import WEIGHTS, open_run
from deltarule.errors import ArgumentError, RunError
from deltarule.report import FORMS, present
from deltarule.report.numbers import figure
from deltarule.report.words import LANGUAGES, Words, catalogue

USES = (
    ("deltarule explain runs/digits-lenet-1", "a page of a run's own network, on its own data"),
    ("deltarule explain --example lstm", "a derivation of the lectures"),
    ("deltarule explain --example graph --format text", "in the terminal"),
    ("deltarule explain runs/digits-mlp-1 --lang zh --output net.html", "in Chinese"),
)
# Options that an example has no use for.
_OF_RUNS = ("samples", "opened", "best")


@click.command("explain", cls=Command, examples=USES)
@click.argument("run", metavar="[RUN]", type=click.Path(path_type=Path), required=False)
@click.option("--example", "name", metavar="NAME", help="A derivation of the lectures; --list names them.")
@click.option("--list", "listed", is_flag=True, help="List the lectures' derivations.")
@click.option(
    "--samples", type=click.IntRange(1), default=2, show_default=True, help="Training rows in the batch."
)
@click.option(
    "--open",
    "opened",
    multiple=True,
    metavar="OPERATION",
    help="Derive this group from what is inside it, such as sigmoid; may be repeated.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    help="How it is written.  [default: as the output's name ends, else html]",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; - is standard output.",
)
@click.option(
    "--program",
    "program",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the NumPy program to this .py file.",
)
@click.option("--lang", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language.")
@WEIGHTS
def explain_command(
    run: Path | None,
    name: str | None,
    listed: bool,
    samples: int,
    opened: tuple[str, ...],
    form: str | None,
    output: Path | None,
    program: Path | None,
    lang: str,
    best: bool,
) -> int:
    """Show the back-propagation of the network of RUN, on rows of its own training data.

    The page shows the graph with its values and gradients, the formulas of forward and backward, the
    arithmetic of every step, and the NumPy program that computes the same. It is one file that opens from
    disk. Every formula is evaluated in float64 and compared with the gradient that the engine computed; the
    largest difference is printed.

    Without --output, the file is RUN/explanation.html, or NAME.html for an example, with the ending of its
    form; text is printed.
    """
    words = Words(lang)
    if listed:
        titles = words.under("examples")
        width = max(map(len, titles))
        click.echo("\n".join(f"{each:<{width}}  {title}" for each, title in titles.items()))
        return OK
    if (run is None) == (name is None):
        given = "both" if run is not None else "neither"
        known = ", ".join(key.removeprefix("examples.") for key in catalogue("examples"))
        raise ArgumentError("explain", f"expected RUN or --example NAME, got {given}", f"Examples: {known}.")
    form = form or form_of(output)
    for path in (output, program):
        require_folder(path)
    if program is not None and program.suffix != ".py":
        raise ArgumentError(
            program.name, "--program expects a name that ends in .py", f"Use {program.stem}.py."
        )
    if name is not None:
        explanation, place = _of_example(name), Path(name)
    else:
        assert run is not None
        explanation, place = _of_run(run, samples, opened, best, words)
    if output is None:
        output = STANDARD_OUTPUT if form == "text" else place.with_name(f"{place.name}{ENDINGS[form]}")
    written = write_report(present(explanation, form, lang), form, output)
    said = [f"{written}, {len(explanation.trace.steps)} operations"] if written else []
    if program is not None:
        said.append("  ".join(map(str, explanation.program.save(program))))
    if written:
        said.append(words("derivation.checked", error=figure(explanation.largest_error)))
    for line in said:
        # Apart from a report on standard output, which others read.
        click.echo(line, err=not written)
    return OK


def _of_example(name: str) -> Any:
    """A derivation of the lectures. Raises ArgumentError for an option that would do nothing."""
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
        if given and parameter.name in _OF_RUNS:
            option = "/".join((*parameter.opts, *parameter.secondary_opts))
            raise ArgumentError("explain", f"{option} is for runs, an example has its own", "Leave it out.")
    # Loaded where they are needed: other commands start in half the time.
    from deltarule.explain.examples import example

    return example(name)


def _of_run(run: Path, samples: int, opened: tuple[str, ...], best: bool, words: Words) -> tuple[Any, Path]:
    """The explanation of a run's loss, and where its page goes."""
    from deltarule.explain.explanation import explain

    try:
        saved = open_run(run, best)
    except RunError as error:
        if run.exists() or str(run) not in words.under("examples"):
            raise
        raise RunError(error.who, error.problem, f"Did you mean --example {run}?") from None
    model = saved.model.astype("float64").train()
    loss = loss_of(saved, model, samples)
    title = words("derivation.run", run=saved.name, epoch=saved.epoch)
    explanation = explain(loss(), model=model, open=opened, title=title)
    return explanation, saved.folder.path / "explanation"
