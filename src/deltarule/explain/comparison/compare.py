"""Compare: the same seed and data with one thing changed, and what that does to loss and gradients.

    compare({"tanh": {"activation": "tanh"}, "relu": {"activation": "relu"}}, data, model="mlp", epochs=5)
    compare(vary("model", ["rnn", "gru", "lstm"]), data, hidden=32)
    compare({"plain": build_plain, "with skip": build_skipping}, data)

Nothing is trained here: `deltarule.training` does all of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from deltarule.errors import ArgumentError, NonFiniteError
from deltarule.explain.comparison.compare_looks import GradientLook, Looks, TimeGradients
from deltarule.explain.comparison.compare_setup import WHO, Material, Setup, in_words, material_of, setups
from deltarule.explain.shown import Shown
from deltarule.operations.random import get_random_state, manual_seed, set_random_state
from deltarule.training.loaders import SEQUENCE_LENGTH, evaluation_loader, training_loader
from deltarule.training.trainer import Trainer


@dataclass(frozen=True, eq=False)
class Run:
    """One of the networks, and how its training went.

    name         what the user calls it
    changed      option -> value: what is its own
    parameters   how many numbers it learned
    shared       how many of them began as in the first network
    losses       training loss of each batch, until it ended
    history      the Trainer's record of each epoch, as plain values
    looks        gradients at some steps, the same steps for all
    diverged     batch, counted from 1, whose loss or gradient was not finite; None if none was
    reason       what the Trainer said of it
    """

    name: str
    changed: dict[str, str]
    parameters: int
    shared: int
    losses: tuple[float, ...]
    history: tuple[dict[str, Any], ...]
    looks: tuple[GradientLook, ...]
    diverged: int | None
    reason: str

    def curve(self, points: int = 100) -> tuple[list[float], list[float]]:
        """(steps, losses) in at most so many points, each the mean of the batches around it."""
        count = len(self.losses)
        stretches = min(points, count)
        bounds = [count * place // stretches for place in range(stretches + 1)] if count else []
        steps, means = [], []
        for start, stop in pairwise(bounds):
            steps.append((start + 1 + stop) / 2)
            means.append(math.fsum(self.losses[start:stop]) / (stop - start))
        return steps, means

    def column(self, name: str) -> tuple[list[int], list[float]]:
        """(steps, values) of one column of the history, such as "validation_loss"."""
        found = [(each["step"], each[name]) for each in self.history if each.get(name) is not None]
        return [step for step, _ in found], [float(value) for _, value in found]

    @property
    def final_loss(self) -> float:
        """Training loss of the last epoch; NaN where none was completed."""
        return self.column("train_loss")[1][-1] if self.history else math.nan

    @property
    def final_validation(self) -> float:
        """Loss on the validation data after the last epoch; NaN without."""
        values = self.column("validation_loss")[1]
        return values[-1] if values else math.nan


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
    """Trainings beside each other.

    runs         in the order of the variants
    seed         of weights, order of batches and dropout
    epochs       of each; batches: in an epoch
    batch_size   rows of a batch, None for all, or where the loader decides
    """

    runs: tuple[Run, ...]
    seed: int
    epochs: int
    batches: int
    batch_size: int | None

    def run(self, name: str) -> Run:
        """A run by its name. Raises ArgumentError if there is none."""
        for each in self.runs:
            if each.name == name:
                return each
        there = ", ".join(each.name for each in self.runs)
        raise ArgumentError("Comparison.run", f"there is no {name!r}", f"There is: {there}.")

    @property
    def best(self) -> Run | None:
        """The run with the lowest last loss, on validation data where there are any; None if all diverged."""
        left = [each for each in self.runs if each.diverged is None and math.isfinite(_measure(each))]
        return min(left, key=_measure, default=None)

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps at which gradients of any run were looked at."""
        return tuple(sorted({look.step for each in self.runs for look in each.looks}))

    @property
    def recurrent(self) -> bool:
        """Whether any run has recurrent layers whose gradient was followed through time."""
        return any(look.time for each in self.runs for look in each.looks)


