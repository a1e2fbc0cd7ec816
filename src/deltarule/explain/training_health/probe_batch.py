"""The batch that a training is measured on: the same rows each time, taken from its own data."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.data import Dataset, Part
from deltarule.errors import ArgumentError
from deltarule.explain.training_health.arguments import require_pair
from deltarule.explain.training_health.data_vitals import plain_array
from deltarule.explain.training_health.label_information import MOST_ROWS
from deltarule.operations.random import get_random_state, set_random_state
from deltarule.training.evaluation import require_loader
from deltarule.training.loaders import training_loader

# Numbers that rows may have from which facts of the data are told.
_MOST_NUMBERS = 2**21
# Characters of each text that a batch takes.
_SEQUENCE = 64


def probe_batch(data: Any, rows: int, who: str, epoch: int = 0) -> tuple[Array, Array]:
    """(inputs, targets) of at most so many rows.

    data    a pair of arrays, whose first rows are taken; or a loader, whose first batches of the epoch are

    Rows that do not fit together, such as sequences padded batch by batch, are taken from the first batch
    alone. The random state stays as it is. Raises ArgumentError where there are no rows.
    """
    if isinstance(data, tuple):
        return _some(plain_array(data[0])[:rows], plain_array(data[1])[:rows], who)
    require_loader(data, who)
    drawn = get_random_state()
    inputs: list[Array] = []
    targets: list[Array] = []
    try:
        for batch, wanted in data.batches(epoch):
            some, theirs = plain_array(batch), plain_array(wanted)
            if inputs and (some.shape[1:], theirs.shape[1:]) != (inputs[0].shape[1:], targets[0].shape[1:]):
                break
            inputs.append(some)
            targets.append(theirs)
            if sum(map(len, inputs)) >= rows or getattr(data, "carries_state", False):
                break
    finally:
        set_random_state(drawn)
    if not inputs:
        return _some(np.zeros((0, 1)), np.zeros(0), who)
    return _some(np.concatenate(inputs)[:rows], np.concatenate(targets)[:rows], who)


def fact_batch(data: Any, probe: tuple[Array, Array], who: str) -> tuple[Array, Array]:
    """(inputs, targets) of more rows than are measured, for what is told from the data alone.

    probe   the rows that are measured

    1024 rows tell a class of one in a hundred, and more of a weak link between inputs and targets than few
    do. Of large rows it is fewer: as many as have 2²¹ numbers.
    """
    rows = len(probe[0])
    size = max(1, probe[0].size // rows)
    return probe_batch(data, max(rows, min(MOST_ROWS, _MOST_NUMBERS // size)), who)


def as_training_data(data: Any, batch_size: int | None, who: str, seed: int = 0) -> Any:
    """A loader for a pair of arrays, a Part or a Dataset; a loader stays as it is.

    Raises ArgumentError for anything else.
    """
    if isinstance(data, Dataset):
        data = data.train
    if hasattr(data, "batches"):
        return data
    if not isinstance(data, (tuple, Part)):
        raise ArgumentError(
            who,
            f"data expects (inputs, targets), a data set or a loader, got {type(data).__name__}",
            "Pass the data that the network is trained on, two arrays as a tuple.",
        )
    if isinstance(data, tuple):
        require_pair(who, data)
    tokens = data.inputs if isinstance(data, Part) else None
    text = isinstance(tokens, np.ndarray) and tokens.ndim == 1 and tokens.dtype.kind in "iu"
    return training_loader(
        data if isinstance(data, Part) else (plain_array(data[0]), plain_array(data[1])),
        "text" if text else None,
        32 if batch_size is None and text else batch_size,
        _SEQUENCE,
        seed,
    )


def _some(inputs: Array, targets: Array, who: str) -> tuple[Array, Array]:
    if not len(inputs):
        raise ArgumentError(who, "expected rows to measure on, got none", "Check the data.")
    return inputs, targets
