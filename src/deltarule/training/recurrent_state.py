"""The state that a recurrent model hands from batch to batch: detached, taken apart and put together.

A state is None, a tensor, or tuples and lists of states, as RNN, GRU and LSTM return them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import DTypeError


def detached(state: Any) -> Any:
    """The same state outside the graph: no gradient flows back through it into earlier batches.

    Source: truncated back-propagation through time, Williams & Peng 1990.
    """
    if state is None:
        return None
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, (tuple, list)):
        return tuple(detached(part) for part in state)
    raise _unknown(state)


def taken_apart(state: Any) -> tuple[list[np.ndarray], Any]:
    """The arrays of a state, and its structure as plain values: None, a position in the list, or a list.

    >>> arrays, structure = taken_apart((Tensor(np.zeros(2)), (Tensor(np.ones(2)), None)))
    >>> len(arrays), structure
    (2, [0, [1, None]])
    """
    arrays: list[np.ndarray] = []

    def visit(part: Any) -> Any:
        if part is None:
            return None
        if isinstance(part, Tensor):
            arrays.append(part._array.copy())
            return len(arrays) - 1
        if isinstance(part, (tuple, list)):
            return [visit(each) for each in part]
        raise _unknown(part)

    return arrays, visit(state)


def put_together(arrays: Sequence[np.ndarray], structure: Any) -> Any:
    """The state that taken_apart took apart; tuples where it had tuples or lists."""
    if structure is None:
        return None
    if isinstance(structure, int):
        return Tensor(arrays[structure])
    return tuple(put_together(arrays, part) for part in structure)


def _unknown(state: Any) -> DTypeError:
    return DTypeError(
        "Trainer",
        f"expected the model's state to be a tensor, or tuples of them, got {type(state).__name__}",
        "Return (output, state) from forward, with state as RNN, GRU or LSTM give it.",
    )
