"""Targets, and the page that says which were reached."""

import json
from dataclasses import asdict, replace

import pytest

from benchmarks import performance_page, table, targets
from benchmarks.libraries import IMPLEMENTATIONS
from benchmarks.limits import LIMITS
from benchmarks.machine import Machine
from benchmarks.measuring import Measurement
from benchmarks.rows import ROWS

MACHINE = Machine("a processor", 2, "3.11", {"numpy": "2.4"}, {"numpy": 100.0})


def measured(row, milliseconds):
    """Milliseconds by library, with one peak and one time to the first step for all."""
    return [
        Measurement(ROWS[row], IMPLEMENTATIONS[name], [each], peak_mib=100.0, first_warm=2.0, first_empty=3.0)
        for name, each in milliseconds.items()
    ]


def written(path, measurements, machine=MACHINE):
    lines = [{"machine": asdict(machine)}]
    lines += [table.record(each, measurements, machine) for each in measurements]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_targets_of_a_row():
    found = measured("mlp-online", {"deltarule": 1.0, "deltarule-compiled": 0.1, "pytorch": 1.9, "jax": 0.25})
    by_name = {each.what: each for each in targets.targets_of(ROWS["mlp-online"], found)}
    assert by_name["compiled, best peer"].found == 2.5 and by_name["compiled, best peer"].reached
    assert by_name["compiled, PyTorch eager"].wanted == 20.0
    assert by_name["compiled, PyTorch eager"].reached is False
    assert by_name["eager, PyTorch eager"].wanted == 2.0
    assert by_name["eager, PyTorch eager"].reached is False
    assert by_name["peak memory, PyTorch's"].reached
    assert by_name["first step, caches warm"].reached is False
    assert by_name["first step, caches empty"].reached


def test_what_is_absent_or_wrong_is_not_measured():
    found = measured("mlp", {"deltarule": 1.0, "deltarule-compiled": 0.5, "pytorch": 2.0})
    found[1].difference = 0.5
    by_name = {each.what: each.reached for each in targets.targets_of(ROWS["mlp"], found)}
    assert by_name["compiled, best peer"] is None and by_name["first step, caches warm"] is None
    assert by_name["eager, PyTorch eager"] is True


def test_targets_and_reasons_name_what_exists():
    assert {*targets.COMPILED, *targets.COMPILED_PYTORCH} <= set(ROWS)
    for row, what in LIMITS:
        complete = measured(row, {"deltarule": 1.0, "deltarule-compiled": 1.0, "pytorch": 1.0})
        assert what in {each.what for each in targets.targets_of(ROWS[row], complete)}


def test_the_page(tmp_path, monkeypatch):
    libraries = {"deltarule": 3.0, "deltarule-compiled": 1.0, "pytorch": 2.0}
    monkeypatch.setitem(LIMITS, ("mlp", "eager, PyTorch eager"), "Allocation takes 2.0 ms of 3.0.")
    first = written(tmp_path / "first", measured("mlp", libraries) + measured("lenet", libraries))
    later = written(tmp_path / "later", measured("lenet", {**libraries, "deltarule-compiled": 0.5}))
    path = tmp_path / "page.md"
    performance_page.main([str(first), str(later), "--page", str(path)])
    text = path.read_text()
    assert f"| {ROWS['mlp'].title} | compiled, best peer | ≥ 1.15 times | 2.00 | reached |" in text
    assert f"| {ROWS['lenet'].title} | compiled, best peer | ≥ 3.00 times | 4.00 | reached |" in text
    assert f"- {ROWS['mlp'].title}; eager, PyTorch eager: Allocation takes 2.0 ms of 3.0." in text
    assert f"- {ROWS['lenet'].title}; eager, PyTorch eager: what limits it is not measured yet." in text
    assert MACHINE.text() in text


def test_figures_come_back_as_they_were(tmp_path):
    found = measured("mlp", {"deltarule": 3.0, "pytorch": 2.0})
    found[0].failure, found[1].whole_run = "no compiler", 7.0
    again, machine = performance_page.read([written(tmp_path / "figures", found)])
    assert again == found and machine == MACHINE


def test_figures_of_two_machines_are_refused(tmp_path, capsys):
    found = measured("mlp", {"deltarule": 3.0})
    files = [written(tmp_path / "one", found), written(tmp_path / "two", found, replace(MACHINE, cores=4))]
    with pytest.raises(SystemExit):
        performance_page.main([str(each) for each in files])
    assert "expected one machine in all files, got cores 2 and 4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [("{}", "line 1: KeyError"), ("no json", "line 1: JSONDecodeError"), ("", "a line with the machine")],
)
def test_other_files_are_refused(tmp_path, capsys, text, says):
    path = tmp_path / "figures"
    path.write_text(text)
    with pytest.raises(SystemExit):
        performance_page.main([str(path)])
    assert says in capsys.readouterr().err
