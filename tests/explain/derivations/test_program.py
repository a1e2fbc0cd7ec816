"""Emitted programs: run in a fresh process that has NumPy alone, they give the engine's numbers."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.explain.derivations.derivation import derive
from deltarule.explain.derivations.program import Program, program_of
from tests.explain.networks_explained import MODELS, numbers

RUNNER = """
import json, runpy, sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        assert not name.startswith("deltarule"), "the program imports deltarule"
sys.meta_path.insert(0, Refused())
import os
found = {}
for name in json.loads(sys.argv[1]):
    os.chdir(name)
    space = runpy.run_path("program.py")
    for key, value in space.items():
        if key.startswith(("grad_", "delta")) or key == "L":
            found[f"{name}|{key}"] = value
import numpy as np
np.savez("../found.npz", **found)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Programs of all models, run in one fresh process: (model, identifier) -> array."""
    folder = tmp_path_factory.mktemp("programs")
    derivations = {}
    for name, build in MODELS.items():
        derivations[name] = derive(build())
        place = folder / name.replace(" ", "_")
        place.mkdir()
        program_of(derivations[name]).save(place / "program.py")
    places = [str(folder / name.replace(" ", "_")) for name in MODELS]
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER, json.dumps(places)],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert "L = " in result.stdout
    found = {}
    with np.load(folder / "found.npz") as arrays:
        for key in arrays.files:
            place, _, name = key.partition("|")
            found[place.rsplit("/", 1)[-1].replace("_", " "), name] = arrays[key]
    return derivations, found


@pytest.mark.parametrize("name", MODELS)
def test_programs_of_models_by_themselves(name, ran):
    derivations, found = ran
    derivation = derivations[name]
    compared = 0
    for value in derivation.trace.values:
        key = (name, derivation.notation.gradient(value.number))
        if value.gradient is None or key not in found:
            continue
        scale = np.max(np.abs(value.gradient), initial=1e-3)
        assert np.max(np.abs(found[key] - value.gradient), initial=0.0) <= 1e-10 * max(scale, 1.0), key
        compared += value.kind == "parameter" or value.made_by is None
    wanted = [
        each
        for each in derivation.trace.values
        if each.gradient is not None and each.made_by is None and each.parent is None
    ]
    assert compared >= len(wanted) > 0
    assert np.allclose(found[name, "L"], derivation.trace.values[derivation.trace.loss].array, 1e-10, 0)


def test_the_program_of_a_network():
    text = str(program_of(derive(MODELS["multi-layer perceptron"]())))
    assert "# forward" in text and "# backward" in text
    assert "h1 = np.tanh(a1)" in text
    assert "delta1 = (delta2 @ W2) * (1 - h1 ** 2)" in text
    assert "grad_W1 = delta1.T @ x" in text
    ast.parse(text)


def test_lines_know_what_they_compute():
    derivation = derive(MODELS["RNN"]())
    program = program_of(derivation)
    assert [line.part for line in program.lines if line.part] == sorted(
        (line.part for line in program.lines if line.part), key=["setup", "forward", "backward"].index
    ) or program.lines[-1].part == "setup"
    heads = [line for line in program.lines if line.text.lstrip().startswith("for ")]
    assert len(heads) == 2 and all(line.steps for line in heads)
    lines = [line for line in program.lines if line.text.startswith("grad_W")]
    assert lines
    assert all(line.steps and line.names[0] in line.text for line in lines)


def test_small_programs_hold_their_numbers():
    program = program_of(derive((numbers(2, 3) ** 2).sum()))
    assert program.file == "" and "np.array(" in str(program)


def test_large_programs_read_theirs_from_a_file(tmp_path):
    x = numbers(40, 40)
    program = program_of(derive((x * x).sum(), names={"x": x}))
    assert program.file == "arrays.npz"
    assert np.array_equal(program.run()["grad_x"], 2 * x.numpy())


def test_programs_in_one_folder_keep_to_their_own_numbers(tmp_path):
    sums = []
    for seed, name in enumerate(("one", "two")):
        x = dr.tensor(np.random.default_rng(seed).standard_normal((40, 40)), requires_grad=True)
        loss = (x * x).sum()
        sums.append(loss.item())
        written = program_of(derive(loss, names={"x": x})).save(tmp_path / f"{name}.py")
        assert [path.name for path in written] == [f"{name}.py", f"{name}.npz"]
    for name, wanted in zip(("one", "two"), sums, strict=True):
        # From another folder.
        command = [sys.executable, str(tmp_path / f"{name}.py")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path.parent)
        assert float(done.stdout.split()[-1]) == pytest.approx(wanted, rel=1e-12)


def test_a_program_ends_in_py(tmp_path):
    program = program_of(derive((numbers(2) * 2.0).sum()))
    with pytest.raises(ArgumentError, match=r"path expects a name that ends in \.py, got 'net\.txt'"):
        program.save(tmp_path / "net.txt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: x.reshape((1, 1)).sum(),
        lambda x: dr.concat([x.reshape((1,)), x.reshape((1,))]).sum(),
        lambda x: x * x,
    ],
)
def test_numbers_without_axes(loss):
    x = numbers()
    found = program_of(derive(loss(x), names={"x": x})).run()
    expected = derive(loss(x), names={"x": x}).trace.named("x").gradient
    assert np.allclose(found["grad_x"], expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(bad):
    x = dr.tensor([bad, 1.0], dtype="float64", requires_grad=True)
    program = program_of(derive((x * 2.0).sum(), names={"x": x}))
    assert isinstance(program, Program)
    assert np.array_equal(program.run()["x"], x.numpy(), equal_nan=True)


def test_whole_numbers_and_truths_keep_their_kinds():
    table = numbers(3, 2)
    loss = dr.embedding(dr.tensor([0, 2]), table).sum() if hasattr(dr, "embedding") else table[[0, 2]].sum()
    program = program_of(derive(loss, names={"E": table}))
    assert np.array_equal(program.run()["grad_E"], [[1, 1], [0, 0], [1, 1]])
    assert program_of(derive(dr.where(dr.tensor([True, False]), numbers(2), 0.0).sum())).run()
