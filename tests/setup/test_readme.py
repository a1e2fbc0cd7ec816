"""What README and guide show works: their Python runs and prints what they say, their commands exist."""

import re
import shlex
from pathlib import Path

import pytest

from deltarule.cli.main import deltarule

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GLASS_BOX = (ROOT / "docs" / "glass-box.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^    (?:uv run )?deltarule (.+?)(?:\s+#.*)?$", re.MULTILINE)
COMMANDS = list(dict.fromkeys(COMMAND.findall(README) + COMMAND.findall(GLASS_BOX)))
# Python, and what it prints where that stands right below it.
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
# Errors of rounding, which differ between machines.
ROUNDING = re.compile(r"\d(?:\.\d+)?·10⁻¹[⁰¹²³⁴⁵⁶⁷⁸⁹]")


def test_python_blocks_run_in_order(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    namespace = {}
    printed = []
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
        printed.append(capsys.readouterr().out)
    _, graph, box, training, speed = printed
    assert "tanh" in graph
    assert "δ" in box
    assert "grad_W1 = delta1.T @ x" in box
    assert float(training.split()[-1]) > 0.8  # the accuracy
    assert namespace["step"].replays > 50
    assert "def step(" in speed
    assert namespace["step"](namespace["x"], namespace["y"]).item() < 1.0


def test_the_glass_box_prints_what_its_guide_shows(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    compared = 0
    for code, shown in BLOCK.findall(GLASS_BOX):
        exec(compile(code, "glass-box.md", "exec"), namespace)
        printed = capsys.readouterr().out
        if shown:
            compare_output(shown, printed)
            compared += 1
    assert compared >= 10
    assert {path.name for path in tmp_path.iterdir()} == {
        "network.html", "flow.html", "comparison.html", "health.html"
    }  # fmt: skip


def compare_output(shown, printed):
    """Every line shown was printed, in this order: one after the other, but where … leaves some out."""
    lines = printed.rstrip().split("\n")
    place, skipping = 0, False
    for line in shown.rstrip().split("\n"):
        if line == "…":
            skipping = True
            continue
        if skipping:
            place = next((at for at in range(place, len(lines)) if alike(line, lines[at])), len(lines))
        assert place < len(lines), f"was not printed: {line!r}\n{printed}"
        assert alike(line, lines[place]), f"shown {line!r}, printed {lines[place]!r}"
        place, skipping = place + 1, False
    assert skipping or place == len(lines), f"also printed: {lines[place:]}"


def alike(shown, printed):
    """Whether two lines are the same but for spaces and for numbers that differ by rounding."""
    shown, printed = (ROUNDING.sub("0", each) for each in (shown, printed))
    words = [NUMBER.sub("0", " ".join(each.split())) for each in (shown, printed)]
    numbers = [[float(number) for number in NUMBER.findall(each)] for each in (shown, printed)]
    return words[0] == words[1] and numbers[0] == pytest.approx(numbers[1], rel=0.02, abs=1e-9)


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ("a 1.00", "a  1.001", True),
        ("a 1.00", "a 1.1", False),
        ("a 1", "b 1", False),
        ("error 1.2·10⁻¹⁶", "error 0", True),
        ("error 1.2·10⁻⁶", "error 0", False),
    ],
)
def test_outputs_are_compared(shown, printed, fits):
    assert alike(shown, printed) is fits


def test_lines_that_were_not_printed_are_noticed():
    compare_output("a\n…\nd", "a\nb\nc\nd\n")
    for shown in ("a\nc", "a\n…\ne", "a\nb\nc", "…\nc\n…\nb\n…"):
        with pytest.raises(AssertionError):
            compare_output(shown, "a\nb\nc\nd\n")


def test_pictures_are_there():
    pictures = re.findall(r"!\[[^]]+\]\((.+?)\)", GLASS_BOX)
    assert len(pictures) >= 3
    for picture in pictures:
        assert (ROOT / "docs" / picture).stat().st_size < 200_000


def test_it_opens_with_exactly_the_two_commands():
    first = re.search(r"^    .+(\n    .+)*", README, re.MULTILINE)
    assert first is not None
    assert first.group().split("\n") == ["    python3 run.py train digits", "    python3 run.py test"]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_exist(line):
    name, *arguments = shlex.split(line)
    command = deltarule.commands[name]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    for argument in arguments:
        if argument.startswith("--"):
            assert argument in known, f"deltarule {name} has no {argument}"
