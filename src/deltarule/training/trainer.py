"""Trainer: the one training loop, for whole batches, mini-batches and one sample at a time."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import ArgumentError, NonFiniteError, RunError, ShapeError
from deltarule.nn.module import Module
from deltarule.optim.optimizer import Optimizer
from deltarule.optim.plateau import ReduceLROnPlateau
from deltarule.training.arguments import require_count, require_parts
from deltarule.training.callbacks import Callback, Event, check_mode, improves, mode_of
from deltarule.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from deltarule.training.compiled_calls import CompiledCalls
from deltarule.training.evaluation import Loader, carries_state, require_loader
from deltarule.training.history import History
from deltarule.training.interruption import Interruption, TrainingInterrupted
from deltarule.training.loaders import evaluation_loader
from deltarule.training.measurement import Measurement
from deltarule.training.progress import Progress
from deltarule.training.resuming import restore_checkpoint, take_checkpoint
from deltarule.training.run_folder import HISTORY, RunFolder
from deltarule.training.running_metrics import Metrics
from deltarule.training.saving import Saving
from deltarule.training.tasks import task_for
from deltarule.training.update import Loss, Penalty, Update


class Trainer:
    """Trains a model: batches in, gradients back, parameters updated, epoch after epoch.

    model         Module; `forward(inputs)` gives the output, or (output, state) for a recurrent model,
                  which then takes (inputs, state) when a state is carried from batch to batch
    optimizer     Optimizer of its parameters
    task          "classification", "regression" or "text": decides loss and metrics
    loss          loss(output, targets) -> tensor of one element, the mean over the batch; instead of
                  the task's
    metrics       makes an empty Metrics record; instead of the task's
    schedule      of the learning rate; `step(metric)` is called after each epoch or update
    schedule_per  "epoch" or "step"
    penalty       penalty(model) -> tensor that is added to the loss; recorded apart, as train_penalty
                  at the end of each epoch
    clip_value, clip_norm   limits of the gradients, see `Update`
    accumulate    batches whose gradients make one update
    evaluate_every   epochs between two validations; the last epoch always has one
    monitor       name in the epoch's record that tells the best epoch; "validation_loss", or "train_loss"
                  where there is no validation data, if left out
    mode          "min" or "max"; found from the monitor's name if left out
    restore_best  whether the model ends with the best weights instead of the last ones
    callbacks     see `callbacks.py`; called in this order
    run_folder    RunFolder for checkpoints and history, or None
    save_steps, save_minutes   checkpoints within epochs too, see `Saving`
    compile       whether steps are compiled, see below; False runs every operation by itself

    progress      how far training is
    history       one record per epoch
    stop_reason   why the last `fit` ended
    carried       recurrent state for the next batch, or None
    measured      metrics of the epoch in progress
    best_weights  the best state of the model, kept with restore_best where there is no run folder
    loader        the training data of the last `fit`, or None

    Whole batch, mini-batch and online learning differ in the loader's batch_size alone: None, n, 1. Data
    that arrives at any time goes to `partial_fit`.

    A shape of batches that has come often enough is compiled, as `dr.compile` does: a second or so of work,
    from then on the same steps in less time, to the accuracy of the numbers' type. Python in a model or loss
    then runs no more (printing, counting). What cannot be compiled, such as a loss that branches on values,
    runs as it is, and `notes` says why.

    NaN or infinity in a loss or gradient raises NonFiniteError that names the first operation which
    produced it; the parameters are then as before that batch. Ctrl-C raises TrainingInterrupted between two
    updates, after a last checkpoint; a second Ctrl-C interrupts at once.

    >>> import deltarule as dr
    >>> model = dr.nn.Linear(1, 1)
    >>> inputs = np.linspace(-1, 1, 20, dtype=np.float32)[:, np.newaxis]
    >>> trainer = Trainer(model, dr.optim.SGD(model.parameters(), lr=0.3), "regression")
    >>> history = trainer.fit(dr.data.DataLoader((inputs, 2 * inputs), batch_size=5), epochs=50)
    >>> history[-1]["train_r2"] > 0.999
    True
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        task: str | None = None,
        *,
        loss: Loss | None = None,
        metrics: Callable[[], Metrics] | None = None,
        schedule: Any = None,
        schedule_per: str = "epoch",
        penalty: Penalty | None = None,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        accumulate: int = 1,
        evaluate_every: int = 1,
        monitor: str | None = None,
        mode: str | None = None,
        restore_best: bool = False,
        callbacks: Iterable[Callback] = (),
        run_folder: RunFolder | None = None,
        save_steps: int | None = None,
        save_minutes: float | None = None,
        compile: bool = True,
    ):
        if task is None and loss is None:
            raise ArgumentError(
                "Trainer", "expected a task or a loss, got neither", 'Pass task="classification", say.'
            )
        callbacks = require_parts(model, optimizer, loss, callbacks)
        if schedule_per not in ("epoch", "step"):
            raise ArgumentError(
                "Trainer", f"schedule_per expects 'epoch' or 'step', got {schedule_per!r}", "Choose one."
            )
        for name, value in (("accumulate", accumulate), ("evaluate_every", evaluate_every)):
            require_count(value, name, "Trainer")
        if run_folder is None and (save_steps is not None or save_minutes is not None):
            raise ArgumentError(
                "Trainer", "save_steps and save_minutes expect a run_folder, got none", "Pass run_folder=."
            )
        chosen = None if task is None else task_for(task)
        self.task = task
        self.model, self.optimizer, self.schedule = model, optimizer, schedule
        self.schedule_per, self.accumulate, self.evaluate_every = schedule_per, accumulate, evaluate_every
        self.loss: Loss = loss if loss is not None else chosen.loss  # type: ignore[union-attr]
        self.new_metrics = metrics or (Metrics if chosen is None else chosen.metrics)
        self.restore_best = restore_best
        self.callbacks = callbacks
        self.run_folder = run_folder
        self.progress = Progress()
        self.history = History(None if run_folder is None else run_folder.path / HISTORY)
        self.stop_reason = ""
        self.carried: Any = None
        self.measured = self.new_metrics()
        self.best_weights: dict[str, np.ndarray] | None = None
        self.loader: Loader | None = None
        self._update = Update(model, optimizer, self.loss, penalty, clip_value, clip_norm, compile)
        self._measurement = Measurement(model, self.loss, compile)
        self._monitor, self._mode = monitor, check_mode(mode, "Trainer")
        self._saving = None if run_folder is None else Saving(run_folder, save_steps, save_minutes)
        self._validates = False
        self._resumed = False
        self._last_loss = math.nan
        self._epochs = 0
        self._began = 0.0

    # ---- training

    def fit(self, train: Loader, validation: Loader | None = None, epochs: int = 10) -> History:
        """Trains until `epochs` epochs are done in all, those of earlier calls and resumed runs included.

        train        loader of the training data: DataLoader, SequenceLoader, or anything with
                     `batches(epoch, start)` and a length. The order of its batches may depend on the epoch
        validation   loader of the data that is evaluated after epochs, or None
        returns      the history

        A recurrent state is carried through the batches of an epoch where the loader's `carries_state` is
        true. The model is left in evaluation mode.

        Raises ArgumentError if that many epochs are done already; NonFiniteError; RunError;
        TrainingInterrupted.
        """
        for loader in (train,) if validation is None else (train, validation):
            require_loader(loader, "Trainer.fit")
        self._require_something_to_do(epochs, len(train))
        self._epochs, self._validates = epochs, validation is not None
        self.loader = train
        self._began = time.perf_counter()
        self.stop_reason = ""
        with self._holding_folder(), Interruption() as interruption:
            self.progress.batches = len(train)
            self._call("on_fit_begin")
            try:
                while self.progress.epoch < epochs and not self.stop_reason:
                    self._epoch(train, validation, interruption)
                self.stop_reason = self.stop_reason or f"{epochs} epochs are done"
            except NonFiniteError:
                self.stop_reason = "the loss or a gradient was not finite"
                self._save_between_updates()
                raise
            except TrainingInterrupted:
                self.stop_reason = "interrupted"
                raise
            finally:
                self.model.eval()
                self._call("on_fit_end")
        if self.restore_best:
            self._load_best()
        return self.history

    def partial_fit(self, inputs: Any, targets: Any) -> float:
        """Learns from one batch that has just arrived: one update. Returns its loss.

        inputs    (rows, ...), also a single row (1, ...)
        targets   as the loss takes them

        Online learning, with no epochs and no end. The model is left in training mode. Raises ShapeError for
        a row without its batch axis, and NonFiniteError as `fit` does.

        >>> import deltarule as dr
        >>> import numpy as np
        >>> model = dr.nn.Linear(1, 1)
        >>> trainer = dr.Trainer(model, dr.optim.SGD(model.parameters(), lr=0.1), "regression")
        >>> row, target = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
        >>> first, second = trainer.partial_fit(row, target), trainer.partial_fit(row, target)
        >>> second < first, trainer.progress.step
        (True, 2)
        """
        if not np.ndim(targets):
            raise ShapeError(
                "Trainer.partial_fit",
                "expected rows and a target for each, got a single target",
                "A single row needs an axis of length 1 before it: x[None], [y].",
            )
        if not self.model.training:
            self.model.train()
        self.optimizer.zero_grad()
        place = f"update {self.progress.step + 1}"
        *_, loss, _ = self._update.learn(inputs, targets, place=place)
        self._count_update()
        return loss

    def evaluate(self, data: Any) -> dict[str, float]:
        """Metrics of the model over data, in evaluation mode: {"loss": 0.1, "accuracy": 0.98}.

        data   a loader, a Part such as `data.test`, or a pair of arrays (inputs, targets)

        >>> import deltarule as dr
        >>> import numpy as np
        >>> x = np.ones((8, 1), np.float32)
        >>> trainer = dr.fit(dr.nn.Linear(1, 1), (x, x), epochs=1)
        >>> list(trainer.evaluate((x, x)))
        ['loss', 'mae', 'rmse', 'r2']
        """
        return self.measure(data).results()

    def measure(self, data: Any) -> Metrics:
        """The same as a record, which also has what is no single number, such as `confusion`."""
        metrics = self.new_metrics()
        self._measurement.over(evaluation_loader(data, self.task), metrics)
        return metrics

    def stop(self, reason: str) -> None:
        """Asks training to end after the batch or epoch in progress; for callbacks."""
        self.stop_reason = reason

    def _epoch(self, train: Loader, validation: Loader | None, interruption: Interruption) -> None:
        progress = self.progress
        begin, before = time.perf_counter(), progress.seconds
        carries = carries_state(train)
        notified = self._overridden("on_batch_end")
        self.model.train()
        self.optimizer.zero_grad()
        self._call("on_epoch_begin")
        for inputs, targets in train.batches(progress.epoch, progress.batch):
            self._learn(inputs, targets, carries)
            progress.seconds = before + time.perf_counter() - begin
            awake = [each for each in notified if each.next_step <= progress.step]
            if awake:
                event = self._event()
                for callback in awake:
                    callback.on_batch_end(event)
            if progress.batch == progress.batches or self._gradients_are_pending():
                continue
            if interruption.requested:
                self._interrupt()
            if self.stop_reason:
                self._save_between_updates()
                return
            if self._saving is not None and self._saving.is_due_within_epoch(progress.step):
                self._save_between_updates()
        self._end_epoch(validation, begin, before)
        if interruption.requested and progress.epoch < self._epochs and not self.stop_reason:
            self._interrupt()

    def _learn(self, inputs: Any, targets: Any, carries: bool) -> None:
        progress = self.progress
        first = progress.batch - progress.batch % self.accumulate
        together = min(self.accumulate, progress.batches - first)
        place = f"epoch {progress.epoch + 1}, batch {progress.batch + 1}"
        last = progress.batch + 1 == first + together
        output, wanted, loss, state = self._update.learn(
            inputs, targets, self.carried, 1.0 / together, last, place
        )
        if last:
            self._count_update()
        self.carried = state if carries else None
        self.measured.update(output, wanted, loss)
        self._last_loss = loss
        progress.batch += 1

    def _count_update(self) -> None:
        self.progress.step += 1
        if self.schedule is not None and self.schedule_per == "step":
            self.schedule.step()

    def _gradients_are_pending(self) -> bool:
        """Whether batches have been seen whose gradients wait for others."""
        return self.progress.batch % self.accumulate != 0 and self.progress.batch != self.progress.batches

    def _end_epoch(self, validation: Loader | None, begin: float, before: float) -> None:
        progress = self.progress
        record: dict[str, Any] = {"epoch": progress.epoch + 1, "step": progress.step}
        record.update({f"train_{name}": value for name, value in self.measured.results().items()})
        if self._update.penalty is not None:
            record["train_penalty"] = self._update.penalty_value()
        final = progress.epoch + 1 == self._epochs
        if validation is not None and (final or (progress.epoch + 1) % self.evaluate_every == 0):
            results = self.evaluate(validation)
            record.update({f"validation_{name}": value for name, value in results.items()})
        record["learning_rate"] = self.learning_rate
        progress.seconds = before + time.perf_counter() - begin
        record["seconds"] = progress.seconds - before
        monitored = self._monitored(record, final)
        improved = monitored is not None and improves(monitored, progress.best, self.mode)
        if improved:
            progress.best, progress.best_epoch = monitored, progress.epoch + 1
            if self.restore_best and self.run_folder is None:
                self.best_weights = self.model.state_dict()
        if self.schedule is not None and self.schedule_per == "epoch":
            # A schedule that watches the metric waits for the epochs that have it.
            if monitored is not None or not isinstance(self.schedule, ReduceLROnPlateau):
                self.schedule.step(monitored)
        progress.epoch += 1
        progress.batch = 0
        self.carried = None
        self.measured = self.new_metrics()
        self.history.append(record)
        self._call("on_epoch_end", record)
        if self._saving is not None:
            ends = bool(self.stop_reason) or progress.epoch == self._epochs
            if self._saving.end_of_epoch(self.checkpoint, self.history, improved, ends):
                self._call("on_save", record)

    def _monitored(self, record: dict[str, Any], final: bool) -> float | None:
        """The monitored value of an epoch; None where it was not evaluated."""
        value = record.get(self.monitor)
        waiting = self._validates and not final and "validation_loss" not in record
        if value is None and not (waiting and self.monitor.startswith("validation_")):
            raise ArgumentError(
                "Trainer",
                f"monitor expects a name in the epoch's record, got {self.monitor!r}",
                f"Choose one of {', '.join(record)}.",
            )
        return value

    # ---- what callbacks ask

    @property
    def monitor(self) -> str:
        """Name of the value that tells the best epoch."""
        if self._monitor is not None:
            return self._monitor
        return "validation_loss" if self._validates else "train_loss"

    @property
    def mode(self) -> str:
        """Whether the monitored value is to fall ("min") or to rise ("max")."""
        return self._mode or mode_of(self.monitor)

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def gradient_norm(self) -> float:
        """Joint norm of the gradients at the last update, before clipping; NaN without clip_norm."""
        return self._update.gradient_norm

    @property
    def clip_value(self) -> float | None:
        """Largest magnitude of a gradient's element, or None."""
        return self._update.clip_value

    @property
    def clip_norm(self) -> float | None:
        """Largest joint norm of all gradients, or None."""
        return self._update.clip_norm

    @property
    def penalty(self) -> Penalty | None:
        """What is added to the loss, or None."""
        return self._update.penalty

    @property
    def notes(self) -> list[str]:
        """What users may want to know of the run: why its steps are not compiled, one sentence each."""
        said = {"update": "training runs", "measurement": "evaluation runs"}
        return [
            f"{said[name]} uncompiled: {calls.refusal}"
            for name, calls in self._compiled_calls()
            if calls.refusal
        ]

    def _event(self, record: dict[str, Any] | None = None) -> Event:
        progress = self.progress
        return Event(
            trainer=self,
            epoch=progress.epoch if record is not None else min(progress.epoch + 1, self._epochs),
            epochs=self._epochs,
            batch=progress.batches if record is not None else progress.batch,
            batches=progress.batches,
            step=progress.step,
            loss=self._last_loss,
            seconds=time.perf_counter() - self._began,
            record=record,
        )

    def _overridden(self, name: str) -> list[Callback]:
        return [each for each in self.callbacks if getattr(type(each), name) is not getattr(Callback, name)]

    def _call(self, name: str, record: dict[str, Any] | None = None) -> None:
        for callback in self._overridden(name):
            getattr(callback, name)(self._event(record))

    # ---- saving and resuming

    def checkpoint(self) -> Checkpoint:
        """Everything that training needs to go on from this instant, bit for bit."""
        return take_checkpoint(self)

    def restore(self, checkpoint: Checkpoint, history: Iterable[dict[str, Any]] = ()) -> None:
        """Goes back to a checkpoint of the same model, optimiser and schedule; `fit` then goes on from there.

        history   the records until then; more than the checkpoint knows of are left out

        Raises ArgumentError or ShapeError if it belongs to something else.
        """
        restore_checkpoint(self, checkpoint, history)
        self._resumed = True

    def compiled_state(self) -> dict[str, Any]:
        """What decides which steps run compiled, for a checkpoint; empty without compiling."""
        return {name: calls.state_dict() for name, calls in self._compiled_calls()}

    def load_compiled_state(self, saved: dict[str, Any]) -> None:
        """Takes over what `compiled_state` gave."""
        for name, calls in self._compiled_calls():
            if name in saved:
                calls.load_state_dict(saved[name])

    def _compiled_calls(self) -> list[tuple[str, CompiledCalls]]:
        found = (("update", self._update.calls), ("measurement", self._measurement.calls))
        return [(name, calls) for name, calls in found if calls is not None]

    def resume(self, name: str = "last") -> None:
        """Goes back to a checkpoint of the run folder.

        Raises RunError if it is missing or damaged, or there is no run folder.
        """
        if self.run_folder is None:
            raise RunError("Trainer.resume", "there is no run folder", "Pass run_folder=RunFolder(path).")
        self.restore(self.run_folder.load(name), self.run_folder.history())

    def save(self, path: Path | str) -> None:
        """Writes one file with everything, the history included, for training without a run folder."""
        checkpoint = self.checkpoint()
        values = {**checkpoint.values, "history": list(self.history)}
        write_checkpoint(Path(path), Checkpoint(checkpoint.arrays, values))

    def load(self, path: Path | str) -> None:
        """Goes back to what `save` wrote. Raises RunError if the file is missing or damaged."""
        checkpoint = read_checkpoint(Path(path))
        self.restore(checkpoint, checkpoint.values.get("history", ()))

    def _require_something_to_do(self, epochs: int, batches: int) -> None:
        require_count(epochs, "epochs", "Trainer.fit")
        done = self.progress.epoch
        if epochs <= done:
            raise ArgumentError(
                "Trainer.fit",
                f"{done} epochs are done already, epochs={epochs} asks for no more",
                f"epochs counts all of them: epochs={done + epochs} trains {epochs} more.",
            )
        if self.progress.batch and self.progress.batches != batches:
            raise ArgumentError(
                "Trainer.fit",
                f"expected {self.progress.batches} batches as in the epoch that was left, got {batches}",
                "Go on with the same data and batch_size.",
            )

    @contextlib.contextmanager
    def _holding_folder(self) -> Iterator[None]:
        if self.run_folder is None:
            yield
            return
        with self.run_folder.locked():
            fresh = not self._resumed and not self.progress.step
            if fresh and self.run_folder.checkpoints():
                raise RunError(
                    str(self.run_folder.path),
                    "this run has been trained already",
                    "Call trainer.resume() to go on with it, or make a new run folder.",
                )
            # Records that a killed process wrote after its last checkpoint are computed again.
            self.history.truncate(len(self.history))
            yield

    def _save_between_updates(self) -> None:
        """Writes `last` where no gradients are pending."""
        if self._saving is not None and not self._gradients_are_pending():
            self._saving.save(self.checkpoint(), self.history)
            self._call("on_save")

    def _interrupt(self) -> None:
        self._save_between_updates()
        progress = self.progress
        done = f"training was interrupted after epoch {progress.epoch}, batch {progress.batch} of the next"
        if self.run_folder is None:
            raise TrainingInterrupted(f"{done}. Calling fit again goes on from here.")
        raise TrainingInterrupted(
            f"{done}. The checkpoint is in {self.run_folder.path}: resuming that run goes on as if it had "
            "never stopped."
        )

    def _load_best(self) -> None:
        if self.run_folder is not None and "best" in self.run_folder.checkpoints():
            self.model.load_state_dict(self.run_folder.load("best").part("model"))
        elif self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)
