"""Loaders for data that comes as it is: a Part or a pair of arrays becomes batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.data import DataLoader, Part, SequenceLoader
from deltarule.errors import ArgumentError
from deltarule.training.evaluation import Loader

# Enough rows for fast products of matrices, few enough for the maps of a convolution to fit the memory.
EVALUATION_ROWS = 256
SEQUENCE_LENGTH = 64


def training_loader(
    data: Any, task: str | None, batch_size: int | None, sequence_length: int, seed: int
) -> Loader:
    """The batches to learn from, in an order that depends on the seed and the epoch.

    data    a loader, which stays as it is; a Part; a pair (inputs, targets); or the tokens of a text

    Raises ArgumentError for a text without batch_size, and what the loaders raise.
    """
    if hasattr(data, "batches"):
        return data
    if not _is_text(data, task):
        return DataLoader(data, batch_size, shuffle=True, seed=seed)
    if batch_size is None:
        raise ArgumentError(
            "fit",
            "batch_size=None expects rows; a text has none",
            "Give the number of streams: batch_size=32, say.",
        )
    return SequenceLoader(data, batch_size, sequence_length, shuffle=True, seed=seed)


def evaluation_loader(data: Any, task: str | None, sequence_length: int = SEQUENCE_LENGTH) -> Any:
    """The same kinds of data in their own order with nothing left out; anything else comes back as it is.

    A text is one stream, so that every token is predicted from all that went before it.
    """
    if hasattr(data, "batches"):
        return data
    if _is_text(data, task):
        return SequenceLoader(data, 1, sequence_length, shuffle=False)
    return DataLoader(data, EVALUATION_ROWS, shuffle=False) if isinstance(data, (Part, tuple, list)) else data


def _is_text(data: Any, task: str | None) -> bool:
    tokens = data.inputs if isinstance(data, Part) else data
    return task == "text" and isinstance(tokens, np.ndarray) and tokens.ndim == 1
