"""Losses at the edges: overflow, certainty, ties, equal vectors, a graph used twice; and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.operations.contrastive_loss import contrastive_loss
from deltarule.operations.cross_entropy import cross_entropy
from deltarule.operations.losses import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from deltarule.operations.multi_margin_loss import multi_margin_loss
from deltarule.operations.nll_loss import nll_loss
from deltarule.operations.probability_losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    kl_div,
)

LOGITS = np.random.default_rng(2).normal(0.0, 2.0, (6, 4))
LABELS = np.array([0, 3, 1, 1, 2, 0])


def _gradient(function: Any, *arrays: Any, **options: Any) -> tuple[Any, Any]:
    first = tensor(arrays[0], requires_grad=True)
    loss = function(first, *arrays[1:], **options)
    loss.backward()
    assert first.grad is not None
    return loss.item(), first.grad.numpy()


def test_gradient_of_cross_entropy_is_probability_minus_target() -> None:
    _, gradient = _gradient(cross_entropy, LOGITS, LABELS)
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    np.testing.assert_allclose(gradient, (probabilities - np.eye(4)[LABELS]) / 6, rtol=1e-12)
    np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_huge_logits(dtype) -> None:
    huge = np.array([[1e4, 0.0], [0.0, 1e4]], dtype=dtype)
    value, gradient = _gradient(cross_entropy, huge, [0, 0])
    assert value == 5000.0
    np.testing.assert_allclose(gradient, [[0, 0], [-0.5, 0.5]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_of_huge_logits(dtype) -> None:
    logits = np.array([1e4, -1e4, 1e4, -1e4], dtype=dtype)
    value, gradient = _gradient(binary_cross_entropy_with_logits, logits, [1, 0, 0, 1], reduction="sum")
    assert value == 2e4
    assert gradient.tolist() == [0.0, 0.0, 1.0, -1.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_of_certain_answers(dtype) -> None:
    value, gradient = _gradient(
        binary_cross_entropy, np.array([1.0, 0.0, 1.0, 0.0], dtype=dtype), [1, 0, 0, 1]
    )
    assert value == 50.0
    assert gradient[:2].tolist() == [0.0, 0.0]
    assert np.isfinite(gradient).all()
    assert gradient[2] > 0 > gradient[3]


def test_kl_div_is_zero_between_equals() -> None:
    target = np.array([[0.25, 0.75, 0.0]])
    logs = np.log([[0.25, 0.75, 1e-9]])
    assert kl_div(logs, target, reduction="batchmean").item() == pytest.approx(0.0, abs=1e-15)


def test_corners_and_ties_give_zero() -> None:
    assert _gradient(l1_loss, np.array([1.0, 2.0]), [1.0, 0.0])[1].tolist() == [0.0, 0.5]
    # An excess of exactly 0 is no violation.
    assert _gradient(multi_margin_loss, np.array([[1.0, 0.0]]), [0])[1].tolist() == [[0.0, 0.0]]


def test_equal_vectors_of_a_pair_have_no_gradient() -> None:
    same = np.ones((2, 3))
    value, gradient = _gradient(contrastive_loss, same, same, [0, 1], reduction="sum")
    assert value == 0.5
    assert (gradient == 0).all()


@pytest.mark.parametrize("function", [cross_entropy, multi_margin_loss])
def test_a_graph_may_be_used_twice(function) -> None:
    logits = tensor(LOGITS, requires_grad=True)
    loss = function(logits, LABELS)
    loss.backward(retain_graph=True)
    once = logits.grad.numpy().copy()
    loss.backward()
    np.testing.assert_array_equal(logits.grad.numpy(), 2 * once)


def test_what_a_loss_does_not_need_gets_no_gradient() -> None:
    input, target = tensor(LOGITS), tensor(LOGITS[::-1], requires_grad=True)
    mse_loss(input, target).backward()
    assert input.grad is None
    np.testing.assert_allclose(target.grad.numpy(), (LOGITS[::-1] - LOGITS) * 2 / LOGITS.size)


def test_targets_may_be_lists_and_integers() -> None:
    assert cross_entropy(LOGITS, LABELS.tolist()).item() == cross_entropy(LOGITS, LABELS).item()
    assert mse_loss(tensor([1.0, 2.0]), [0, 0]).dtype == np.float32
    assert (
        cross_entropy(LOGITS[:, :2], LABELS > 0).item()
        == cross_entropy(LOGITS[:, :2], 1 * (LABELS > 0)).item()
    )


def test_weights_do_not_change_the_type() -> None:
    logits = tensor(LOGITS, dtype=np.float32)
    assert cross_entropy(logits, LABELS, np.ones(4)).dtype == np.float32
    assert (
        binary_cross_entropy_with_logits(logits, 0.0, np.ones(4), pos_weight=np.ones(4)).dtype == np.float32
    )


def test_the_recorded_formula_is_the_plain_one_where_nothing_is_ignored() -> None:
    logits = tensor(LOGITS, requires_grad=True)
    assert cross_entropy(logits, LABELS).node.parameters["ignore_index"] is None
    assert cross_entropy(logits, LABELS, ignore_index=3).node.parameters["ignore_index"] == 3


PEERS: list[tuple[Any, str, tuple[Any, ...], dict[str, Any]]] = [
    (mse_loss, "mse_loss", (LOGITS, LOGITS[::-1].copy()), {}),
    (l1_loss, "l1_loss", (LOGITS, LOGITS[::-1].copy()), {}),
    (huber_loss, "huber_loss", (LOGITS, LOGITS[::-1].copy()), {"delta": 0.7}),
    (smooth_l1_loss, "smooth_l1_loss", (LOGITS, LOGITS[::-1].copy()), {"beta": 0.7}),
    (cross_entropy, "cross_entropy", (LOGITS, LABELS), {}),
    (
        cross_entropy,
        "cross_entropy",
        (LOGITS, LABELS, np.array([0.5, 1.0, 2.0, 0.1])),
        {"label_smoothing": 0.2, "ignore_index": 1},
    ),
    (
        cross_entropy,
        "cross_entropy",
        (LOGITS, np.full((6, 4), 0.25), np.array([0.5, 1.0, 2.0, 0.1])),
        {"label_smoothing": 0.2},
    ),
    (nll_loss, "nll_loss", (LOGITS, LABELS, np.array([0.5, 1.0, 2.0, 0.1])), {"ignore_index": 0}),
    (multi_margin_loss, "multi_margin_loss", (LOGITS, LABELS), {"p": 2, "margin": 0.5}),
    (kl_div, "kl_div", (LOGITS, np.full((6, 4), 0.25)), {"reduction": "batchmean"}),
    (binary_cross_entropy, "binary_cross_entropy", (1 / (1 + np.exp(-LOGITS)), np.eye(6, 4)), {}),
    (
        binary_cross_entropy_with_logits,
        "binary_cross_entropy_with_logits",
        (LOGITS, np.eye(6, 4)),
        {"pos_weight": np.array([1.0, 2.0, 3.0, 4.0])},
    ),
]


@pytest.mark.parametrize(("ours", "name", "arrays", "options"), PEERS)
def test_losses_follow_pytorch(ours, name, arrays, options) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    value, gradient = _gradient(ours, *arrays, **options)
    peers = [torch.tensor(array) for array in arrays]
    peers[0].requires_grad_()
    others = {
        key: torch.tensor(each) if isinstance(each, np.ndarray) else each for key, each in options.items()
    }
    loss = getattr(torch.nn.functional, name)(*peers, **others)
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-10)
    np.testing.assert_allclose(gradient, peers[0].grad.numpy(), rtol=1e-9, atol=1e-12)


def test_a_loss_is_a_tensor_of_no_axes() -> None:
    loss = mse_loss([1.0, 2.0], 0.0)
    assert isinstance(loss, Tensor)
    assert loss.shape == ()
