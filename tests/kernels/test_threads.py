"""Threads of kernels: one number for the native team and NumPy's library; set, read, restored."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.kernels import threads
from deltarule.kernels.native import team
from deltarule.kernels.threads import limited_threads


@pytest.fixture
def switch(monkeypatch):
    """A library with four threads, in place of NumPy's own, which may have no switch; the team as it was."""
    state = {"threads": 4}
    pair = (lambda: state["threads"], lambda count: state.update(threads=count))
    monkeypatch.setattr(threads, "switch", lambda: pair)
    before = team.thread_count()
    yield state
    team.set_threads(before)


def test_the_number_is_set_inside_and_restored_after_an_error(switch):
    dr.set_num_threads(3)
    with pytest.raises(ZeroDivisionError), limited_threads(2):
        assert switch["threads"] == dr.get_num_threads() == 2
        raise ZeroDivisionError
    assert switch["threads"] == dr.get_num_threads() == 3


def test_none_changes_nothing(switch):
    before = dr.get_num_threads()
    with limited_threads(None):
        assert switch["threads"] == 4
        assert dr.get_num_threads() == before


def test_a_library_without_a_switch_leaves_the_team_its_number(switch, monkeypatch):
    monkeypatch.setattr(threads, "switch", lambda: None)
    before = dr.get_num_threads()
    with limited_threads(before + 1):
        assert dr.get_num_threads() == before + 1
    assert dr.get_num_threads() == before


def test_the_switch_of_this_library_works():
    pair = threads.switch()
    if pair is None:
        pytest.skip("NumPy uses a library other than OpenBLAS, or one that it did not bring")
    read, _ = pair
    before = read()
    with limited_threads(1):
        assert read() == 1
    assert read() == before >= 1


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_set_num_threads_refuses(count):
    with pytest.raises(ArgumentError, match="count expected a whole number of at least 1"):
        dr.set_num_threads(count)


@pytest.mark.parametrize(
    "variables", [{"DELTARULE_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}, {"OMP_NUM_THREADS": "1"}]
)
def test_the_environment_is_obeyed(variables):
    program = (
        "import deltarule as dr\n"
        "from deltarule.kernels.threads import switch\n"
        "pair = switch()\n"
        "print(dr.get_num_threads(), 1 if pair is None else pair[0]())"
    )
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={**kept, **variables, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["1", "1"]
