"""How many threads a run gets: all cores do not help a small network, and harm where other programs run."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.data import Dataset
from deltarule.nn.module import Module
from deltarule.nn.summary import summary

# Backward takes about twice the products of forward.
_PASSES = 3
# Multiply-adds of an update from which on several threads are the default: some ten milliseconds of work.
# They can halve the time on idle cores, but on busy ones an epoch of MNIST (mlp, 200 million) took 22 s with
# two threads and 2.2 s with one (deltarule train mnist mlp --epochs 1 --threads N), and 40 epochs of digits
# 91 s and 3 s (deltarule train digits).
_WORTH_IT = 1_000_000_000


def threads_for(model: Module, dataset: Dataset, config: dict[str, Any]) -> int | None:
    """1 for a network whose updates are small, None for as many as the environment or the cores allow."""
    shape = (1,) if config["task"] == "text" else dataset.input_shape
    kind = np.int64 if config["task"] == "text" else None
    rows = config["batch_size"] or len(dataset.train)
    steps = rows * (config["sequence_length"] or 1)
    cost = summary(model, (1, *shape), dtype=kind).multiply_adds * steps * _PASSES
    return None if cost >= _WORTH_IT else 1
