"""Sampling of tokens: temperature, top-k, top-p."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.cli.sampling import draw, token_probabilities
from deltarule.errors import ArgumentError, NonFiniteError

SHARES = np.array([0.1, 0.4, 0.05, 0.25, 0.2])
LOGITS = np.log(SHARES) + 3.0


def test_temperature_1_gives_the_softmax():
    np.testing.assert_allclose(token_probabilities(LOGITS), SHARES, rtol=1e-12)


def test_temperature_raises_probabilities_to_a_power():
    expected = SHARES ** (1 / 0.5)
    np.testing.assert_allclose(token_probabilities(LOGITS, 0.5), expected / expected.sum(), rtol=1e-12)


def test_temperature_0_takes_the_first_of_the_most_probable():
    assert token_probabilities(np.array([1.0, 2.0, 2.0]), 0).tolist() == [0, 1, 0]


def test_top_k_and_top_p_keep_the_most_probable():
    np.testing.assert_allclose(token_probabilities(LOGITS, top_k=2), np.array([0, 0.4, 0, 0.25, 0]) / 0.65)
    np.testing.assert_allclose(token_probabilities(LOGITS, top_p=0.6), np.array([0, 0.4, 0, 0.25, 0]) / 0.65)
    np.testing.assert_allclose(token_probabilities(LOGITS, top_p=0.4), [0, 1, 0, 0, 0])
    np.testing.assert_allclose(token_probabilities(LOGITS, top_p=1.0), SHARES, rtol=1e-12)
    # 0.4/0.65 of what top_k left is more than 0.6.
    np.testing.assert_allclose(token_probabilities(LOGITS, top_k=2, top_p=0.6), [0, 1, 0, 0, 0])


def test_large_logits_do_not_overflow():
    with np.errstate(over="raise"):
        assert token_probabilities(np.array([1e4, 0.0]), 0.01).tolist() == [1, 0]


def test_draws_follow_the_probabilities():
    random = np.random.default_rng(0)
    counts = np.bincount([draw(SHARES, random) for _ in range(20_000)], minlength=5)
    np.testing.assert_allclose(counts / counts.sum(), SHARES, atol=0.01)


def test_what_is_left_out_is_never_drawn():
    class Last:
        def random(self):
            return np.nextafter(1.0, 0.0)

    assert draw(np.array([0.5, 0.5, 0.0]), Last()) == 1


@pytest.mark.parametrize("options", [{"temperature": -1}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.1}])
def test_options_out_of_range(options):
    with pytest.raises(ArgumentError, match=next(iter(options)).replace("_", "-")):
        token_probabilities(LOGITS, **options)


def test_logits_that_are_not_finite():
    with pytest.raises(NonFiniteError, match="diverged"):
        token_probabilities(np.array([0.0, np.nan]))
