"""Rewriting keeps what formulas mean: every rewritten form is evaluated and compared with the one before."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.autodiff.formula.evaluate import evaluate, solve
from deltarule.autodiff.formula.expression import (
    Equation,
    Index,
    Loop,
    Number,
    Sum,
    Symbol,
    array_function,
    function,
    where,
)
from deltarule.autodiff.formula.latex import latex
from deltarule.autodiff.formula.rewriting import (
    added,
    defined_by,
    indices_in,
    inlined,
    occurrences,
    read_by,
    reindexed,
    renamed,
    size,
    with_distinct_indices,
)
from deltarule.autodiff.formula.simplifying import simplified, without_broadcasts

i, j, k = Index("i", 2), Index("j", 2), Index("k", 2)
a, b, x, y = (Symbol(name, 2) for name in "abxy")
rng = np.random.default_rng(0)
ARRAYS = {name: rng.normal(size=(2, 2)) for name in "abxy"}


def value_of(equation: Equation) -> np.ndarray:
    return solve([equation], dict(ARRAYS))["y"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1 * a, "a"),
        (a * 1, "a"),
        (a / 1, "a"),
        (a**1, "a"),
        (function("negative", -a), "a"),
        (Number(2) * Number(3) * a, r"6 \, a"),
        (0.5 * (2 * a), "a"),
        ((2 * a) * (3 * b), r"6 \, a \, b"),
        (2 * (Number(1) / 8 * a), r"\frac{2}{8} \, a"),
        ((-a) * b, r"-a \, b"),
        ((-a) * (-b), r"a \, b"),
        (-((-a) / b), r"\frac{a}{b}"),
        (where(Number(1), a, b), "a"),
        (where(Number(0), a, b), "b"),
        (a[i, j] + 0, "a_{ij}"),
        ((2 * a) / 2, "a"),
        (Sum(Number(3), i, j) * a, r"12 \, a"),
        (a + (-b - a), "a - b - a"),
        (a + -0.0, "a"),
        (a - Number(-0.0), "a - 0"),
    ],
)
def test_what_a_person_would_leave_out(before, after):
    assert latex(simplified(before)) == after


@pytest.mark.parametrize(
    "expression",
    [
        (2 * a) * (3 * b) - (-(a * 4)) / b,
        -((-a) * (-(b * 2))),
        (0.5 * (a * 2)) / (1 * b),
        where(function("greater", a, 0), function("negative", -a), 0.5 * (Number(1) / 4 * b)),
    ],
)
def test_simplified_formulas_mean_the_same(expression):
    assert np.allclose(evaluate(simplified(expression), ARRAYS), evaluate(expression, ARRAYS))


def test_an_index_that_comes_in_is_not_caught_by_a_sum():
    """Σ_i a[i, k] with i in the place of k is Σ_j a[j, i]: x @ x sums two such products."""
    total = Sum(a[i, k] * b[i, j], i)
    moved = reindexed(total, {k: i})
    expected = np.einsum("pi,pj->ij", ARRAYS["a"], ARRAYS["b"])
    assert np.allclose(value_of(with_distinct_indices(Equation(y[i, j], moved))), expected)
    assert i in indices_in(moved)


def test_one_equation_in_another():
    inner = Equation(x[i, j], Sum(a[i, k] * b[k, j], k))
    outer = Equation(y[i, j], Sum(x[i, k] * x[k, j], k))
    joined = inlined(outer, inner)
    assert joined is not None
    product = ARRAYS["a"] @ ARRAYS["b"]
    assert np.allclose(value_of(with_distinct_indices(joined)), product @ product)


def test_what_is_read_beyond_its_edge_stays():
    inner = Equation(x[i, j], 2 * a[i, j])
    outer = Equation(y[i, j], x.at((i - 1, j), outside=0.0))
    assert inlined(outer, inner) is None


def test_another_name_for_an_array_is_read_beyond_its_edge_too():
    joined = inlined(Equation(y[i, j], x.at((i - 1, j), outside=0.0)), Equation(x[i, j], a[i, j]))
    assert joined is not None
    assert np.array_equal(value_of(joined), [[0.0, 0.0], ARRAYS["a"][0]])
    # Transposed it is more than another name.
    assert inlined(Equation(y[i, j], x.at((i - 1, j), outside=0.0)), Equation(x[i, j], a[j, i])) is None


def test_sums_get_letters_of_their_own():
    other = Index("i", 2)
    equation = with_distinct_indices(Equation(y[i, j], Sum(a[other, j] * b[i, j], other)))
    assert latex(equation.right) == r"\sum_{k} a_{kj} \, b_{ij}"
    assert np.allclose(value_of(equation), ARRAYS["a"].sum(0) * ARRAYS["b"])


def test_names_are_replaced_at_once():
    line = renamed(Equation(y, a - b), {"a": "b", "b": "a", "y": "z"})
    assert latex(line.right) == "b - a" and defined_by(line) == ["z"]
    assert latex(renamed(Equation(y[i, j], a[i, j] * b[i, j]), {"a": 1.0}).right) == r"1 \, b_{ij}".replace(
        r"1 \, ", ""
    )


def test_loops_are_lines_too():
    loop = Loop(i, (Equation(y[i, j], x[i, j] * 2),))
    assert defined_by(loop) == ["y"] and read_by(loop) == {"x"}
    assert read_by(renamed(loop, {"x": "a"})) == {"a"}


def test_long_sums_are_not_deep():
    total = added([Number(1) for _ in range(1000)])
    assert evaluate(total, {}) == 1000
    assert simplified(total).value == 1000
    assert size(total) == 1999


def test_spreading_that_happens_anyway():
    shapes = {"a": (2, 2), "b": (2,)}
    spread = array_function("broadcast_to", Symbol("b", 1), shape=(2, 2))
    assert latex(without_broadcasts(a * spread, shapes), matrix=True) == r"A \odot B"
    kept = without_broadcasts(spread * 2, {"b": (2,)})
    assert occurrences(kept, "b") == 1 and "broadcast" in latex(kept, matrix=True)
    same = array_function("reshape", a, shape=(2, 2))
    assert without_broadcasts(same, shapes) is a