def vary(option: str, values: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Variants that differ in one option, named after its values.

    Raises ArgumentError for a value that stands alone, and for two that would have the same name.

    >>> vary("activation", ["tanh", "relu"])
    {'tanh': {'activation': 'tanh'}, 'relu': {'activation': 'relu'}}
    >>> vary("lr", [0.1, 0.01])
    {'lr=0.1': {'lr': 0.1}, 'lr=0.01': {'lr': 0.01}}
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ArgumentError("vary", f"values expected a list, got {values!r}", f"Write [{values!r}].")
    found: dict[str, dict[str, Any]] = {}
    for value in values:
        name = value if isinstance(value, str) else f"{option}={in_words(value)}"
        if name in found:
            raise ArgumentError(
                "vary",
                f"two values would both be called {name!r}",
                f'Name them yourself: {{"one": {{"{option}": ...}}, "other": {{"{option}": ...}}}}.',
            )
        found[name] = {option: value}
    return found


def compare(
    variants: Mapping[str, Any],
    data: Any,
    *,
    validation: Any = None,
    task: str | None = None,
    loss: Any = None,
    epochs: int = 10,
    batch_size: int | None = 32,
    sequence_length: int = SEQUENCE_LENGTH,
    seed: int = 0,
    looks: int = 3,
    same_weights: bool = True,
    **base: Any,
) -> Comparison:
    """Trains several networks that differ in one thing, and sets their losses and gradients side by side.

    variants     name -> what is changed: options; or a function that builds the model; or a model, which is
                 copied. `vary("activation", ["tanh", "relu"])` writes them for one option
    data         a Dataset or its name, a Part, a pair (inputs, targets), or a loader, as for `dr.fit`
    validation   a Part, a pair or a loader; a Dataset's own validation part if left out
    task, loss   as in Trainer; found from the data if left out
    looks        at how many steps gradients are looked at, first and last included; 2 or more
    same_weights   whether networks begin with the weights of the first one wherever name and shape agree.
                 They do not where the options `initialiser` or `initialise` are what is changed; pass False
                 where functions that build models draw weights differently on purpose
    base         options that all share: `model` (a name, a function or a model), those of a model given by
                 name, `optimizer` (a name, a class, or a function of parameters), `lr` (1e-3), `initialise`
                 (a name or a function of the model), `schedule` (a function of the optimiser), and options
                 of Trainer (clip_norm, compile, ...)
    returns      Comparison

    All begin from the same seed and see the same batches in the same order. A training whose loss or gradient
    is not finite ends there, and its record says where; the others go on. The random state is as before.

    Raises ArgumentError for options that nothing takes, or a task that cannot be found.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> from deltarule.explain.comparison.compare import compare, vary
    >>> x = np.linspace(-1, 1, 32, dtype=np.float32)[:, np.newaxis]
    >>> found = compare(vary("lr", [0.0001, 0.1]), (x, 2 * x), model=lambda: dr.nn.Linear(1, 1), epochs=5)
    >>> found.best.name, found.runs[0].losses[0] == found.runs[1].losses[0]
    ('lr=0.1', True)
    """
    if isinstance(looks, bool) or not isinstance(looks, int) or looks < 2:
        raise ArgumentError(WHO, f"looks expected a whole number of 2 or more, got {looks!r}", "Use 3.")
    material = material_of(data, validation, task, loss is not None)
    drawn = get_random_state()
    try:
        made = setups(variants, base, material, seed, same_weights)
        loader = training_loader(material.train, material.task, batch_size, sequence_length, seed)
        steps = {round(epochs * len(loader) * place / (looks - 1)) for place in range(looks)}
        runs = [_trained(each, material, loss, loader, epochs, seed, sequence_length, steps) for each in made]
    finally:
        set_random_state(drawn)
    rows = batch_size if not hasattr(data, "batches") else getattr(data, "batch_size", None)
    return Comparison(tuple(runs), seed, epochs, len(loader), rows)


def _trained(
    setup: Setup,
    material: Material,
    loss: Any,
    loader: Any,
    epochs: int,
    seed: int,
    sequence_length: int,
    steps: set[int],
) -> Run:
    watching = Looks(steps, *next(iter(loader.batches(0, 0))))
    trainer = Trainer(
        setup.model, setup.optimizer, material.task, loss=loss, callbacks=[watching], **setup.trainer
    )
    checked = material.validation
    if checked is not None:
        checked = evaluation_loader(checked, material.task, sequence_length)
    diverged, reason = None, ""
    manual_seed(seed)
    try:
        trainer.fit(loader, checked, epochs)
    except NonFiniteError as error:
        diverged, reason = len(watching.losses) + 1, error.problem
    return Run(
        setup.name,
        setup.changed,
        sum(each.size for each in setup.model.parameters()),
        setup.shared,
        tuple(watching.losses),
        tuple(dict(record) for record in trainer.history),
        tuple(watching.looks),
        diverged,
        reason,
    )


def _measure(run: Run) -> float:
    return run.final_loss if math.isnan(run.final_validation) else run.final_validation


__all__ = ["Comparison", "GradientLook", "Run", "TimeGradients", "compare", "vary"]
