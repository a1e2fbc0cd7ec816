"""The rows in PyTorch with torch.compile, its default mode: forward, loss and backward are compiled."""

from __future__ import annotations

import torch

from benchmarks.libraries import pytorch
from benchmarks.rows.row import Row


def prepare(row: Row) -> pytorch.Training | pytorch.Inference:
    return pytorch.prepare(row, torch.compile)
