"""`deltarule explain`: runs, examples, forms, files, and what is refused."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from deltarule.cli.exit_codes import OK, RUN_TROUBLE
from tests.cli.conftest import call


def test_an_example_as_a_page(tmp_path):
    result = call("explain", "--example", "graph", "--output", tmp_path / "graph.html")
    assert result.exit_code == OK, result.output
    assert (tmp_path / "graph.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert "2 operations" in result.output and "Every formula was evaluated" in result.output


def test_an_example_in_the_terminal():
    result = call("explain", "--example", "graph", "--format", "text")
    assert result.exit_code == OK
    assert "q = x + y" in result.output and "∂f/∂x = ∂f/∂q" in result.output


@pytest.mark.parametrize(
    ("ending", "starts"), [("tex", "\\documentclass"), ("md", "# "), ("svg", "<svg"), ("txt", "")]
)
def test_the_ending_says_the_form(tmp_path, ending, starts):
    output = tmp_path / f"net.{ending}"
    assert call("explain", "--example", "linear", "--output", output).exit_code == OK
    text = output.read_text(encoding="utf-8")
    assert text.removeprefix('<?xml version="1.0" encoding="UTF-8"?>\n').startswith(starts) and text


def test_what_was_written_is_said(tmp_path):
    for name, options, form in (
        ("none", (), "html"),
        ("net.TEX", (), "latex"),
        ("a.html", ("--format", "text"), "text"),
    ):
        result = call("explain", "--example", "linear", "--output", tmp_path / name, *options)
        assert result.exit_code == OK, result.output
        assert f"{tmp_path / name}  {form}, " in result.output


def test_standard_output_holds_the_report_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("explain", "--example", "graph", "--output", "-", "--format", "svg", "--program", "net.py")
    assert result.exit_code == OK, result.output
    ElementTree.fromstring(result.stdout)
    assert result.stderr == "net.py\n"
    assert [each.name for each in tmp_path.iterdir()] == ["net.py"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_device_is_written_to_and_stays():
    result = call("explain", "--example", "graph", "--output", "/dev/full")
    assert result.exit_code == RUN_TROUBLE
    assert "/dev/full: cannot be written (No space left on device)" in result.output
    assert Path("/dev/full").is_char_device()


def test_chinese(tmp_path):
    result = call("explain", "--example", "linear", "--output", tmp_path / "net.md", "--lang", "zh")
    assert result.exit_code == OK
    assert "线性层" in (tmp_path / "net.md").read_text(encoding="utf-8") and "误差" in result.output


@pytest.mark.parametrize("task", ["xor", "flowers", "prices", "text"])
def test_a_run(trained, tmp_path, task):
    output = tmp_path / "page.html"
    result = call("explain", trained[task], "--output", output)
    assert result.exit_code == OK, result.output
    assert output.stat().st_size < 10_000_000
    error = re.search(r"is ([0-9.]+)·10⁻(\d|[⁰¹²³⁴⁵⁶⁷⁸⁹]+)|is 0\.", result.output)
    assert error is not None


def test_the_program_of_a_run_runs_by_itself(trained, tmp_path):
    result = call("explain", trained["xor"], "--format", "text", "--program", tmp_path / "net.py")
    assert result.exit_code == OK, result.output
    ran = subprocess.run([sys.executable, "-I", "net.py"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("L = ")


def test_a_run_is_called_by_its_folder_from_inside_it_too(trained, monkeypatch):
    monkeypatch.chdir(trained["xor"])
    assert call("explain", ".", "--format", "text").output.startswith("xor, weights of epoch ")


def test_a_group_that_is_looked_into(trained):
    whole = call("explain", trained["xor"], "--format", "text").output
    opened = call("explain", trained["xor"], "--format", "text", "--open", "linear").output
    assert opened != whole and "X W⁽¹⁾ᵀ" in whole


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "expected RUN or --example NAME, got neither"),
        (("run", "--example", "lstm"), "expected RUN or --example NAME, got both"),
        (("--example", "graph", "--open", "sigmoid"), "--open is for runs"),
        (("--example", "graph", "--samples", "4"), "--samples is for runs"),
        (("--example", "graph", "--last"), "--best/--last is for runs"),
        (("--example", "graph", "--output", "net.pdf"), "the ending is no form"),
        (("--example", "graph", "--output", "nowhere/net.html"), "there is no folder nowhere"),
        (
            ("--example", "graph", "--program", "net.txt"),
            "net.txt: --program expects a name that ends in .py",
        ),
        (("--example", "nothing"), "nothing"),
        (("--example", "graph", "--lang", "de"), "de"),
        (("no-such-run",), "no-such-run: there is no such run folder. Check the path"),
        (("lstm",), "lstm: there is no such run folder. Did you mean --example lstm?"),
    ],
)
def test_what_is_refused(tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    result = call("explain", *arguments)
    assert result.exit_code not in (OK, 1), result.output
    assert says in result.output
    assert not list(tmp_path.iterdir())
