"""Native matrix products against NumPy in float64: sizes, transposed operands, epilogues, threads, widths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deltarule.kernels.native import products
from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.epilogue import AddBias, Epilogue
from deltarule.kernels.native.matrix_product import DEPTH_BLOCK, Product, scratch_elements
from deltarule.kernels.native.processor import processor
from deltarule.kernels.native.products import FEW_ROWS, batched_product, product, product_kind
from deltarule.kernels.native.row_product import RowProduct
from deltarule.kernels.native.team import threads
from deltarule.kernels.native.workspace import aligned
from tests.kernels.native.machines import each_machine, entry_on, on_threads, running_on

BOTH = st.sampled_from(["float32", "float64"])
ORDERS = [(False, False), (False, True), (True, False), (True, True)]


def _drawn(*shape: int, dtype: str, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def _operands(rows: int, columns: int, depth: int, turned_a: bool, turned_b: bool, dtype: str) -> Any:
    """a and b as they lie in memory."""
    a = _drawn(*((depth, rows) if turned_a else (rows, depth)), dtype=dtype)
    return a, _drawn(*((columns, depth) if turned_b else (depth, columns)), dtype=dtype, seed=1)


def _plain(a: Any, b: Any) -> Any:
    return np.einsum("...ij,...jk->...ik", a, b)


def _require_close(found: Any, a: Any, b: Any, more: Any = 0.0) -> None:
    """Equal to a · b + more, up to rounding relative to the sum of the magnitudes that were added."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    # Not by NumPy's library, whose threads fight for the cores with other tests.
    expected, size = _plain(a, b) + more, _plain(np.abs(a), np.abs(b)) + np.abs(more)
    assert found.shape == expected.shape
    limit = 4e-6 if found.dtype == np.float32 else 1e-12
    assert (np.abs(found - expected) <= limit * size).all()


def _turned(x: Any, turn: bool) -> Any:
    return x.swapaxes(-1, -2) if turn else x


@settings(max_examples=50)
@given(
    st.integers(0, 70),
    st.integers(0, 70),
    st.integers(0, 70),
    st.sampled_from(ORDERS),
    BOTH,
    st.booleans(),
    st.integers(1, 3),
)
@example(25, 33, 0, (False, True), "float32", True, 1)
@example(1, 1, 1, (True, True), "float64", True, 1)
@example(9, 45, 1, (True, False), "float32", True, 2)
@example(5, 130, 3, (True, False), "float64", False, 3)
def test_any_sizes(rows, columns, depth, order, dtype, biased, count):
    a, b = _operands(rows, columns, depth, *order, dtype)
    bias = _drawn(columns, dtype=dtype, seed=2) if biased else None
    with on_threads(count), pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "WORTH_A_TEAM", 5_000)
        products._plan.cache_clear()
        found = product(a, b, *order, bias=bias)
        products._plan.cache_clear()
    assert found is not None
    assert found.dtype == dtype
    _require_close(found, _turned(a, order[0]), _turned(b, order[1]), 0.0 if bias is None else bias)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("depth", [DEPTH_BLOCK - 1, DEPTH_BLOCK, DEPTH_BLOCK + 1, 2 * DEPTH_BLOCK + 7])
def test_sums_longer_than_a_block(depth, order, count):
    for rows in (3, 37):
        for dtype in ("float32", "float64"):
            a, b = _operands(rows, 45, depth, *order, dtype)
            bias = _drawn(45, dtype=dtype, seed=2)
            with on_threads(count):
                found = product(a, b, *order, bias=bias)
            _require_close(found, _turned(a, order[0]), _turned(b, order[1]), bias)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("rows", "columns"), [(301, 257), (2, 70_001), (70_001, 2)])
def test_more_than_65536_elements_and_results_that_do_not_depend_on_threads(rows, columns, count):
    a, b = _operands(rows, columns, 19, False, True, "float32")
    with on_threads(count):
        found = product(a, b, transposed_b=True)
    _require_close(found, a, b.T)
    with on_threads(1):
        np.testing.assert_array_equal(product(a, b, transposed_b=True), found)


def test_the_kinds_of_products_are_all_met():
    """Which way a product goes depends on its sizes; the tests above take every way."""
    kinds = {product_kind(rows, depth, turned) for rows in (1, 70) for depth in (3, 70) for turned in (0, 1)}
    assert kinds == {"rows", "direct", "packed"}
    assert FEW_ROWS < 70


@each_machine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_narrower_vectors(machine, dtype):
    with running_on(machine, products):
        for order in ORDERS:
            for rows, columns, depth in ((1, 17, 9), (5, 33, 40), (41, 37, 29), (26, 1, 1100)):
                a, b = _operands(rows, columns, depth, *order, dtype)
                bias = _drawn(columns, dtype=dtype, seed=2)
                _require_close(product(a, b, *order, bias=bias), *map(_turned, (a, b), order), bias)


