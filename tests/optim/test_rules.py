"""Every update rule over 20 steps, against its formula in NumPy and against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from tests.optim import reference_rules

STEPS = 20
RULES: list[tuple[type[Optimizer], Callable[..., list[Any]], dict[str, Any]]] = [
    (SGD, reference_rules.sgd, {}),
    (SGD, reference_rules.sgd, {"lr": 0.1}),
    (SGD, reference_rules.sgd, {"lr": 0.1, "weight_decay": 0.05}),
    (SGD, reference_rules.sgd, {"lr": 0.1, "momentum": 0.9}),
    (SGD, reference_rules.sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    (SGD, reference_rules.sgd, {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05}),
    (Adagrad, reference_rules.adagrad, {}),
    (
        Adagrad,
        reference_rules.adagrad,
        {"lr": 0.3, "lr_decay": 0.1, "weight_decay": 0.05, "initial_accumulator_value": 0.2, "eps": 1e-3},
    ),
    (RMSprop, reference_rules.rmsprop, {}),
    (RMSprop, reference_rules.rmsprop, {"lr": 0.05, "alpha": 0.9, "weight_decay": 0.05, "eps": 1e-3}),
    (RMSprop, reference_rules.rmsprop, {"momentum": 0.7}),
    (RMSprop, reference_rules.rmsprop, {"centered": True, "alpha": 0.8}),
    (RMSprop, reference_rules.rmsprop, {"centered": True, "momentum": 0.6, "weight_decay": 0.1}),
    (Adam, reference_rules.adam, {}),
    (Adam, reference_rules.adam, {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    (Adam, reference_rules.adam, {"lr": 0.05, "betas": (0.8, 0.9), "amsgrad": True}),
    (AdamW, reference_rules.adamw, {}),
    (AdamW, reference_rules.adamw, {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.3}),
    (AdamW, reference_rules.adamw, {"lr": 0.05, "amsgrad": True, "weight_decay": 0.0}),
]
each_rule = pytest.mark.parametrize(
    ("rule", "reference", "options"), RULES, ids=[f"{r.__name__}-{'-'.join(o)}" for r, _, o in RULES]
)


def _gradients(shape: tuple[int, ...]) -> list[np.ndarray]:
    generator = np.random.default_rng(5)
    # Falling magnitudes, so that AMSGrad's maximum differs from the mean square itself.
    return [generator.normal(0.3, 1.0, shape) * (2.0 if step < 5 else 0.5) for step in range(STEPS)]


def _steps(optimizer: Optimizer, parameter: Tensor, gradients: list[np.ndarray]) -> list[np.ndarray]:
    history = []
    for gradient in gradients:
        parameter.grad = tensor(gradient, dtype=parameter.dtype)
        optimizer.step()
        history.append(parameter.numpy().copy())
    return history


@each_rule
@pytest.mark.parametrize("shape", [(3, 2), ()])
def test_rule_follows_its_formula(rule, reference, options, shape) -> None:
    start = np.random.default_rng(6).normal(0.0, 1.0, shape)
    parameter = tensor(start, requires_grad=True)
    gradients = _gradients(shape)
    found = _steps(rule([parameter], **options), parameter, gradients)
    for step, (value, expected) in enumerate(zip(found, reference(start, gradients, **options), strict=True)):
        np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-12, err_msg=f"step {step}")


@each_rule
def test_float32_stays_float32(rule, reference, options) -> None:
    start = np.random.default_rng(6).normal(0.0, 1.0, (3, 2))
    parameter = tensor(start, dtype=np.float32, requires_grad=True)
    optimizer = rule([parameter], **options)
    gradients = _gradients((3, 2))
    found = _steps(optimizer, parameter, gradients)
    np.testing.assert_allclose(found[-1], reference(start, gradients, **options)[-1], rtol=1e-4, atol=1e-5)
    assert parameter.dtype == np.float32
    arrays = [value for value in optimizer.state[parameter].values() if isinstance(value, np.ndarray)]
    assert all(array.dtype == np.float32 for array in arrays)


@each_rule
def test_gradient_is_only_read(rule, reference, options) -> None:
    parameter = tensor(np.ones(3), requires_grad=True)
    parameter.grad = tensor(np.array([1.0, -2.0, 3.0]))
    optimizer = rule([parameter], **options)
    for _ in range(3):
        optimizer.step()
    assert parameter.grad.tolist() == [1.0, -2.0, 3.0]


@each_rule
def test_rule_follows_pytorch(rule, reference, options) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    start = np.random.default_rng(6).normal(0.0, 1.0, (3, 2))
    gradients = _gradients((3, 2))
    parameter = tensor(start, requires_grad=True)
    found = _steps(rule([parameter], **options), parameter, gradients)
    peer = torch.tensor(start, requires_grad=True)
    optimizer = getattr(torch.optim, rule.__name__)([peer], **options)
    for value, gradient in zip(found, gradients, strict=True):
        peer.grad = torch.tensor(gradient)
        optimizer.step()
        np.testing.assert_allclose(value, peer.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_centred_variance_below_zero_gives_no_nan() -> None:
    parameter = tensor(np.full(4, 1.0), dtype=np.float32, requires_grad=True)
    optimizer = RMSprop([parameter], centered=True, alpha=0.5)
    for _ in range(60):
        parameter.grad = tensor(np.full(4, 0.1, dtype=np.float32))
        optimizer.step()
    assert np.isfinite(parameter.numpy()).all()
