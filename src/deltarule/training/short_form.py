"""fit: a model and data in, a trained model out, in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data import Dataset, Part, load
from deltarule.data.loader import described
from deltarule.errors import ArgumentError
from deltarule.nn.models import build
from deltarule.nn.module import Module
from deltarule.operations.random import manual_seed
from deltarule.optim.adam import Adam
from deltarule.optim.optimizer import Optimizer
from deltarule.training.callbacks import EarlyStopping
from deltarule.training.loaders import SEQUENCE_LENGTH, evaluation_loader, training_loader
from deltarule.training.trainer import Trainer


def fit(
    model: Module | str,
    data: Any,
    *,
    validation: Any = None,
    task: str | None = None,
    epochs: int = 10,
    batch_size: int | None = 32,
    sequence_length: int = SEQUENCE_LENGTH,
    optimizer: Optimizer | None = None,
    lr: float = 1e-3,
    patience: int | None = None,
    seed: int = 0,
    **options: Any,
) -> Trainer:
    """Trains a model: the short form of `Trainer(...).fit(...)`.

    model        Module, which is trained in place; or the name of one ("mlp", "lenet", "cnn", "rnn", "gru",
                 "lstm"), which is built for the Dataset
    data         a Dataset, the name or path of one, a Part, a pair (inputs, targets), or a loader
    validation   the same kinds, but for a name; a Dataset's own validation part if left out
    task         "classification", "regression" or "text"; a Dataset says it itself, and for arrays whole
                 numbers as targets mean classification, others regression
    batch_size   rows in a batch; None for all at once, 1 for one sample at a time
    sequence_length   time steps in a batch of text
    optimizer    of the model's parameters; Adam with learning rate `lr` if left out
    patience     epochs without improvement before it stops early with the best weights; never if left out
    seed         of the order of the batches, and of the weights of a model that is built by name
    options      of Trainer: schedule, clip_norm, penalty, callbacks, run_folder, compile, ...
    returns      the trainer: `.model`, `.history`, `.evaluate(data.test)`, `.progress`

    Raises ArgumentError where task or loss cannot be found, and what Trainer and loaders raise.

    >>> import deltarule as dr
    >>> model = dr.nn.Sequential(dr.nn.Linear(2, 8), dr.nn.Tanh(), dr.nn.Linear(8, 2))
    >>> inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    >>> trainer = fit(model, (inputs, np.array([0, 1, 1, 0])), epochs=300, batch_size=None, lr=0.05)
    >>> trainer.history[-1]["train_accuracy"]
    1.0
    """
    if isinstance(data, (str, Path)):
        data = load(data)
    if isinstance(data, Dataset):
        task = task or data.kind
        if validation is None and len(data.validation):
            validation = data.validation
        if isinstance(model, str):
            manual_seed(seed)
            model = build(model, input_shape=data.input_shape, outputs=data.outputs, task=data.kind)
        data = data.train
    if isinstance(model, str):
        raise ArgumentError(
            "fit",
            f"model {model!r} by name expects a Dataset, which tells its sizes, got {type(data).__name__}",
            "Build the model yourself, or make a Dataset with dr.data.from_arrays.",
        )
    task = task or (None if "loss" in options else _task_of(data))
    if patience is not None:
        options["callbacks"] = [*options.get("callbacks", ()), EarlyStopping(patience)]
        options.setdefault("restore_best", True)
    trainer = Trainer(
        model, optimizer if optimizer is not None else Adam(model.parameters(), lr=lr), task, **options
    )
    train_loader = training_loader(data, task, batch_size, sequence_length, seed)
    if validation is not None:
        validation = evaluation_loader(validation, task, sequence_length)
    trainer.fit(train_loader, validation, epochs)
    return trainer


def _task_of(data: Any) -> str:
    targets = data.targets if isinstance(data, Part) else None
    if isinstance(data, (tuple, list)) and len(data) == 2:
        targets = data[1]
    if targets is None and not isinstance(data, Part) and not hasattr(data, "batches"):
        raise ArgumentError(
            "fit",
            f"data expects a Dataset, a Part, a pair (inputs, targets) or a loader, got {described(data)}",
            'Pass fit(model, (inputs, targets)); for the tokens of a text, task="text" as well.',
        )
    if targets is None:
        raise ArgumentError(
            "fit",
            "the task cannot be found from a loader",
            'Pass task="classification", "regression" or "text".',
        )
    return "classification" if np.asarray(targets).dtype.kind in "iub" else "regression"
