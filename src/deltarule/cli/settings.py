"""What a run is trained with: options given on the command line, and sensible defaults found from the data.

The settings are a plain dictionary for JSON: a run folder keeps them, and assembly.py builds from them.
An option that would do nothing beside the others is refused.
"""

from __future__ import annotations

import math
from typing import Any

from deltarule.data import Dataset
from deltarule.errors import ArgumentError

WHO = "train"

# Rows in an update, and how many updates a default number of epochs comes to.
_BATCH_SIZES = ((64, 8), (2_000, 32), (20_000, 64))
_LARGEST_BATCH = 128
_UPDATES = 1_600
_EPOCHS = (12, 100)
_TEXT_EPOCHS = 10
_TEXT_BATCH = 32
_TEXT_LENGTH = 64
# A whole set this small fits into one update, and learns by many of them.
_TINY = 16
_TINY_EPOCHS = 200

_LEARNING_RATES = {
    "sgd": 0.1,
    "momentum": 0.02,
    "nesterov": 0.02,
    "adagrad": 0.01,
    "rmsprop": 1e-3,
    "adam": 1e-3,
    "adamw": 1e-3,
}
_TINY_LEARNING_RATE = 0.02
_TEXT_LEARNING_RATE = 2e-3
_TEXT_CLIP_NORM = 1.0
# Rows from which on the learning rate falls by default: mlp on MNIST, 12 epochs, seeds 0 and 1, reached 98.05
# and 98.20 % at a constant rate, 98.30 and 98.45 % falling by 0.85 an epoch.
_LARGE = 20_000
_MOMENTUM = 0.9
_TAKES_MOMENTUM = ("sgd", "momentum", "nesterov", "rmsprop")
_LOSSES = {
    "classification": ("cross_entropy", "hinge", "squared"),
    "regression": ("squared", "absolute", "huber"),
    "text": ("cross_entropy",),
}


