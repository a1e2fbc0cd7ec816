"""Spectral norm and spectral radius: of a matrix, and of one that is known by what it does to vectors.

Source: Gelfand, "Normierte Ringe", 1941, for the limit that a radius is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deltarule.autodiff.tensor import Array

# Rows of a matrix up to which all of its eigenvalues are computed.
LARGEST_EXACT = 300
# Powers of a matrix from whose growth on so many vectors its radius is read.
_POWERS, _VECTORS = 60, 4


def spectral_norm(matrix: Array) -> float:
    """The largest singular value, by way of the smaller Gram matrix; inf or nan where it is not finite."""
    largest = float(np.max(np.abs(matrix), initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    scaled = matrix / largest
    gram = scaled @ scaled.T if scaled.shape[0] <= scaled.shape[1] else scaled.T @ scaled
    on_diagonal = np.diagonal(gram)
    if np.count_nonzero(gram) == np.count_nonzero(on_diagonal):
        # Gates act on each unit alone: no eigenvalues have to be found.
        return largest * float(np.sqrt(on_diagonal.max()))
    return largest * float(np.sqrt(np.linalg.eigvalsh(gram)[-1]))


def spectral_radius(matrix: Array) -> float:
    """The largest absolute value of an eigenvalue; inf or nan where the matrix is not finite.

    Of a matrix of more than LARGEST_EXACT rows it is estimated, as by `estimated_radius`.

    >>> spectral_radius(np.array([[0.0, 2.0], [-2.0, 0.0]]))
    2.0
    """
    if not np.isfinite(matrix).all():
        return float(np.max(np.abs(matrix)))
    if len(matrix) > LARGEST_EXACT:
        return estimated_radius(lambda rows: rows @ matrix, len(matrix))
    return float(np.max(np.abs(np.linalg.eigvals(matrix)), initial=0.0))


def estimated_radius(pull: Callable[[Array], Array], size: int) -> float:
    """The spectral radius of a matrix of so many rows, from products rows · matrix.

    ρ = lim ‖v Aᵏ‖^(1/k), usually within two percent; more only where a matrix is far from normal. nan where
    products are no numbers.
    """
    rows = np.random.default_rng(0).standard_normal((_VECTORS, size))
    logs = []
    for _ in range(_POWERS):
        rows = pull(rows)
        length = float(np.linalg.norm(rows))
        if not 0 < length < np.inf:
            return length
        rows = rows / length
        logs.append(np.log(length))
    # The first half only turns the vectors towards those that grow most.
    return float(np.exp(np.mean(logs[_POWERS // 2 :])))


def log_of(norm: float) -> float:
    """The natural logarithm: -inf of 0, nan of nan."""
    with np.errstate(divide="ignore"):
        return float(np.log(norm))


def rescaled(matrix: Array, log: float) -> tuple[Array, float]:
    """(matrix / its largest element, log + the logarithm of that): what a long product keeps in range by."""
    largest = float(np.max(np.abs(matrix), initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return matrix, log
    return matrix / largest, log + float(np.log(largest))
