"""Native sums and extremes against NumPy in float64: axes, orders of memory, threads, vector widths, NaN."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.kernels.native import reduced as native
from deltarule.kernels.native.reduced import LEAST, reduced
from tests.kernels.native.machines import each_machine, on_threads, running_on

KINDS = {
    "sum": np.sum,
    "sum_of_squares": lambda x, **options: np.sum(x * x, **options),
    "max": np.max,
    "min": np.min,
}


def _compare(x: Any, axes: tuple[int, ...], keepdims: bool = False, kinds: Any = KINDS) -> bool:
    """Whether native code took it; what it answered is compared."""
    taken = True
    for kind in kinds:
        found = reduced(x, axes, keepdims, kind)
        if found is None:
            taken = False
            continue
        expected = KINDS[kind](x.astype(np.float64), axis=axes, keepdims=keepdims)
        assert found.shape == expected.shape
        assert found.dtype == x.dtype
        if kind in ("max", "min"):
            np.testing.assert_array_equal(found, expected)
            continue
        # Relative to the sum of magnitudes: sums of numbers of both signs cancel.
        size = KINDS["sum"](np.abs(x.astype(np.float64)), axis=axes, keepdims=keepdims)
        units = 16 * np.finfo(x.dtype).eps
        assert (np.abs(found - expected) <= units * (expected if kind == "sum_of_squares" else size)).all()
    return taken


@given(
    shape=st.sampled_from(
        [(5000,), (3, 1667), (1700, 3), (90, 65), (7, 30, 33), (33, 5, 40), (4, 9, 11, 13)]
    ),
    pick=st.integers(0, 14),
    turned=st.booleans(),
    keepdims=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    threads=st.integers(1, 3),
)
def test_axes(shape, pick, turned, keepdims, dtype, threads):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    if turned:
        x = np.ascontiguousarray(np.moveaxis(x, 0, -1))
        x = np.moveaxis(x, -1, 0)
    possible = [axes for count in range(1, x.ndim + 1) for axes in combinations(range(x.ndim), count)]
    with on_threads(threads), pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "_WORTH_A_TEAM", 1000)
        native._plan.cache_clear()
        _compare(x, possible[pick % len(possible)], keepdims)
        native._plan.cache_clear()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_large_arrays_are_taken(axes, threads):
    for shape in ((300_000, 3), (3, 300_000), (1000, 1024)):
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        with on_threads(threads):
            assert _compare(x, axes)


@each_machine
def test_narrower_vectors(machine):
    with running_on(machine, native):
        for shape in ((90, 65), (7, 30, 33)):
            for dtype in ("float32", "float64"):
                x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
                for axes in ((0,), (1,), tuple(range(x.ndim))):
                    assert _compare(x, axes)


def test_the_error_of_a_long_sum_stays_small():
    x = np.full(3_000_000, 0.1, np.float32)
    for shape, axes in (((-1,), (0,)), ((-1, 1000), (0, 1)), ((-1, 3), (0,))):
        given = x.reshape(shape)
        found = reduced(given, axes, False)
        np.testing.assert_allclose(found, given.astype(np.float64).sum(axes), rtol=1e-6)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("place", [(0, 0), (70, 30), (99, 69)])
def test_nan_and_infinity_come_through(axes, place):
    for value in (np.nan, np.inf, -np.inf):
        x = np.ones((100, 70), np.float32)
        x[place] = value
        for kind in ("sum", "max", "min"):
            np.testing.assert_array_equal(reduced(x, axes, False, kind), KINDS[kind](x, axis=axes))


def test_what_is_left_to_numpy():
    assert reduced(np.ones(LEAST - 1), (0,), False) is None
    assert reduced(np.ones((100, 100), np.int64), (0,), False) is None
    assert reduced(np.ones((100, 100), np.float16), (0,), False) is None
    assert reduced(np.ones((100, 200))[:, ::2], (0,), False) is None
    assert reduced(np.ones((20, 30, 20, 30)), (0, 2), False) is None
    assert reduced(np.ones((0, 100)), (0,), False) is None
