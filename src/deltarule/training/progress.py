"""How far a training run is, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Progress:
    """How far training is.

    epoch     epochs that are done
    batch     batches done in the epoch after those
    batches   batches in an epoch; 0 before the first
    step      updates of the parameters
    best      best monitored value so far, or None
    best_epoch   the epoch, counted from 1, that it belongs to; 0 for none
    seconds   spent in training, resumed runs included

    >>> import deltarule as dr
    >>> import numpy as np
    >>> x = np.ones((8, 1), np.float32)
    >>> progress = dr.fit(dr.nn.Linear(1, 1), (x, x), epochs=3, batch_size=2).progress
    >>> progress.epoch, progress.batches, progress.step
    (3, 4, 12)
    """

    epoch: int = 0
    batch: int = 0
    batches: int = 0
    step: int = 0
    best: float | None = None
    best_epoch: int = 0
    seconds: float = 0.0
