"""Norms of gradients per sample, and their products with the batch gradient, without holding them all.

The part of a sample of a linear layer is Σ_t δ[t] x[t]ᵀ, whose squared norm is Σ_{t, s} (δ[t]·δ[s])
(x[t]·x[s]): two Gram matrices of a few rows in place of a matrix of all weights. Where that does not hold,
parts are made for some samples at a time.
Source: Goodfellow 2015, "Efficient per-example gradient computations"; Rochette, Manoel & Tramel 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.per_sample.contributions import Contribution
from deltarule.kernels.linear_algebra import matmul
from deltarule.kernels.threads import limited_threads

# Bytes of the parts that are made at a time.
CHUNK = 64 * 2**20


def squared_norms_and_products(
    contributions: Sequence[Contribution], gradient: Array, samples: int, whole: Array | None = None
) -> tuple[Array, Array]:
    """(‖part‖² of each sample, part · gradient of each sample), in float64.

    whole   the parts of all samples, where they are there already
    """
    squares, products = np.zeros(samples), np.zeros(samples)
    alone = contributions[0] if len(contributions) == 1 else None
    # With the parts at hand, only a single product of two vectors is quicker than going over them.
    most = 1 if whole is not None else samples * gradient.size
    for start, stop in chunks(samples, gradient.size * gradient.itemsize):
        outer = None if alone is None else alone.outer(start, stop, most)
        if outer is not None:
            squares[start:stop], products[start:stop] = _of_outer(*outer, gradient)
            continue
        parts = total_parts(contributions, start, stop) if whole is None else whole[start:stop]
        rows = parts.reshape(stop - start, -1)
        # A second thread of NumPy's library gains little here, and waits long where cores are busy.
        with limited_threads(1):
            squares[start:stop] = [np.dot(row, row) for row in rows]
            products[start:stop] = rows @ gradient.reshape(-1)
    return squares, products


def total_parts(contributions: Sequence[Contribution], start: int, stop: int) -> Array:
    """The parts of some samples, over all uses of a parameter."""
    total = contributions[0].parts(start, stop)
    for number, each in enumerate(contributions[1:]):
        if number:
            total += each.parts(start, stop)
        else:
            total = total + each.parts(start, stop)
    return total


def chunks(samples: int, bytes_each: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of runs of samples whose parts fit into the memory for them."""
    count = max(1, CHUNK // max(bytes_each, 1))
    for start in range(0, samples, count):
        yield start, min(start + count, samples)


def _of_outer(left: Array, right: Array, order: Sequence[int], gradient: Array) -> tuple[Array, Array]:
    """The same of parts that are Σ_t left[t] ⊗ right[t]."""
    whole = gradient.transpose(order).reshape(left.shape[2], right.shape[2])
    products = np.einsum("nta,nta->n", left, matmul(right, whole.T), dtype=np.float64)
    if left.shape[1] == 1:
        squares = np.einsum("nta,nta->n", left, left) * np.einsum("ntb,ntb->n", right, right)
        return squares.astype(np.float64), products
    grams = matmul(left, left.transpose(0, 2, 1)) * matmul(right, right.transpose(0, 2, 1))
    return np.maximum(grams.sum(axis=(1, 2), dtype=np.float64), 0.0), products
