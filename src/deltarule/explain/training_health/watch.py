"""Watch: measures a training while it runs, at a small share of its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.errors import ArgumentError
from deltarule.explain.training_health.arguments import require_pair, require_share, require_whole
from deltarule.explain.training_health.probe import vitals
from deltarule.explain.training_health.probe_batch import fact_batch, probe_batch
from deltarule.explain.training_health.vitals import Vitals
from deltarule.kernels.threads import limited_threads
from deltarule.training.callbacks import Callback, Event

# Steps before a measurement whose losses and clipping are looked at.
_WINDOW = 16
# Share of the budget that the clock aims at; the rest is for what it does not see, such as caches.
_AIM = 0.8


class Watch(Callback):
    """A callback that measures the vitals of a training: at its start, now and then, and at its end.

    every     updates between two measurements; left out, the clock decides, so that all of them together
              take no more than `budget` of the training's time
    budget    share of the time, 0.03 unless given; the first and the last measurement are made in any case
    probe     rows that are measured, the first ones of the training data: the same each time. What is told
              from the data alone, such as whether labels are shuffled, is told once, at the start, from up
              to 1024
    data      (inputs, targets) to measure on instead
    noise     whether parts of the batch are compared, for the noise of the gradient
    line      whether multiples of the next step are tried, for the learning rate

    records   list of Vitals, in the order of steps
    seconds   what the measurements took so far

    The training is the same with it and without it, to the last bit: all is measured on a copy of the model,
    in the memory that one eager step of `probe` rows takes, and 0.1 GB at most for the facts of the data.
    Update ratios are those of real steps; the mean loss and the share of clipped steps are those of the 16
    steps before a measurement.

    Cost: with the default setting at most 3 % of the training's time. The clock aims at 2.4 % for the
    measurements, and waits the longer the dearer one was; the rest is for the steps after one, which find
    their caches cold. Measured by benchmarks/watching.py on two cores, all included: 1.7 % for an MLP
    784-512-256-10, 2.2 % for LeNet, 1.7 % for a CNN on 3x32x32 and for an LSTM, 2.4 % for an MLP 2-16-2. One
    measurement takes about as long as 12 to 130 compiled steps, 4 to 120 ms, and costs the steps after it 4
    to 13 % of that again; the first one looks at the data as well and takes 6 to 480 ms. A step in between
    pays 0.2 µs. The first and the last measurement are made in any case: in a training of a few seconds they
    are most of the cost. With `every` there is no such limit.

    Raises ArgumentError for options out of range, and what `vitals` raises.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> from deltarule.explain.training_health.watch import Watch
    >>> inputs = np.linspace(-1, 1, 64, dtype=np.float32)[:, np.newaxis]
    >>> watch = Watch(every=8)
    >>> _ = dr.fit(dr.nn.Linear(1, 1), (inputs, inputs), epochs=8, batch_size=32, lr=0.1, callbacks=[watch])
    >>> [each.step for each in watch.records]
    [0, 8, 16]
    >>> watch.records[-1].loss < watch.records[0].loss
    True
    """

    def __init__(
        self,
        every: int | None = None,
        *,
        budget: float = 0.03,
        probe: int = 32,
        data: tuple[Any, Any] | None = None,
        noise: bool = True,
        line: bool = True,
    ):
        if isinstance(data, tuple):
            require_pair("Watch", data)
        elif data is not None and not hasattr(data, "batches"):
            raise ArgumentError(
                "Watch",
                f"data expects (inputs, targets) or a loader, got {type(data).__name__}",
                "Leave it out for rows of the training data.",
            )
        self.every = None if every is None else require_whole("Watch", "every", every, 1)
        self.probe = require_whole("Watch", "probe", probe, 2, "Use 32, say.")
        self.budget = require_share("Watch", "budget", budget, "0.03 is 3 %.")
        self.data = data
        self.noise, self.line = noise, line
        self.records: list[Vitals] = []
        self.seconds = 0.0
        self._batch: tuple[Array, Array] | None = None
        # A measurement of this data, for its facts; the rows for them, until there is one.
        self._known: Vitals | None = None
        self._facts: tuple[Array, Array] | None = None
        # What the latest measurement took, and the time of the fits before this one.
        self._latest = self._elsewhere = self._here = 0.0
        self._step = self._first = 0
        self._due: int | None = None
        self._weights: dict[str, Array] | None = None
        self._begin_counting()

    # ---- what training tells

    def on_fit_begin(self, event: Event) -> None:
        """The first measurement."""
        self._step = self._first = event.step
        self._elsewhere, self._here = self._elsewhere + self._here, 0.0
        begin = time.perf_counter()
        data = self.data if self.data is not None else event.trainer.loader
        before, self._batch = self._batch, probe_batch(data, self.probe, "Watch")
        if before is None or not all(map(np.array_equal, before, self._batch)):
            # A training that goes on with the same data knows their facts.
            self._known, self._facts = None, fact_batch(data, self._batch, "Watch")
        self.seconds += time.perf_counter() - begin
        if not self.records or self.records[-1].step != event.step:
            self._measure(event)
        self._plan(event)

    def on_batch_end(self, event: Event) -> None:
        """Counts the steps before a measurement, measures, and finds out when the next one is due."""
        if self._due is None:
            self._plan(event)
            return
        self._count(event)
        if event.step >= self._due:
            self._measure(event)
            self._plan(event)
        elif event.step == self._due - 1:
            self._keep_weights(event)

    def on_fit_end(self, event: Event) -> None:
        """The last measurement."""
        self._here = event.seconds
        if not self.records or self.records[-1].step != event.step:
            self._measure(event)
        self._due = self._weights = None

    # ---- when, and what

    def _plan(self, event: Event) -> None:
        """Decides which step is measured next, or when to decide it."""
        step = event.step
        self._step = step
        self._begin_counting()
        self._due = self._next_due(event)
        if self._due is None:
            return
        self.next_step = max(step + 1, self._due - _WINDOW)
        if self._due == step + 1:
            self._keep_weights(event)

    def _next_due(self, event: Event) -> int | None:
        """The step to measure; None where it is too far away to be known, with `next_step` set for then."""
        step = event.step
        if self.every is not None:
            return (step // self.every + 1) * self.every
        waiting = (self.seconds + self._latest) / (_AIM * self.budget) - self._elsewhere - event.seconds
        if waiting <= 0:
            return step + _WINDOW
        done = step - self._first
        self.next_step = step + _WINDOW
        if done and event.seconds > 0:
            # Not quite as far as it seems: steps may become slower.
            self.next_step += int(0.9 * waiting * done / event.seconds)
        return None

    def _keep_weights(self, event: Event) -> None:
        """Keeps the weights before the step that is measured."""
        if self._weights is None:
            begin = time.perf_counter()
            self._weights = {name: array.copy() for name, array in _parameters(event)}
            self.seconds += time.perf_counter() - begin

    def _count(self, event: Event) -> None:
        self._losses += event.loss
        self._batches += 1
        limit = event.trainer.clip_norm
        if event.step == self._step or limit is None:
            # Gradients are still being collected, or nothing is clipped.
            return
        self._step = event.step
        norm = event.trainer.gradient_norm
        self._updates += 1
        self._clipped += norm > limit
        self._factors += limit / norm if norm > limit else 1.0

    def _measure(self, event: Event) -> None:
        begin = time.perf_counter()
        trainer = event.trainer
        assert self._batch is not None
        before, self._weights = self._weights, None
        updates = None
        if before is not None and self._due == event.step:
            updates = {name: array - before[name] for name, array in _parameters(event) if name in before}
        # Threads of NumPy's products that were woken go on to spin, and take the next steps' cores from them.
        with limited_threads(1):
            self.records.append(
                vitals(
                    trainer.model,
                    trainer.loss,
                    *self._batch,
                    trainer.optimizer,
                    step=event.step,
                    batch_size=self._rows(trainer.loader),
                    clip_norm=trainer.clip_norm,
                    clip_value=trainer.clip_value,
                    penalty=trainer.penalty,
                    noise=self.noise,
                    line=self.line,
                    facts=self._facts,
                    known=self._known,
                    training_loss=self._losses / self._batches if self._batches else None,
                    updates=updates,
                    clipped=(self._clipped / self._updates, self._factors / self._updates)
                    if self._updates
                    else None,
                )
            )
        self._known, self._facts = self.records[-1], None
        self._latest = time.perf_counter() - begin
        self.seconds += self._latest

    def _rows(self, loader: Any) -> int:
        """Rows of the training's batches."""
        assert self._batch is not None
        size = getattr(loader, "batch_size", None)
        return int(size) if size else len(self._batch[0])

    def _begin_counting(self) -> None:
        self._losses, self._batches = 0.0, 0
        self._updates, self._clipped, self._factors = 0, 0, 0.0


def _parameters(event: Event) -> Iterator[tuple[str, Array]]:
    for name, parameter in event.trainer.model.named_parameters():
        yield name, parameter._array
