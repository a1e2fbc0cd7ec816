"""Threads of matrix products: set, read, and restored."""

from __future__ import annotations

import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.kernels import threads
from deltarule.kernels.threads import matrix_threads


@pytest.fixture
def switch(monkeypatch):
    """A library with four threads, in place of NumPy's own, which may have no switch."""
    state = {"threads": 4}
    pair = (lambda: state["threads"], lambda count: state.update(threads=count))
    monkeypatch.setattr(threads, "switch", lambda: pair)
    return state


def test_the_number_is_set_inside_and_restored_after_an_error(switch):
    with pytest.raises(ZeroDivisionError), matrix_threads(1):
        assert switch["threads"] == 1
        raise ZeroDivisionError
    assert switch["threads"] == 4


def test_none_and_a_library_without_a_switch_change_nothing(switch, monkeypatch):
    with matrix_threads(None):
        assert switch["threads"] == 4
    monkeypatch.setattr(threads, "switch", lambda: None)
    with matrix_threads(1):
        assert switch["threads"] == 4


def test_the_switch_of_this_library_works():
    pair = threads.switch()
    if pair is None:
        pytest.skip("NumPy uses a library other than OpenBLAS, or one that it did not bring")
    read, _ = pair
    before = read()
    with matrix_threads(1):
        assert read() == 1
    assert read() == before >= 1


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_set_num_threads_refuses(count):
    with pytest.raises(ArgumentError, match="count expected a whole number of at least 1"):
        dr.set_num_threads(count)
