"""The language of formulas: evaluation, LaTeX and code, apart from any operation."""

import numpy as np
import pytest

from deltarule.autodiff.formula.evaluate import evaluate, solve
from deltarule.autodiff.formula.expression import (
    Equation,
    Index,
    Loop,
    Maximum,
    Number,
    Product,
    Sum,
    Symbol,
    array_function,
    equal,
    function,
    greater,
    less,
    symbols_in,
    where,
)
from deltarule.autodiff.formula.latex import latex, latex_lines
from deltarule.autodiff.formula.source import compile_expressions, source
from deltarule.kernels.elementwise import array_functions

A, B = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4) - 5
i, j, k = Index("i", 2), Index("j", 4), Index("k", 3)
a, b, x, y = Symbol("a", 2), Symbol("b", 2), Symbol("x"), Symbol("y", 2)


def solved(equation, **arrays):
    return solve([equation], dict(arrays))["y"]


def test_matrix_product_in_both_forms():
    by_index = solved(Equation(y[i, j], Sum(a[i, k] * b[k, j], k)), a=A, b=B)
    by_matrix = solved(Equation(y, a @ b), a=A, b=B)
    np.testing.assert_array_equal(by_index, A @ B)
    np.testing.assert_array_equal(by_matrix, A @ B)


def test_reductions_and_brackets():
    one = Symbol("y", 1)
    np.testing.assert_array_equal(solved(Equation(one[i], Maximum(a[i, k], k)), a=A), A.max(1))
    np.testing.assert_array_equal(solved(Equation(one[i], Product(a[i, k] + 1, k)), a=A), (A + 1).prod(1))
    trace = Sum(equal(i, k) * a[i, k], i, k)
    assert solved(Equation(Symbol("y", 0), trace), a=A) == A[0, 0] + A[1, 1]
    lower = Equation(Symbol("y", 2)[i, k], where(less(i, k), Number(0), a[i, k]))
    np.testing.assert_array_equal(solved(lower, a=A), np.tril(A))


def test_a_sum_of_a_constant_counts():
    assert evaluate(Sum(Number(2.0), i, k), {}) == 12.0


def test_index_arithmetic_padding_and_gather():
    s, p = Index("s", 3), Index("p", 3)
    signal, kernel = np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, -1.0])
    padded = Symbol("x", 1).at([s + p - 1], outside=0.0)
    convolved = solved(Equation(Symbol("y", 1)[s], Sum(padded * Symbol("w", 1)[p], p)), x=signal, w=kernel)
    np.testing.assert_array_equal(convolved, np.correlate(np.pad(signal, 1), kernel, "valid"))
    chosen = Symbol("x", 1).at([Symbol("order", 1).at([s])])
    gathered = solved(Equation(Symbol("y", 1)[s], chosen), x=signal, order=np.array([2, 0, 1]))
    np.testing.assert_array_equal(gathered, [3.0, 1.0, 2.0])


def test_recurrence_runs_in_order_and_in_reverse():
    t = Index("t", 4)
    h, forward = Symbol("h", 1), np.array([1.0, 2.0, 3.0, 4.0])
    previous = h.at([t - 1], outside=0.0)
    loop = Loop(t, (Equation(h[t], previous + Symbol("x", 1)[t]),))
    np.testing.assert_array_equal(solve([loop], {"x": forward})["h"], np.cumsum(forward))
    following = h.at([t + 1], outside=0.0)
    back = Loop(t, (Equation(h[t], following + Symbol("x", 1)[t]),), reverse=True)
    np.testing.assert_array_equal(solve([back], {"x": forward})["h"], np.cumsum(forward[::-1])[::-1])
    assert latex_lines([loop]) == [r"h_{t} = h_{t - 1} + x_{t} \qquad t = 0, \dots, 3"]


def test_loop_over_rows_in_matrix_form():
    t = Index("t", 3)
    h, W = Symbol("h", 2), Symbol("W", 2)
    previous = where(equal(t, 0), Symbol("h0", 1), h.at([t - 1], outside=0.0))
    loop = Loop(t, (Equation(h[t], W @ previous + Symbol("x", 2)[t]),))
    inputs, weights = np.arange(6.0).reshape(3, 2), np.array([[0.0, 1.0], [2.0, 0.0]])
    found = solve([loop], {"x": inputs, "W": weights, "h0": np.ones(2)})["h"]
    np.testing.assert_array_equal(found[0], weights @ np.ones(2) + inputs[0])
    np.testing.assert_array_equal(found[1], weights @ found[0] + inputs[1])


