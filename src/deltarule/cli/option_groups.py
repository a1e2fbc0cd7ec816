"""Options in groups: the help of a command with many shows each group under a title of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

Function = Callable[..., Any]

# What stands for a value in the help; click's own INTEGER RANGE says less and takes more room.
_METAVARS = ((click.IntRange, "N"), (click.FloatRange, "X"), (click.types.FloatParamType, "X"))
_SECTION = "section"
OTHERS = "Options"


def with_options(
    options: Sequence[Callable[[Function], Function]], section: str = OTHERS
) -> Callable[[Function], Function]:
    """A decorator that adds several options, which the help shows in this order under this title."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
            setattr(function.__click_params__[-1], _SECTION, section)
        return function

    return decorate


def write_options(command: click.Command, context: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the help of all options, group by group; those without a group come last."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        # Arguments stand in the line of usage and in the text; newer versions of click list them as well.
        if isinstance(parameter, click.Argument):
            continue
        if parameter.metavar is None:
            parameter.metavar = next(
                (said for kind, said in _METAVARS if isinstance(parameter.type, kind)), None
            )
        record = parameter.get_help_record(context)
        if record is not None:
            groups.setdefault(getattr(parameter, _SECTION, OTHERS), []).append(record)
    others = groups.pop(OTHERS, None)
    for title, records in [*groups.items(), *([(OTHERS, others)] if others else [])]:
        with formatter.section(title):
            formatter.write_dl(records)
