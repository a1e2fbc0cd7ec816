"""Snapshot: what a call of a model may change, kept so that the call can be undone."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array, Tensor
from deltarule.nn.module import Module
from deltarule.operations.random import get_random_state, set_random_state
from deltarule.optim.optimizer import Optimizer


class Snapshot:
    """The random state and buffers of a model; with its optimiser, all that an update changes.

    A tensor that was replaced or written is afterwards the same object, with the same elements, as before.
    """

    def __init__(self, model: Module, optimizer: Optimizer | None = None):
        self._random = get_random_state()
        self._tables = [
            (module._buffers, dict(module._buffers)) for module in model.modules() if module._buffers
        ]
        tensors = {id(each): each for _, table in self._tables for each in table.values() if each is not None}
        self._optimizer = optimizer
        self._gradients: list[tuple[Tensor, Tensor | None, Array | None]] = []
        self._slots: dict[Tensor, dict[str, tuple[Any, Any]]] = {}
        if optimizer is not None:
            parameters = {id(each): each for each in (*model.parameters(), *optimizer.parameters())}
            tensors |= parameters
            for each in parameters.values():
                gradient = each._grad
                self._gradients.append((each, gradient, None if gradient is None else gradient._array.copy()))
            self._slots = {
                parameter: {name: (value, _copied(value)) for name, value in state.items()}
                for parameter, state in optimizer.state.items()
            }
        self._tensors = [(each, each._array, each._array.copy()) for each in tensors.values()]

    def restore(self) -> None:
        """Puts everything back."""
        set_random_state(self._random)
        for table, before in self._tables:
            for name, held in before.items():
                table[name] = held
        for tensor, array, elements in self._tensors:
            # What nobody wrote keeps its version, on which programs and graphs may depend.
            if tensor._array is not array or not _equal(array, elements):
                np.copyto(array, elements)
                tensor._array = array
                tensor._version[0] += 1
        for parameter, gradient, elements in self._gradients:
            parameter._grad = gradient
            if gradient is not None and elements is not None:
                np.copyto(gradient._array, elements)
        if self._optimizer is not None:
            self._optimizer.state = {
                parameter: {name: _restored(*each) for name, each in slots.items()}
                for parameter, slots in self._slots.items()
            }


def _equal(array: Array, other: Array) -> bool:
    return np.array_equal(array, other, equal_nan=array.dtype.kind in "fc")


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _restored(value: Any, copied: Any) -> Any:
    if isinstance(value, np.ndarray):
        np.copyto(value, copied)
    return value