def test_broken_formulas_do_not_pass_silently():
    with pytest.raises(AssertionError, match="negative index into a"):
        evaluate(Sum(a[i - 1, k], i, k), {"a": A})
    with pytest.raises(KeyError):
        evaluate(Symbol("unknown"), {})


@pytest.mark.parametrize(
    ("expression", "matrix", "expected"),
    [
        (Sum(a[i, k] * b[k, j], k), False, r"\sum_{k} a_{ik} \, b_{kj}"),
        (a @ b.T, True, r"A \, B^{\mathsf{T}}"),
        (a * b, True, r"A \odot B"),
        (a * 2.0, True, r"2 \, A"),
        ((a + b) * a, True, r"\left(A + B\right) \odot A"),
        (a - (b - a), True, r"A - \left(B - A\right)"),
        (1.0 / (1.0 + function("exp", -x)), False, r"\frac{1}{1 + e^{-x}}"),
        (-(x + 1.0), False, r"-\left(x + 1\right)"),
        (x**2.0, False, "x^{2}"),
        (Symbol("grad_y", 2)[i, j], False, r"\frac{\partial L}{\partial y_{ij}}"),
        (Symbol("grad_weight"), True, r"\frac{\partial L}{\partial W}"),
        (a[i, k * 2 + 1], False, r"a_{i, 2 \, k + 1}"),
        (Number(1e-5), False, r"10^{-5}"),
        (Symbol("running_mean", 1), False, r"\mathit{running\_mean}"),
        (
            array_function("reshape", a, shape=(3, 2)),
            True,
            r"\operatorname{reshape}_{3 \times 2}\left(A\right)",
        ),
    ],
)
def test_latex(expression, matrix, expected):
    assert latex(expression, matrix=matrix) == expected


def test_code():
    sigmoid = 1.0 / (1.0 + function("exp", -x))
    assert source(sigmoid) == "(1.0 / (1.0 + f.exp((-x))))"
    compiled = compile_expressions(["x"], [sigmoid], "sigmoid")
    assert compiled(array_functions, np.float64(0.0)) == (0.5,)
    assert symbols_in(sigmoid * Symbol("grad_y")) == {"x", "grad_y"}


def test_latex_is_written_as_by_hand():
    x, grad, theta = Symbol("x", 2), Symbol("grad_y", 2), Symbol("theta0", 0)
    cases = {
        latex(grad * (x * 2.0), matrix=True): r"2 \, \frac{\partial L}{\partial Y} \odot X",
        latex(1.0 * x / 1.0): "x",
        latex(grad * 0.0): "0",
        latex(function("square", x), matrix=True): r"X^{\odot 2}",
        # A symbol with an exponent, or a fraction, takes another one in parentheses only.
        latex(function("square", theta)): r"\left(\mathit{theta}^{(0)}\right)^{2}",
        latex(grad.T, matrix=True): r"\left(\frac{\partial L}{\partial Y}\right)^{\mathsf{T}}",
        latex(x + -theta): r"x - \mathit{theta}^{(0)}",
        latex(function("log1p", -x)): r"\ln \left(1 - x\right)",
        latex(where(greater(x, 0.0), 1.0, where(less(x, -1.0), 2.0, 0.0))): (
            r"\begin{cases} 1 & \text{if } x > 0 \\ 2 & \text{if } x < -1 \\ 0 & \text{otherwise} \end{cases}"
        ),
    }  # fmt: skip
    assert list(cases) == list(cases.values())


def test_a_repeated_part_is_computed_once():
    calls = []

    class Counting:
        def exp(self, value):
            calls.append(value)
            return np.exp(value)

    shared = function("exp", Symbol("x"))
    inner = shared * shared
    compiled = compile_expressions(("x",), [inner + inner, shared], "repeated")
    total, once = compiled(Counting(), 0.5)
    np.testing.assert_allclose([total, once], [2 * np.exp(1.0), np.exp(0.5)])
    assert calls == [0.5]
