"""Native pooling against its twin by axes: shapes, layouts, ties, NaN, threads, vector widths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.kernels import pooling
from deltarule.kernels import pooling_by_axes as plain
from deltarule.kernels.native import poolings, team
from deltarule.kernels.native.compilation import load
from deltarule.kernels.native.entry import built_in
from deltarule.kernels.native.layouts import channels_first_view, channels_last
from deltarule.kernels.native.pooling import AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient
from deltarule.kernels.native.processor import Processor, processor
from deltarule.kernels.native.routine import Routine, Unit


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    before = team.thread_count()
    yield
    team.set_threads(before)


@st.composite
def _windows(draw: Any) -> dict[str, Any]:
    """Windows as the operations allow them: each begins within the image or the padding before it."""
    rank = draw(st.integers(1, 2))
    # Few kinds of windows, since each has code of its own; sizes are arguments.
    kernel, stride, dilation = draw(st.sampled_from([(2, 2, 1), (3, 2, 1), (3, 1, 2), (5, 4, 1), (2, 3, 1)]))
    before = draw(st.integers(0, kernel // 2))
    positions = tuple(draw(st.integers(1, 7)) for _ in range(rank))
    least = [(count - 1) * stride - before + 1 for count in positions]
    extents = tuple(max(1, size + draw(st.integers(0, dilation * kernel + 1))) for size in least)
    return {
        "shape": (draw(st.integers(0, 3)), draw(st.sampled_from([1, 3, 6, 16, 35])), *extents),
        "positions": positions,
        "window": ((kernel,) * rank, (stride,) * rank, (before,) * rank),
        "dilation": (dilation,) * rank,
    }


def _values(shape: tuple[int, ...], dtype: str) -> Any:
    """Few different numbers, so that many are equal; some are not finite."""
    generator = np.random.default_rng(11)
    x = generator.integers(-4, 5, shape).astype(dtype)
    kind = generator.integers(0, 60, shape)
    return np.where(kind == 0, np.nan, np.where(kind < 6, -np.inf, np.where(kind == 7, np.inf, x))).astype(
        dtype
    )


def _laid(x: Any, last: bool) -> Any:
    return channels_first_view(channels_last(x).copy()) if last else x


@settings(max_examples=60)
@given(_windows(), st.booleans(), st.sampled_from([1, 2, 3]), st.sampled_from(["float32", "float64"]))
def test_max_pooling_agrees_with_its_twin(g: dict[str, Any], last: bool, threads: int, dtype: str) -> None:
    team.set_threads(threads)
    x = _values(g["shape"], dtype)
    window: Any = *g["window"], g["dilation"]
    expected = plain.max_pool(x, g["positions"], *window)
    x = _laid(x, last)
    y = pooling.max_pool(x, g["positions"], *window)
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(y, expected)
    upstream = np.random.default_rng(2).integers(1, 9, y.shape).astype(dtype)
    gradient = plain.max_pool_gradient(x, expected, upstream, *window)
    found = pooling.max_pool_gradient(x, y, upstream, *window)
    assert found.dtype == gradient.dtype
    np.testing.assert_array_equal(found, gradient)


@settings(max_examples=60)
@given(
    _windows(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 2, 3]),
    st.sampled_from(["float32", "float64"]),
)
def test_average_pooling_agrees_with_its_twin(
    g: dict[str, Any], last: bool, include_padding: bool, threads: int, dtype: str
) -> None:
    team.set_threads(threads)
    window: Any = *g["window"], include_padding
    extents = g["shape"][2:]
    x = np.random.default_rng(3).normal(size=g["shape"]).astype(dtype)
    expected = plain.avg_pool(x, g["positions"], *window)
    tolerance: Any = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-14}
    found = pooling.avg_pool(_laid(x, last), g["positions"], *window)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, **tolerance)
    upstream = np.random.default_rng(4).normal(size=expected.shape).astype(dtype)
    gradient = plain.avg_pool_gradient(upstream, extents, *window)
    np.testing.assert_allclose(
        pooling.avg_pool_gradient(_laid(upstream, last), extents, *window), gradient, **tolerance
    )


@pytest.mark.parametrize("channels", [1, 5, 40])
def test_images_of_more_than_65536_elements(channels: int) -> None:
    team.set_threads(2)
    shape = (3, channels, 130, 180)
    x = np.random.default_rng(5).normal(size=shape).astype(np.float32)
    assert x[0].size * 3 > 65_536
    window = (2, 2), (2, 2), (0, 0)
    y = pooling.max_pool(x, (65, 90), *window, (1, 1))
    np.testing.assert_array_equal(y, plain.max_pool(x, (65, 90), *window, (1, 1)))
    np.testing.assert_array_equal(
        pooling.max_pool_gradient(x, y, y, *window, (1, 1)), plain.max_pool_gradient(x, y, y, *window, (1, 1))
    )


def test_native_code_computes_floats_and_the_twin_the_rest() -> None:
    window = (2,), (2,), (0,)
    x = np.arange(12.0).reshape(1, 2, 6)
    assert poolings.pool("max", x, (3,), *window, (1,)) is not None
    half = x.astype(np.float16)
    assert poolings.pool("max", half, (3,), *window, (1,)) is None
    assert poolings.pool_gradient("max gradient", half.shape, (half, half, half), *window, (1,)) is None
    for kind in (np.float16, np.longdouble):
        y = pooling.max_pool(x.astype(kind), (3,), *window, (1,))
        assert y.dtype == kind and y.tolist() == [[[1, 3, 5], [7, 9, 11]]]
        mean = pooling.avg_pool(x.astype(kind), (3,), *window, True)
        assert mean.dtype == kind and mean.tolist() == [[[0.5, 2.5, 4.5], [6.5, 8.5, 10.5]]]


def test_results_stay_channels_last() -> None:
    x = channels_first_view(np.random.default_rng(6).normal(size=(2, 8, 8, 16)).astype(np.float32))
    y = pooling.max_pool(x, (4, 4), (2, 2), (2, 2), (0, 0), (1, 1))
    gradient = pooling.max_pool_gradient(x, y, y, (2, 2), (2, 2), (0, 0), (1, 1))
    for each in (y, gradient):
        assert np.shares_memory(channels_last(each), each)


_NARROW = [
    replace(processor(), vector_bytes=width, registers=16)
    for width in (16, 32)
    if width < processor().vector_bytes
]


@pytest.mark.parametrize("machine", [*_NARROW, processor()], ids=lambda each: f"{each.vector_bytes} bytes")
@pytest.mark.parametrize("known", [True, False], ids=["known", "arguments"])
def test_any_vector_width(machine: Processor, known: bool) -> None:
    generator = np.random.default_rng(8)
    x = generator.normal(size=(3, 9, 7, 21)).astype(np.float32)
    kernel, stride, before, ones = (3, 2), (2, 2), (1, 0), (1, 1)
    first = channels_first_view(x)
    expected = plain.max_pool(first, (5, 3), kernel, stride, before, ones)
    numbers = (3, 21, 9, 7, 5, 3, 1, 0)
    window: Any = ("float32", kernel, stride, ones, False, numbers if known else None)
    upstream = generator.normal(size=(3, 5, 3, 21)).astype(np.float32)
    up = channels_first_view(upstream)

    def run(routine: Routine, *arguments: Any) -> None:
        unit = Unit(machine)
        unit.entry(routine, "python_entry")
        name = f"{routine!r} on {machine.vector_bytes} bytes"
        built_in("routine", load(name, unit.text, ["python_entry"])["python_entry"])(1, *arguments, *numbers)

    y, grad_x = np.full_like(upstream, np.nan), np.full_like(x, np.nan)
    run(MaxPool(*window), x, y)
    np.testing.assert_array_equal(channels_first_view(y), expected)
    run(MaxPoolGradient(*window), x, y, upstream, grad_x, 16)
    np.testing.assert_allclose(
        channels_first_view(grad_x),
        plain.max_pool_gradient(first, expected, up, kernel, stride, before, ones),
    )
    run(AveragePool(*window, include_padding=False), x, y)
    np.testing.assert_allclose(
        channels_first_view(y),
        plain.avg_pool(first, (5, 3), kernel, stride, before, False),
        rtol=1e-5,
        atol=1e-6,
    )
    run(AveragePoolGradient(*window, include_padding=False), upstream, grad_x, 16)
    np.testing.assert_allclose(
        channels_first_view(grad_x), plain.avg_pool_gradient(up, (9, 7), kernel, stride, before, False),
        rtol=1e-5, atol=1e-6,
    )  # fmt: skip
