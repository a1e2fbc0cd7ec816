"""The pairwise einsum against NumPy's own over random subscripts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deltarule.kernels.einsum import einsum

LENGTHS = {"a": 2, "b": 3, "c": 1, "d": 4, "e": 0}


@st.composite
def subscripts(draw: st.DrawFn) -> tuple[list[str], str]:
    count = draw(st.integers(1, 4))
    letters = st.sampled_from("abcd" if draw(st.integers(0, 9)) else "abcde")
    terms = ["".join(draw(st.lists(letters, max_size=4))) for _ in range(count)]
    present = sorted(set("".join(terms)))
    result = draw(st.lists(st.sampled_from(present), unique=True)) if present else []
    return terms, "".join(result)


@given(subscripts(), st.integers(0, 2**32 - 1))
def test_equals_numpy(terms_and_result: tuple[list[str], str], seed: int) -> None:
    terms, result = terms_and_result
    generator = np.random.default_rng(seed)
    arrays = [generator.uniform(-1, 1, [LENGTHS[letter] for letter in term]) for term in terms]
    expected = np.einsum(f"{','.join(terms)}->{result}", *arrays)
    found = einsum(terms, result, arrays)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_integers_stay_integers() -> None:
    a = np.arange(6, dtype=np.int32).reshape(2, 3)
    found = einsum(["ij", "ij"], "i", [a, a])
    assert found.dtype == np.int32
    assert found.tolist() == [5, 50]
