"""What a task means for training: its loss, and its metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations.creation import astype
from deltarule.operations.cross_entropy import cross_entropy
from deltarule.operations.losses import mse_loss
from deltarule.operations.probability_losses import binary_cross_entropy_with_logits
from deltarule.operations.shape import reshape
from deltarule.training.running_metrics import (
    ClassificationMetrics,
    LanguageMetrics,
    Metrics,
    RegressionMetrics,
)


@dataclass(frozen=True)
class Task:
    """A kind of problem.

    name      "classification", "regression" or "text", as data sets call their kind
    loss      loss(output, targets) -> mean over the batch
    metrics   makes an empty record of its metrics

    >>> import deltarule as dr
    >>> task = dr.training.task_for("regression")
    >>> task.loss(dr.tensor([[1.0], [4.0]]), dr.tensor([1.0, 2.0])).item()
    2.0
    """

    name: str
    loss: Callable[[Tensor, Tensor], Tensor]
    metrics: Callable[[], Metrics]


def classification_loss(output: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy in nats: −(1/n) Σ_i log softmax(output_i)[t_i].

    output    logits (n, classes); or (n,) or (n, 1), the logit of class 1 of two
    targets   class indices (n,), or probabilities of the output's shape
    """
    if output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1):
        if targets.size != output.size:
            raise ShapeError(
                "classification",
                f"expected a target for each output, got targets {targets.shape}, output {output.shape}",
                "One logit per row tells two classes apart; use an output per class for more.",
            )
        wanted = astype(reshape(targets, (-1,)), output.dtype)
        return binary_cross_entropy_with_logits(reshape(output, (-1,)), wanted)
    return cross_entropy(output, targets)


def regression_loss(output: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error: (1/N) Σ (output − target)².

    output    numbers (n, outputs) or (n,)
    targets   the same shape; (n,) stands for (n, 1) where there is one output
    """
    if targets.ndim == 1 and output.shape == (*targets.shape, 1):
        targets = reshape(targets, (-1, 1))
    return mse_loss(output, targets)


def language_loss(output: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the next token in nats, the mean over all tokens of the batch.

    output    logits (batch, time, tokens)
    targets   next tokens (batch, time)
    """
    if output.shape[:-1] != targets.shape:
        raise ShapeError(
            "text",
            f"expected logits of shape {(*targets.shape, 'tokens')}, got {output.shape}",
            "The model has to give logits for each token of its input.",
        )
    return cross_entropy(reshape(output, (-1, output.shape[-1])), reshape(targets, (-1,)))


TASKS: dict[str, Task] = {
    each.name: each
    for each in (
        Task("classification", classification_loss, ClassificationMetrics),
        Task("regression", regression_loss, RegressionMetrics),
        Task("text", language_loss, LanguageMetrics),
    )
}


def task_for(name: str) -> Task:
    """The task of that name. Raises ArgumentError for a name that is none.

    >>> import deltarule as dr
    >>> dr.training.task_for("text").metrics
    <class 'deltarule.training.running_metrics.LanguageMetrics'>
    """
    if name not in TASKS:
        raise ArgumentError(
            "Trainer",
            f"task expects {', '.join(map(repr, TASKS))}, got {name!r}",
            "Choose one of them, or pass a loss and metrics of your own.",
        )
    return TASKS[name]
