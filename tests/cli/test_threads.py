"""Threads of matrix products: set while a command computes, and as before afterwards."""

from __future__ import annotations

import pytest

from deltarule.cli import threads
from deltarule.cli.assembly import build_model
from deltarule.cli.threads import matrix_threads, threads_for
from deltarule.data import load
from deltarule.nn import models


@pytest.fixture
def switch(monkeypatch):
    """A library with four threads, in place of NumPy's own, which may have no switch."""
    state = {"threads": 4}
    pair = (lambda: state["threads"], lambda count: state.update(threads=count))
    monkeypatch.setattr(threads, "_switch", lambda: pair)
    return state


def test_the_number_is_set_inside_and_restored_after_an_error(switch):
    with pytest.raises(ZeroDivisionError), matrix_threads(1):
        assert switch["threads"] == 1
        raise ZeroDivisionError
    assert switch["threads"] == 4


def test_none_and_a_library_without_a_switch_change_nothing(switch, monkeypatch):
    with matrix_threads(None):
        assert switch["threads"] == 4
    monkeypatch.setattr(threads, "_switch", lambda: None)
    with matrix_threads(1):
        assert switch["threads"] == 4


def test_the_switch_of_this_library_works():
    pair = threads._switch()
    if pair is None:
        pytest.skip("NumPy uses a library other than OpenBLAS, or one that it did not bring")
    read, _ = pair
    before = read()
    with matrix_threads(1):
        assert read() == 1
    assert read() == before >= 1


@pytest.mark.parametrize(("hidden", "expected"), [([64], 1), ([4096, 4096], None)])
def test_small_networks_get_one_thread(hidden, expected):
    dataset = load("digits")
    options = {**models.defaults_for("mlp", dataset.input_shape, 10, "classification"), "hidden": hidden}
    config = {
        "task": "classification",
        "batch_size": 32,
        "sequence_length": None,
        "seed": 0,
        "dtype": "float32",
    }
    config["model"] = {"name": "mlp", "options": options}
    assert threads_for(build_model(config), dataset, config) == expected
