"""Where the gradient of a maximum goes when elements tie, or when nothing is larger than the padding."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.autodiff.backward import gradients
from deltarule.autodiff.conversion import tensor
from deltarule.operations.pooling import max_pool2d


@pytest.mark.parametrize("create_graph", [False, True])
def test_first_of_equal_elements_gets_the_gradient(create_graph: bool) -> None:
    x = tensor(np.zeros((1, 1, 2, 4)), requires_grad=True)
    (found,) = gradients([max_pool2d(x, 2)], [x], [np.array([[[[3.0, 5.0]]]])], create_graph=create_graph)
    assert found is not None
    assert found.tolist() == [[[[3.0, 0.0, 5.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]]


@pytest.mark.parametrize("create_graph", [False, True])
def test_overlapping_windows_add_up(create_graph: bool) -> None:
    x = tensor([[[[0.0, 9.0, 0.0]]]], requires_grad=True)
    y = max_pool2d(x, (1, 2), stride=1)
    (found,) = gradients([y], [x], [np.ones((1, 1, 1, 2), np.float32)], create_graph=create_graph)
    assert found is not None
    assert found.tolist() == [[[[0.0, 2.0, 0.0]]]]


@pytest.mark.parametrize("create_graph", [False, True])
def test_padding_never_gets_a_gradient(create_graph: bool) -> None:
    x = tensor(np.full((1, 1, 2, 2), -np.inf), requires_grad=True)
    y = max_pool2d(x, 3, padding=1, stride=1)
    (found,) = gradients([y], [x], [np.ones((1, 1, 2, 2))], create_graph=create_graph)
    assert found is not None
    assert found.tolist() == [[[[4.0, 0.0], [0.0, 0.0]]]]


def test_nan_is_handed_on() -> None:
    assert np.isnan(max_pool2d([[[[1.0, np.nan], [3.0, 2.0]]]], 2).item())


def test_integers_are_pooled_as_floats() -> None:
    pooled = max_pool2d(np.array([[[[1, 2], [4, 3]]]]), 2)
    assert (pooled.item(), str(pooled.dtype)) == (4.0, "float32")
