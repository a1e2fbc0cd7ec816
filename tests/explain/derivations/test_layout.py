"""Layout changes how a program looks, and nothing else."""

from __future__ import annotations

import ast

import pytest

import deltarule as dr
from deltarule.explain.derivations.derivation import derive
from deltarule.explain.derivations.layout import with_shapes, wrapped
from deltarule.explain.derivations.program import program_of
from tests.explain.networks_explained import MODELS, numbers

LONG = [
    "total = " + " + ".join(f"np.sum(0.5 * W{layer} ** 2)" for layer in range(12)),
    "delta = fold(W.T @ grad, shape=(2, 2, 4, 4), kernel_size=(3, 3), positions=(4, 4)) * (hidden > 0)",
    "    gate[t] = -np.tanh(x[:, t] @ W_ih[0:3].T + b_ih[0:3] + (previous[t] @ W_hh[0:3].T - b_hh[0:3]))",
    "shares = weights * (grad @ value.mT - np.sum(grad * output, axis=-1, keepdims=True)) / np.sqrt(2)",
    "chosen = np.where(inputs > 0, first, second)[:, None] - np.eye(3)[targets]",
]


@pytest.mark.parametrize("line", LONG)
def test_a_broken_line_says_the_same(line):
    text = wrapped(line, 60)
    assert max(map(len, text.splitlines())) <= 60
    assert ast.dump(ast.parse(text.strip())) == ast.dump(ast.parse(line.strip()))


def test_short_lines_and_heads_of_loops_stay():
    for line in ("a = b + c", "for t in reversed(range(1000)):"):
        assert wrapped(line, 10 if line.startswith("for") else 60) == line


def test_shapes_stand_below_each_other_behind_lines_of_usual_length():
    long = "y = " + "x + " * 20 + "x"
    assert with_shapes(["a = b", "abc = d", long], [(2,), (3, 4), (5,)]) == [
        "a = b    # (2,)",
        "abc = d  # (3, 4)",
        f"{long}  # (5,)",
    ]


@pytest.mark.parametrize("name", ["LeNet", "LSTM"])
def test_programs_fit_on_a_page(name):
    program = program_of(derive(MODELS[name]()))
    texts = [line.text.partition("  # ")[0] for line in program.lines if line.part != "setup"]
    assert max(len(row) for text in texts for row in text.splitlines()) <= 100


def test_rows_of_arrays_stand_below_each_other():
    x = dr.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]], requires_grad=True)
    lines = str(program_of(derive(x * 2.0, upstream=numbers(2, 2, 2), names={"x": x}))).splitlines()
    start = lines.index("x = np.array([[[1.0, 2.0],")
    assert lines[start + 1 : start + 4] == [
        "               [3.0, 4.0]],",
        "              [[5.0, 6.0],",
        "               [7.0, 8.0]]])",
    ]
