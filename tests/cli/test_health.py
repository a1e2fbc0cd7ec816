"""`deltarule health`: what it finds, what it writes, and its exit codes."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import call


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A run that ended with infinity, because of its learning rate."""
    folder = tmp_path_factory.mktemp("broken") / "run"
    options = ["--learning-rate", "30", "--optimizer", "sgd", "--epochs", "2"]
    result = call("train", "digits", "mlp", *options, "--run-folder", folder, "--quiet")
    assert result.exit_code == 1, result.output
    return folder


def contents(folder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def record(result) -> dict:
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", ["xor", "flowers", "prices", "text"])
def test_runs_that_trained_well_are_healthy(trained, name, tmp_path):
    before = contents(trained[name])
    result = call("health", trained[name], "--json")
    assert result.exit_code == 0, result.output
    found = record(result)
    assert (found["healthy"], found["findings"], found["report"]) == (True, [], None)
    assert found["history"][0]["step"] == 0
    assert len(found["history"]) == 2
    assert found["history"][1]["loss"] < found["history"][0]["loss"]
    assert contents(trained[name]) == before


def test_a_broken_run_gives_its_cause_a_page_and_exit_code_1(broken):
    before = contents(broken)
    result = call("health", broken)
    assert result.exit_code == 1, result.output
    assert "1. The learning rate is too high, by about " in result.stdout
    assert "Remedy: Use a learning rate of about " in result.stdout
    page = broken / "health.html"
    assert str(page) in result.stdout
    assert "learning rate is too high" in page.read_text(encoding="utf-8")
    page.unlink()
    assert contents(broken) == before


def test_remedies_are_tried_on_request(broken, tmp_path):
    page = tmp_path / "report.html"
    result = call("health", broken, "--try", "--try-steps", 20, "--output", page, "--json")
    assert result.exit_code == 1, result.output
    (trial,) = record(result)["trials"]
    assert trial["outcome"] == "better"
    assert trial["steps"] == 20
    assert record(result)["report"] == str(page)
    assert "it helps" in page.read_text(encoding="utf-8")


def test_the_length_of_the_trials_asks_for_them(broken):
    (trial,) = record(call("health", broken, "--try-steps", 10, "--json"))["trials"]
    assert (trial["outcome"], trial["steps"]) == ("better", 10)


def test_a_penalty_that_is_too_strong_is_named(tmp_path):
    options = ["--l2", "10", "--epochs", "1", "--run-folder", tmp_path / "run", "--quiet"]
    call("train", "digits", "mlp", *options)
    (finding,) = record(call("health", tmp_path / "run", "--json"))["findings"]
    assert (finding["cause"], finding["remedy"]["key"]) == ("penalty_too_strong", "penalty")


def test_the_first_updates_can_be_watched_again(trained):
    found = record(call("health", trained["flowers"], "--steps", 16, "--json"))
    steps = [each["step"] for each in found["history"]]
    assert steps[:9] == list(range(0, 17, 2))
    assert found["history"][1]["parameters"][0]["update_norm"] > 0


def test_the_last_weights_are_those_of_the_last_epoch(trained):
    best, last = (
        record(call("health", trained["flowers"], which, "--json")) for which in ("--best", "--last")
    )
    assert last["history"][-1]["step"] >= best["history"][-1]["step"]
    assert last["history"][0] | {"seconds": 0} == best["history"][0] | {"seconds": 0}


def test_the_report_is_in_chinese_and_in_the_form_of_its_name(broken, tmp_path):
    for name, begins in (
        ("a.md", "# "),
        ("a.tex", "\\documentclass"),
        ("a.txt", "run 的"),
        ("a.svg", "<svg"),
    ):
        result = call("health", broken, "--lang", "zh", "--output", tmp_path / name)
        assert result.exit_code == 1, result.output
        assert "学习率过高" in result.stdout
        assert begins in (tmp_path / name).read_text(encoding="utf-8")[:60]


def test_a_report_on_standard_output_stands_there_alone(broken):
    result = call("health", broken, "--output", "-")
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith("<!doctype html>")
    assert result.stdout.rstrip().endswith("</html>")
    assert "The learning rate is too high" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--output", "a.pdf"], 2, "the ending is no form: expected one of .html, .tex"),
        (["--output", "nowhere/a.html"], 2, "there is no folder nowhere"),
        (["--output", "-", "--json"], 2, "--json and --output - both write standard output"),
        (["--steps", "-1"], 2, "Invalid value for '--steps'"),
        (["--rows", "1"], 2, "Invalid value for '--rows'"),
    ],
)
def test_wrong_options_are_told(trained, arguments, code, said):
    result = call("health", trained["xor"], *arguments)
    assert result.exit_code == code
    assert said in result.stderr


def test_a_run_that_is_not_there_is_told(tmp_path):
    result = call("health", tmp_path / "none")
    assert result.exit_code == 4
    assert "there is no such run folder" in result.stderr
