"""Losses as modules: each passes its options on to its operation."""

import numpy as np
import pytest

from deltarule import nn
from deltarule.autodiff.conversion import tensor
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

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(6, 4)), RANDOM.normal(size=(6, 4))
P = RANDOM.uniform(0.1, 0.9, (6, 4))
YES = (RANDOM.random((6, 4)) < 0.5).astype(float)
CLASSES = np.array([0, 3, 1, 1, 2, 0])
WEIGHT = np.array([1.0, 2.0, 0.5, 3.0])
LOGS = np.log(P / P.sum(1, keepdims=True))

CASES = [
    (nn.MSELoss, {}, mse_loss, (X, Y)),
    (nn.L1Loss, {}, l1_loss, (X, Y)),
    (nn.HuberLoss, {"delta": 0.5}, huber_loss, (X, Y)),
    (nn.SmoothL1Loss, {"beta": 0.5}, smooth_l1_loss, (X, Y)),
    (nn.CrossEntropyLoss, {}, cross_entropy, (X, CLASSES)),
    (
        nn.CrossEntropyLoss,
        {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.1},
        cross_entropy,
        (X, CLASSES),
    ),
    (nn.NLLLoss, {"weight": WEIGHT, "ignore_index": 1}, nll_loss, (LOGS, CLASSES)),
    (nn.BCELoss, {"weight": WEIGHT}, binary_cross_entropy, (P, YES)),
    (
        nn.BCEWithLogitsLoss,
        {"weight": WEIGHT, "pos_weight": WEIGHT},
        binary_cross_entropy_with_logits,
        (X, YES),
    ),
    (nn.KLDivLoss, {"log_target": False}, kl_div, (LOGS, P)),
    (nn.MultiMarginLoss, {"p": 2, "margin": 0.7, "weight": WEIGHT}, multi_margin_loss, (X, CLASSES)),
    (nn.ContrastiveLoss, {"margin": 3.0}, contrastive_loss, (X, Y, YES[:, 0])),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("kind", "options", "operation", "arrays"), CASES)
def test_options_reach_the_operation(kind, options, operation, arrays, reduction):
    inputs = [tensor(array) for array in arrays]
    module = kind(reduction=reduction, **options).astype(np.float64)
    expected = operation(*inputs, reduction=reduction, **options)
    np.testing.assert_allclose(module(*inputs).numpy(), expected.numpy(), rtol=1e-12)
    if options:
        assert (module(*inputs).numpy() != operation(*inputs, reduction=reduction).numpy()).any() or (
            options == {"log_target": False}
        )


def test_batchmean_and_log_target():
    inputs = tensor(LOGS), tensor(np.log(P))
    expected = (P * (np.log(P) - LOGS)).sum() / len(P)
    assert nn.KLDivLoss("batchmean", log_target=True)(*inputs).item() == pytest.approx(expected)


def test_weights_are_saved_with_the_module():
    module = nn.CrossEntropyLoss(weight=tensor([1.0, 2.0]))
    assert module.state_dict()["weight"].tolist() == [1.0, 2.0]
    assert list(module.parameters()) == []
    assert nn.CrossEntropyLoss().state_dict() == {}
