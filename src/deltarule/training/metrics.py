"""How good predictions are: metrics of classification, regression and language models on plain arrays.

Arguments come in scikit-learn's order, targets first, and the formulas are scikit-learn's. Over many
batches, `running_metrics.py` adds up what these need.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import ArgumentError, DTypeError, OutOfBoundsError, ShapeError

Array = NDArray[Any]

# Names whose larger values are better; of all others smaller ones are.
HIGHER_IS_BETTER = ("accuracy", "f1", "r2", "top_")


def higher_is_better(name: str) -> bool:
    """Whether a metric, `validation_accuracy` say, is to rise rather than to fall.

    >>> higher_is_better("validation_accuracy"), higher_is_better("validation_loss")
    (True, False)
    """
    bare = name.removeprefix("train_").removeprefix("validation_").removeprefix("test_")
    return bare.startswith(HIGHER_IS_BETTER)


# ---- classification


def accuracy(targets: Any, predictions: Any) -> float:
    """Share of the predictions that are right: (1/n) Σ_i [t_i = p_i], in [0, 1].

    targets, predictions   class indices (n,)

    Raises ShapeError for other or different shapes, or no rows; DTypeError for numbers with a fraction.

    >>> accuracy([0, 1, 2, 2], [0, 1, 2, 1])
    0.75
    """
    targets, predictions = _labels("accuracy", targets, predictions)
    return float(np.mean(targets == predictions))


def top_k_accuracy(targets: Any, scores: Any, k: int = 5) -> float:
    """Share of the rows whose class is among the k with the highest scores, in [0, 1].

    targets   class indices (n,)
    scores    logits or probabilities (n, classes)

    Ties count against the target only as far as they come before it, by index. Raises ArgumentError for a k
    outside [1, classes], ShapeError, DTypeError and OutOfBoundsError for targets that do not fit.

    >>> top_k_accuracy([0, 2], [[0.3, 0.5, 0.2], [0.5, 0.3, 0.2]], k=2)
    0.5
    """
    targets = _integers("top_k_accuracy", np.asarray(targets))
    return float(np.mean(_in_top_k(targets, np.asarray(scores), k)))


def confusion_matrix(targets: Any, predictions: Any, classes: int | None = None) -> Array:
    """How often each class was taken for each: matrix[i, j] = Σ_n [t_n = i][p_n = j].

    targets, predictions   class indices (n,)
    classes                number of classes; the highest index + 1 if left out
    returns                (classes, classes) int64, a row per true class, a column per predicted one

    >>> confusion_matrix([0, 0, 1], [0, 1, 1]).tolist()
    [[1, 1], [0, 1]]
    """
    targets, predictions = _labels("confusion_matrix", targets, predictions)
    found = int(max(targets.max(), predictions.max())) + 1
    classes = found if classes is None else classes
    lowest = int(min(targets.min(), predictions.min()))
    if found > classes or lowest < 0:
        raise OutOfBoundsError(
            "confusion_matrix",
            f"expected classes 0 to {classes - 1}, got {found - 1 if found > classes else lowest}",
            "Give the number of classes, or check the targets.",
        )
    return np.bincount(targets * classes + predictions, minlength=classes * classes).reshape(classes, classes)


def f1(targets: Any, predictions: Any, average: str = "macro", positive: int = 1) -> float:
    """F1, the harmonic mean of precision and recall: 2·TP / (2·TP + FP + FN), in [0, 1].

    targets, predictions   class indices (n,)
    average    "macro": mean over the classes that appear in either; "micro": from the summed counts (here
               the accuracy); "binary": of the class `positive` alone
    positive   class whose F1 is asked for with "binary"

    A class that is neither there nor predicted has F1 = 0. Source: van Rijsbergen 1979, Information
    Retrieval, ch. 7.

    >>> round(f1([0, 1, 1, 1], [0, 0, 1, 1]), 4), f1([0, 1, 1, 1], [0, 0, 1, 1], average="binary")
    (0.7333, 0.8)
    """
    matrix = confusion_matrix(targets, predictions)
    return f1_from_counts(np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1), average, positive)


def f1_from_counts(
    hits: Array, predicted: Array, actual: Array, average: str = "macro", positive: int = 1
) -> float:
    """F1 from counts per class: hits (TP), predicted (TP + FP) and actual (TP + FN), each (classes,)."""
    total = predicted + actual
    if average == "binary":
        if not 0 <= positive < len(hits):
            return 0.0
        return float(2 * hits[positive] / total[positive]) if total[positive] else 0.0
    if average == "micro":
        return float(2 * hits.sum() / total.sum())
    if average != "macro":
        raise ArgumentError(
            "f1", f"average expects 'macro', 'micro' or 'binary', got {average!r}", "Choose one of them."
        )
    there = total > 0
    return float(np.mean(2 * hits[there] / total[there]))


# ---- regression


def mse(targets: Any, predictions: Any) -> float:
    """Mean squared error: (1/n) Σ_i (t_i − p_i)², over all elements.

    >>> mse([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    targets, predictions = _numbers("mse", targets, predictions)
    return float(np.mean((targets - predictions) ** 2))


def rmse(targets: Any, predictions: Any) -> float:
    """Root of the mean squared error over all elements, in the unit of the targets.

    >>> rmse([0.0, 0.0], [3.0, 3.0])
    3.0
    """
    targets, predictions = _numbers("rmse", targets, predictions)
    return math.sqrt(np.mean((targets - predictions) ** 2))


def mae(targets: Any, predictions: Any) -> float:
    """Mean absolute error: (1/n) Σ_i |t_i − p_i|, over all elements.

    >>> mae([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    targets, predictions = _numbers("mae", targets, predictions)
    return float(np.mean(np.abs(targets - predictions)))


def r2(targets: Any, predictions: Any) -> float:
    """Coefficient of determination: 1 − Σ(t − p)² / Σ(t − mean t)², at most 1; the mean over the outputs.

    targets, predictions   numbers (n,) or (n, outputs)

    Constant targets give 1 if predicted exactly, else 0; a single row gives NaN.

    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
    0.5
    """
    targets, predictions = _numbers("r2", targets, predictions)
    spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    return r2_from_sums(len(targets), ((targets - predictions) ** 2).sum(axis=0), spread)


def r2_from_sums(rows: int, errors: Array, spread: Array) -> float:
    """R² from the sums of squared errors and of squared deviations of the targets, per output."""
    if rows < 2:
        return math.nan
    errors, spread = np.atleast_1d(errors), np.atleast_1d(spread)
    constant = spread == 0
    ratio = errors / np.where(constant, 1.0, spread)
    return float(np.mean(np.where(constant, (errors == 0).astype(float), 1.0 - ratio)))


# ---- language


def perplexity(loss: float) -> float:
    """e^loss of a mean loss in nats per token: among how many equally likely ones the model is choosing.

    >>> perplexity(0.0)
    1.0
    """
    return math.exp(loss) if loss < 700.0 else math.inf


# ---- what they are given


def _in_top_k(targets: Array, scores: Array, k: int) -> Array:
    """For each row, whether its class is among the k best: (n,) bool."""
    if scores.ndim != 2 or targets.shape != scores.shape[:1] or not len(targets):
        raise ShapeError(
            "top_k_accuracy",
            f"expected targets (n,) and scores (n, classes), got {targets.shape} and {scores.shape}",
            "Each row needs a score for each class.",
        )
    classes = scores.shape[1]
    if not 1 <= k <= classes:
        raise ArgumentError("top_k_accuracy", f"k expects 1 to {classes} (the classes), got {k}", "Lower k.")
    if targets.min() < 0 or targets.max() >= classes:
        raise OutOfBoundsError(
            "top_k_accuracy",
            f"expected classes 0 to {classes - 1}, got {int(targets.min())} to {int(targets.max())}",
            "Check the targets.",
        )
    own = np.take_along_axis(scores, targets[:, np.newaxis], axis=1)
    earlier = np.arange(classes) < targets[:, np.newaxis]
    return ((scores > own) | ((scores == own) & earlier)).sum(axis=1) < k


def _labels(who: str, targets: Any, predictions: Any) -> tuple[Array, Array]:
    targets, predictions = np.asarray(targets), np.asarray(predictions)
    if targets.ndim != 1 or targets.shape != predictions.shape or not len(targets):
        raise ShapeError(
            who,
            f"expected class indices of the same shape (n,), got targets {targets.shape} and predictions "
            f"{predictions.shape}",
            "Take logits.argmax(axis=1) first.",
        )
    return _integers(who, targets), _integers(who, predictions)


def _integers(who: str, labels: Array) -> Array:
    if labels.dtype.kind in "iub":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f" and (labels == np.floor(labels)).all():
        return labels.astype(np.int64)
    raise DTypeError(
        who, f"expected class indices, got {labels.dtype}", "Turn names or scores into indices first."
    )


def _numbers(who: str, targets: Any, predictions: Any) -> tuple[Array, Array]:
    targets, predictions = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    if targets.shape != predictions.shape or not targets.ndim or not targets.size:
        # (n,) beside (n, 1) would broadcast to (n, n) and give a number that means nothing.
        raise ShapeError(
            who,
            f"expected targets and predictions of the same shape (n,) or (n, outputs), got {targets.shape} "
            f"and {predictions.shape}",
            "Reshape one of them, e.g. predictions[:, 0].",
        )
    return targets, predictions
