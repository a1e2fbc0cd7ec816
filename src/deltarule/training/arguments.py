"""What a Trainer is made of, looked at before the first batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deltarule.errors import ArgumentError, DTypeError
from deltarule.nn.module import Module
from deltarule.optim.optimizer import Optimizer
from deltarule.training.callbacks import Callback


def require_parts(model: Any, optimizer: Any, loss: Any, callbacks: Any) -> list[Callback]:
    """The callbacks as a list; raises DTypeError or ArgumentError where a part is not what it has to be."""
    for name, value, kind in (("model", model, Module), ("optimizer", optimizer, Optimizer)):
        if not isinstance(value, kind):
            got = value.__name__ if isinstance(value, type) else type(value).__name__
            raise DTypeError(
                "Trainer", f"{name} expects an instance of {kind.__name__}, got {got}", "See the example."
            )
    if loss is not None and not callable(loss):
        raise DTypeError(
            "Trainer", f"loss expects a function of output and targets, got {loss!r}", "Try dr.mse_loss."
        )
    listed = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    wrong = next((each for each in listed if not isinstance(each, Callback)), None)
    if wrong is not None or not isinstance(callbacks, Iterable):
        raise DTypeError(
            "Trainer",
            f"callbacks expects a list of Callback instances, got {wrong or callbacks!r}",
            "Derive it from dr.training.Callback.",
        )
    own = {id(parameter) for parameter in model.parameters()}
    if own.isdisjoint(id(parameter) for parameter in optimizer.parameters()):
        raise ArgumentError(
            "Trainer",
            "optimizer expects parameters of the model, got only others, so the model would never change",
            "Make it with model.parameters().",
        )
    return listed


def require_count(value: Any, name: str, who: str) -> None:
    """Raises ArgumentError unless the value is a whole number of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(
            who, f"{name} expects a whole number of 1 or more, got {value!r}", f"Use {name}=10, say."
        )
