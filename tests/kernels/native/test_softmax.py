"""Native softmax and cross-entropy against their twins in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.kernels import losses
from deltarule.kernels import softmax as kernels
from deltarule.kernels.native import softmaxes
from tests.kernels.native.machines import each_machine, on_threads, running_on

DTYPES = ("float32", "float64")


def _exact(dtype: str) -> dict[str, float]:
    return {"rtol": 1e-12, "atol": 1e-13} if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-6}


def _compare_softmax(shape: tuple[int, ...], dtype: str) -> None:
    generator = np.random.default_rng(3)
    x, upstream = (generator.normal(0, 5, shape).astype(dtype) for _ in range(2))
    for logarithm, plain, plain_gradient in (
        (False, kernels.plain_softmax, kernels.plain_softmax_gradient),
        (True, kernels.plain_log_softmax, kernels.plain_log_softmax_gradient),
    ):
        y = softmaxes.softmax(x, -1, logarithm)
        assert y is not None
        np.testing.assert_allclose(y, plain(x, -1), **_exact(dtype))
        gradient = softmaxes.softmax_gradient(y, upstream, -1, logarithm)
        assert gradient is not None
        tolerance = _exact(dtype) | {"atol": 1e-12 if dtype == "float64" else 1e-4}
        np.testing.assert_allclose(gradient, plain_gradient(y, upstream, -1), **tolerance)


@settings(max_examples=40)
@given(st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 90)), st.sampled_from(DTYPES))
def test_softmax_equals_the_twin(shape: tuple[int, ...], dtype: str) -> None:
    _compare_softmax(shape, dtype)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_softmax_of_more_than_65536_elements(threads: int) -> None:
    with on_threads(threads):
        _compare_softmax((301, 259), "float32")
        _compare_softmax((2, 70_001), "float64")


@each_machine
def test_softmax_on_narrower_vectors(machine: Any) -> None:
    with running_on(machine, softmaxes):
        _compare_softmax((5, 37), "float32")
        _compare_softmax((5, 37), "float64")


def _rows_that_are_not_finite() -> Any:
    x = np.zeros((6, 20))
    x[0, 3], x[1, 17], x[2, 5] = np.nan, np.inf, -np.inf
    x[3] = -np.inf
    x[4] = 1e300
    return x


def test_softmax_of_what_is_not_finite() -> None:
    x = _rows_that_are_not_finite()
    for logarithm, plain in ((False, kernels.plain_softmax), (True, kernels.plain_log_softmax)):
        with np.errstate(invalid="ignore"):
            expected = plain(x, -1)
        found = softmaxes.softmax(x, -1, logarithm)
        assert found is not None
        np.testing.assert_allclose(found, expected, rtol=1e-14)
        assert np.isnan(found).any(axis=1).tolist() == [True, True, False, True, False, False]


def test_softmax_along_other_axes_and_of_other_types_is_the_twins() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    assert softmaxes.softmax(x, 0, False) is None
    assert softmaxes.softmax(x.astype(np.float16), 1, False) is None
    assert softmaxes.softmax(x.astype(">f8"), 1, False) is None
    np.testing.assert_allclose(kernels.softmax(x.astype(">f8"), 1), kernels.softmax(x, 1), rtol=1e-14)
    np.testing.assert_allclose(kernels.softmax(x, 0), kernels.softmax(x.T, 1).T, rtol=1e-14)


def _compare_cross_entropy(
    rows: int, classes: int, dtype: str, reduction: str, ignore_index: int | None
) -> None:
    generator = np.random.default_rng(4)
    logits = generator.normal(0, 4, (rows, classes)).astype(dtype)
    target = generator.integers(0, classes, rows)
    if ignore_index is not None:
        # One row at least must count, or the mean is of nothing.
        target[0], target[1::3] = classes - 1, ignore_index
    options = (None, reduction, ignore_index, 0.0)
    found = softmaxes.cross_entropy(logits, target, reduction, ignore_index)
    assert found is not None
    value, saved = found
    expected, plain_saved = losses.plain_cross_entropy(logits, target, *options)
    np.testing.assert_allclose(
        value, expected, **_exact(dtype) | {"atol": 1e-5 if dtype == "float32" else 1e-12}
    )
    assert np.shape(value) == np.shape(expected)
    upstream = np.asarray(generator.normal(size=np.shape(expected)), dtype)
    gradient = softmaxes.cross_entropy_gradient(upstream, logits, saved, target, reduction, ignore_index)
    plain = losses.plain_cross_entropy_gradient(upstream, plain_saved, target, *options)
    np.testing.assert_allclose(gradient, plain, **_exact(dtype))


@settings(max_examples=60)
@given(
    st.integers(1, 60),
    st.integers(2, 70),
    st.sampled_from(DTYPES),
    st.sampled_from(["mean", "sum", "none"]),
    st.sampled_from([None, -100, 0]),
)
def test_cross_entropy_equals_the_twin(
    rows: int, classes: int, dtype: str, reduction: str, ignore_index: int | None
) -> None:
    _compare_cross_entropy(rows, classes, dtype, reduction, ignore_index)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_cross_entropy_on_threads_is_the_same(threads: int) -> None:
    with on_threads(threads):
        _compare_cross_entropy(1003, 67, "float32", "mean", None)
    logits, target = np.random.default_rng(1).normal(size=(1003, 67)), np.arange(1003) % 67
    with on_threads(1):
        alone = losses.cross_entropy(logits, target, None, "mean", None, 0.0)[0]
    with on_threads(threads):
        assert losses.cross_entropy(logits, target, None, "mean", None, 0.0)[0] == alone


@each_machine
def test_cross_entropy_on_narrower_vectors(machine: Any) -> None:
    with running_on(machine, softmaxes):
        _compare_cross_entropy(19, 21, "float32", "mean", -100)
        _compare_cross_entropy(19, 21, "float64", "none", None)


def test_cross_entropy_of_what_is_not_finite() -> None:
    logits, target = _rows_that_are_not_finite(), np.array([3, 17, 5, 0, 0, 0])
    with np.errstate(invalid="ignore", over="ignore"):
        expected, _ = losses.plain_cross_entropy(logits, target, None, "none", None, 0.0)
    found, _ = losses.cross_entropy(logits, target, None, "none", None, 0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert np.isinf(found[2])
    assert np.isnan(found[[0, 1, 3]]).all()


def test_cross_entropy_with_weights_or_smoothing_is_the_twins() -> None:
    logits, target = np.random.default_rng(1).normal(size=(5, 4)), np.arange(5) % 4
    for options in ((np.ones(4), "mean", None, 0.0), (None, "mean", None, 0.1)):
        value, saved = losses.cross_entropy(logits, target, *options)
        plain, plain_saved = losses.plain_cross_entropy(logits, target, *options)
        assert value == plain
        one = np.ones(())
        gradient = losses.cross_entropy_gradient(one, saved, logits, target, *options)
        expected = losses.plain_cross_entropy_gradient(one, plain_saved, target, *options)
        np.testing.assert_array_equal(gradient, expected)
