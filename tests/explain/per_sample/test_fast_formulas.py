"""The fast readers of formulas give what the literal one gives, on every formula of every operation."""

import numpy as np
import pytest

from deltarule.autodiff.formula.evaluate import solve
from deltarule.autodiff.formula.expression import Equation, Index, Loop, Sum, Symbol
from deltarule.explain.per_sample.evaluator import Evaluator, UnreadableError
from deltarule.explain.per_sample.lines import defined_by
from deltarule.explain.per_sample.plan import Runs
from deltarule.explain.per_sample.recurrence import solve_loops
from tests.operations.cases import CASES
from tests.operations.harness import recorded_nodes

rng = np.random.default_rng(4)


def arrays_of(node):
    operation = node.operation
    names = operation.input_names(len(node.inputs))
    arrays = {name: each.numpy() for name, each in zip(names, node.inputs, strict=True)}
    for name, value in zip(operation.outputs, node.values, strict=True):
        arrays[f"grad_{name}"] = rng.normal(size=value.shape)
    return arrays


@pytest.mark.parametrize("case", [case for case in CASES if any(case.differentiable())], ids=str)
def test_index_and_matrix_form(case):
    for node in recorded_nodes(case, case.tensors()):
        formula = node.operation.formula(node.operation.call(node))
        names = node.operation.input_names(len(node.inputs))
        needed = {name for position, name in enumerate(names) if node.needs(position)}
        forms = [formula.value, *(form for name, form in formula.gradients.items() if name in needed)]
        literal = arrays_of(node)
        for form in forms:
            for line in form.index:
                if isinstance(line, Equation):
                    symbol, running = defined_by(line)
                    found = Evaluator(literal).value(line.right, running)
                    shape = tuple(index.extent for index in running)
                    solve([line], literal)
                    expected = literal[symbol.name]
                    np.testing.assert_allclose(np.broadcast_to(found, shape), expected, rtol=1e-9, atol=1e-11)
                else:
                    solve([line], literal)
        if any(isinstance(line, Loop) for form in forms for line in form.matrix):
            literal, fast = arrays_of(node), {}
            fast.update(literal)
            for form in forms:
                solve(form.matrix, literal)
                solve_loops(form.matrix, fast, np.float64)
            assert fast.keys() == literal.keys()
            for name, expected in literal.items():
                np.testing.assert_allclose(fast[name], expected, rtol=1e-9, atol=1e-11, err_msg=name)


def test_windows_are_read_without_copies():
    x = np.arange(20.0).reshape(4, 5)
    p, u = Index("p", 3), Index("u", 2)
    operand = Evaluator({"x": x})._read(Symbol("x", 2)[p + u, 2 * u + 1])
    assert np.shares_memory(operand.array, x)
    assert operand.array.tolist() == [[x[i + k, 2 * k + 1] for k in range(2)] for i in range(3)]


def test_reading_beyond_the_edge():
    x = Symbol("x", 1)
    i, k = Index("i", 3), Index("k", 3)
    padded = Sum(x.at((i + k - 1,), outside=0.0), k)
    assert Evaluator({"x": np.array([1.0, 2.0, 4.0])}).value(padded, (i,)).tolist() == [3.0, 7.0, 6.0]
    with pytest.raises(UnreadableError):
        Evaluator({"x": np.array([1.0, 2.0, 4.0])}).value(Sum(x[i + k], k), (i,))


def test_runs_of_rows():
    assert Runs.of(np.array([0, 1, 2]), 3) == Runs(1, 3, 1)
    assert Runs.of(np.array([0, 0, 1, 1, 2, 2]), 3) == Runs(1, 3, 2)
    assert Runs.of(np.array([0, 1, 2, 0, 1, 2]), 3) == Runs(2, 3, 1)
    assert Runs.of(np.array([0, 0, 1, 1] * 3), 2) == Runs(3, 2, 2)
    assert Runs.of(np.array([0, 0]), 1) == Runs(1, 1, 2)
    for other in ([0, 1, 1], [1, 0, 1, 0], [0, 0, 1], [0, 0, 1, 2, 2, 1], [-1, -1], []):
        assert Runs.of(np.array(other, dtype=int), max([*other, 0]) + 1) is None
