"""Clipping of gradients by value and by their joint norm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, DTypeError, NonFiniteError
from deltarule.optim import clip_grad_norm_, clip_grad_value_


def _parameter(gradient: Any, dtype: Any = np.float64) -> Tensor:
    parameter = tensor(np.zeros(np.shape(gradient)), dtype=dtype, requires_grad=True)
    parameter.grad = tensor(np.asarray(gradient, dtype=dtype))
    return parameter


def test_clip_by_value() -> None:
    first, second, none = _parameter([[3.0, -4.0, 0.5]]), _parameter(-9.0), tensor([1.0], requires_grad=True)
    clip_grad_value_([first, second, none], 2.0)
    assert first.grad.tolist() == [[2.0, -2.0, 0.5]]
    assert second.grad.item() == -2.0
    assert none.grad is None
    clip_grad_value_(first, 1)
    assert first.grad.tolist() == [[1.0, -1.0, 0.5]]


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, math.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_clip_by_norm(order, dtype) -> None:
    gradients = [np.array([[3.0, -4.0], [1.0, 0.0]]), np.array([2.0, -5.0]), np.array(1.5), np.zeros((0, 3))]
    parameters = [_parameter(gradient, dtype) for gradient in gradients]
    flat = np.concatenate([np.ravel(gradient) for gradient in gradients])
    expected = np.linalg.norm(flat, order)
    total = clip_grad_norm_(iter(parameters), 2.0, norm_type=order)
    assert type(total) is float
    assert total == pytest.approx(expected, rel=1e-6)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        assert parameter.grad.dtype == dtype
        np.testing.assert_allclose(parameter.grad.numpy(), gradient * (2.0 / (expected + 1e-6)), rtol=1e-6)
    assert clip_grad_norm_(parameters, 2.0, norm_type=order) == pytest.approx(2.0, rel=1e-5)


def test_small_gradients_are_left_as_they_are() -> None:
    parameter = _parameter([0.3, 0.4])
    before = parameter.grad
    assert clip_grad_norm_(parameter, 1.0) == pytest.approx(0.5)
    assert parameter.grad is before


def test_a_shared_gradient_is_not_scaled_twice() -> None:
    first, second = _parameter([3.0]), _parameter([4.0])
    shared = tensor([3.0])
    first.grad = second.grad = shared
    clip_grad_norm_([first, second], 1.0)
    clip_grad_value_([first, second], 0.5)
    assert shared.tolist() == [3.0]


def test_no_gradient_has_norm_zero() -> None:
    assert clip_grad_norm_([], 1.0) == 0.0
    assert clip_grad_norm_([tensor([1.0], requires_grad=True)], 1.0) == 0.0
    assert clip_grad_norm_([_parameter([0.0, 0.0])], 1.0) == 0.0


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_float32_norm_neither_overflows_nor_vanishes(scale) -> None:
    parameter = _parameter(np.array([3.0, 4.0]) * scale, np.float32)
    assert clip_grad_norm_([parameter], 1.0) == pytest.approx(5.0 * scale, rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("order", [2.0, 1.0, math.inf])
def test_a_norm_that_is_not_finite(bad, order) -> None:
    fine, wrong = _parameter([3.0]), _parameter([[1.0, bad]])
    wrong.name = "encoder.weight"
    total = clip_grad_norm_([fine, wrong], 1.0, norm_type=order)
    assert not math.isfinite(total)
    assert fine.grad.tolist() == [3.0]
    with pytest.raises(
        NonFiniteError, match=r"the norm of the gradients is (nan|inf), first for parameter 'encoder.weight'"
    ):
        clip_grad_norm_([fine, wrong], 1.0, norm_type=order, error_if_nonfinite=True)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda: clip_grad_value_([], 0.0),
            ArgumentError,
            "clip_grad_value_: clip_value expected a number above 0",
        ),
        (
            lambda: clip_grad_norm_([], -1.0),
            ArgumentError,
            "clip_grad_norm_: max_norm expected a number above 0",
        ),
        (
            lambda: clip_grad_norm_([], 1.0, 0.0),
            ArgumentError,
            "clip_grad_norm_: norm_type expected a number above 0",
        ),
        (
            lambda: clip_grad_norm_([np.ones(2)], 1.0),
            DTypeError,
            "clip_grad_norm_: expected tensors, got ndarray",
        ),
        (
            lambda: clip_grad_value_([("w", 1)], 1.0),
            DTypeError,
            "clip_grad_value_: expected tensors, got tuple",
        ),
    ],
)
def test_bad_arguments_are_answered_clearly(call, error, says) -> None:
    with pytest.raises(error, match=says):
        call()


def test_clipping_follows_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    gradient = np.random.default_rng(1).normal(0.0, 3.0, (4, 3))
    parameter, peer = _parameter(gradient), torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    peer.grad = torch.tensor(gradient)
    ours = clip_grad_norm_([parameter], 2.0)
    assert ours == pytest.approx(float(torch.nn.utils.clip_grad_norm_([peer], 2.0)))
    np.testing.assert_allclose(parameter.grad.numpy(), peer.grad.numpy(), rtol=1e-12)
