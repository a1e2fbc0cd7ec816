"""The processes that measure: orders, answers, failures, and the command in front of them."""

import io
import json
import sys

import pytest

from benchmarks import compare
from benchmarks.libraries import IMPLEMENTATIONS, Implementation
from benchmarks.machine import Machine
from benchmarks.measuring import Measurement, Plan, measure_row
from benchmarks.process import Worker, WorkerError
from benchmarks.rows import ROWS
from benchmarks.worker import Runner, peak_mib, serve

MACHINE = Machine("a processor", 2, "3.11", {}, {"numpy": 100.0})


class Counting:
    """A session whose losses are the numbers of its steps."""

    def step(self, count):
        return count

    def numbers(self, result):
        return [float(result)]


def test_a_runner_counts_steps_on():
    runner = Runner(Counting())
    assert runner.losses(3) == [0.0, 1.0, 2.0]
    assert runner.seconds(2) > 0
    assert runner.losses(1) == [5.0]
    assert 0 < runner.milliseconds(0.0) < 1


def test_orders_are_answered_in_turn():
    orders = io.StringIO('{"measure": 0.0}\n{"run": 2}\n{"peak": true}\n')
    answers = io.StringIO()
    serve("mlp-online", "deltarule", orders, answers)
    found = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert [list(each) for each in found] == [
        ["first_step"],
        ["losses"],
        ["milliseconds"],
        ["seconds"],
        ["peak_mib"],
    ]
    assert len(found[1]["losses"]) == 10
    assert found[4]["peak_mib"] > 10


def test_peak_memory_grows_with_what_is_held():
    before = peak_mib()
    held = bytearray(b"\1") * (int(before) + 64 << 20)
    assert peak_mib() > before + 32
    del held


def test_a_row_is_measured_in_processes_of_its_own():
    plan = Plan(rounds=2, seconds=0.0)
    (found,) = measure_row(ROWS["mlp-online"], [IMPLEMENTATIONS["deltarule"]], plan, lambda line: None)
    assert not found.failure
    assert len(found.rounds) == 2 and found.peak_mib > 10
    assert found.first_empty > 0 and found.first_warm > 0
    assert found.difference is None and found.agrees


def test_an_implementation_that_fails_stops_no_other():
    broken = Implementation("broken", "broken", "numpy")
    plan = Plan(rounds=1, seconds=0.0, first_step=False)
    both = [broken, IMPLEMENTATIONS["deltarule"]]
    first, second = measure_row(ROWS["mlp-online"], both, plan, lambda line: None)
    assert first.failure == "KeyError: 'broken'" and first.milliseconds is None
    assert second.milliseconds > 0


@pytest.mark.parametrize(
    ("program", "message"),
    [("raise SystemExit(3)", "ended with exit code 3"), ("raise ValueError('broken')", "ValueError: broken")],
)
def test_the_last_words_of_a_worker_are_its_error(tmp_path, program, message):
    with pytest.raises(WorkerError, match=message):
        Worker("mlp", "deltarule", tmp_path, [sys.executable, "-c", program])


def test_a_worker_that_dies_later_is_an_error_too(tmp_path):
    program = """print('{"first_step": true}'); print('{"losses": []}', flush=True); raise SystemExit(2)"""
    with Worker("mlp", "deltarule", tmp_path, [sys.executable, "-c", program]) as worker:
        with pytest.raises(WorkerError, match="exit code 2"):
            worker.milliseconds(0.0)


def test_a_worker_that_says_nothing_is_ended(tmp_path):
    with pytest.raises(WorkerError, match="it said nothing for 1 s"):
        Worker(
            "mlp", "deltarule", tmp_path, [sys.executable, "-c", "import time; time.sleep(60)"], patience=1
        )


def test_a_worker_that_ends_while_it_is_asked_stops_no_other(monkeypatch):
    def fail(worker, seconds):
        raise WorkerError("out of memory")

    monkeypatch.setattr(Worker, "milliseconds", fail)
    plan = Plan(rounds=2, seconds=0.0, first_step=False)
    (found,) = measure_row(ROWS["mlp-online"], [IMPLEMENTATIONS["deltarule"]], plan, lambda line: None)
    assert found.failure == "out of memory" and found.milliseconds is None and found.peak_mib is None


def test_the_command_measures_what_it_is_told(monkeypatch, capsys, tmp_path):
    asked = []

    def measured(row, implementations, plan, tell):
        asked.append((row.name, [each.name for each in implementations], plan))
        return [Measurement(row, each, [1.0]) for each in implementations]

    monkeypatch.setattr(compare, "measure_row", measured)
    monkeypatch.setattr(compare, "describe", lambda: MACHINE)
    page = tmp_path / "page.md"
    arguments = ["--rows", "mlp,lstm", "--libraries", "deltarule", "--rounds", "2", "--quick"]
    compare.main([*arguments, "--markdown", str(page)])
    assert asked == [(name, ["deltarule"], Plan(2, 1.0, first_step=False)) for name in ("mlp", "lstm")]
    assert ROWS["lstm"].title in capsys.readouterr().out
    assert ROWS["lstm"].title in page.read_text()
    compare.main([*arguments, "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("row") for line in lines] == [None, "mlp", "lstm"]
    assert lines[1]["milliseconds"] == 1.0


def test_absent_peers_are_left_out_with_a_line(monkeypatch, capsys):
    absent = Implementation("absent", "Absent", "a_package_that_is_not_there")
    monkeypatch.setitem(IMPLEMENTATIONS, "absent", absent)
    assert [each.name for each in compare.installed(["absent", "deltarule"])] == ["deltarule"]
    assert "Absent is left out: a_package_that_is_not_there is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "mpl"], "got 'mpl'"),
        (["--libraries", "numpy"], "got 'numpy'"),
        (["--rounds", "0"], "--rounds expected at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_named(capsys, arguments, message):
    with pytest.raises(SystemExit):
        compare.options(arguments)
    assert message in capsys.readouterr().err
