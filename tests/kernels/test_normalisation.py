"""The normalisation kernels against the textbook, over random shapes and axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.kernels.normalisation import normalise, normalise_gradients


@st.composite
def _layouts(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    axes = tuple(axis for axis in range(len(shape)) if draw(st.booleans())) or (0,)
    affine = tuple(extent if draw(st.booleans()) else 1 for extent in shape)
    return shape, axes, affine


def _value(x: Any, weight: Any, bias: Any, axes: Any, eps: float, centred: bool) -> Any:
    deviation = x - x.mean(axis=axes, keepdims=True) if centred else x
    return deviation / np.sqrt((deviation**2).mean(axis=axes, keepdims=True) + eps) * weight + bias


@settings(max_examples=60)
@given(_layouts(), st.booleans())
def test_value_and_gradients(layout: Any, centred: bool) -> None:
    shape, axes, affine = layout
    generator = np.random.default_rng(1)
    x, upstream = generator.normal(size=shape), generator.normal(size=shape)
    weight, bias = generator.normal(size=affine), generator.normal(size=affine)
    before = [each.copy() for each in (x, weight, bias, upstream)]
    y, statistics = normalise(x, weight, bias, axes, 0.3, centred=centred)
    np.testing.assert_allclose(y, _value(x, weight, bias, axes, 0.3, centred), rtol=1e-12, atol=1e-12)
    gradients = normalise_gradients(x, weight, upstream, statistics, axes, biased=True)
    for each, kept in zip((x, weight, bias, upstream), before, strict=True):
        np.testing.assert_array_equal(each, kept)
    step = 1e-5
    for position, gradient in enumerate(gradients):
        direction = generator.normal(size=gradient.shape)
        low, high = ([x, weight, bias] for _ in range(2))
        low[position], high[position] = (
            low[position] - step * direction,
            high[position] + step * direction,
        )
        difference = _value(*high, axes, 0.3, centred) - _value(*low, axes, 0.3, centred)
        expected = np.sum(difference * upstream) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-6, atol=1e-8)


def test_float32_stays_float32_beyond_65536_elements() -> None:
    x = np.random.default_rng(2).normal(5.0, 2.0, (70, 1001)).astype(np.float32)
    y, statistics = normalise(x, None, None, (0,), 1e-5)
    assert y.dtype == statistics.variance.dtype == np.float32
    np.testing.assert_allclose(y, _value(x.astype(np.float64), 1.0, 0.0, (0,), 1e-5, True), atol=1e-5)
    gradient, *_ = normalise_gradients(x, None, x, statistics, (0,), biased=False)
    assert gradient.dtype == np.float32
