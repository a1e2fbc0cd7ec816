"""Metrics added up batch by batch: one record per task, in the memory of a few sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import ArgumentError, OutOfBoundsError, ShapeError
from deltarule.training.metrics import _in_top_k, f1_from_counts, perplexity, r2_from_sums

Array = NDArray[Any]

# A confusion matrix of more classes than this (8 MB) is not kept.
CONFUSION_LIMIT = 1000
# Labels are collected and counted this many at a time, so that single rows stay cheap.
_ROWS_TO_COUNT = 4096


class Metrics:
    """The mean loss, and what a task adds to it. Subclasses say what.

    Give each batch to `update`; `results()` is the value over all of them. `state_dict` and
    `load_state_dict` carry the sums through a checkpoint, as plain values for JSON.

    count   how many rows (or tokens) the mean is over

    >>> import deltarule as dr
    >>> import numpy as np
    >>> metrics = dr.training.Metrics()
    >>> metrics.update(np.zeros((3, 2)), np.zeros(3), loss=1.0)
    >>> metrics.update(np.zeros((1, 2)), np.zeros(1), loss=5.0)
    >>> metrics.count, metrics.results()
    (4, {'loss': 2.0})
    """

    task: ClassVar[str] = ""

    def __init__(self) -> None:
        self.count = 0
        self._loss = 0.0

    def update(self, output: Array, targets: Array, loss: float) -> None:
        """Adds a batch.

        output    what the model gave for it
        targets   as the loss took them
        loss      mean loss over the batch, in nats for a cross-entropy
        """
        count = self.rows(output, targets)
        self.count += count
        self._loss += loss * count
        self.add(output, targets)

    def rows(self, output: Array, targets: Array) -> int:
        """How many rows a batch counts for."""
        return len(targets)

    def add(self, output: Array, targets: Array) -> None:
        """What a task adds up beside the loss."""

    def results(self) -> dict[str, float]:
        """Name -> value over everything since the beginning; NaN where there was nothing."""
        return {"loss": self._loss / self.count if self.count else math.nan}

    def state_dict(self) -> dict[str, Any]:
        """The sums, as plain values for JSON."""
        return {"count": self.count, "loss": self._loss}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from sums that state_dict gave."""
        self.count, self._loss = state["count"], state["loss"]


