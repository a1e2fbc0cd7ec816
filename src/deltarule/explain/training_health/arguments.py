"""What health, Watch and vitals ask of their arguments, told before anything is measured."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.nn.module import Module
from deltarule.optim.optimizer import Optimizer


def require_whole(who: str, name: str, value: Any, least: int, say: str = "Use 100, say.") -> int:
    """A whole number that is large enough.

    >>> import numpy as np
    >>> require_whole("health", "rows", np.int64(64), 2)
    64
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ArgumentError(who, f"{name} expects a whole number of {least} or more, got {value!r}", say)
    return int(value)


def require_share(who: str, name: str, value: Any, say: str) -> float:
    """A number above 0 and up to 1.

    >>> require_share("Watch", "budget", 0.03, "0.03 is 3 %.")
    0.03
    """
    if not _is_number(value) or not 0 < value <= 1:
        raise ArgumentError(who, f"{name} expects a share above 0 and up to 1, got {value!r}", say)
    return float(value)


def require_limit(who: str, name: str, value: Any) -> None:
    """A limit for clipping: a number above 0, or None."""
    if value is not None and (not _is_number(value) or math.isnan(value) or value <= 0):
        raise ArgumentError(
            who, f"{name} expects a number above 0, got {value!r}", "Leave it out for no clipping."
        )


def require_function(who: str, name: str, value: Any, say: str) -> None:
    """Something that can be called."""
    if not callable(value) or isinstance(value, type):
        told = value.__name__ if isinstance(value, type) else repr(value)
        raise ArgumentError(who, f"{name} expects a function, got {told}", say)


def require_pair(who: str, data: Any) -> None:
    """Two arrays, of inputs and of targets."""
    if len(data) != 2:
        raise ArgumentError(
            who,
            f"data expects (inputs, targets), got a tuple of {len(data)}",
            "Pass the inputs and the targets of the training.",
        )


def require_together(who: str, model: Module, optimizer: Any) -> None:
    """A model with parameters, and an optimiser, or None, that knows some of them."""
    own: list[Tensor] = list(model.parameters())
    if not own:
        raise ArgumentError(
            who, f"expected a model with parameters, got {type(model).__name__} without any", "Add a layer."
        )
    if optimizer is None:
        return
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            who,
            f"optimizer expects an optimiser, got {optimizer!r}",
            "For example dr.optim.Adam(model.parameters()).",
        )
    known = {id(each) for each in optimizer.parameters()}
    if not any(id(each) in known for each in own):
        raise ArgumentError(
            who,
            "optimizer expects parameters of this model, got those of another one",
            "Make it of model.parameters(), after the model was made or loaded.",
        )


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int, float, np.integer, np.floating))
