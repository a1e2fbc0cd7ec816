"""Scattered sums against NumPy's own unbuffered addition, over random sizes on both sides of every branch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.kernels import scatter

seeds = st.integers(0, 2**32 - 1)


@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 30), st.sampled_from(["f4", "f8", "i8"]), seeds)
def test_sum_rows(count: int, rows: int, width: int, dtype: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    positions = generator.integers(0, count, rows)
    updates = (10 * generator.standard_normal((rows, width))).astype(dtype)
    expected = np.zeros((count, width))
    np.add.at(expected, positions, updates)
    found = scatter.sum_rows(count, positions, updates)
    assert found.dtype == updates.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("width", [1, 3, scatter.SHORT_ROW, 33])
def test_sum_rows_of_a_long_table(width: int) -> None:
    count = 70_001
    generator = np.random.default_rng(width)
    positions = np.concatenate([generator.integers(0, count, 3_000), [count - 1, 65_536, 65_535, 0, 65_536]])
    updates = generator.standard_normal((positions.size, width))
    expected = np.zeros((count, width))
    np.add.at(expected, positions, updates)
    np.testing.assert_allclose(scatter.sum_rows(count, positions, updates), expected, rtol=1e-12, atol=1e-12)


def test_sum_rows_does_not_overflow_narrow_positions() -> None:
    positions = np.array([100, 127, 100], dtype=np.int8)
    found = scatter.sum_rows(128, positions, np.ones((3, 5)))
    assert found[100].tolist() == [2.0] * 5
    assert found[127].tolist() == [1.0] * 5
    assert found.sum() == 15


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 3), st.integers(0, 5), seeds)
def test_sum_along_axis(sizes: list[int], axis: int, taken: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    axis = axis % len(sizes)
    shape = tuple(sizes)
    small = shape[:axis] + (taken,) + shape[axis + 1 :]
    indices = generator.integers(0, shape[axis], small)
    updates = generator.standard_normal(small)
    expected = np.zeros(shape)
    for place in np.ndindex(*small):
        target = list(place)
        target[axis] = indices[place]
        expected[tuple(target)] += updates[place]
    np.testing.assert_allclose(scatter.sum_along_axis(shape, indices, updates, axis), expected, atol=1e-12)


@given(st.sampled_from([((0,), 0), ((1,), 1), ((0, 1), 0), ((1, 2), 1), ((0, 2), 0), ((0, 1, 2), 0)]), seeds)
def test_sum_at(where: tuple[tuple[int, ...], int], seed: int) -> None:
    axes, place = where
    generator = np.random.default_rng(seed)
    shape = tuple(int(size) for size in generator.integers(1, 5, 3))
    indices = [
        generator.integers(0, shape[axis], sizes)
        for axis, sizes in zip(axes, ((2, 3), (3,), (2, 1)), strict=False)
    ]
    common = np.broadcast_shapes(*(each.shape for each in indices))
    others = [extent for axis, extent in enumerate(shape) if axis not in axes]
    updates = generator.standard_normal((*others[:place], *common, *others[place:]))
    expected = np.zeros(shape)
    moved = np.moveaxis(expected, axes, range(len(axes)))
    front = np.moveaxis(updates, range(place, place + len(common)), range(len(common)))
    np.add.at(moved, tuple(indices), front)
    np.testing.assert_allclose(scatter.sum_at(shape, indices, updates, axes, place), expected, atol=1e-12)