class ClassificationMetrics(Metrics):
    """loss, accuracy, f1 (macro) and, where asked for, top_5_accuracy and the like.

    output    logits or probabilities (n, classes); or (n,) or (n, 1), the logit of class 1 of two
    targets   class indices (n,), or probabilities of the output's shape, of which the largest counts;
              rows of a negative class, which a loss with `ignore_index` leaves out, are left out here too
    top_k     each k for which top_k_accuracy is to be measured

    confusion   (classes, classes) int64 counts, a row per true class; None before the first batch and
                above 1,000 classes

    Raises ShapeError for other shapes, OutOfBoundsError for a class that the output does not have.

    >>> metrics = ClassificationMetrics()
    >>> metrics.update(np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([0, 0]), loss=0.8)
    >>> metrics.results()["accuracy"], metrics.confusion.tolist()
    (0.5, [[1, 1], [0, 0]])
    """

    task = "classification"

    def __init__(self, top_k: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.top_k = tuple(top_k)
        self._classes = 0
        self._counts: dict[str, Array] = {}
        self._confusion: Array | None = None
        self._top = [0] * len(self.top_k)
        self._pending: list[tuple[Array, Array]] = []
        self._waiting = 0

    def rows(self, output: Array, targets: Array) -> int:
        return len(targets) if targets.ndim != 1 else int((targets >= 0).sum())

    def add(self, output: Array, targets: Array) -> None:
        predicted, actual = self._labels(output, targets)
        if actual.size and actual.min() < 0:
            kept = actual >= 0
            predicted, actual, output = predicted[kept], actual[kept], output[kept]
        if not actual.size:
            return
        if actual.max() >= self._classes:
            raise OutOfBoundsError(
                "ClassificationMetrics",
                f"expected classes 0 to {self._classes - 1}, got {actual.max()}",
                "Check the targets, and the size of the last layer.",
            )
        self._pending.append((predicted, actual))
        self._waiting += len(predicted)
        for position, k in enumerate(self.top_k):
            self._top[position] += int(_in_top_k(actual, output, k).sum())
        if self._waiting >= _ROWS_TO_COUNT:
            self._count()

    def _labels(self, output: Array, targets: Array) -> tuple[Array, Array]:
        binary = output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1)
        if not binary and output.ndim != 2:
            raise ShapeError(
                "ClassificationMetrics",
                f"expected an output of shape (n, classes) or (n,), got {output.shape}",
                "Flatten other axes into rows first.",
            )
        self._classes = 2 if binary else output.shape[1]
        predicted = (output.reshape(-1) > 0).astype(np.int64) if binary else output.argmax(axis=1)
        if binary:
            actual = (targets.reshape(-1) > 0.5).astype(np.int64)
        elif targets.ndim == 2:
            actual = targets.argmax(axis=1)
        else:
            actual = targets.astype(np.int64, copy=False)
        return predicted, actual

    def _count(self) -> None:
        """Adds the collected labels to the counts."""
        if not self._pending:
            return
        predicted = np.concatenate([pair[0] for pair in self._pending])
        actual = np.concatenate([pair[1] for pair in self._pending])
        self._pending, self._waiting = [], 0
        classes = self._classes
        for name, labels in (
            ("hits", actual[predicted == actual]),
            ("predicted", predicted),
            ("actual", actual),
        ):
            self._counts[name] = self._counts.get(name, 0) + np.bincount(labels, minlength=classes)
        if classes <= CONFUSION_LIMIT:
            matrix = np.bincount(actual * classes + predicted, minlength=classes * classes)
            matrix = matrix.reshape(classes, classes)
            self._confusion = matrix if self._confusion is None else self._confusion + matrix

    @property
    def confusion(self) -> Array | None:
        """How often each class (row) was taken for each (column)."""
        self._count()
        return self._confusion

    def results(self) -> dict[str, float]:
        self._count()
        results = super().results()
        if not self.count:
            return results
        counts = self._counts
        results["accuracy"] = float(counts["hits"].sum() / counts["actual"].sum())
        results["f1"] = f1_from_counts(counts["hits"], counts["predicted"], counts["actual"])
        for k, hits in zip(self.top_k, self._top, strict=True):
            results[f"top_{k}_accuracy"] = hits / self.count
        return results

    def state_dict(self) -> dict[str, Any]:
        self._count()
        return {
            **super().state_dict(),
            "classes": self._classes,
            "counts": {name: counts.tolist() for name, counts in self._counts.items()},
            "confusion": None if self._confusion is None else self._confusion.tolist(),
            "top": list(self._top),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._classes = state["classes"]
        self._counts = {name: np.array(counts, np.int64) for name, counts in state["counts"].items()}
        self._confusion = None if state["confusion"] is None else np.array(state["confusion"], np.int64)
        self._top = list(state["top"])
        self._pending, self._waiting = [], 0


class RegressionMetrics(Metrics):
    """loss, mae, rmse and r2.

    output, targets   numbers of the same shape (n,) or (n, outputs); (n,) and (n, 1) go together
    transform         brings both into the units to report in, such as `preprocessing.restore_targets` of
                      standardised data; else they are taken as they are

    The spread of the targets is merged batch by batch without cancellation.
    Source: Chan, Golub & LeVeque 1983, Algorithms for computing the sample variance, eq. 2.1.

    >>> metrics = RegressionMetrics()
    >>> metrics.update(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0]), loss=1 / 3)
    >>> metrics.results()["r2"]
    0.5
    """

    task = "regression"
    _SUMS: ClassVar = ("absolute", "squared", "mean", "spread")

    def __init__(self, transform: Callable[[Array], Array] | None = None) -> None:
        super().__init__()
        self.transform = transform
        self._absolute: Array = np.zeros(1)
        self._squared: Array = np.zeros(1)
        self._mean: Array = np.zeros(1)
        self._spread: Array = np.zeros(1)
        self._seen = 0

    def add(self, output: Array, targets: Array) -> None:
        if targets.ndim == 1 and output.shape == (*targets.shape, 1):
            targets = targets[:, np.newaxis]
        if output.shape != targets.shape:
            raise ShapeError(
                "RegressionMetrics",
                f"expected output and targets of the same shape, got {output.shape} and {targets.shape}",
                "Reshape one of them.",
            )
        if self.transform is not None:
            output, targets = self.transform(output), self.transform(targets)
        rows = len(targets)
        output = np.asarray(output, np.float64).reshape(rows, -1)
        targets = np.asarray(targets, np.float64).reshape(rows, -1)
        error = targets - output
        self._absolute = self._absolute + np.abs(error).sum(axis=0)
        self._squared = self._squared + (error * error).sum(axis=0)
        mean = targets.mean(axis=0)
        away = mean - self._mean
        total = self._seen + rows
        self._spread = (
            self._spread + ((targets - mean) ** 2).sum(axis=0) + away**2 * self._seen * rows / total
        )
        self._mean = self._mean + away * rows / total
        self._seen = total

    def results(self) -> dict[str, float]:
        results = super().results()
        if not self._seen:
            return results
        results["mae"] = float(self._absolute.mean() / self._seen)
        results["rmse"] = math.sqrt(self._squared.mean() / self._seen)
        results["r2"] = r2_from_sums(self._seen, self._squared, self._spread)
        return results

    def state_dict(self) -> dict[str, Any]:
        sums = {
            name: getattr(self, f"_{name}").tolist() for name in ("absolute", "squared", "mean", "spread")
        }
        return {**super().state_dict(), **sums, "seen": self._seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        for name in self._SUMS:
            setattr(self, f"_{name}", np.array(state[name], np.float64))
        self._seen = state["seen"]


class LanguageMetrics(Metrics):
    """loss (nats per token), perplexity e^loss, bits_per_token loss / ln 2, and accuracy of the next token.

    output    logits (batch, time, tokens) or (n, tokens)
    targets   next tokens (batch, time) or (n,)

    >>> metrics = LanguageMetrics()
    >>> metrics.update(np.zeros((1, 2, 4)), np.array([[0, 3]]), loss=math.log(4))
    >>> metrics.results()["perplexity"], metrics.results()["accuracy"]
    (4.0, 0.5)
    """

    task = "text"

    def __init__(self) -> None:
        super().__init__()
        self._hits = 0

    def rows(self, output: Array, targets: Array) -> int:
        return targets.size

    def add(self, output: Array, targets: Array) -> None:
        if output.shape[:-1] != targets.shape:
            raise ShapeError(
                "LanguageMetrics",
                f"expected an output of shape {(*targets.shape, 'tokens')}, got {output.shape}",
                "The model has to give logits for each token of its input.",
            )
        self._hits += int((output.argmax(axis=-1) == targets).sum())

    def results(self) -> dict[str, float]:
        results = super().results()
        if self.count:
            results["perplexity"] = perplexity(results["loss"])
            results["bits_per_token"] = results["loss"] / math.log(2)
            results["accuracy"] = self._hits / self.count
        return results

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "hits": self._hits}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._hits = state["hits"]


METRICS: dict[str, type[Metrics]] = {
    each.task: each for each in (ClassificationMetrics, RegressionMetrics, LanguageMetrics)
}


def metrics_for(task: str) -> Metrics:
    """An empty record of a task: "classification", "regression" or "text".

    Raises ArgumentError for another task.

    >>> import deltarule as dr
    >>> type(dr.training.metrics_for("regression")).__name__
    'RegressionMetrics'
    """
    if task not in METRICS:
        raise ArgumentError(
            "metrics_for",
            f"task expects {', '.join(map(repr, METRICS))}, got {task!r}",
            "Choose one of them, or pass a Metrics of your own.",
        )
    return METRICS[task]()
