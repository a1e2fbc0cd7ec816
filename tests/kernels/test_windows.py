"""The window kernels against plain loops, over random sizes, strides, padding, dilation and groups."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.kernels import convolution_by_columns as convolution
from deltarule.kernels import pooling_by_axes as pooling
from deltarule.kernels.windows import framed, window_span


@st.composite
def _geometries(draw: Any) -> dict[str, Any]:
    rank = draw(st.integers(1, 2))

    def sizes(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    return {
        "batch": draw(st.integers(0, 3)),
        "groups": draw(st.integers(1, 2)),
        "channels": draw(st.integers(1, 2)),
        "outputs": draw(st.integers(1, 2)),
        "extents": sizes(1, 6),
        "positions": sizes(1, 4),
        "kernel_size": sizes(1, 3),
        "stride": sizes(1, 3),
        "before": sizes(0, 2),
        "dilation": sizes(1, 2),
    }


def _trilinear(g: dict[str, Any], x: Any, weight: Any, signal: Any) -> Any:
    """Every product x · w · g of the form, added up: the derivative for each factor is its kernel."""
    total = 0.0
    for position in product(*map(range, g["positions"])):
        for offset in product(*map(range, g["kernel_size"])):
            places = zip(position, g["stride"], offset, g["dilation"], g["before"], strict=True)
            element = tuple(p * s + k * d - b for p, s, k, d, b in places)
            if all(0 <= at < extent for at, extent in zip(element, g["extents"], strict=True)):
                for o, c in product(range(weight.shape[0]), range(weight.shape[1])):
                    channel = o // g["outputs"] * g["channels"] + c
                    total += weight[o, c, *offset] * np.dot(signal[:, o, *position], x[:, channel, *element])
    return total


@settings(max_examples=40)
@given(_geometries(), st.sampled_from([1, 1 << 22]))
def test_each_kernel_is_a_factor_of_the_trilinear_form(g: dict[str, Any], budget: int) -> None:
    generator = np.random.default_rng(3)
    x = generator.normal(size=(g["batch"], g["groups"] * g["channels"], *g["extents"]))
    weight = generator.normal(size=(g["groups"] * g["outputs"], g["channels"], *g["kernel_size"]))
    signal = generator.normal(size=(g["batch"], g["groups"] * g["outputs"], *g["positions"]))
    window = g["stride"], g["before"], g["dilation"], g["groups"]
    whole = convolution.COLUMN_BYTES
    convolution.COLUMN_BYTES = budget
    try:
        found = [
            (signal, convolution.convolve(x, weight, None, g["positions"], *window)),
            (x, convolution.convolve_transposed(signal, weight, None, g["extents"], *window)),
            (weight, convolution.convolve_weight(x, signal, g["kernel_size"], *window)),
        ]
    finally:
        convolution.COLUMN_BYTES = whole
    expected = _trilinear(g, x, weight, signal)
    for factor, derivative in found:
        assert derivative.shape == factor.shape
        np.testing.assert_allclose(np.sum(factor * derivative), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_batch_that_is_cut_into_slices_gives_the_same(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    x = generator.normal(size=(70, 3, 20, 21)).astype(dtype)
    weight = generator.normal(size=(5, 3, 3, 3)).astype(dtype)
    arguments = ((18, 19), (1, 1), (0, 0), (1, 1), 1)
    whole = convolution.convolve(x, weight, None, *arguments)
    assert whole.dtype == dtype and whole.size > 65_536
    monkeypatch.setattr(convolution, "COLUMN_BYTES", 3 * 27 * 18 * 19 * x.itemsize)
    sliced = convolution.convolve(x, weight, None, *arguments)
    np.testing.assert_allclose(sliced, whole, rtol=1e-5, atol=1e-5)


@settings(max_examples=40)
@given(_geometries())
def test_max_pooling_against_loops(g: dict[str, Any]) -> None:
    generator = np.random.default_rng(5)
    shape = (g["batch"], g["channels"], *g["extents"])
    x = generator.permutation(np.arange(float(np.prod(shape)))).reshape(shape)
    window = g["kernel_size"], g["stride"], g["before"], g["dilation"]
    y = pooling.max_pool(x, g["positions"], *window)
    upstream = generator.normal(size=y.shape)
    expected, gradient = np.full(y.shape, -np.inf), np.zeros(x.shape)
    for place in np.ndindex(*y.shape):
        best = None
        for offset in product(*map(range, g["kernel_size"])):
            places = zip(place[2:], g["stride"], offset, g["dilation"], g["before"], strict=True)
            element = tuple(p * s + k * d - b for p, s, k, d, b in places)
            if all(0 <= at < extent for at, extent in zip(element, g["extents"], strict=True)):
                source = (*place[:2], *element)
                if best is None or x[source] > x[best]:
                    best = source
        if best is not None:
            expected[place] = x[best]
            gradient[best] += upstream[place]
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_allclose(pooling.max_pool_gradient(x, y, upstream, *window), gradient, atol=1e-12)


@settings(max_examples=40)
@given(_geometries(), st.booleans())
def test_average_pooling_and_its_transpose(g: dict[str, Any], include_padding: bool) -> None:
    # The padding is at most half of the kernel, and the last window starts before the end of the data.
    size = tuple(max(k, 2 * b) for k, b in zip(g["kernel_size"], g["before"], strict=True))
    positions = tuple(
        min(p, (e + b - 1) // s + 1)
        for p, e, b, s in zip(g["positions"], g["extents"], g["before"], g["stride"], strict=True)
    )
    generator = np.random.default_rng(6)
    x = generator.normal(size=(g["batch"], g["channels"], *g["extents"]))
    window = size, g["stride"], g["before"], include_padding
    y = pooling.avg_pool(x, positions, *window)
    ones = pooling.avg_pool(np.ones_like(x), positions, *window)
    if not include_padding or not any(g["before"]):
        np.testing.assert_allclose(ones, 1.0)
    upstream = generator.normal(size=y.shape)
    spread = pooling.avg_pool_gradient(upstream, g["extents"], *window)
    assert spread.shape == x.shape
    np.testing.assert_allclose(np.sum(spread * x), np.sum(upstream * y), atol=1e-9)


def test_a_frame_inside_is_a_view_and_outside_is_filled() -> None:
    x = np.arange(6.0).reshape(1, 1, 6)
    assert np.shares_memory(framed(x, (-1,), (3,)), x)
    assert framed(x, (-1,), (3,)).tolist() == [[[1.0, 2.0, 3.0]]]
    assert framed(x, (1,), (9,), -1.0).tolist() == [[[-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, -1.0, -1.0]]]
    assert framed(x, (9,), (3,)).tolist() == framed(x, (-9,), (3,)).tolist() == [[[0.0, 0.0, 0.0]]]


def test_span_of_windows() -> None:
    assert window_span((3, 1), (2, 5), (4, 1), (1, 2)) == (10, 9)
