"""Native attention against its twin in NumPy, which holds all the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.kernels import attention as kernels
from deltarule.kernels.native import attentions
from tests.kernels.native.machines import each_machine, on_threads, running_on

NAMES = ("y", "query", "key", "value")


def _arrays(sizes: tuple[int, ...], dtype: str) -> list[Any]:
    """Query, key, value and upstream gradient, whose heads lie side by side."""
    batch, heads, targets, sources, width, value_width = sizes
    generator = np.random.default_rng(9)
    return [
        generator.normal(size=(batch, time, heads, features)).astype(dtype).transpose(0, 2, 1, 3)
        for time, features in (
            (targets, width),
            (sources, width),
            (sources, value_width),
            (targets, value_width),
        )
    ]


def _compare(sizes: tuple[int, ...], dtype: str, is_causal: bool, mask: Any = None) -> None:
    query, key, value, upstream = _arrays(sizes, dtype)
    options = (mask, is_causal, 0.4)
    found = kernels.attention(query, key, value, *options)
    exact = [each.astype(np.float64) for each in (query, key, value)]
    plain = kernels.plain_attention(*exact, *options)
    gradients = kernels.attention_gradients(query, key, value, *options, *found, upstream)
    expected = kernels.plain_attention_gradients(*exact, *options, *plain, upstream)
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(found[1], plain[1], rtol=tolerance, atol=tolerance)
    for name, one, other in zip(NAMES, (found[0], *gradients), (plain[0], *expected), strict=True):
        scale = max(1.0, float(np.abs(other).max(initial=0.0)))
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale, err_msg=name)
        assert one.dtype == dtype


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(
        st.integers(1, 3),
        st.integers(1, 3),
        st.integers(1, 50),
        st.integers(1, 50),
        st.integers(1, 16),
        st.integers(1, 16),
    ),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
    st.integers(1, 3),
)
def test_equals_the_twin(sizes: tuple[int, ...], dtype: str, is_causal: bool, threads: int) -> None:
    with on_threads(threads):
        _compare(sizes, dtype, is_causal)


# More keys than one block, more queries than one block, features that fill one, two, three and four vectors.
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(
    "sizes",
    [(1, 2, 70, 600, 20, 33), (2, 1, 600, 70, 48, 16), (1, 3, 260, 530, 64, 40), (2, 4, 128, 128, 32, 32)],
)
def test_several_blocks(sizes: tuple[int, ...], is_causal: bool) -> None:
    _compare(sizes, "float32", is_causal)


@pytest.mark.parametrize("shape", [(3, 1, 20, 45), (20, 45), (2, 1, 45), (1, 1)])
@pytest.mark.parametrize("is_causal", [False, True])
def test_masks_broadcast(shape: tuple[int, ...], is_causal: bool) -> None:
    mask = np.random.default_rng(1).normal(0, 3, shape)
    mask[mask > 2] = -np.inf
    _compare((3, 2, 20, 45, 8, 8), "float64", is_causal, mask)


def test_a_query_that_sees_nothing_gets_zeros() -> None:
    query, key, value, upstream = _arrays((1, 1, 20, 600, 8, 8), "float32")
    mask = np.zeros((20, 600), np.float32)
    mask[3] = -np.inf
    mask[5, :550] = -np.inf
    y, logs = kernels.attention(query, key, value, mask, False, 1.0)
    assert not y[0, 0, 3].any()
    assert np.isposinf(logs[0, 0, 3])
    gradients = kernels.attention_gradients(query, key, value, mask, False, 1.0, y, logs, upstream)
    assert not gradients[0][0, 0, 3].any()
    assert all(np.isfinite(each).all() for each in gradients)
    _compare((1, 1, 20, 600, 8, 8), "float32", False, mask)


@each_machine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_narrower_vectors(machine: Any, dtype: str) -> None:
    with running_on(machine, attentions):
        _compare((2, 3, 37, 45, 12, 5), dtype, True)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_do_not_depend_on_threads(threads: int) -> None:
    query, key, value, upstream = _arrays((3, 3, 100, 100, 16, 16), "float32")
    results = []
    for count in (1, threads):
        with on_threads(count):
            found = kernels.attention(query, key, value, None, True, 0.25)
            gradients = kernels.attention_gradients(query, key, value, None, True, 0.25, *found, upstream)
            results.append((*found, *gradients))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nan_reaches_what_looked_at_it_and_nothing_else() -> None:
    query, key, value, _ = _arrays((1, 1, 10, 10, 4, 4), "float64")
    key[0, 0, 6, 2] = np.nan
    y, _ = kernels.attention(query, key, value, None, True, 0.5)
    assert np.isnan(y).any(axis=-1)[0, 0].tolist() == [False] * 6 + [True] * 4


@pytest.mark.parametrize(
    ("query", "key", "value"),
    [((3, 4), (5, 4), (5, 2)), ((2, 3, 4), (5, 4), (1, 5, 2)), ((2, 1, 2, 3, 4), (3, 1, 5, 4), (5, 2))],
)
def test_leading_axes_broadcast(query: Any, key: Any, value: Any) -> None:
    generator = np.random.default_rng(7)
    arrays = [generator.normal(size=shape) for shape in (query, key, value)]
    y, logs = kernels.attention(*arrays, None, False, 0.5)
    plain = kernels.plain_attention(*arrays, None, False, 0.5)
    np.testing.assert_allclose(y, plain[0], rtol=1e-12)
    np.testing.assert_allclose(logs, np.broadcast_to(plain[1], logs.shape), rtol=1e-12)
    upstream = generator.normal(size=y.shape)
    gradients = kernels.attention_gradients(*arrays, None, False, 0.5, y, logs, upstream)
    expected = kernels.plain_attention_gradients(*arrays, None, False, 0.5, *plain, upstream)
    for one, other, array in zip(gradients, expected, arrays, strict=True):
        assert one.shape == array.shape
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("masked", [False, True])
def test_packed_projections_are_the_same_as_parts(dtype: str, masked: bool) -> None:
    generator = np.random.default_rng(3)
    projected = generator.normal(size=(2, 9, 24)).astype(dtype)
    upstream = generator.normal(size=(2, 9, 8)).astype(dtype)
    mask = np.where(np.arange(9) < 7, 0, -np.inf).astype(dtype) if masked else None
    options = (mask, True, 0.5)
    y, logs = kernels.self_attention(projected, 4, *options)
    parts = kernels.parts_of(projected, 4)
    expected, plain_logs = kernels.plain_attention(*parts, *options)
    tolerance = 1e-5 if dtype == "float32" else 1e-2
    np.testing.assert_allclose(kernels.heads_of(y, 4), expected, atol=tolerance)
    gradient = kernels.self_attention_gradient(projected, 4, *options, y, logs, upstream)
    of_parts = kernels.plain_attention_gradients(
        *parts, *options, expected, plain_logs, kernels.heads_of(upstream, 4)
    )
    for one, other in zip(kernels.parts_of(gradient, 4), of_parts, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)
