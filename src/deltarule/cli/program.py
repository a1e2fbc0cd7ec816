"""How every command runs: its errors become one line on stderr and an exit code, never a traceback."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click

from deltarule.cli.exit_codes import BROKEN_PIPE, INTERRUPTED, MEANINGS, OK, USAGE, code_of, sentence_of
from deltarule.cli.option_groups import write_options

NAME = "deltarule"
_COMPLETION = "_DELTARULE_COMPLETE"


class Command(click.Command):
    """A command with --debug, and with its examples shown as they are written.

    examples   lines "what is typed     what it does", shown at the end of the help
    """

    def __init__(self, *positional: Any, examples: Sequence[tuple[str, str]] = (), **named: Any):
        super().__init__(*positional, **named)
        self.params.append(
            click.Option(["--debug"], is_flag=True, expose_value=False, help="Show where an error happened.")
        )
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in their groups."""
        write_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_pairs(formatter, "Examples", self.examples)


class Program(click.Group):
    """The command `deltarule`: turns whatever a command raises into a line and an exit code."""

    command_class = Command

    def __init__(self, *positional: Any, examples: Sequence[tuple[str, str]] = (), **named: Any):
        super().__init__(*positional, **named)
        self.examples = tuple(examples)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which they are used, not of the alphabet."""
        return list(self.commands)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and the exit codes."""
        write_pairs(formatter, "Examples", self.examples)
        write_pairs(formatter, "Exit codes", [(str(code), said) for code, said in MEANINGS.items()])

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> Any:
        """Run a command line and leave the process with its exit code (SystemExit)."""
        if os.environ.get(_COMPLETION):
            return super().main(prog_name=NAME)
        arguments = list(sys.argv[1:] if args is None else args)
        for stream in (sys.stdout, sys.stderr):
            # A terminal or file that cannot show a character gets a substitute, not an error.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

        def action() -> Any:
            with self.make_context(NAME, arguments) as context:
                return self.invoke(context)

        sys.exit(run_guarded(action, "--debug" in arguments))


def run_guarded(action: Callable[[], Any], debug: bool = False) -> int:
    """Call the action and return its exit code; report what it raises in one line on stderr.

    action   returns an exit code, or anything else for 0
    debug    print the traceback as well
    """
    try:
        outcome = action()
        _flush()
        return outcome if isinstance(outcome, int) and not isinstance(outcome, bool) else OK
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except (click.Abort, KeyboardInterrupt, EOFError):
        report("interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        report(_usage_sentence(error))
        return USAGE
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except Exception as error:
        if debug:
            traceback.print_exc()
        try:
            _flush()
        except OSError:
            _discard_output()
        report(sentence_of(error))
        return code_of(error)


def report(sentence: str) -> None:
    """One line on stderr in the name of the program; nothing if stderr is closed."""
    try:
        click.echo(f"{NAME}: {sentence}", err=True)
    except OSError:
        pass


def write_pairs(formatter: click.HelpFormatter, title: str, pairs: Sequence[tuple[str, str]]) -> None:
    """A section of the help: what is typed, and below or beside it what it means."""
    if pairs:
        with formatter.section(title):
            formatter.write_dl(list(pairs), col_max=46)


def _usage_sentence(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else NAME
    end = "" if message.endswith((".", "?", "!")) else "."
    return f"{message}{end} See: {path} --help"


def _flush() -> None:
    # Python has no sys.stdout at all where it was closed by the caller.
    if sys.stdout is not None:
        sys.stdout.flush()


def _discard_output() -> None:
    """Send what is still buffered for stdout nowhere, so that Python's own last flush cannot fail."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass  # stdout is no file of the system, as in a test, or closed
