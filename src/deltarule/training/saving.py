"""When checkpoints are written: at the ends of epochs, and every so many steps or minutes between."""

from __future__ import annotations

import time
from collections.abc import Callable

from deltarule.errors import ArgumentError
from deltarule.training.checkpoint import Checkpoint
from deltarule.training.history import History
from deltarule.training.run_folder import RunFolder

# Epochs can take less time than forcing a file to the disk; saving may take this share of the time.
SAVING_SHARE = 0.1


class Saving:
    """Writes `best` and `last` of a run folder in an order that never contradicts itself.

    steps     also every so many updates, or None
    minutes   also after so many minutes, or None

    The end of an epoch is skipped where saving would take more than a tenth of the time; the last epoch
    never is. `best` is written before the `last` that knows of it, and the history before both: a run that
    is resumed from `last` finds everything, and computes again, bit for bit, what came after.
    """

    def __init__(self, folder: RunFolder, steps: int | None = None, minutes: float | None = None):
        for name, value in (("save_steps", steps), ("save_minutes", minutes)):
            if value is not None and not value > 0:
                raise ArgumentError(
                    "Trainer",
                    f"{name} expects a number above 0, got {value!r}",
                    "Leave it out for epochs only.",
                )
        self.folder, self.steps, self.minutes = folder, steps, minutes
        self._best: Checkpoint | None = None
        self._saved_at = time.perf_counter()
        self._cost = 0.0

    def is_due_within_epoch(self, step: int) -> bool:
        """Whether a checkpoint is wanted after this update."""
        if self.steps is not None and step % self.steps == 0:
            return True
        return self.minutes is not None and time.perf_counter() - self._saved_at >= 60 * self.minutes

    def end_of_epoch(
        self, take: Callable[[], Checkpoint], history: History, improved: bool, final: bool
    ) -> bool:
        """Saves if it is time, and tells whether it did.

        take       makes the checkpoint
        improved   whether it is the best one so far
        final      whether training ends here
        """
        spent = time.perf_counter() - self._saved_at
        due = final or spent * SAVING_SHARE >= self._cost
        if due or improved:
            checkpoint = take()
            if improved:
                self._best = checkpoint
            if due:
                self.save(checkpoint, history)
        return due

    def save(self, checkpoint: Checkpoint, history: History) -> None:
        """Writes `best` if there is a new one, then `last`."""
        begin = time.perf_counter()
        history.sync()
        if self._best is not None:
            self.folder.save("best", self._best)
            self._best = None
        self.folder.save("last", checkpoint)
        self._saved_at = time.perf_counter()
        self._cost = self._saved_at - begin
