"""Batches of rows, in an order that depends on the seed and the epoch alone: a run can resume anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from deltarule.data.dataset import Part
from deltarule.data.randomness import check_seed, generator
from deltarule.errors import ArgumentError, DataError, ShapeError


class EpochState:
    """Where an iteration stands: the epoch and the batch that comes next.

    A loader that inherits it can be iterated with `for`: each loop is one epoch. The position is moved
    before a batch is handed out, so a state saved while working on a batch points to the one after it.
    """

    epoch: int = 0
    batch: int = 0
    _resuming: bool = False

    def __len__(self) -> int:
        raise NotImplementedError

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The batches of one epoch, from batch number `start` on."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if self.batch and not self._resuming:
            # The last loop was left early, not saved and restored: the next loop is the next epoch.
            self.epoch, self.batch = self.epoch + 1, 0
        self._resuming = False
        for batch in self.batches(self.epoch, self.batch):
            self.batch += 1
            if self.batch == len(self):
                self.epoch, self.batch = self.epoch + 1, 0
            yield batch

    @property
    def state(self) -> dict:
        """The position of the batch that comes next, for JSON: {"epoch": ..., "batch": ...}."""
        return {"epoch": self.epoch, "batch": self.batch}

    def restore(self, state: dict) -> None:
        """Go on where `state` was taken: the next loop begins with the batch that would have come next.

        Raises ArgumentError if the state points outside an epoch of this loader.
        """
        epoch, batch = state["epoch"], state["batch"]
        check_start(epoch, batch, len(self), f"{type(self).__name__}.restore")
        self.epoch, self.batch, self._resuming = epoch, batch, True


def check_start(epoch: int, start: int, batches: int, who: str) -> None:
    """Raise ArgumentError unless epoch and start are positions in a run of epochs of so many batches."""
    if epoch < 0 or not 0 <= start <= batches:
        raise ArgumentError(
            who,
            f"expected an epoch of 0 or more and a batch in [0, {batches}], got epoch {epoch}, batch {start}",
            "The position may come from other data or another batch size.",
        )


def check_positive(value: int, name: str, who: str) -> int:
    """Return a whole number of 1 or more, or raise ArgumentError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ArgumentError(
            who, f"{name} expects a whole number of 1 or more, got {value!r}", f"Use {name}=32, say."
        )
    return int(value)


def described(data: Any) -> str:
    """What was given instead of data, in a few words.

    >>> described(np.ones((8, 2))), described((1, 2, 3))
    ('ndarray (8, 2)', 'tuple of 3')
    """
    kind = type(data).__name__
    if isinstance(data, np.ndarray):
        return f"{kind} {data.shape}"
    return f"{kind} of {len(data)}" if isinstance(data, (tuple, list)) else kind


class DataLoader(EpochState):
    """Hands out (inputs, targets) in batches of rows.

    data         a Part, or a pair of arrays (inputs, targets) of the same length
    batch_size   rows in each batch; None for all rows at once, 1 for one sample at a time
    shuffle      a new order in each epoch; else the order of the data
    seed         the order of epoch e depends on (seed, e) alone, not on earlier epochs
    drop_last    leave out the last batch if it is smaller than the others

    Batches are copies: writing into one does not change the data set. For an exact resume, either use
    batches(epoch, start), or save `state` and `restore` it.

    Raises DataError without rows, or where drop_last leaves none; ShapeError for arrays of different
    lengths; ArgumentError for data of another kind and for a batch_size below 1.

        >>> loader = DataLoader((np.arange(5), np.arange(5)), batch_size=2, shuffle=False)
        >>> [inputs.tolist() for inputs, targets in loader]
        [[0, 1], [2, 3], [4]]
        >>> [inputs.tolist() for inputs, targets in loader.batches(epoch=3, start=2)]
        [[4]]
    """

    def __init__(
        self,
        data: Part | tuple[np.ndarray, np.ndarray] | list[Any],
        batch_size: int | None = 32,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        if isinstance(data, Part):
            inputs, targets = data.inputs, data.targets
        elif isinstance(data, (tuple, list)) and len(data) == 2:
            inputs, targets = data
        else:
            raise ArgumentError(
                "DataLoader",
                f"data expects a Part or a pair (inputs, targets), got {described(data)}",
                "Pass DataLoader((inputs, targets)).",
            )
        if targets is None:
            raise DataError(
                "DataLoader", "expected inputs and targets, the data has no targets", "Add targets."
            )
        self.inputs, self.targets = np.asarray(inputs), np.asarray(targets)
        if self.inputs.ndim == 0 or self.targets.ndim == 0 or len(self.inputs) != len(self.targets):
            raise ShapeError(
                "DataLoader",
                f"expected a target for each input, got inputs {self.inputs.shape} and targets "
                f"{self.targets.shape}",
                "Both need the same number of rows.",
            )
        self.rows = len(self.inputs)
        if not self.rows:
            raise DataError(
                "DataLoader", "expected at least one row, got none", "The part of the data is empty."
            )
        self.batch_size = (
            self.rows if batch_size is None else check_positive(batch_size, "batch_size", "DataLoader")
        )
        self.shuffle = shuffle
        self.seed = check_seed(seed, "DataLoader")
        self.drop_last = drop_last
        if not len(self):
            raise DataError(
                "DataLoader",
                f"drop_last leaves no batch: {self.rows} rows are fewer than batch_size={self.batch_size}",
                "Use a smaller batch_size, or drop_last=False.",
            )

    def __len__(self) -> int:
        """Batches in each epoch."""
        return self.rows // self.batch_size if self.drop_last else -(-self.rows // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Row numbers in the order of an epoch: (rows,) int64."""
        return generator(self.seed, epoch).permutation(self.rows) if self.shuffle else np.arange(self.rows)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The batches of one epoch, from batch number `start` on, whatever was handed out before.

        Raises ArgumentError if the epoch is below 0 or the start outside [0, len(loader)].
        """
        check_start(epoch, start, len(self), "DataLoader.batches")
        return self._batches(self.order(epoch), start)

    def _batches(self, order: np.ndarray, start: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for batch in range(start, len(self)):
            rows = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield self.inputs[rows], self.targets[rows]
