"""What the README shows works: its Python runs, its commands and options exist."""

import re
import shlex
from pathlib import Path

import pytest

from deltarule.cli.main import deltarule

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (?:uv run )?deltarule (.+?)(?:\s+#.*)?$", README, re.MULTILINE)


def test_python_blocks_run_in_order(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 3
    namespace = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
    printed = capsys.readouterr().out
    assert "tanh" in printed
    assert float(printed.split()[-1]) > 0.8  # the accuracy of the last block


def test_it_opens_with_exactly_the_two_commands():
    first = re.search(r"^    .+(\n    .+)*", README, re.MULTILINE)
    assert first is not None
    assert first.group().split("\n") == ["    python3 run.py train digits", "    python3 run.py test"]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_exist(line):
    name, *arguments = shlex.split(line)
    command = deltarule.commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    for argument in arguments:
        if argument.startswith("--"):
            assert argument in known, f"deltarule {name} has no {argument}"
