"""Derivations as SymPy expressions: scalars, matrices, sums over indexed symbols."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ArgumentError
from deltarule.explain.checking.derivation_check import check_derivation
from deltarule.explain.checking.names import Names
from deltarule.explain.checking.sympy_reader import read_sympy

X = np.random.default_rng(1).normal(size=(4, 3))
W = np.random.default_rng(2).normal(size=(2, 3))


def test_sympy_is_never_imported_by_deltarule():
    code = (
        "import sys, deltarule as dr\n"
        "from deltarule.explain.checking.derivation_check import check_derivation\n"
        "check_derivation(dr.tanh, {'x': 'dy (1 - y^2)'}, [0.5, 1.0])\n"
        "sys.exit('sympy' in sys.modules)\n"
    )
    source = str(Path(dr.__file__).parents[1])
    run = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}, check=False)
    assert run.returncode == 0


def test_what_is_no_expression_of_sympy():
    with pytest.raises(ArgumentError, match="expected a SymPy expression, got int"):
        read_sympy(3, Names())


def scalar(sympy):
    x, g = sympy.symbols("x dy")
    return {"x": g * (1 - sympy.tanh(x) ** 2)}


def test_element_by_element():
    sympy = pytest.importorskip("sympy", reason="SymPy is not installed")
    check = check_derivation(dr.tanh, scalar(sympy), X)
    assert check.right and check.form == "sympy"
    x, g = sympy.symbols("x dy")
    derived = sympy.diff(1 / (1 + sympy.exp(-x)), x)
    assert check_derivation(dr.sigmoid, {"x": g * derived}, X).right
    check = check_derivation(dr.tanh, {"x": g * (1 - sympy.tanh(x))}, X)
    assert check.causes[0].kind == "missing_square" or "tanh" in check.causes[0].corrected
    assert check_derivation(dr.relu, {"x": g * sympy.Piecewise((1, x > 0), (0, True))}, X).right


def test_a_single_expression_for_a_single_input():
    sympy = pytest.importorskip("sympy", reason="SymPy is not installed")
    x = sympy.Symbol("x")
    assert check_derivation(lambda x: dr.sum(dr.exp(x)), sympy.exp(x), X).right
    with pytest.raises(ArgumentError, match="a single SymPy expression needs a single input"):
        check_derivation(dr.linear, sympy.exp(x), X, W)


def test_matrices():
    sympy = pytest.importorskip("sympy", reason="SymPy is not installed")
    n, i, o = sympy.symbols("n i o", positive=True, integer=True)
    x, w, g = (
        sympy.MatrixSymbol(name, *size) for name, size in (("x", (n, i)), ("weight", (o, i)), ("dy", (n, o)))
    )
    assert check_derivation(dr.linear, {"x": g * w, "weight": g.T * x}, X, W).right
    check = check_derivation(dr.linear, {"x": -g * w, "weight": x.T * g}, X, W)
    assert {cause.kind for cause in check.causes} == {"sign", "transposed"} or {
        cause.kind for cause in check.causes
    } == {"sign", "operand_order"}
    square = sympy.MatrixSymbol("y", n, i)
    hadamard = sympy.HadamardProduct(sympy.MatrixSymbol("dy", n, i), sympy.HadamardProduct(square, square))
    assert check_derivation(lambda x: dr.negative(dr.divide(1.0, x)), {"x": hadamard}, X).right


def test_sums_over_indices():
    sympy = pytest.importorskip("sympy", reason="SymPy is not installed")
    x, g = sympy.IndexedBase("x"), sympy.IndexedBase("dy")
    n, o, i = sympy.symbols("n o i", cls=sympy.Idx)
    batch = sympy.Symbol("N")
    total = sympy.Sum(g[n, o] * x[n, i], (n, 0, batch - 1))
    assert check_derivation(dr.linear, {"weight[o, i]": total}, X, W).right
    check = check_derivation(dr.linear, {"weight[o, i]": total / batch}, X, W)
    assert check.causes[0].kind == "extra_factor" and check.causes[0].terms == ("weight",)


def test_functions_and_derivatives():
    sympy = pytest.importorskip("sympy", reason="SymPy is not installed")
    x, g = sympy.symbols("x dy")
    for claim in (sympy.sech(x) ** 2, 1 / sympy.cosh(x) ** 2, sympy.Derivative(sympy.tanh(x), x)):
        assert check_derivation(dr.tanh, {"x": g * claim}, X).right
    assert check_derivation(dr.tanh, sympy.Eq(sympy.Symbol("dx"), g * (1 - sympy.tanh(x) ** 2)), X).right


def test_matrices_that_are_written_out():
    sympy = pytest.importorskip("sympy", reason="SymPy is not installed")

    def squared_error(W, x, t):
        return 0.5 * dr.sum((W @ x - t) ** 2)

    w, x, t = (
        sympy.MatrixSymbol(name, *size) for name, size in (("W", (2, 3)), ("x", (3, 1)), ("t", (2, 1)))
    )
    rest = (w * x - t).as_explicit()
    loss = (rest.T * rest)[0] / 2
    derived = {
        "W": sympy.Matrix(2, 3, lambda row, column: sympy.diff(loss, w[row, column])),
        "x": sympy.Matrix(3, 1, lambda row, _: sympy.diff(loss, x[row, 0])),
    }
    given = (W, X[:1].T, X[1:3, :1])
    assert check_derivation(squared_error, derived, *given).right
    check = check_derivation(squared_error, {**derived, "x": -derived["x"]}, *given)
    assert [(cause.kind, cause.terms) for cause in check.causes] == [("sign", ("x",))]
    g = sympy.MatrixSymbol("dy", 4, 2)
    for ones in (sympy.ones(4, 1), sympy.OneMatrix(4, 1)):
        assert check_derivation(dr.linear, {"bias": g.T * ones}, X, W, np.zeros(2)).right
    with pytest.raises(ArgumentError, match="the SymPy expression uses 'q'"):
        check_derivation(squared_error, {"W": sympy.Matrix([[sympy.Symbol("q")]])}, *given)


def test_what_has_no_counterpart_is_named():
    sympy = pytest.importorskip("sympy", reason="SymPy is not installed")
    with pytest.raises(ArgumentError, match="no meaning for gamma"):
        check_derivation(dr.exp, {"x": sympy.gamma(sympy.Symbol("x"))}, X)
    with pytest.raises(ArgumentError, match="the SymPy expression uses 'q'"):
        check_derivation(dr.exp, {"x": sympy.Symbol("q")}, X)
