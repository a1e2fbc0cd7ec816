"""Native normalisations against their twins: layouts, sizes, threads, vector widths, what is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.kernels import normalisation as kernels
from deltarule.kernels.native import normalisations
from tests.kernels.native.machines import each_machine, on_threads, running_on

KINDS = ("layer", "rms", "batch", "batch last", "group", "columns")


def _setting(
    kind: str, sizes: tuple[int, int, int]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """(shape, axes, shape of weights) of a normalisation of these sizes."""
    batch, channels, positions = sizes
    if kind in ("layer", "rms"):
        return (batch, channels, positions), (1, 2), (1, channels, positions)
    if kind == "group":
        return (batch, 2, channels, positions, 1), (2, 3, 4), (1, 2, channels, 1, 1)
    if kind == "columns":
        return (batch * positions, channels), (0,), (1, channels)
    return (batch, channels, positions, 2), (0, 2, 3), (1, channels, 1, 1)


def _arrays(kind: str, sizes: tuple[int, int, int], dtype: str, affine: bool) -> tuple[Any, ...]:
    shape, axes, weights = _setting(kind, sizes)
    generator = np.random.default_rng(5)
    x, upstream = (generator.normal(0.5, 2.0, shape).astype(dtype) for _ in range(2))
    if kind == "batch last":
        x, upstream = (np.moveaxis(np.moveaxis(each, 1, -1).copy(), -1, 1) for each in (x, upstream))
    weight, bias = (generator.normal(size=weights).astype(dtype) if affine else None for _ in range(2))
    return x, upstream, weight, None if kind == "rms" else bias, axes


def _layout(x: Any) -> list[int]:
    """Strides, but for axes of length 1, where they say nothing."""
    return [stride for stride, extent in zip(x.strides, x.shape, strict=True) if extent > 1]


def _compare(kind: str, sizes: tuple[int, int, int], dtype: str, affine: bool) -> None:
    x, upstream, weight, bias, axes = _arrays(kind, sizes, dtype, affine)
    centred, biased = kind != "rms", bias is not None
    found = normalisations.normalise(x, weight, bias, axes, 0.1, centred)
    assert found is not None
    y, *statistics = found
    expected, plain = kernels.plain_normalise(x, weight, bias, axes, 0.1, centred=centred)
    assert _layout(y) == _layout(x)
    exact = {"rtol": 1e-12, "atol": 1e-11} if dtype == "float64" else {"rtol": 2e-5, "atol": 5e-5}
    np.testing.assert_allclose(y, expected, **exact)
    for one, other in zip(statistics, plain, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, **exact)
    gradients = normalisations.normalise_gradients(
        x, weight, upstream, plain.mean, plain.inverse, axes, biased
    )
    assert gradients is not None
    grad_x, grad_weight = kernels.plain_normalise_gradient(x, weight, upstream, plain, axes)
    assert _layout(gradients[0]) == _layout(x)
    np.testing.assert_allclose(gradients[0], grad_x, **exact)
    # A sum of many terms is as exact as its largest partial sums.
    wide = (
        {"rtol": 1e-11, "atol": 1e-10} if dtype == "float64" else {"rtol": 1e-4, "atol": 2e-5 * x.size**0.5}
    )
    if weight is None:
        assert gradients[1:] == (None, None)
        return
    np.testing.assert_allclose(gradients[1], grad_weight, **wide)
    if biased:
        np.testing.assert_allclose(gradients[2], kernels.plain_bias_gradient(upstream, weight.shape), **wide)


@settings(max_examples=60)
@given(
    st.sampled_from(KINDS),
    st.tuples(st.integers(1, 9), st.integers(1, 70), st.integers(1, 40)),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
    st.integers(1, 3),
)
def test_equals_the_twin(
    kind: str, sizes: tuple[int, int, int], dtype: str, affine: bool, threads: int
) -> None:
    with on_threads(threads):
        _compare(kind, sizes, dtype, affine or kind == "group")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_more_than_65536_elements(kind: str, threads: int) -> None:
    with on_threads(threads):
        _compare(kind, (13, 37, 151), "float32", True)


@each_machine
@pytest.mark.parametrize("kind", KINDS)
def test_narrower_vectors(machine: Any, kind: str) -> None:
    with running_on(machine, normalisations):
        for sizes in ((2, 3, 5), (3, 37, 19)):
            _compare(kind, sizes, "float32", True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_mean_cancels_nothing(kind: str) -> None:
    x, _, weight, bias, axes = _arrays(kind, (6, 32, 25), "float32", True)
    x = (x + np.float32(4096.0)).astype(np.float32)
    y, _ = kernels.normalise(x, weight, bias, axes, 1e-5, centred=kind != "rms")
    exact, _ = kernels.plain_normalise(
        *(None if each is None else each.astype(np.float64) for each in (x, weight, bias)),
        axes,
        1e-5,
        centred=kind != "rms",
    )
    # Means and what was scaled are rounded to float32: half a unit in the last place of 4096 is 2⁻¹².
    np.testing.assert_allclose(y, exact, rtol=1e-4, atol=4e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_it_is_in_the_twin(kind: str, value: float) -> None:
    x, _, weight, bias, axes = _arrays(kind, (3, 5, 7), "float64", True)
    x[(1,) * x.ndim if kind != "group" else (1, 1, 1, 1, 0)] = value
    with np.errstate(invalid="ignore"):
        expected, _ = kernels.plain_normalise(x, weight, bias, axes, 0.1, centred=kind != "rms")
    y, _ = kernels.normalise(x, weight, bias, axes, 0.1, centred=kind != "rms")
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    assert np.isnan(y).any()
    assert np.isfinite(y).any()


@settings(max_examples=30)
@given(
    st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 20)),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["float32", "float64"]),
)
def test_given_statistics(sizes: tuple[int, int, int], last: bool, affine: bool, dtype: str) -> None:
    x, _, weight, bias, _ = _arrays("batch last" if last else "batch", sizes, dtype, affine)
    generator = np.random.default_rng(8)
    mean, inverse = (generator.normal(size=sizes[1]).astype(dtype) for _ in range(2))
    weight, bias = (None if each is None else each.reshape(-1) for each in (weight, bias))
    y = normalisations.scale_channels(x, mean, inverse, weight, bias)
    assert y is not None
    assert _layout(y) == _layout(x)
    expected = kernels.plain_scale_channels(x, mean, inverse, weight, bias)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance * 10)


def test_other_types_and_layouts_are_the_twins() -> None:
    x = np.ones((4, 4), np.float16)
    assert normalisations.normalise(x, None, None, (1,), 0.1, True) is None
    assert normalisations.normalise(np.ones((0, 4)), None, None, (1,), 0.1, True) is None
    swapped = np.arange(16.0).reshape(4, 4).astype(">f8")
    assert normalisations.normalise(swapped, None, None, (1,), 0.1, True) is None
    y, _ = kernels.normalise(swapped, None, None, (1,), 0.1)
    np.testing.assert_allclose(y, kernels.normalise(swapped.astype(float), None, None, (1,), 0.1)[0])
    # Neither order of memory: copied, then the same.
    scattered = np.arange(64.0).reshape(8, 8)[::2, ::2]
    y, _ = kernels.normalise(scattered, None, None, (1,), 0.1)
    np.testing.assert_allclose(y, kernels.plain_normalise(scattered, None, None, (1,), 0.1)[0], rtol=1e-12)