@settings(max_examples=30)
@given(
    st.integers(0, 5),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 40),
    st.sampled_from(ORDERS),
    BOTH,
    st.integers(1, 3),
)
def test_stacks_of_products(number, rows, columns, depth, order, dtype, count):
    a, b = _operands(rows, columns, depth, *order, dtype)
    a, b = (np.stack([x * (i + 1) for i in range(number)]) if number else x[None][:0] for x in (a, b))
    with on_threads(count), pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "WORTH_A_TEAM", 5_000)
        found = batched_product(a, b, *order)
    assert found is not None
    _require_close(found, _turned(a, order[0]), _turned(b, order[1]))


# ---- the routines themselves


def _call(
    routine: Any, a: Any, b: Any, out: Any, sizes: Any, strides: Any, *more: Any, make: Any = entry
) -> None:
    count = threads()
    scratch = (
        []
        if isinstance(routine, RowProduct)
        else [aligned(count * scratch_elements(processor(), routine.dtype), routine.dtype)]
    )
    make(routine)(count, a, b, out, *scratch, *sizes, *strides, *more)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("depth", [20, DEPTH_BLOCK + 3])
def test_strides_known_sizes_and_sums_into_what_is_there(depth, packed, known, count):
    """Matrices inside of wider ones; what lies between their rows stays as it is."""
    sizes, strides = (13, 35, depth), (depth + 5, 40, 50)
    a, b = _drawn(13, depth + 5, dtype="float32"), _drawn(depth, 40, dtype="float32", seed=1)
    before = _drawn(13, 50, dtype="float32", seed=2)
    fixed = {"sizes": sizes, "strides": strides} if known else {}
    out = before.copy()
    with on_threads(count):
        routine = Product("float32", accumulate=True, packed=packed, **fixed)
        _call(routine, a, b, out, sizes, strides)
    np.testing.assert_array_equal(out[:, 35:], before[:, 35:])
    _require_close(out[:, :35], a[:, :depth], b[:, :35], before[:, :35].astype(np.float64))


@dataclass(frozen=True)
class RowsAndColumns(Epilogue):
    """value · rows[row] + columns[column], and says where the value itself goes."""

    def parameters(self, dtype: str) -> dict[str, str]:
        return {"rows_of": dtype + "*", "columns_of": dtype + "*", "plain": dtype + "*", "width": "index"}

    def apply(self, code, value, row, column, mask, arguments):
        rows, columns, plain, width = arguments
        plain.put(value, row * width + column, mask)
        return value * rows[row].number() + columns.vector(column, lanes=value.lanes, mask=mask)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("routine", [Product, RowProduct])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_epilogues_know_their_place_and_are_done_once(dtype, routine, count):
    for rows, columns, depth in ((1, 1, 5), (7, 45, 33), (29, 67, DEPTH_BLOCK + 70), (5, 9, 0)):
        a, b = _operands(rows, columns, depth, False, routine is RowProduct, dtype)
        factors, addends = _drawn(rows, dtype=dtype, seed=2), _drawn(columns, dtype=dtype, seed=3)
        out, plain = np.full((rows, columns), np.nan, dtype), np.full((rows, columns), np.nan, dtype)
        strides = (depth, b.shape[1], columns)
        with on_threads(count):
            made = routine(dtype, epilogue=RowsAndColumns())
            _call(made, a, b, out, (rows, columns, depth), strides, factors, addends, plain, columns)
        right = _turned(b, routine is RowProduct)
        _require_close(plain, a, right)
        np.testing.assert_allclose(out, plain * factors[:, None] + addends, rtol=1e-6, atol=1e-4)


@each_machine
def test_epilogues_on_narrower_vectors(machine):
    a, b = _operands(7, 37, 19, False, True, "float32")
    bias, out = _drawn(37, dtype="float32", seed=2), np.empty((7, 37), np.float32)
    routine = RowProduct("float32", epilogue=AddBias())
    _call(routine, a, b, out, (7, 37, 19), (19, 19, 37), bias, make=entry_on(machine))
    _require_close(out, a, b.T, bias)


# ---- what comes through, and what is not taken


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rows", [2, 40])
def test_nan_and_infinity_reach_their_rows_and_columns_alone(rows, order):
    a, b = _operands(rows, 37, 21, *order, "float32")
    _turned(a, order[0])[1, 20] = np.nan
    _turned(b, order[1])[3, 36] = np.inf
    found = product(a, b, *order)
    with np.errstate(all="ignore"):
        expected = _turned(a, order[0]) @ _turned(b, order[1])
    assert found is not None
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))


def test_what_is_left_to_numpy():
    square = np.ones((8, 8), np.float32)
    for other in (
        square.astype(np.float64),
        square.astype(np.float16),
        np.ones((16, 16), np.float32)[::2, ::2],
    ):
        assert product(square, other) is None
        assert product(other, square) is None
        assert product(square, square, bias=other[0]) is None
        assert batched_product(other[None], square[None], False, False) is None
    assert product(square.astype(np.int64), square.astype(np.int64)) is None
    assert product(square, square, out=np.empty((8, 8))) is None


def test_a_given_result_is_filled():
    a, out = _drawn(30, 30, dtype="float64"), np.empty((30, 30))
    assert product(a, a, out=out) is out
    _require_close(out, a, a)
