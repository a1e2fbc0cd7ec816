"""Choosing the next token from a language model's logits. Arrays in, a number out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import ArgumentError, NonFiniteError

Array = NDArray[Any]


def token_probabilities(
    logits: Array, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Array:
    """The probabilities with which the next token is drawn.

    p[i] = e^(logits[i] / temperature) / Σ_j e^(logits[j] / temperature)     over the tokens that are kept

    logits        (tokens,), finite
    temperature   above 1 flattens, below 1 sharpens; 0 takes the most probable token (the first of equals)
    top_k         keep the k most probable tokens, at least 1
    top_p         of those keep the fewest most probable ones whose probabilities add up to top_p, in (0, 1]
    returns       (tokens,) float64, zero where a token is left out

    Raises ArgumentError for options out of range, NonFiniteError for logits that are not finite.
    Source: temperature: Ackley, Hinton & Sejnowski 1985; top-k: Fan, Lewis & Dauphin 2018;
    top-p: Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, section 3.1.

    >>> token_probabilities(np.log([0.5, 0.3, 0.2]), top_k=2).round(3).tolist()
    [0.625, 0.375, 0.0]
    >>> token_probabilities(np.log([0.5, 0.3, 0.2]), top_p=0.4).tolist()
    [1.0, 0.0, 0.0]
    """
    check_sampling(temperature, top_k, top_p)
    logits = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(logits).all():
        raise NonFiniteError(
            "generate",
            "the model's logits are not finite",
            "Its training diverged: train again with a lower learning rate, or with gradient clipping.",
        )
    # Stable, so that of equally probable tokens the first one is kept on every machine.
    order = np.argsort(-logits, kind="stable")
    kept = order if top_k is None else order[:top_k]
    if temperature == 0:
        kept = order[:1]
        weights = np.ones(1)
    else:
        weights = np.exp((logits[kept] - logits[kept[0]]) / temperature)
        weights /= weights.sum()
    if top_p is not None:
        # Rounding must not demand one token more: 0.7 + 0.2 is a little below 0.9.
        count = int(np.searchsorted(np.cumsum(weights), top_p - 1e-12)) + 1
        kept, weights = kept[:count], weights[:count] / weights[:count].sum()
    probabilities = np.zeros(len(logits))
    probabilities[kept] = weights
    return probabilities


def check_sampling(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Raise ArgumentError for sampling options out of range."""
    if not 0 <= temperature < np.inf:
        raise ArgumentError(
            "generate", f"--temperature expects a number of 0 or more, got {temperature}", "Try 0.8."
        )
    if top_k is not None and top_k < 1:
        raise ArgumentError("generate", f"--top-k expects 1 or more, got {top_k}", "Try 10.")
    if top_p is not None and not 0 < top_p <= 1:
        raise ArgumentError("generate", f"--top-p expects a number in (0, 1], got {top_p}", "Try 0.9.")


def draw(probabilities: Array, random: np.random.Generator) -> int:
    """One index, drawn with these probabilities.

    >>> draw(np.array([0.0, 1.0]), np.random.default_rng(0))
    1
    """
    cumulative = np.cumsum(probabilities)
    place = int(np.searchsorted(cumulative, random.random() * cumulative[-1], side="right"))
    # A draw that rounding pushed past the end belongs to the last token that is possible at all.
    return min(place, int(np.flatnonzero(probabilities)[-1]))
