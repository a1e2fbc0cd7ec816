"""Element-wise rows in native code against NumPy: layouts, broadcasting, types, vector widths, threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.autodiff.formula.source import compile_expressions
from deltarule.autodiff.operation import REGISTRY
from deltarule.kernels.elementwise import array_functions
from deltarule.kernels.native import formulas
from deltarule.kernels.native.formulas import FormulaKernel, layouts
from deltarule.kernels.native.vector_functions import vector_functions
from deltarule.operations.activations import sigmoid
from deltarule.operations.elementwise import Elementwise
from tests.kernels.native.machines import each_machine, on_threads, running_on

ROWS = {name: row for name, row in REGISTRY.items() if isinstance(row, Elementwise)}
OPTIONS = {"negative_slope": 0.01, "alpha": 1.3, "beta": 2.0}


def test_both_namespaces_have_the_same_names():
    assert set(vars(vector_functions)) == set(vars(array_functions))


def kernel(formula: Any, key: str = "test") -> FormulaKernel:
    """A kernel that takes arrays of any size."""
    made = FormulaKernel(key, formula, ("exp", "add"))
    made.least = 1
    return made


def _same(found: Any, expected: Any, name: str, rtol: float) -> None:
    assert found.dtype == expected.dtype, name
    if expected.dtype == bool:
        np.testing.assert_array_equal(found, expected, err_msg=name)
        return
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol, err_msg=name)


def _inputs(row: Any, dtype: str, size: int) -> list[Any]:
    """Upstream gradient, output and inputs of a row, with every special value in several places."""
    generator = np.random.default_rng(0)
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-30, 30.0]
    arrays = []
    for _ in range(2 + len(row.inputs)):
        values = np.concatenate([special * 4, generator.uniform(-3, 3, size)])
        arrays.append(generator.permutation(values).astype(dtype))
    return arrays


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in sorted(ROWS) if not name.startswith("bitwise")])
def test_every_row(name, dtype):
    row = ROWS[name]
    numbers = [OPTIONS.get(each, 0.5) for each in row.parameter_names]
    upstream, output, *inputs = _inputs(row, dtype, 75)
    if name == "where":
        inputs[0] = inputs[0] > 0
    # Where a gradient divides by a difference of near numbers, fused additions show.
    tolerance = 2e-4 if dtype == "float32" else 1e-11
    # The value and all gradients at once.
    rules = [row.value, *row.gradients.values()]
    plain = compile_expressions(("grad_y", "y", *row.inputs, *row.parameter_names), rules, name)
    arrays = [upstream, output, *inputs]
    found = kernel(plain, f"{name} {numbers}")(arrays, numbers)
    with np.errstate(all="ignore"):
        expected = plain(array_functions, *arrays, *numbers)
    for what, one, other in zip(("value", *row.gradients), found, expected, strict=True):
        _same(one, np.broadcast_to(other, upstream.shape), f"{name}: {what}", tolerance)


def _formula(f: Any, a: Any, b: Any, c: Any, scale: Any) -> tuple[Any, ...]:
    return f.tanh(a * b) + c * scale, f.greater(a, b)


def _shapes(rows: int, columns: int) -> list[tuple[int, ...]]:
    return [(rows, columns), (1, columns), (columns,), (rows, 1), (), (1, 1)]


sizes = st.one_of(st.integers(1, 70), st.sampled_from([128, 2049, 5000]))


@given(
    rows=st.integers(1, 9),
    columns=sizes,
    picks=st.tuples(*[st.integers(0, 5)] * 2),
    dtype=st.sampled_from(["float32", "float64"]),
    threads=st.integers(1, 3),
)
def test_shapes_that_broadcast(rows, columns, picks, dtype, threads):
    generator = np.random.default_rng(rows * columns)
    shapes = [(rows, columns), *(_shapes(rows, columns)[pick] for pick in picks)]
    arrays = [generator.standard_normal(shape).astype(dtype) for shape in shapes]
    _compare(arrays, threads)


def _compare(arrays: list[Any], threads: int = 1) -> list[Any]:
    made = kernel(_formula, "tanh(ab) + c scale, a > b")
    with on_threads(threads), pytest.MonkeyPatch.context() as patch:
        patch.setattr(formulas, "_WORTH_A_TEAM_DEAR", 2)
        found = made(arrays, (0.5,))
    expected = _formula(array_functions, *arrays, 0.5)
    tolerance = 2e-6 if arrays[0].dtype == np.float32 else 1e-14
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        _same(one, other, "", tolerance)
    return found


@each_machine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_narrower_vectors(machine, dtype):
    generator = np.random.default_rng(0)
    with running_on(machine, formulas):
        for shapes in ([(3, 37)] * 3, [(3, 37), (37,), (3, 1)], [(5, 64), (), (5, 64)]):
            _compare([generator.standard_normal(shape).astype(dtype) for shape in shapes], 2)


def test_above_65536_elements_on_several_threads():
    generator = np.random.default_rng(0)
    _compare([generator.standard_normal(70_001).astype(np.float32) for _ in range(3)], 3)
    _compare([generator.standard_normal(shape) for shape in [(3, 30_000), (30_000,), (3, 1)]], 3)


def test_the_order_of_memory_is_kept():
    generator = np.random.default_rng(0)
    images = [
        generator.standard_normal((2, 5, 7, 3)).astype(np.float32).transpose(0, 3, 1, 2) for _ in range(3)
    ]
    found = _compare(images)
    assert found[0].strides == images[0].strides


def test_arrays_with_gaps_are_copied():
    generator = np.random.default_rng(0)
    _compare([generator.standard_normal((8, 40))[:, ::2] for _ in range(3)])


@pytest.mark.parametrize("dtype", ["int64", "float16", "complex64", ">f4"])
def test_other_types_are_left_to_numpy(dtype):
    arrays = [np.ones((4, 50), dtype)] * 3
    assert kernel(_formula)(arrays, (0.5,)) is None


def test_no_elements_are_left_to_numpy():
    assert kernel(_formula)([np.ones((0, 5))] * 3, (0.5,)) is None


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(4, 6), (6,)], (["full", "row"], 4, 6)),
        ([(2, 3, 4), (2, 1, 1)], (["full", "column"], 2, 12)),
        ([(2, 3, 4), (3, 4), ()], (["full", "row", "scalar"], 2, 12)),
        ([(4, 1), (1, 6)], (["column", "row"], 4, 6)),
        ([(2, 3, 4), (1, 3, 1)], None),
        ([(2, 3, 4), (4,), (3, 4)], None),
    ],
)
def test_how_shapes_lie_in_each_other(shapes, expected):
    assert layouts(shapes, np.broadcast_shapes(*shapes)) == expected


@pytest.mark.parametrize("exponent", [-1.0, 0.5, 1.0, 2.0, 3.0, 4.0, 1.7, -2.5, 0.0])
def test_powers_with_a_single_exponent(exponent):
    base = np.random.default_rng(0).uniform(0.1, 3, 3_000)
    x = dr.tensor(base, requires_grad=True)
    y = x**exponent
    dr.sum(y).backward()
    np.testing.assert_allclose(y.numpy(), base**exponent, rtol=1e-14)
    np.testing.assert_allclose(x.grad.numpy(), exponent * base ** (exponent - 1), rtol=1e-13)


def test_operations_use_it_and_gradients_are_those_of_small_arrays():
    """A large array's gradients are those of its pieces, which NumPy computes."""
    values = np.random.default_rng(0).standard_normal(4_000).astype(np.float32)
    large = dr.tensor(values, requires_grad=True)
    dr.sum(sigmoid(large)).backward()
    for start in range(0, 4_000, 1_000):
        small = dr.tensor(values[start : start + 20], requires_grad=True)
        dr.sum(sigmoid(small)).backward()
        np.testing.assert_allclose(large.grad.numpy()[start : start + 20], small.grad.numpy(), rtol=1e-6)
    assert ROWS["sigmoid"]._native is not None
    assert (0,) in ROWS["sigmoid"]._native_gradients


@pytest.mark.parametrize("name", ["tanh", "gelu", "softplus", "leaky_relu", "elu", "silu"])
def test_gradients_of_activations_against_differences(name):
    x = np.random.default_rng(0).standard_normal(2_000)
    dr.check_gradients(lambda each: dr.sum(getattr(dr, name)(each)), dr.tensor(x, requires_grad=True))


def test_both_gradients_of_a_product_with_a_row():
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((300, 70)), generator.standard_normal(70)
    left, right = dr.tensor(a, requires_grad=True), dr.tensor(b, requires_grad=True)
    dr.sum(dr.tanh(left * right)).backward()
    slope = 1 - np.tanh(a * b) ** 2
    np.testing.assert_allclose(left.grad.numpy(), slope * b, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(right.grad.numpy(), (slope * a).sum(0), rtol=1e-12, atol=1e-12)
