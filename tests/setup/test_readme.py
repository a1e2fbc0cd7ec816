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
    namespace = {}
    printed = []
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
        printed.append(capsys.readouterr().out)
    _, graph, training, speed = printed
    assert "tanh" in graph
    assert float(training.split()[-1]) > 0.8  # the accuracy
    assert namespace["step"].replays > 50
    assert "def step(" in speed
    assert namespace["step"](namespace["x"], namespace["y"]).item() < 1.0


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
