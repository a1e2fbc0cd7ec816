"""Native rows of tables against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.kernels import scatter
from deltarule.kernels.native import embeddings
from tests.kernels.native.machines import each_machine, on_threads, running_on


def _compare(count: int, rows: int, width: int, dtype: str, index_type: str = "int64") -> None:
    generator = np.random.default_rng(2)
    positions = generator.integers(0, count, rows).astype(index_type)
    table = generator.normal(size=(count, width)).astype(dtype)
    taken = embeddings.take_rows(table, positions)
    assert taken is not None
    np.testing.assert_array_equal(taken, table[positions])
    updates = generator.normal(size=(rows, width)).astype(dtype)
    summed = embeddings.sum_rows(count, positions, updates)
    assert summed is not None
    expected = scatter.plain_sum_rows(count, positions, updates.astype(np.float64))
    np.testing.assert_allclose(summed, expected, rtol=1e-5, atol=1e-5 if dtype == "float32" else 1e-12)


@settings(max_examples=50)
@given(
    st.integers(1, 300),
    st.integers(1, 60),
    st.integers(1, 70),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from(["int64", "int32", "uint8"]),
)
def test_equals_numpy(count: int, rows: int, width: int, dtype: str, index_type: str) -> None:
    _compare(min(count, 256) if index_type == "uint8" else count, rows, width, dtype, index_type)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("width", [33, 100])
def test_more_than_65536_elements(threads: int, width: int) -> None:
    with on_threads(threads):
        _compare(70, 2500, width, "float32")
        _compare(70_000, 2500, width, "float64")


def test_sums_do_not_depend_on_threads() -> None:
    generator = np.random.default_rng(6)
    positions, updates = (
        generator.integers(0, 9, 4000),
        generator.normal(size=(4000, 70)).astype(np.float32),
    )
    with on_threads(1):
        alone = scatter.sum_rows(9, positions, updates)
    with on_threads(3):
        np.testing.assert_array_equal(scatter.sum_rows(9, positions, updates), alone)


@each_machine
def test_narrower_vectors(machine: Any) -> None:
    with running_on(machine, embeddings):
        _compare(11, 29, 37, "float32")


def test_what_is_not_finite_stays_in_its_row() -> None:
    updates = np.ones((4, 20), np.float32)
    updates[1, 3], updates[2, 5] = np.nan, np.inf
    summed = scatter.sum_rows(4, np.array([0, 1, 1, 3]), updates)
    expected = scatter.plain_sum_rows(4, np.array([0, 1, 1, 3]), updates)
    np.testing.assert_array_equal(summed, expected)
    assert np.isnan(summed[1, 3])
    assert np.isinf(summed[1, 5])


def test_of_nothing_and_of_other_types() -> None:
    assert scatter.sum_rows(3, np.zeros(0, np.int64), np.zeros((0, 2))).tolist() == [[0.0, 0.0]] * 3
    assert scatter.take_rows(np.ones((3, 2)), np.zeros((0, 4), np.int64)).shape == (0, 4, 2)
    whole = np.arange(6).reshape(3, 2)
    assert scatter.take_rows(whole, np.array([2, 0])).tolist() == [[4, 5], [0, 1]]
    assert scatter.sum_rows(2, np.array([1, 1, 1]), whole).tolist() == [[0, 0], [6, 9]]
    scattered = np.arange(36.0).reshape(6, 6)[::2, ::2]
    np.testing.assert_array_equal(scatter.take_rows(scattered, np.array([2, 0])), scattered[[2, 0]])
