"""Compiled loops against their NumPy twins, to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.kernels import compiled, updates


def arrays(size, dtype, seed=0):
    generator = np.random.default_rng(seed)
    parameter, gradient, first = (generator.standard_normal(size).astype(dtype) for _ in range(3))
    return [parameter, gradient, first, generator.uniform(0, 2, size).astype(dtype)]


def stepped(monkeypatch, least, given_arrays, step):
    monkeypatch.setattr(compiled, "WORTH_IT", least)
    copies = [each.copy() for each in given_arrays]
    updates.adam(*copies, None, step, 0.01, (0.9, 0.999), 1e-8)
    return copies


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(size=st.sampled_from([1, 2, 7, 16, 33, 70_001]), step=st.integers(1, 1000), seed=st.integers(0, 99))
def test_adam_is_the_same_to_the_last_bit(dtype, size, step, seed):
    start = arrays(size, dtype, seed)
    with pytest.MonkeyPatch.context() as monkeypatch:
        plain = stepped(monkeypatch, size + 1, start, step)
        looped = stepped(monkeypatch, 1, start, step)
    for expected, found in zip(plain, looped, strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(looped[1], start[1])


def test_what_the_loops_cannot_take_goes_to_numpy(monkeypatch):
    monkeypatch.setattr(compiled, "WORTH_IT", 4)
    large = np.ones((4, 4), dtype=np.float32)
    assert compiled.is_worth_it(large, None, large)
    assert not compiled.is_worth_it(large[:1, :1])
    assert not compiled.is_worth_it(large.T[:, :2], large)
    assert not compiled.is_worth_it(large, large.astype(np.float64))
    assert not compiled.is_worth_it(large.astype(np.float16))
