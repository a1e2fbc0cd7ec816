"""health: why a network does not train, and what would help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.explain.shown import Shown
from deltarule.explain.training_health.arguments import (
    require_function,
    require_limit,
    require_together,
    require_whole,
)
from deltarule.explain.training_health.causes import findings
from deltarule.explain.training_health.causes.finding import Finding
from deltarule.explain.training_health.probe_batch import as_training_data, fact_batch, probe_batch
from deltarule.explain.training_health.remedy import Trial, trials
from deltarule.explain.training_health.setup import Setup, setup_of, train_for
from deltarule.explain.training_health.vitals import Vitals
from deltarule.explain.training_health.watch import Watch
from deltarule.nn.module import Module
from deltarule.optim.optimizer import Optimizer
from deltarule.training.tasks import TASKS, task_for
from deltarule.training.trainer import Trainer

# Measurements in the course of a short training.
_MEASUREMENTS = 8


@dataclass(frozen=True, repr=False)
class Health(Shown):
    """What was measured of a training, what is wrong with it, and what was tried.

    name       what was looked at: a run, or the model's class
    history    vitals, in the order of steps
    findings   causes, the most specific one first; none for a healthy network
    trials     the remedy of each finding, where they were tried
    """

    name: str
    history: tuple[Vitals, ...]
    findings: tuple[Finding, ...]
    trials: tuple[Trial, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def last(self) -> Vitals:
        """The latest measurement."""
        return self.history[-1]


def health(
    what: Any,
    loss: Callable[..., Tensor] | str | None = None,
    data: Any = None,
    optimizer: Optimizer | None = None,
    *,
    rows: int = 256,
    steps: int = 0,
    batch_size: int | None = 32,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    penalty: Callable[[Module], Tensor] | None = None,
    seed: int = 0,
    try_remedies: bool = False,
    trial_steps: int = 100,
    name: str = "",
) -> Health:
    """Measures a network and names the causes why it does not train, with a remedy for each.

    what        a Trainer; a model, with loss and data; the tuple (model, loss, data); a Watch; or the Vitals
                that were measured, in their order
    loss        loss(output, targets), or a task: "classification", "regression", "text"
    data        (inputs, targets), a data set or a loader; a Trainer knows its own
    optimizer   of the model's parameters; without one nothing is said of learning rates, and nothing tried
    rows        of the batch that is measured; facts of the data are told from up to 1024
    steps       updates that a copy of the model is trained for, measured at 9 places; 0 looks at it as it is
    batch_size, clip_norm, clip_value, penalty, seed   as in Trainer, which brings its own
    try_remedies   whether the remedies are tried, see `try_remedy`; trial_steps updates each
    returns     Health: `.findings`, `.history`; `.html("health.html")` is the report

    The model, its gradients, its optimiser and the random state stay as they are. Raises ArgumentError where
    loss, data or optimiser is lacking or not what it should be, where a Watch has measured nothing yet, for
    numbers out of range (rows and trial_steps from 2, steps from 0), and what `vitals` raises.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> from deltarule.explain.training_health.health import health
    >>> dr.manual_seed(0)
    >>> source = np.random.default_rng(0)
    >>> inputs = source.standard_normal((256, 4)).astype(np.float32)
    >>> labels = (inputs[:, 0] * inputs[:, 1] > 0).astype(int)
    >>> model = dr.nn.Sequential(dr.nn.Linear(4, 16), dr.nn.ReLU(), dr.nn.Linear(16, 2))
    >>> optimizer = dr.optim.SGD(model.parameters(), lr=0.1)
    >>> health((model, dr.cross_entropy, (inputs, labels)), optimizer=optimizer).healthy
    True
    """
    rows = require_whole("health", "rows", rows, 2, "256 rows tell most of it.")
    steps = require_whole("health", "steps", steps, 0, "Use 100, say, or 0 to look at it as it is.")
    trial_steps = require_whole("health", "trial_steps", trial_steps, 2)
    if isinstance(what, Watch):
        if not what.records:
            raise ArgumentError(
                "health",
                "this Watch has measured nothing yet",
                "Pass it to a training first: dr.fit(..., callbacks=[watch]).",
            )
        what = what.records
    if isinstance(what, Vitals):
        what = [what]
    if isinstance(what, Sequence) and not len(what):
        raise ArgumentError(
            "health", "expected one measurement or more, got none", "Pass a Watch, or what vitals returned."
        )
    if isinstance(what, Sequence) and all(isinstance(each, Vitals) for each in what):
        if steps or try_remedies:
            raise ArgumentError(
                "health",
                "measurements alone cannot be trained or given a remedy",
                "Pass the trainer, or (model, loss, data) and the optimizer.",
            )
        return Health(name, tuple(what), tuple(findings(what)))
    seed = require_whole("health", "seed", seed, 0, "Use 0, say.")
    if isinstance(what, Trainer):
        setup = _of_trainer(what, data, rows, seed)
        name = name or type(what.model).__name__
    else:
        if isinstance(what, tuple) and len(what) == 3:
            what, loss, data = what
        if batch_size is not None:
            batch_size = require_whole("health", "batch_size", batch_size, 1, "Use 32, say.")
        for limit, value in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            require_limit("health", limit, value)
        setup = _given(what, loss, data, optimizer, rows, batch_size, seed, penalty, clip_norm, clip_value)
        name = name or type(what).__name__
    if steps:
        _require_optimizer(setup.optimizer, "steps")
        history = train_for(setup, steps, every=max(1, steps // _MEASUREMENTS)).history
    else:
        history = [setup.measured(setup.step)]
    found = tuple(findings(history))
    tried: tuple[Trial, ...] = ()
    if try_remedies and found:
        _require_optimizer(setup.optimizer, "try_remedies")
        tried = trials(found, setup, trial_steps)
    return Health(name, tuple(history), found, tried)


def health_of_run(
    start: Setup, now: Setup, history: Sequence[Vitals], name: str, try_remedies: bool, trial_steps: int
) -> Health:
    """Health of a run whose first weights are known too: remedies are tried from there.

    start   as it was before the first update
    now     as it is
    history   what was measured in between, in its order
    """
    measured = [start.measured(start.step), *history]
    if now.step > measured[-1].step:
        measured.append(now.measured(now.step, known=measured[0]))
    found = tuple(findings(measured))
    tried = trials(found, start, trial_steps) if try_remedies and found else ()
    return Health(name, tuple(measured), found, tried)


def _of_trainer(trainer: Trainer, data: Any, rows: int, seed: int) -> Setup:
    source = data if data is not None else trainer.loader
    if source is None:
        raise ArgumentError(
            "health", "this trainer has not been given data yet", "Pass data=, or call trainer.fit first."
        )
    return setup_of(trainer, as_training_data(source, 32, "health", seed), rows, seed)


def _given(
    model: Any,
    loss: Callable[..., Tensor] | str | None,
    data: Any,
    optimizer: Optimizer | None,
    rows: int,
    batch_size: int | None,
    seed: int,
    penalty: Callable[[Module], Tensor] | None,
    clip_norm: float | None,
    clip_value: float | None,
) -> Setup:
    if not isinstance(model, Module):
        raise ArgumentError(
            "health",
            f"expected a trainer, a model, a Watch or (model, loss, data), got {_told(model)}",
            "For a run folder: deltarule health RUN.",
        )
    if loss is None or data is None:
        raise ArgumentError(
            "health",
            "a model expects loss= and data=",
            "For example health(model, dr.cross_entropy, (x, y)).",
        )
    if isinstance(loss, str) and loss in TASKS:
        loss = task_for(loss).loss
    say = f"For example dr.cross_entropy; or one of {', '.join(map(repr, TASKS))}."
    require_function("health", "loss", loss, say)
    assert not isinstance(loss, str)
    if penalty is not None:
        require_function("health", "penalty", penalty, "It gets the model, and gives one number.")
    require_together("health", model, optimizer)
    loader = as_training_data(data, batch_size, "health", seed)
    probe = probe_batch(loader, rows, "health")
    return Setup(
        model,
        loss,
        loader,
        optimizer,  # type: ignore[arg-type]
        probe,
        penalty,
        clip_norm,
        clip_value,
        seed,
        facts=fact_batch(loader, probe, "health"),
    )


def _told(what: Any) -> str:
    """What was passed instead of a model, in a few words."""
    if isinstance(what, type):
        return f"the class {what.__name__}: call it"
    return f"a tuple of {len(what)}" if isinstance(what, tuple) else type(what).__name__


def _require_optimizer(optimizer: Optimizer | None, option: str) -> None:
    if optimizer is None:
        raise ArgumentError("health", f"{option} expects an optimizer, got none", "Pass optimizer=.")
