"""Batches of steps from one long sequence: each input's target is the step after it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deltarule.data.dataset import Part
from deltarule.data.loader import EpochState, check_positive, check_start
from deltarule.data.randomness import check_seed, generator
from deltarule.errors import DataError, ShapeError


class SequenceLoader(EpochState):
    """Hands out (inputs, targets), both (batch, time), from one long sequence of tokens.

    targets[b, t] = the token that follows inputs[b, t]

    data              a Part of a text, or tokens (steps,) of whole numbers
    batch_size        rows in each batch
    sequence_length   time steps in each batch, the length of truncated back-propagation through time
    contiguous        True: the text is cut into `batch_size` streams, and row b of a batch goes on where
                      row b of the batch before it ended, so a recurrent state can be carried from batch
                      to batch within an epoch. False: every row is a window from a random place, and a
                      state must begin anew with each batch
    shuffle           contiguous: streams begin at another offset in [0, sequence_length) in each epoch,
                      so that the cuts fall elsewhere; windows: other places in each epoch
    seed              epoch e depends on (seed, e) alone, not on earlier epochs
    drop_last         leave out the last batch of an epoch of streams if it has fewer steps

    Contiguous streams leave out the few last steps that do not fill all rows; with batch_size=1 and
    shuffle=False nothing is left out, which suits evaluation.

    Raises DataError if the sequence is too short, ShapeError if it has other than one axis.
    Source: truncated back-propagation through time, Williams & Peng 1990.

        >>> loader = SequenceLoader(np.arange(9), batch_size=2, sequence_length=2, shuffle=False)
        >>> for inputs, targets in loader:
        ...     print(inputs.tolist(), targets.tolist())
        [[0, 1], [4, 5]] [[1, 2], [5, 6]]
        [[2, 3], [6, 7]] [[3, 4], [7, 8]]
    """

    def __init__(
        self,
        data: Part | np.ndarray,
        batch_size: int = 32,
        sequence_length: int = 64,
        contiguous: bool = True,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        if isinstance(data, Part):
            if data.targets is None:
                raise DataError(
                    "SequenceLoader", "expected the part of a text, it has no targets", "Pass the tokens."
                )
            self.inputs, self.targets = data.inputs, data.targets
        else:
            tokens = np.asarray(data)
            self.inputs, self.targets = (
                tokens[:-1] if tokens.ndim else tokens,
                tokens[1:] if tokens.ndim else tokens,
            )
        if self.inputs.ndim != 1 or self.inputs.dtype.kind not in "iu":
            raise ShapeError(
                "SequenceLoader",
                f"expected whole numbers of shape (steps,), got {self.inputs.dtype} of shape "
                f"{self.inputs.shape}",
                "Encode text with a Vocabulary; rows of features go to DataLoader.",
            )
        self.batch_size = check_positive(batch_size, "batch_size", "SequenceLoader")
        self.sequence_length = check_positive(sequence_length, "sequence_length", "SequenceLoader")
        self.contiguous, self.shuffle, self.drop_last = contiguous, shuffle, drop_last
        self.seed = check_seed(seed, "SequenceLoader")
        steps = len(self.inputs)
        # One stream has this many steps in every epoch, whatever its offset, so that all epochs are alike.
        self.maximum_offset = self._find_maximum_offset(steps)
        self.stream_steps = (steps - self.maximum_offset) // self.batch_size
        if not len(self):
            needed = self.sequence_length
            if contiguous:
                needed = self.batch_size * (self.sequence_length if drop_last else 1)
            raise DataError(
                "SequenceLoader",
                f"expected at least {needed} steps that another follows, for batch_size={self.batch_size} "
                f"and sequence_length={self.sequence_length}, got {steps}",
                "Use a smaller batch_size or sequence_length, or a longer text.",
            )

    def _find_maximum_offset(self, steps: int) -> int:
        """Largest start offset of the streams; 0 for short texts, which cannot spare any step."""
        enough = steps >= 2 * self.batch_size * self.sequence_length
        return self.sequence_length - 1 if self.contiguous and self.shuffle and enough else 0

    def __len__(self) -> int:
        """Batches in each epoch."""
        if self.contiguous:
            whole = self.stream_steps // self.sequence_length
            return whole if self.drop_last else -(-self.stream_steps // self.sequence_length)
        if len(self.inputs) < self.sequence_length:
            return 0
        return max(1, len(self.inputs) // (self.batch_size * self.sequence_length))

    @property
    def carries_state(self) -> bool:
        """Whether a recurrent state may be carried from one batch of an epoch to the next."""
        return self.contiguous

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The batches of one epoch, from batch number `start` on, whatever was handed out before.

        Raises ArgumentError if the epoch is below 0 or the start outside [0, len(loader)].
        """
        check_start(epoch, start, len(self), "SequenceLoader.batches")
        return self._streams(epoch, start) if self.contiguous else self._windows(epoch, start)

    def _streams(self, epoch: int, start: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        offset = (
            int(generator(self.seed, epoch).integers(self.maximum_offset + 1)) if self.maximum_offset else 0
        )
        used = slice(offset, offset + self.batch_size * self.stream_steps)
        inputs = self.inputs[used].reshape(self.batch_size, self.stream_steps)
        targets = self.targets[used].reshape(self.batch_size, self.stream_steps)
        for batch in range(start, len(self)):
            steps = slice(batch * self.sequence_length, (batch + 1) * self.sequence_length)
            yield inputs[:, steps].copy(), targets[:, steps].copy()

    def _windows(self, epoch: int, start: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        random = generator(self.seed, epoch if self.shuffle else 0)
        places = len(self.inputs) - self.sequence_length + 1
        begins = random.integers(places, size=(len(self), self.batch_size))
        within = np.arange(self.sequence_length)
        for batch in range(start, len(self)):
            steps = begins[batch][:, np.newaxis] + within
            yield self.inputs[steps], self.targets[steps]
