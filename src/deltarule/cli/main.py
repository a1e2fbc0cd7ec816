"""The entry point `deltarule`: the group of commands."""

from __future__ import annotations

from importlib import import_module

import click

from deltarule.cli.check import check
from deltarule.cli.evaluate import evaluate
from deltarule.cli.explain import explain_command
from deltarule.cli.generate import generate
from deltarule.cli.health import health
from deltarule.cli.predict import predict
from deltarule.cli.program import NAME, Program
from deltarule.cli.runs import runs
from deltarule.cli.train import train

# The package itself holds it and is loaded before any part of it.
VERSION = import_module(NAME).__version__

EXAMPLES = (
    ("deltarule train digits", "train a network on handwritten digits"),
    ("deltarule train flowers.csv --target species", "on a table of your own"),
    ("deltarule train python-help lstm", "a language model"),
    ("deltarule evaluate RUN", "measure a run again"),
    ("deltarule predict RUN new.csv", "use it on new data"),
    ("deltarule explain RUN", "see its back-propagation as a page"),
    ("deltarule health RUN", "why does it not train?"),
    ("deltarule COMMAND --help", "all options of a command"),
)


@click.group(
    cls=Program, examples=EXAMPLES, invoke_without_command=True, context_settings={"max_content_width": 110}
)
@click.version_option(VERSION, prog_name=NAME, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, expose_value=False, help="Show where an error happened.")
@click.pass_context
def deltarule(context: click.Context) -> None:
    """Train neural networks, use them, and see their gradients."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (train, evaluate, predict, generate, explain_command, health, check, runs):
    deltarule.add_command(command)


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    deltarule.main()
