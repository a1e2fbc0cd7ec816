"""Callbacks: what happens beside the updates. They see events; they print nothing here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deltarule.errors import ArgumentError
from deltarule.training.metrics import higher_is_better

if TYPE_CHECKING:
    from deltarule.training.trainer import Trainer


@dataclass(frozen=True, slots=True)
class Event:
    """Where training stands at the moment a callback is called.

    trainer   the trainer, whose `stop(reason)` ends training
    epoch     the epoch in progress, or that just ended, counted from 1; 0 before the first
    epochs    how many epochs there are to be
    batch     batches done in this epoch
    batches   batches in an epoch
    step      updates of the parameters since training began, resumed runs included
    loss      loss of the last batch; NaN where there was none
    seconds   since this call of `fit` began
    record    at the end of an epoch, its record in the history, else None

    >>> import deltarule as dr
    >>> import numpy as np
    >>> class Report(dr.training.Callback):
    ...     def on_epoch_end(self, event):
    ...         print(f"epoch {event.epoch} of {event.epochs}, step {event.step}")
    >>> x = np.ones((8, 1), np.float32)
    >>> _ = dr.fit(dr.nn.Linear(1, 1), (x, x), epochs=2, batch_size=2, callbacks=[Report()])
    epoch 1 of 2, step 4
    epoch 2 of 2, step 8
    """

    trainer: Trainer
    epoch: int
    epochs: int
    batch: int
    batches: int
    step: int
    loss: float
    seconds: float
    record: dict[str, Any] | None = None

    def measures(self) -> dict[str, float]:
        """Training metrics of the epoch so far: {"loss": 0.3, "accuracy": 0.9}. Computed when asked for.

        At the end of an epoch they start anew; `record` then holds those of the whole epoch.
        """
        return self.trainer.measured.results()


class Callback:
    """Base class: override what you need. Every method gets an Event.

    A callback whose state matters for what follows returns it from `state_dict`, as plain values for JSON;
    it goes into every checkpoint and comes back through `load_state_dict` when a run is resumed.

    next_step   `on_batch_end` is not called before this step: a callback that looks at few of them sets it
                ahead each time, and costs the others nothing

    >>> import deltarule as dr
    >>> import numpy as np
    >>> class StopAtStep(dr.training.Callback):
    ...     def __init__(self, step):
    ...         self.step = step
    ...     def on_batch_end(self, event):
    ...         if event.step >= self.step:
    ...             event.trainer.stop(f"step {self.step} is reached")
    >>> x = np.ones((8, 1), np.float32)
    >>> trainer = dr.fit(dr.nn.Linear(1, 1), (x, x), batch_size=2, callbacks=[StopAtStep(3)])
    >>> trainer.progress.step, trainer.stop_reason
    (3, 'step 3 is reached')
    """

    next_step: int = 0

    def on_fit_begin(self, event: Event) -> None:
        """Training begins, or goes on."""

    def on_epoch_begin(self, event: Event) -> None:
        """An epoch begins, or goes on in its middle."""

    def on_batch_end(self, event: Event) -> None:
        """A batch was learned from."""

    def on_epoch_end(self, event: Event) -> None:
        """An epoch ended; `event.record` is its record."""

    def on_save(self, event: Event) -> None:
        """A checkpoint was written to the run folder."""

    def on_fit_end(self, event: Event) -> None:
        """Training ended, for whatever reason; `event.trainer.stop_reason` says which."""

    def state_dict(self) -> dict[str, Any]:
        """What has to survive a restart."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what state_dict gave."""


