"""Losses as modules, for those who build them once and call them often; formulas stand at the operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Tensor
from deltarule.nn.module import Module
from deltarule.nn.sizes import choice
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


class _Loss(Module):
    """What the losses share: how their terms are reduced to one number."""

    reductions: tuple[str, ...] = ("mean", "sum", "none")

    def __init__(self, reduction: str = "mean"):
        self.reduction = choice(type(self).__name__, "reduction", reduction, self.reductions)

    def _keep_weight(self, name: str, weight: Any) -> None:
        """A buffer, so that it is saved with the module and converted by astype; or None."""
        if weight is None:
            setattr(self, name, None)
        else:
            values = weight.numpy() if isinstance(weight, Tensor) else np.asarray(weight, np.float32)
            self.register_buffer(name, values)

    def extra_repr(self) -> str:
        return "" if self.reduction == "mean" else f"reduction={self.reduction!r}"


class MSELoss(_Loss):
    """Mean squared error: (1/N) Σ (input − target)². See dr.mse_loss.

    >>> import deltarule as dr
    >>> dr.nn.MSELoss()(dr.tensor([1.0, 3.0]), dr.tensor([1.0, 1.0])).item()
    2.0
    """

    def forward(self, input: Any, target: Any) -> Tensor:
        return mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """Mean absolute error: (1/N) Σ |input − target|. See dr.l1_loss.

    >>> import deltarule as dr
    >>> dr.nn.L1Loss()(dr.tensor([1.0, 3.0]), dr.tensor([1.0, 1.0])).item()
    1.0
    """

    def forward(self, input: Any, target: Any) -> Tensor:
        return l1_loss(input, target, reduction=self.reduction)


class HuberLoss(_Loss):
    """Squared near the target, absolute beyond delta. See dr.huber_loss.

    >>> import deltarule as dr
    >>> dr.nn.HuberLoss(delta=1.0)(dr.tensor([1.0, 3.0]), dr.tensor([1.0, 1.0])).item()
    0.75
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction)
        self.delta = float(delta)

    def forward(self, input: Any, target: Any) -> Tensor:
        return huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SmoothL1Loss(_Loss):
    """Absolute error whose corner is rounded within beta. See dr.smooth_l1_loss.

    >>> import deltarule as dr
    >>> dr.nn.SmoothL1Loss()(dr.tensor([1.0, 3.0]), dr.tensor([1.0, 1.0])).item()
    0.75
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0):
        super().__init__(reduction)
        self.beta = float(beta)

    def forward(self, input: Any, target: Any) -> Tensor:
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class CrossEntropyLoss(_Loss):
    """Softmax and negative log-likelihood of logits against classes or probabilities. See dr.cross_entropy.

    weight            weight of each class, (classes,), or None
    ignore_index      class index whose rows count nothing
    label_smoothing   share of the target that is spread over all classes

    >>> import deltarule as dr
    >>> round(dr.nn.CrossEntropyLoss()(dr.zeros((2, 10)), dr.tensor([3, 7])).item(), 4)
    2.3026
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        super().__init__(reduction)
        self._keep_weight("weight", weight)
        self.ignore_index = int(ignore_index)
        self.label_smoothing = float(label_smoothing)

    def forward(self, input: Any, target: Any) -> Tensor:
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """Negative log-likelihood of log-probabilities against classes. See dr.nll_loss.

    weight         weight of each class, (classes,), or None
    ignore_index   class index whose rows count nothing

    >>> import deltarule as dr
    >>> dr.nn.NLLLoss()(dr.tensor([[-1.0, -2.0]]), dr.tensor([1])).item()
    2.0
    """

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__(reduction)
        self._keep_weight("weight", weight)
        self.ignore_index = int(ignore_index)

    def forward(self, input: Any, target: Any) -> Tensor:
        return nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(_Loss):
    """Cross-entropy of probabilities of yes against answers 1 or 0. See dr.binary_cross_entropy.

    weight   weight of each term, of a shape that spreads to the input's, or None

    >>> import deltarule as dr
    >>> round(dr.nn.BCELoss()(dr.tensor([0.5]), dr.tensor([1.0])).item(), 4)
    0.6931
    """

    def __init__(self, weight: Any = None, reduction: str = "mean"):
        super().__init__(reduction)
        self._keep_weight("weight", weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """The same from logits, without overflow. See dr.binary_cross_entropy_with_logits.

    weight       weight of each term, of a shape that spreads to the input's, or None
    pos_weight   weight of the answers yes, of a shape that spreads to the input's, or None

    >>> import deltarule as dr
    >>> round(dr.nn.BCEWithLogitsLoss()(dr.tensor([0.0]), dr.tensor([1.0])).item(), 4)
    0.6931
    """

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None):
        super().__init__(reduction)
        self._keep_weight("weight", weight)
        self._keep_weight("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of target probabilities from log-probabilities. See dr.kl_div.

    reduction    "batchmean" (the divergence as defined), or the others
    log_target   whether the target is given as log-probabilities

    >>> import deltarule as dr
    >>> p = dr.tensor([[0.5, 0.5]])
    >>> dr.nn.KLDivLoss("batchmean")(dr.log(p), p).item()
    0.0
    """

    reductions = ("mean", "batchmean", "sum", "none")

    def __init__(self, reduction: str = "mean", log_target: bool = False):
        super().__init__(reduction)
        self.log_target = bool(log_target)

    def forward(self, input: Any, target: Any) -> Tensor:
        return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class MultiMarginLoss(_Loss):
    """Multi-class hinge loss, that of support vector machines. See dr.multi_margin_loss.

    p        1 or 2: the power of each violation
    margin   by how much the right class should win
    weight   weight of each class, (classes,), or None

    >>> import deltarule as dr
    >>> dr.nn.MultiMarginLoss()(dr.tensor([[2.0, 0.0]]), dr.tensor([0])).item()
    0.0
    """

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"):
        super().__init__(reduction)
        self.p = p
        self.margin = float(margin)
        self._keep_weight("weight", weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)


class ContrastiveLoss(_Loss):
    """Pulls similar pairs together and pushes dissimilar ones apart up to a margin. See dr.contrastive_loss.

    margin   distance beyond which a dissimilar pair costs nothing

    >>> import deltarule as dr
    >>> dr.nn.ContrastiveLoss()(dr.tensor([[0.0]]), dr.tensor([[2.0]]), dr.tensor([1.0])).item()
    0.0
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.margin = float(margin)

    def forward(self, input1: Any, input2: Any, target: Any) -> Tensor:
        return contrastive_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)
