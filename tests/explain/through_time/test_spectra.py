"""Spectral norms and radii: exact ones are those of NumPy, estimated ones near, odd matrices have answers."""

import numpy as np
import pytest

from deltarule.explain.through_time.spectra import (
    LARGEST_EXACT,
    estimated_radius,
    rescaled,
    spectral_norm,
    spectral_radius,
)


def radius_of(matrix):
    return np.abs(np.linalg.eigvals(matrix)).max()


@pytest.mark.parametrize("shape", [(1, 1), (7, 7), (5, 9), (9, 5)])
def test_norms_are_largest_singular_values(shape):
    matrix = np.random.default_rng(0).normal(size=shape)
    assert spectral_norm(matrix) == pytest.approx(np.linalg.norm(matrix, 2))
    assert spectral_norm(1e200 * matrix) == pytest.approx(1e200 * np.linalg.norm(matrix, 2))


@pytest.mark.parametrize("size", [1, 2, 20, 60])
def test_powers_know_the_radius(size):
    matrix = np.random.default_rng(size).normal(size=(size, size)) / np.sqrt(size)
    assert spectral_radius(matrix) == pytest.approx(radius_of(matrix))
    assert estimated_radius(lambda rows: rows @ matrix, size) == pytest.approx(radius_of(matrix), rel=0.03)


def test_the_radius_of_a_large_matrix_is_estimated():
    size = LARGEST_EXACT + 1
    matrix = 0.61 * np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))[0]
    assert spectral_radius(matrix) == pytest.approx(0.61)


@pytest.mark.parametrize("scale", [1.0, 1e-140, 1e140])
def test_sizes_do_not_matter(scale):
    matrix = scale * np.diag([3.0, 3.0, -0.5, 0.0])
    assert estimated_radius(lambda rows: rows @ matrix, 4) == pytest.approx(3 * scale)


def test_matrices_of_zeros_and_of_no_numbers():
    assert spectral_radius(np.zeros((3, 3))) == spectral_norm(np.zeros((3, 3))) == 0
    assert estimated_radius(lambda rows: 0 * rows, 40) == 0
    for odd in (np.nan, np.inf):
        matrix = np.full((400, 400), odd)
        assert spectral_norm(matrix) == pytest.approx(odd, nan_ok=True)
        assert spectral_radius(matrix) == pytest.approx(odd, nan_ok=True)
    assert np.isnan(estimated_radius(lambda rows: np.nan * rows, 40))


def test_a_product_keeps_its_size_apart():
    matrix, log = rescaled(np.array([[1e300, -2e300]]), 1.0)
    assert matrix.tolist() == [[0.5, -1.0]] and log == pytest.approx(1 + np.log(2e300))
    assert rescaled(np.zeros((1, 1)), 3.0)[1] == 3.0
