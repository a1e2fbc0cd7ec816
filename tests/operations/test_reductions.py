"""What the table of cases cannot say of reductions: ties, kinks, NaN, element types, nothing to reduce."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.autodiff.backward import gradients
from deltarule.autodiff.conversion import tensor
from deltarule.operations import cumulative, extremes, norms, products, reductions, sorting
from deltarule.operations.softmax import log_softmax, logsumexp, softmax


def gradient_of(function: Any, values: Any, create_graph: bool = False, **options: Any) -> np.ndarray:
    x = tensor(np.asarray(values, dtype=np.float64), requires_grad=True)
    y = function(x, **options)
    (found,) = gradients([y], [x], [np.ones(y.shape)], create_graph=create_graph)
    assert found is not None
    return found.numpy()


@pytest.mark.parametrize("create_graph", [False, True])
def test_elements_that_tie_share_the_gradient(create_graph: bool) -> None:
    values = [[2.0, 5.0, 5.0], [1.0, 1.0, 1.0]]
    shares = [[0.0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(gradient_of(extremes.max, values, create_graph, axis=1), shares)
    np.testing.assert_allclose(gradient_of(extremes.min, np.negative(values), create_graph, axis=1), shares)
    np.testing.assert_allclose(
        gradient_of(extremes.max, values, create_graph), [[0.0, 0.5, 0.5], [0.0, 0.0, 0.0]]
    )


def test_a_largest_element_that_is_nan_passes_nan_on() -> None:
    found = gradient_of(extremes.max, [[1.0, np.nan], [3.0, 2.0]], axis=1)
    np.testing.assert_array_equal(found, [[0.0, 1.0], [1.0, 0.0]])
    assert np.isnan(extremes.max(np.array([1.0, np.nan])).item())


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    ("function", "options"),
    [
        (reductions.std, {}),
        (norms.vector_norm, {}),
        (norms.vector_norm, {"ord": 3}),
        (norms.vector_norm, {"ord": 1}),
    ],
)
def test_gradient_at_the_kink_is_zero(function: Any, options: Any, create_graph: bool) -> None:
    values = np.zeros((2, 3)) if function is norms.vector_norm else np.full((2, 3), 4.0)
    found = gradient_of(function, values, create_graph, axis=1, **options)
    np.testing.assert_array_equal(found, np.zeros((2, 3)))


def test_running_product_through_a_zero_equals_central_differences() -> None:
    found = gradient_of(cumulative.cumulative_prod, [2.0, 0.0, 3.0, 0.0])
    np.testing.assert_allclose(found, [1.0, 2.0 + 6.0, 0.0, 0.0])


def test_position_is_the_first_of_equal_elements() -> None:
    assert extremes.argmax([3, 7, 7]).item() == 1
    assert extremes.argmin([3, 1, 1]).item() == 1
    assert sorting.argsort([2, 1, 2, 1], descending=True).tolist() == [0, 2, 1, 3]


@pytest.mark.parametrize("function", [reductions.sum, products.prod, extremes.max, extremes.min])
def test_integers_stay_integers(function: Any) -> None:
    found = function(np.array([[1, 2], [3, 4]], dtype=np.int64), axis=0)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(
        found.numpy(), getattr(np, function.__name__)(np.array([[1, 2], [3, 4]]), axis=0)
    )


def test_small_integers_and_booleans_are_added_up_without_overflow() -> None:
    assert reductions.sum(np.full(300, 100, dtype=np.int8)).item() == 30000
    assert reductions.sum(np.array([True, True, False])).item() == 2
    assert products.prod(np.full(8, 10, dtype=np.int8)).item() == 10**8
    assert reductions.sum(np.array([1, 2]), dtype=np.float64).dtype == np.float64
    assert products.prod(np.array([1.5, 2.0]), dtype=np.float32).dtype == np.float32
    assert cumulative.cumulative_sum(np.array([1, 2]), dtype=np.float32).dtype == np.float32
    assert cumulative.cumulative_prod(np.array([1, 2]), dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    "function",
    [reductions.mean, reductions.var, reductions.std, softmax, log_softmax, logsumexp, norms.vector_norm],
)
def test_integers_become_the_default_float(function: Any) -> None:
    values = np.array([1, 2, 6])
    found = function(values)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.numpy(), function(values.astype(np.float64)).numpy(), rtol=1e-5)


def test_mean_of_float16_does_not_overflow() -> None:
    x = np.full(2000, 100.0, dtype=np.float16)
    found = reductions.mean(x)
    assert found.dtype == np.float16
    assert found.item() == 100.0


def test_moments_of_nothing_are_nan_without_a_warning() -> None:
    empty = tensor(np.zeros((0, 2)), requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for function in (reductions.mean, reductions.var, reductions.std):
            assert np.isnan(function(empty, axis=0).numpy()).all()
        single = tensor(np.ones((1, 2)), requires_grad=True)
        unbiased = reductions.var(single, axis=0, correction=1)
        assert np.isnan(unbiased.numpy()).all()
        (found,) = gradients([unbiased], [single], [np.ones(2)], create_graph=True)
        assert found is not None
        assert np.isnan(found.numpy()).all()


def test_variance_of_large_numbers_does_not_cancel() -> None:
    x = np.array([1e8, 1e8 + 1, 1e8 + 2])
    np.testing.assert_allclose(reductions.var(x).item(), 2 / 3)


def test_product_over_no_axes_is_the_array_itself() -> None:
    x = tensor(2.5)
    assert products.prod(x).item() == 2.5
    np.testing.assert_array_equal(products.prod(np.array([2.0, 3.0]), axis=()).numpy(), [2.0, 3.0])


def test_nothing_overflows_in_softmax() -> None:
    x = np.array([1000.0, 1000.0, -1000.0])
    np.testing.assert_array_equal(softmax(x).numpy(), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(log_softmax(x).numpy(), [-np.log(2), -np.log(2), -2000 - np.log(2)])
    np.testing.assert_allclose(logsumexp(x).item(), 1000 + np.log(2))
    np.testing.assert_allclose(gradient_of(logsumexp, x), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(gradient_of(logsumexp, x, True), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(softmax(x.astype(np.float16)).numpy(), [0.5, 0.5, 0.0])


def test_logsumexp_at_infinity() -> None:
    infinity = np.inf
    x = np.array([[-infinity, 0.0], [-infinity, -infinity], [infinity, 0.0]])
    np.testing.assert_array_equal(logsumexp(x, axis=1).numpy(), [0.0, -infinity, infinity])
    np.testing.assert_array_equal(gradient_of(logsumexp, x[:2], axis=1), [[0.0, 1.0], [0.0, 0.0]])
    assert logsumexp(np.zeros((2, 0)), axis=1).tolist() == [-infinity, -infinity]
    assert log_softmax(np.zeros((2, 0))).shape == (2, 0)


def test_gradient_runs_through_a_sum_to_every_summand() -> None:
    x = dr.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    reductions.sum(x * x).backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [[2.0, 4.0], [6.0, 8.0]])
    assert x.grad.dtype == np.float32
