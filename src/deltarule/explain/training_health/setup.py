"""Setup: everything that a short training needs, so that it can be run twice and changed in between."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from deltarule.autodiff.recording import enable_grad, no_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import NonFiniteError
from deltarule.explain.training_health.output_vitals import output_vitals
from deltarule.explain.training_health.probe import vitals
from deltarule.explain.training_health.probe_batch import fact_batch, probe_batch
from deltarule.explain.training_health.recorded_pass import losses, recorded_pass
from deltarule.explain.training_health.vitals import Vitals
from deltarule.nn.module import Module
from deltarule.operations.random import get_random_state, manual_seed, set_random_state
from deltarule.optim.optimizer import Optimizer
from deltarule.training.evaluation import carries_state
from deltarule.training.trainer import Trainer
from deltarule.training.update import Update


@dataclass(frozen=True)
class Setup:
    """A network with all that it is trained with.

    model, optimizer   which belong together; never trained themselves, only copies of them
    loader             batches of the training data
    probe              (inputs, targets) to measure on
    facts              (inputs, targets) of more rows, for what is told from the data alone
    seed               of what is drawn at random in training
    step               updates that were done before
    """

    model: Module
    loss: Callable[..., Tensor]
    loader: Any
    optimizer: Optimizer
    probe: tuple[Array, Array]
    penalty: Callable[[Module], Tensor] | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    seed: int = 0
    step: int = 0
    facts: tuple[Array, Array] | None = None

    @property
    def batch_size(self) -> int:
        """Rows of a batch in training."""
        size = getattr(self.loader, "batch_size", None)
        return int(size) if size else len(self.probe[0])

    def copied(self) -> Setup:
        """The same with a model and optimiser of its own."""
        model, optimizer = copy.deepcopy((self.model, self.optimizer))
        return replace(self, model=model, optimizer=optimizer)

    def loss_of(self, inputs: Any, targets: Any) -> float:
        """The loss of a batch, without an update."""
        with no_grad():
            return float(losses(self.model, self.loss, None, inputs, targets)[1].item())

    def loss_of_probe(self) -> float:
        """The loss of the probe's rows."""
        return self.loss_of(*self.probe)

    def accuracy(self) -> float | None:
        """Share of the probe's rows that the model as it is gets right; None without classes."""
        return output_vitals(recorded_pass(self.model, self.loss, *self.probe)).accuracy

    def learns(self) -> bool:
        """Whether there is something to learn: the loss depends on a parameter that is not frozen."""
        own = self.copied()
        own.model.train()
        with random_state_of(self.seed), enable_grad():
            return losses(own.model, own.loss, own.penalty, *own.probe)[2].requires_grad

    def measured(self, step: int, **more: Any) -> Vitals:
        """The vitals of the model as it is."""
        return vitals(
            self.model,
            self.loss,
            *self.probe,
            self.optimizer,
            step=step,
            batch_size=self.batch_size,
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
            penalty=self.penalty,
            facts=self.facts,
            **more,
        )


def setup_of(trainer: Trainer, loader: Any, rows: int, seed: int) -> Setup:
    """What a trainer trains, and with what.

    loader   batches of its training data
    rows     to measure on
    """
    probe = probe_batch(loader, rows, "health")
    return Setup(
        trainer.model,
        trainer.loss,
        loader,
        trainer.optimizer,
        probe,
        trainer.penalty,
        trainer.clip_norm,
        trainer.clip_value,
        seed,
        trainer.progress.step,
        fact_batch(loader, probe, "health"),
    )


@dataclass
class Course:
    """What a short training did.

    losses    of each batch, in training mode; it ends early where one is not finite
    history   vitals at some of its steps, the first one included
    finite    whether it went to its end
    accuracy  at its end, on the probe in training mode; None where the loss is not over classes
    trained   the copy at the end
    """

    losses: list[float] = field(default_factory=list)
    history: list[Vitals] = field(default_factory=list)
    finite: bool = True
    accuracy: float | None = None
    trained: Setup | None = None


def train_for(setup: Setup, steps: int, every: int | None = None) -> Course:
    """Trains a copy for some updates, on the same batches each time. Leaves the random state as it was.

    every   updates between two measurements; None for none

    Where the loss depends on nothing that can be updated, its values are those of the batches.
    """
    own = setup.copied()
    course = Course()
    with random_state_of(setup.seed), enable_grad():
        if every is not None:
            course.history.append(own.measured(own.step))
        update = Update(
            own.model, own.optimizer, own.loss, own.penalty, own.clip_value, own.clip_norm, compile=False
        )
        own.model.train()
        own.optimizer.zero_grad()
        learns = own.learns()
        for done, (inputs, targets, state) in enumerate(_batches(own.loader, steps), 1):
            due = every is not None and (done % every == 0 or done == steps)
            before = _weights(own.model) if due else {}
            try:
                if learns:
                    *_, loss, state[0] = update.learn(inputs, targets, state[0])
                else:
                    loss = own.loss_of(inputs, targets)
            except NonFiniteError:
                course.finite = False
                if every is not None:
                    course.history.append(own.measured(own.step + done - 1, known=course.history[0]))
                break
            course.losses.append(loss)
            if due and every is not None:
                moved = {name: array - before[name] for name, array in _weights(own.model).items()}
                recent = course.losses[-every:]
                told = sum(recent) / len(recent)
                known = course.history[0]
                course.history.append(
                    own.measured(own.step + done, training_loss=told, updates=moved, known=known)
                )
        course.accuracy, course.trained = own.accuracy(), own
    return course


def _batches(loader: Any, steps: int) -> Iterator[tuple[Any, Any, list[Any]]]:
    """(inputs, targets, place for the recurrent state) of so many batches, epoch after epoch."""
    done, epoch = 0, 0
    while done < steps:
        state: list[Any] = [None]
        for inputs, targets in loader.batches(epoch):
            if not carries_state(loader):
                state = [None]
            yield inputs, targets, state
            done += 1
            if done == steps:
                return
        epoch += 1


def _weights(model: Module) -> dict[str, Array]:
    return {name: parameter._array.copy() for name, parameter in model.named_parameters()}


@contextmanager
def random_state_of(seed: int) -> Iterator[None]:
    """Draws as after `manual_seed(seed)`; afterwards the state is as before."""
    before = get_random_state()
    try:
        manual_seed(seed)
        with np.errstate(all="ignore"):
            yield
    finally:
        set_random_state(before)


def mean_of_last(losses: list[float], share: float = 0.1) -> float:
    """Mean of the last tenth of some losses; infinite where there are none.

    >>> mean_of_last([5.0, 3.0, 1.0])
    1.0
    """
    if not losses:
        return math.inf
    count = max(1, round(len(losses) * share))
    return sum(losses[-count:]) / count
