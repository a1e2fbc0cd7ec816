"""Going on with a run: bit for bit, and only where that can be promised."""

from __future__ import annotations

import json

import numpy as np
import pytest

from deltarule.training import RunFolder
from tests.cli.conftest import call, records, write_flowers

OPTIONS = ("--hidden", 12, "--dropout", 0.3, "--seed", 4, "--quiet")


def weights(folder, name="last"):
    return RunFolder(folder).load(name).arrays


def test_a_resumed_run_equals_one_that_was_never_stopped(tmp_path):
    data = write_flowers(tmp_path / "flowers.csv")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert call("train", data, *OPTIONS, "--epochs", 4, "--run-folder", whole).exit_code == 0
    assert call("train", data, *OPTIONS, "--epochs", 2, "--run-folder", parts).exit_code == 0
    assert call("train", "--resume", parts, "--epochs", 4, "--quiet").exit_code == 0
    first, second = weights(whole), weights(parts)
    assert set(first) == set(second)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    results = [RunFolder(folder).read_json("results") for folder in (whole, parts)]
    for result in results:
        result.pop("seconds")
    assert results[0] == results[1]
    assert len(RunFolder(parts).history()) == 4


def test_a_text_model_resumes_bit_for_bit(tmp_path):
    data = tmp_path / "a.txt"
    data.write_text("abcab, " * 100)
    options = (data, "gru", "--hidden", 8, "--dropout", 0.2, "--quiet")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert call("train", *options, "--epochs", 2, "--run-folder", whole).exit_code == 0
    assert call("train", *options, "--epochs", 1, "--run-folder", parts).exit_code == 0
    assert call("train", "--resume", parts, "--epochs", 2, "--quiet").exit_code == 0
    first, second = weights(whole), weights(parts)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_resuming_shows_where_it_goes_on(tmp_path):
    run = tmp_path / "run"
    call("train", "xor", "--epochs", 2, "--run-folder", run)
    result = call("train", "--resume", run, "--epochs", 3)
    assert result.exit_code == 0
    assert "resumed after epoch 2" in result.stdout
    assert "epoch 3/3" in result.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--learning-rate", 0.5, "--epochs", 5], "--learning-rate cannot change"),
        (["xor", "cnn", "--epochs", 5], "MODEL cannot change"),
        (["--seed", 4, "--epochs", 5], "--seed cannot change"),
        (["--name", "other", "--epochs", 5], "--name cannot change"),
        ([], "2 epochs are done already"),
        (["--epochs", 1], "2 epochs are done already"),
    ],
)
def test_what_would_break_the_promise_is_refused(tmp_path, options, said):
    run = tmp_path / "run"
    call("train", "xor", "--epochs", 2, "--run-folder", run)
    before = (run / "config.json").read_text()
    result = call("train", "--resume", run, *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert (run / "config.json").read_text() == before


def test_a_cosine_cannot_be_made_longer(tmp_path):
    run = tmp_path / "run"
    call("train", "xor", "--epochs", 2, "--schedule", "cosine", "--run-folder", run)
    result = call("train", "--resume", run, "--epochs", 4)
    assert result.exit_code == 2
    assert "cosine" in result.stderr


def test_data_that_has_changed_is_refused_and_moved_data_is_found(tmp_path):
    data, run = write_flowers(tmp_path / "flowers.csv"), tmp_path / "run"
    call("train", data, *OPTIONS, "--epochs", 1, "--run-folder", run)
    moved = data.rename(tmp_path / "moved.csv")
    gone = call("train", "--resume", run, "--epochs", 2)
    assert gone.exit_code == 3
    assert call("train", "--resume", run, moved, "--epochs", 2, "--quiet").exit_code == 0
    moved.write_text(moved.read_text().replace("red", "green"))
    changed = call("train", "--resume", run, moved, "--epochs", 3)
    assert changed.exit_code == 3
    assert "is not the data of the run" in changed.stderr


def test_a_damaged_checkpoint_names_the_one_that_is_fine(tmp_path):
    run = tmp_path / "run"
    call("train", "xor", "--epochs", 2, "--run-folder", run)
    (run / "last.safetensors").write_bytes((run / "last.safetensors").read_bytes()[:-20])
    result = call("train", "--resume", run, "--epochs", 4)
    assert result.exit_code == 4
    assert "'best' is fine" in result.stderr
    assert call("evaluate", run).exit_code == 0
    assert call("evaluate", run, "--last").exit_code == 4


def test_epochs_of_a_resumed_run_are_kept(tmp_path):
    run = tmp_path / "run"
    call("train", "xor", "--epochs", 1, "--run-folder", run)
    final = records(call("train", "--resume", run, "--epochs", 3, "--json"))[-1]
    assert final["epochs"] == 3
    assert json.loads((run / "config.json").read_text())["epochs"] == 3
