"""Every example runs as a script; the lectures' own numbers come out."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load(name):
    specification = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_example_runs_as_a_script(path):
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent / "src")}
    finished = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip()


def test_three_gates():
    assert load("three_gates").main() == {
        "q": 3.0, "f": -12.0, "df/dx": -4.0, "df/dy": -4.0, "df/dz": 3.0, "df/dq": -4.0,
    }  # fmt: skip


def test_sigmoid_neuron_at_both_granularities():
    tables = load("sigmoid_neuron").main()
    four = {name: (round(value, 2), round(gradient, 2)) for name, value, gradient in tables["four gates"]}
    one = {name: (round(value, 2), round(gradient, 2)) for name, value, gradient in tables["one gate"]}
    leaves = {
        "w0": (2.0, -0.2),
        "w1": (-3.0, -0.39),
        "w2": (-3.0, 0.2),
        "x0": (-1.0, 0.39),
        "x1": (-2.0, -0.59),
    }
    for name, expected in leaves.items():
        assert four[name] == expected
        assert one[name] == expected
    assert four["divide"] == (0.73, 1.0)
    assert four["negative"] == (-1.0, -0.2)
    assert four["exp"] == (0.37, -0.53)
    assert one["sigmoid"] == (0.73, 1.0)
    on_the_way = [(round(value, 2), round(gradient, 2)) for _, value, gradient in tables["four gates"]]
    assert (1.37, -0.53) in on_the_way
    assert (1.0, 0.2) in on_the_way
    assert len(tables["four gates"]) == len(tables["one gate"]) + 3


def test_squared_norm():
    found = load("squared_norm").main()
    np.testing.assert_allclose(found["q"], [0.22, 0.26])
    np.testing.assert_allclose(found["f"], 0.116)
    np.testing.assert_allclose(found["grad q"], found["2q"])
    np.testing.assert_allclose(found["grad W"], found["2q xT"])
    np.testing.assert_allclose(found["grad W"], [[0.088, 0.176], [0.104, 0.208]])
    np.testing.assert_allclose(found["grad x"], found["2WT q"])
    np.testing.assert_allclose(found["grad x"], [-0.112, 0.636])


def test_delta_recursion():
    deviations = load("delta_recursion").main()
    assert set(deviations) == {"loss", "delta1", "delta2", "W1", "W2", "b1", "b2"}
    assert max(deviations.values()) < 1e-14


def test_paths_through_time():
    found = load("through_time").main()
    assert {name: paths[:2] for name, paths in found.items()} == {
        "W_hx": (6, 6),
        "W_hh": (6, 6),
        "W_qh": (3, 3),
    }
    assert max(deviation for *_, deviation in found.values()) < 1e-13


def test_six_characters():
    module = load("six_characters")
    text, loss = module.main()
    assert text == module.PHRASE
    assert loss < 0.05
