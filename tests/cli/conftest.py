"""Runs that several tests of the command line use, trained once, and how commands are called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deltarule.cli.main import deltarule

Call = Callable[..., Result]


def call(*arguments: object) -> Result:
    """Run a command line in this process."""
    return CliRunner().invoke(deltarule, [str(argument) for argument in arguments])


def records(result: Result) -> list[dict]:
    """The JSON lines that a command wrote; fails if it wrote anything else."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def write_flowers(path: Path, rows: int = 60) -> Path:
    """A CSV file with two numbers, a colour and a species that depends on the first number."""
    lines = ["length,width,colour,species"]
    for row in range(rows):
        length = 1.0 + row % 3 * 2 + row / rows
        lines.append(f"{length:.3f},{row % 7},{('red', 'blue')[row % 2]},{('ant', 'bee', 'cat')[row % 3]}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_prices(path: Path, rows: int = 80) -> Path:
    """A CSV file whose price is 1,000 times the area plus 50,000: far from 0."""
    lines = ["area,rooms,price"]
    lines += [f"{20 + row},{1 + row % 5},{50_000 + 1_000.5 * (20 + row):.1f}" for row in range(rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> dict[str, Path]:
    """Run folders of each task by name, and the files that they were trained on."""
    folder = tmp_path_factory.mktemp("trained")
    flowers, prices = write_flowers(folder / "flowers.csv"), write_prices(folder / "prices.csv")
    text = folder / "hello.txt"
    text.write_text("hello world, " * 60)
    runs = {"flowers.csv": flowers, "prices.csv": prices, "hello.txt": text}
    for name, arguments in {
        "xor": ["xor", "--hidden", "8", "--epochs", "200"],
        "flowers": [flowers, "--hidden", "16", "--epochs", "20", "--learning-rate", "0.02"],
        "prices": [prices, "--hidden", "16", "--epochs", "40", "--learning-rate", "0.02"],
        "text": [
            text,
            "rnn",
            "--hidden",
            "24",
            "--epochs",
            "30",
            "--sequence-length",
            "16",
            "--batch-size",
            "4",
        ],
    }.items():
        runs[name] = folder / name
        result = call("train", *arguments, "--run-folder", runs[name], "--json")
        assert result.exit_code == 0, result.output
    return runs
