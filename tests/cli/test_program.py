"""The program as a whole: help, versions, exit codes, errors; what it loads and when."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from deltarule import __version__
from deltarule.cli import exit_codes
from deltarule.cli.display import PlainLines, TerminalProgress, display_for
from deltarule.cli.exit_codes import MEANINGS, code_of, sentence_of
from deltarule.cli.main import deltarule
from deltarule.cli.program import run_guarded
from deltarule.errors import ArgumentError, DataError, NonFiniteError, RunError, ShapeError
from tests.cli.conftest import call

COMMANDS = list(deltarule.commands)


def test_version():
    assert call("--version").stdout == f"deltarule {__version__}\n"


def test_without_arguments_the_help_is_shown():
    assert call().stdout == call("--help").stdout
    assert call().exit_code == 0


def test_help_lists_commands_examples_and_every_exit_code():
    text = call("--help").stdout
    assert all(command in text for command in COMMANDS)
    assert "deltarule train digits" in text
    assert all(str(code) in text for code in MEANINGS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command):
    result = call(command, "--help")
    assert result.exit_code == 0
    assert f"deltarule {command}" in result.stdout.partition("Examples:")[2]
    for parameter in deltarule.commands[command].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_the_examples_of_the_help_use_options_that_exist():
    for name, command in deltarule.commands.items():
        known = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
        for line, _ in command.examples:
            used = {word for word in line.split("|")[0].split() if word.startswith("--")}
            assert line.startswith(f"deltarule {name}")
            assert used <= known, line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian", "digits"], "'train'"),
        (["--nothing"], "No such option"),
        (["evaluate"], "Missing argument 'RUN'"),
        (["predict", "a"], "Missing argument 'INPUT'"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_help(arguments, said):
    result = call(*arguments)
    assert result.exit_code == exit_codes.USAGE
    assert said in result.stderr
    assert "--help" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NonFiniteError("Trainer", "NaN"), 1),
        (ArgumentError("train", "wrong"), 2),
        (DataError("a.csv", "line 1: wrong"), 3),
        (ShapeError("linear", "wrong"), 3),
        (RunError("runs/x", "wrong"), 4),
        (OSError(errno.ENOSPC, "No space left on device"), 4),
        (MemoryError(), 70),
        (KeyError("x"), 70),
    ],
)
def test_each_error_has_its_exit_code_and_one_line(error, code, capsys):
    def action():
        raise error

    assert run_guarded(action) == code == code_of(error)
    shown = capsys.readouterr().err
    assert shown == f"deltarule: {sentence_of(error)}\n"


def test_debug_shows_the_traceback():
    assert "Traceback" not in call("evaluate", "nowhere").stderr
    assert "Traceback" in call("evaluate", "nowhere", "--debug").stderr


def test_an_interruption_gives_130(capsys):
    def action():
        raise KeyboardInterrupt

    assert run_guarded(action) == 130
    assert capsys.readouterr().err == "deltarule: interrupted\n"


def test_system_errors_are_sentences_with_a_fix():
    said = sentence_of(OSError(errno.ENOSPC, "No space left on device", "runs/a"))
    assert said == "runs/a: no space left on device. Free some space, or choose another place."


# ---- what is loaded, and where it is shown


def python(*arguments, **options):
    # The folder of the package, so that a checkout is tested and not another installed copy.
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(exit_codes.__file__))))
    environment = {**os.environ, "PYTHONPATH": source, **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **options,
    )


def test_python_m_deltarule_is_the_same_program():
    finished = python("-m", "deltarule", "--version")
    assert (finished.returncode, finished.stdout) == (0, f"deltarule {__version__}\n")


def test_rich_is_loaded_on_terminals_only():
    program = (
        "import sys\nfrom deltarule.cli.main import deltarule\n"
        "try:\n    deltarule.main(['--version'])\nexcept SystemExit as leaving:\n    code = leaving.code\n"
        "sys.exit(code or ('rich' in sys.modules))"
    )
    finished = python("-c", program)
    assert finished.returncode == 0, finished.stderr


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("columns", ["20", "200"])
@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_shows_a_bar_and_the_epochs(monkeypatch, columns, no_color):
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    display = display_for(json=False, quiet=False)
    assert isinstance(display, TerminalProgress)
    display.say("data [not markup]")
    display.begin(1, 2)
    display.batch(1, 5, 10, 0.5)
    display.epoch({"epoch": 1, "train_loss": 0.25, "seconds": 0.1})
    display.end()
    text = terminal.getvalue()
    assert "data [not markup]" in text
    assert "epoch 1/2  train loss 0.25" in text
    assert ("\x1b[3" in text) <= (not no_color)


def test_no_bar_where_output_is_no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert type(display_for(json=False, quiet=False)) is PlainLines


def test_the_page_about_the_command_line_tells_the_same_exit_codes_and_options():
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")
    for code, meaning in MEANINGS.items():
        assert f"| {code} | {meaning} |" in page
    known = {
        flag
        for command in deltarule.commands.values()
        for each in command.params
        for flag in (*each.opts, *each.secondary_opts)
    }
    assert set(re.findall(r"--[a-z][a-z0-9-]*", page)) <= known | {"--help"}
    for command in COMMANDS:
        assert f"deltarule {command}" in page


def test_advice_names_options_of_the_command_line(tmp_path):
    (tmp_path / "head.csv").write_text("a,b\n")
    result = call("train", tmp_path / "head.csv")
    assert result.exit_code == 3
    assert "--no-header" in result.stderr
    known = {
        flag for each in deltarule.commands["train"].params for flag in (*each.opts, *each.secondary_opts)
    }
    for keyword in exit_codes._OPTIONS:
        assert sentence_of(DataError("x", "y", f"Use {keyword}=1.")).split()[-2] in known
