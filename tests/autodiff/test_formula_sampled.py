"""Index forms at a few positions: the same numbers as evaluating them everywhere, in little memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.autodiff.backward import nodes_below
from deltarule.autodiff.formula import evaluate as evaluation
from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.expression import (
    Equation,
    Index,
    Loop,
    Maximum,
    Minimum,
    Product,
    Sum,
    Symbol,
)
from deltarule.autodiff.formula.sampled import evaluate_at, sample_positions, solve_at
from tests.operations.cases import CASES
from tests.operations.harness import Case, formula_views


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_index_form_at_positions(case: Case) -> None:
    for operation, call, arrays, _, node, _ in formula_views(case):
        formula = operation.formula(call)
        gradients = {} if node is None else dict(formula.gradients)
        if node is not None:
            names = operation.input_names(len(node.inputs))
            gradients = {n: g for n, g in gradients.items() if node.needs(names.index(n))}
        for lines in (formula.value.index, *(each.index for each in gradients.values())):
            solved = solve([*formula.value.index, *lines], dict(arrays))
            defined = {name for line in lines for name in _defined(line)}
            wanted = {
                name: sample_positions(np.shape(solved[name]), 5) for name in defined if np.size(solved[name])
            }
            # Outputs are there from the engine; intermediates of the value are computed where they are read.
            given = {**arrays, **{n: a for n, a in solved.items() if n not in defined}}
            found = solve_at(lines, given, wanted)
            assert set(found) == set(wanted)
            for name, positions in wanted.items():
                expected = np.asarray(solved[name])[tuple(positions.T)]
                np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-12)


def _defined(line: Any) -> list[str]:
    equations = line.equations if isinstance(line, Loop) else [line]
    return [getattr(each.left, "symbol", each.left).name for each in equations]


@pytest.mark.parametrize("reduction", [Sum, Product, Maximum, Minimum])
def test_large_sums_are_taken_apart(reduction: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    i, j, k = Index("i", 5), Index("j", 6), Index("k", 7)
    a, y = Symbol("a", 3), Symbol("y", 1)
    equation = Equation(y[i], reduction(a[i, j, k] * (j + 1), j, k))
    arrays = {"a": np.random.default_rng(0).normal(size=(5, 6, 7))}
    whole = solve([equation], dict(arrays))["y"]
    monkeypatch.setattr(evaluation, "MOST_ELEMENTS", 20)
    positions = np.array([[0], [3], [4], [3]])
    np.testing.assert_allclose(evaluate_at(equation, arrays, positions), whole[[0, 3, 4, 3]], rtol=1e-13)
    np.testing.assert_allclose(solve([equation], dict(arrays))["y"], whole, rtol=1e-13)


def test_convolution_of_a_large_batch_in_little_memory() -> None:
    generator = np.random.default_rng(0)
    x = dr.tensor(generator.normal(size=(64, 6, 28, 28)), requires_grad=True)
    weight = dr.tensor(generator.normal(size=(16, 6, 5, 5)), requires_grad=True)
    node = nodes_below([dr.conv2d(x, weight)])[-1]
    upstream = generator.normal(size=node.values[0].shape)
    arrays = {"x": x.numpy(), "weight": weight.numpy(), "grad_y": upstream}
    formula = node.operation.formula(node.operation.call(node))
    answers = node.operation.backward_kernel(node, upstream)
    forms = {"y": formula.value, "grad_x": formula.gradients["x"], "grad_weight": formula.gradients["weight"]}
    tracemalloc.start()
    try:
        for name, array in zip(forms, (node.values[0], *answers), strict=False):
            positions = sample_positions(array.shape, 200)
            found = solve_at(forms[name].index, dict(arrays), {name: positions})[name]
            np.testing.assert_allclose(found, array[tuple(positions.T)], rtol=1e-9, atol=1e-9)
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()


def test_positions_are_distinct_and_hold_the_ends() -> None:
    positions = sample_positions((10, 10, 10), 50)
    assert len({tuple(each) for each in positions}) == len(positions) == 50
    assert positions[0].tolist() == [0, 0, 0]
    assert positions[-1].tolist() == [9, 9, 9]
    assert sample_positions((), 5).shape == (1, 0)
    assert sample_positions((3, 0), 5).shape == (0, 2)
    other = sample_positions((10, 10, 10), 50, np.random.default_rng(1))
    assert not np.array_equal(positions, other)
