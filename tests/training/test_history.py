"""The history in memory and as a file of JSON lines."""

import json
import math

import pytest

from deltarule.errors import ArgumentError, RunError
from deltarule.training.history import History


def test_records_and_columns():
    history = History()
    history.append({"epoch": 1, "train_loss": 0.5})
    history.append({"epoch": 2, "train_loss": 0.25, "validation_loss": 0.4})
    assert len(history) == 2
    assert history[-1]["epoch"] == 2
    assert history.column("validation_loss") == [None, 0.4]
    assert [record["epoch"] for record in history] == [1, 2]
    with pytest.raises(ArgumentError, match="there is no 'accuracy'"):
        history.column("accuracy")


def test_a_file_has_one_json_object_a_line(tmp_path):
    path = tmp_path / "history.jsonl"
    history = History(path)
    history.append({"epoch": 1, "loss": 0.1 + 0.2})
    history.append({"epoch": 2, "loss": math.nan, "other": math.inf})
    history.sync()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": None, "other": None}]
    read = History.read(path)
    assert read[0] == history[0]
    assert math.isnan(read[1]["loss"])


def test_half_a_last_line_is_left_out_and_not_appended_to(tmp_path):
    path = tmp_path / "history.jsonl"
    whole = '{"epoch": 1}\n{"epoch": 2}\n'
    for cut in range(14, len(whole)):
        path.write_text(whole[:cut])
        history = History.read(path)
        assert [record["epoch"] for record in history] == [1]
        history.append({"epoch": 2, "again": True})
        assert [record["epoch"] for record in History.read(path)] == [1, 2]


def test_truncating_rewrites_the_file(tmp_path):
    history = History(tmp_path / "history.jsonl")
    for epoch in range(1, 5):
        history.append({"epoch": epoch})
    history.truncate(2)
    assert list(History.read(history.path)) == [{"epoch": 1}, {"epoch": 2}]
    with pytest.raises(ArgumentError, match=r"expected a length in \[0, 2\], got 3"):
        history.truncate(3)


def test_a_missing_file_is_an_empty_history(tmp_path):
    assert len(History.read(tmp_path / "none.jsonl")) == 0


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"epoch": 1}\noops\n{"epoch": 3}\n')
    with pytest.raises(RunError, match="line 2 is no JSON object: 'oops'"):
        History.read(path)


def test_a_folder_that_is_gone(tmp_path):
    history = History(tmp_path / "gone" / "history.jsonl")
    with pytest.raises(RunError, match="cannot be written"):
        history.append({"epoch": 1})