class EarlyStopping(Callback):
    """Stops training when the monitored value has not improved for `patience` epochs in a row.

    patience         epochs without improvement that are put up with, 1 or more
    minimum_change   least improvement that counts, 0 or more
    monitor          name in the epoch's record; the trainer's monitor if left out
    mode             "min" or "max"; found from the name if left out

    Epochs whose record lacks the value (not evaluated) do not count; NaN is no improvement. The best weights
    come back at the end with `Trainer(restore_best=True)`. A resumed run that had stopped stops again at
    once, unless the patience is larger now.

    Raises ArgumentError for options out of range. Source: Prechelt 1998, Early stopping - but when?

    >>> import deltarule as dr
    >>> import numpy as np
    >>> x = np.ones((8, 1), np.float32)
    >>> stop = dr.training.EarlyStopping(patience=2, minimum_change=100.0)
    >>> trainer = dr.fit(dr.nn.Linear(1, 1), (x, x), epochs=50, callbacks=[stop])
    >>> len(trainer.history), trainer.stop_reason
    (3, 'train_loss did not improve for 2 epochs')
    """

    def __init__(
        self,
        patience: int = 5,
        minimum_change: float = 0.0,
        monitor: str | None = None,
        mode: str | None = None,
    ):
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise ArgumentError(
                "EarlyStopping",
                f"patience expects a whole number of 1 or more, got {patience!r}",
                "Use 5, say.",
            )
        if not minimum_change >= 0:
            raise ArgumentError(
                "EarlyStopping",
                f"minimum_change expects 0 or more, got {minimum_change!r}",
                "It is an amount in the unit of the monitored value, for both modes.",
            )
        self.patience, self.minimum_change = patience, minimum_change
        self.monitor, self.mode = monitor, check_mode(mode, "EarlyStopping")
        self.best: float | None = None
        self.waited = 0

    def on_fit_begin(self, event: Event) -> None:
        self._stop_if_due(event)

    def on_epoch_end(self, event: Event) -> None:
        monitor = self.monitor or event.trainer.monitor
        record = event.record or {}
        if monitor not in record:
            if self.monitor is not None and event.epoch == event.epochs:
                raise ArgumentError(
                    "EarlyStopping",
                    f"no epoch has {monitor!r}",
                    f"Monitor one of {', '.join(record)}.",
                )
            return
        mode = self.mode or (event.trainer.mode if self.monitor is None else mode_of(monitor))
        if improves(record[monitor], self.best, mode, self.minimum_change):
            self.best, self.waited = record[monitor], 0
        else:
            self.waited += 1
        self._stop_if_due(event)

    def _stop_if_due(self, event: Event) -> None:
        if self.waited >= self.patience:
            monitor = self.monitor or event.trainer.monitor
            event.trainer.stop(f"{monitor} did not improve for {self.waited} epochs")

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.waited = state["best"], state["waited"]


class LearningRateLog(Callback):
    """Writes down the learning rate of the first parameter group after every `every`-th update.

    steps, rates   two lists of the same length; the history has the rate of each epoch anyhow

    >>> import deltarule as dr
    >>> import numpy as np
    >>> x = np.ones((8, 1), np.float32)
    >>> log = dr.training.LearningRateLog(every=2)
    >>> _ = dr.fit(dr.nn.Linear(1, 1), (x, x), epochs=1, batch_size=2, lr=0.5, callbacks=[log])
    >>> log.steps, log.rates
    ([2, 4], [0.5, 0.5])
    """

    def __init__(self, every: int = 1):
        if every < 1:
            raise ArgumentError("LearningRateLog", f"every expects 1 or more, got {every!r}", "Use every=1.")
        self.every = every
        self.steps: list[int] = []
        self.rates: list[float] = []

    def on_batch_end(self, event: Event) -> None:
        last = self.steps[-1] if self.steps else 0
        if event.step != last and event.step % self.every == 0:
            self.steps.append(event.step)
            self.rates.append(event.trainer.learning_rate)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": list(self.steps), "rates": list(self.rates)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps, self.rates = list(state["steps"]), list(state["rates"])


def check_mode(mode: str | None, who: str) -> str | None:
    """The mode if it is one, or None. Raises ArgumentError for anything else."""
    if mode not in (None, "min", "max"):
        raise ArgumentError(who, f"mode expects 'min' or 'max', got {mode!r}", "Leave it out to find it.")
    return mode


def mode_of(monitor: str) -> str:
    """Whether a value of this name is to fall ("min") or to rise ("max")."""
    return "max" if higher_is_better(monitor) else "min"


def improves(value: float, best: float | None, mode: str, minimum_change: float = 0.0) -> bool:
    """Whether a value is better than the best one by more than the minimum change.

    >>> improves(0.5, 0.6, "min"), improves(0.5, 0.6, "max"), improves(0.5, None, "max")
    (True, False, True)
    """
    if math.isnan(value):
        return False
    if best is None:
        return True
    return value < best - minimum_change if mode == "min" else value > best + minimum_change