def settle(dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    """All settings of the updates of a run.

    given     options of the command line by name, None where left out
    returns   name -> value, as plain values for JSON

    Raises ArgumentError for options that do not fit the task or each other.
    """
    task = dataset.kind
    return {
        "task": task,
        "loss": _loss(task, given),
        "optimizer": _optimizer(dataset, given),
        **_batches(dataset, given),
        "schedule": _schedule(dataset, given),
        "clip": {
            "norm": _or(given["clip_norm"], _TEXT_CLIP_NORM if task == "text" else None),
            "value": given["clip_value"],
        },
        "penalty": _penalty(given),
        "patience": _patience(dataset, given),
        "monitor": _monitor(dataset, given),
        "seed": _or(given["seed"], 0),
        "dtype": _or(given["dtype"], "float32"),
        "compile": not given["no_compile"],
        "checkpoint_every": given["checkpoint_every"],
    }


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _refuse(problem: str, fix: str) -> ArgumentError:
    return ArgumentError(WHO, problem, fix)


def _needs(given: dict[str, Any], option: str, condition: bool, what: str) -> None:
    """Refuse an option that was given where the condition under which it does something does not hold."""
    if given[option] is not None and not condition:
        name = option.replace("_", "-")
        raise _refuse(f"--{name} does nothing without {what}", "Leave it out, or add that.")


def _loss(task: str, given: dict[str, Any]) -> dict[str, Any]:
    fitting = _LOSSES[task]
    name = _or(given["loss"], fitting[0])
    if name not in fitting:
        raise _refuse(f"--loss {name} does not fit the task {task}", f"Choose {' or '.join(fitting)}.")
    _needs(given, "label_smoothing", name == "cross_entropy", "--loss cross_entropy")
    return {"name": name, "label_smoothing": _or(given["label_smoothing"], 0.0)}


def _tiny(dataset: Dataset) -> bool:
    return dataset.kind != "text" and len(dataset.train) <= _TINY


def _optimizer(dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    name = _or(given["optimizer"], "adam")
    _needs(given, "momentum", name in _TAKES_MOMENTUM, f"--optimizer {', '.join(_TAKES_MOMENTUM)}")
    rate = _LEARNING_RATES[name]
    if name in ("adam", "adamw", "rmsprop"):
        if dataset.kind == "text":
            rate = _TEXT_LEARNING_RATE
        elif _tiny(dataset):
            rate = _TINY_LEARNING_RATE
    momentum = given["momentum"]
    if momentum is None:
        momentum = _MOMENTUM if name in ("momentum", "nesterov") else 0.0
    if name in ("momentum", "nesterov") and momentum == 0:
        raise _refuse(f"--optimizer {name} needs a --momentum above 0", "Leave --momentum out, or use sgd.")
    return {
        "name": name,
        "learning_rate": _or(given["learning_rate"], rate),
        "momentum": momentum,
        # AdamW without decay would be Adam.
        "weight_decay": _or(given["weight_decay"], 0.01 if name == "adamw" else 0.0),
    }


def _batches(dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    """Batch size, length of sequences, and epochs; batch_size None is the whole data at once."""
    batch_size = given["batch_size"]
    rows = len(dataset.train)
    if dataset.kind == "text":
        if batch_size == "full":
            raise _refuse(
                "--batch-size full does not fit a text, which is one long sequence",
                "Give a number, such as 32.",
            )
        length = _or(given["sequence_length"], min(_TEXT_LENGTH, max(1, rows)))
        batch_size = _or(batch_size, max(1, min(_TEXT_BATCH, rows // (4 * length))))
        return {
            "batch_size": batch_size,
            "sequence_length": length,
            "epochs": _or(given["epochs"], _text_epochs(rows, batch_size * length)),
        }
    _needs(given, "sequence_length", False, "a text")
    if batch_size is None:
        fitting = (size for most, size in _BATCH_SIZES if rows <= most)
        batch_size = "full" if _tiny(dataset) else next(fitting, _LARGEST_BATCH)
    whole = batch_size == "full"
    updates = 1 if whole else math.ceil(rows / batch_size)
    few, many = _EPOCHS
    usual = _TINY_EPOCHS if _tiny(dataset) else min(many, max(few, round(_UPDATES / updates)))
    return {
        "batch_size": None if whole else batch_size,
        "sequence_length": None,
        "epochs": _or(given["epochs"], usual),
    }


def _text_epochs(characters: int, in_update: int) -> int:
    """Ten, or more for a short text, which ten epochs would hardly show to the network."""
    updates = max(1, characters // in_update)
    return min(_TINY_EPOCHS, max(_TEXT_EPOCHS, round(1_000 / updates)))


def _schedule(dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    # Independent of the number of epochs, so that a run made longer equals one that was long from the start.
    large = dataset.kind != "text" and len(dataset.train) > _LARGE
    usual = "exponential" if large and given["warm_up"] is None else "none"
    name = _or(given["schedule"], usual)
    _needs(given, "warm_up", name in ("none", "cosine"), "--schedule cosine or none")
    _needs(given, "step_epochs", name in ("step", "plateau"), "--schedule step or plateau")
    _needs(
        given, "decay", name in ("step", "exponential", "plateau"), "--schedule step, exponential or plateau"
    )
    decay = {"step": 0.1, "exponential": 0.9, "plateau": 0.5}.get(name)
    return {
        "name": name,
        "warm_up": _or(given["warm_up"], 0.0),
        "step_epochs": _or(given["step_epochs"], {"step": 10, "plateau": 5}.get(name)),
        "decay": _or(given["decay"], decay),
    }


def _penalty(given: dict[str, Any]) -> dict[str, Any]:
    _needs(given, "l1_ratio", given["elastic"] is not None, "--elastic")
    return {
        "l1": _or(given["l1"], 0.0),
        "l2": _or(given["l2"], 0.0),
        "elastic": _or(given["elastic"], 0.0),
        "l1_ratio": _or(given["l1_ratio"], 0.5),
    }


def _monitor(dataset: Dataset, given: dict[str, Any]) -> str | None:
    """What tells the best epoch; None leaves it to the trainer, for data without a validation part."""
    checked = len(dataset.validation) > 0
    _needs(given, "monitor", checked, "a validation part (--validation-fraction)")
    _needs(
        given, "monitor", given["monitor"] != "accuracy" or dataset.kind != "regression", "a classification"
    )
    if not checked:
        return None
    # The loss of a classifier rises with its confidence in the few that it misses, long before its accuracy
    # falls: LeNet on MNIST, 12 epochs, had its lowest validation loss at epoch 5 (test accuracy 98.91 %) and
    # 99.20 % at the end (benchmarks/results.py).
    return f"validation_{_or(given['monitor'], 'accuracy' if dataset.kind == 'classification' else 'loss')}"


def _patience(dataset: Dataset, given: dict[str, Any]) -> int | None:
    _needs(given, "patience", len(dataset.validation) > 0, "a validation part (--validation-fraction)")
    return given["patience"]
