"""Runs a model over data without training it: metrics, and predictions."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from deltarule.autodiff.derived import number
from deltarule.autodiff.recording import no_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DTypeError
from deltarule.nn.module import Module
from deltarule.training.recurrent_state import detached
from deltarule.training.running_metrics import Metrics


class Loader(Protocol):
    """What the training loop needs of data: DataLoader and SequenceLoader have it, and yours may.

    A loader with a true `carries_state` promises that each row of a batch goes on where the same row of the
    batch before it ended, so that a recurrent state may be carried.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> class Stream:
    ...     def __len__(self):
    ...         return 2
    ...     def batches(self, epoch, start=0):
    ...         for batch in range(start, len(self)):
    ...             x = np.full((4, 1), batch, np.float32)
    ...             yield x, 2 * x
    >>> trainer = dr.fit(dr.nn.Linear(1, 1), Stream(), task="regression", epochs=3)
    >>> trainer.progress.step
    6
    """

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Any, Any]]:
        """(inputs, targets) of an epoch from batch `start` on; the same whenever it is asked again."""
        ...


def require_loader(loader: Any, who: str) -> None:
    """Raises DTypeError for anything that hands out no batches."""
    if not hasattr(loader, "batches") or not hasattr(loader, "__len__"):
        raise DTypeError(
            who,
            f"expected a loader, got {type(loader).__name__}",
            "Wrap the data: DataLoader(data, batch_size=32), or SequenceLoader for a text.",
        )


def carries_state(loader: Any) -> bool:
    """Whether a recurrent state may be carried from batch to batch of this loader."""
    return bool(getattr(loader, "carries_state", False))


def as_input(array: Any, dtype: np.dtype[Any] | None) -> Tensor:
    """A batch as a constant tensor; floating numbers in the model's own type."""
    if isinstance(array, Tensor):
        array = array._array
    array = np.asarray(array)
    if dtype is not None and array.dtype.kind == "f" and array.dtype != dtype:
        array = array.astype(dtype)
    return Tensor(array)


def model_dtype(model: Module) -> np.dtype[Any] | None:
    """Floating type of a model's first parameter; None if it has none."""
    first = next(model.parameters(), None)
    return None if first is None else first.dtype


def forward(model: Module, inputs: Tensor, state: Any = None) -> tuple[Any, Any]:
    """(output, state) of a model, which may or may not take and return a state."""
    result = model(inputs) if state is None else model(inputs, state)
    if isinstance(result, tuple):
        if len(result) != 2:
            raise ArgumentError(
                type(model).__name__,
                f"expected output, or (output, state), got a tuple of {len(result)}",
                "Return two values from forward.",
            )
        return result
    return result, None


@contextlib.contextmanager
def evaluation_mode(model: Module) -> Iterator[None]:
    """Evaluation mode without recording; afterwards every module is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad(), np.errstate(all="ignore"):
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate(model: Module, loader: Loader, loss: Any, metrics: Metrics) -> dict[str, float]:
    """Metrics of a model over every batch of a loader, in evaluation mode.

    loss      loss(output, targets) -> tensor of one element, the mean over the batch
    metrics   an empty record, see `metrics_for`; it holds the sums afterwards (`metrics.confusion`)
    returns   name -> value, such as {"loss": 0.12, "accuracy": 0.97}

    >>> import deltarule as dr
    >>> import numpy as np
    >>> loader = dr.data.DataLoader((np.eye(2, dtype=np.float32), np.array([0, 1])), batch_size=1)
    >>> metrics = dr.training.metrics_for("classification")
    >>> results = dr.training.evaluate(dr.nn.Identity(), loader, dr.cross_entropy, metrics)
    >>> results["accuracy"], round(results["loss"], 4)
    (1.0, 0.3133)
    """
    require_loader(loader, "evaluate")
    measure(model, loader, functools.partial(score, model, loss), metrics)
    return metrics.results()


def score(
    model: Module, loss: Any, batch: Tensor, wanted: Tensor, state: Any, carries: bool
) -> tuple[Tensor, float, Any]:
    """(output, loss, state for the next batch if one is carried) of a batch."""
    output, state = forward(model, batch, state)
    return output, number(loss(output, wanted)), detached(state) if carries else None


def measure(model: Module, loader: Loader, scored: Callable[..., Any], metrics: Metrics) -> None:
    """Fills metrics from what scored(batch, targets, state, carries) gives for every batch of a loader."""
    dtype = model_dtype(model)
    carries = carries_state(loader)
    state = None
    with evaluation_mode(model):
        for inputs, targets in loader.batches(0):
            wanted = as_input(targets, dtype)
            output, loss, state = scored(as_input(inputs, dtype), wanted, state, carries)
            metrics.update(output._array, wanted._array, loss)


def predict(model: Module, inputs: Any, batch_size: int = 256) -> Array:
    """Outputs of a model for new inputs, in evaluation mode.

    inputs       (rows, ...), prepared as those it was trained on
    batch_size   rows that are computed at a time
    returns      (rows, ...), logits for a classifier: `.argmax(axis=1)` are its classes

    Raises ArgumentError for a batch_size below 1 or no rows.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> outputs = dr.training.predict(dr.nn.Linear(3, 2), np.zeros((5, 3), np.float32))
    >>> outputs.shape
    (5, 2)
    """
    rows = len(inputs)
    if batch_size < 1 or not rows:
        raise ArgumentError(
            "predict",
            f"expected a row and a batch_size of 1 or more, got {rows} rows, batch_size={batch_size}",
            "Check the inputs.",
        )
    dtype = model_dtype(model)
    with evaluation_mode(model):
        parts = [
            forward(model, as_input(inputs[first : first + batch_size], dtype))[0]._array
            for first in range(0, rows, batch_size)
        ]
    return np.concatenate(parts)
