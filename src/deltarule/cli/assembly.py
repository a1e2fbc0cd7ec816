"""From settings to a model, an optimiser and a Trainer; the same for a new run and for one that goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.data import DataLoader, Part, Preprocessing, SequenceLoader
from deltarule.nn import models
from deltarule.nn.module import Module
from deltarule.operations.cross_entropy import cross_entropy
from deltarule.operations.indexing import one_hot
from deltarule.operations.losses import huber_loss, l1_loss, mse_loss
from deltarule.operations.multi_margin_loss import multi_margin_loss
from deltarule.operations.penalties import elastic_penalty, l1_penalty, l2_penalty
from deltarule.operations.random import manual_seed
from deltarule.operations.shape import reshape
from deltarule.operations.softmax import softmax
from deltarule.optim import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    CosineWithWarmup,
    ExponentialLR,
    LinearWarmup,
    Optimizer,
    ReduceLROnPlateau,
    RMSprop,
    StepLR,
)
from deltarule.training import (
    Callback,
    EarlyStopping,
    Metrics,
    RegressionMetrics,
    RunFolder,
    Trainer,
    metrics_for,
)

Loss = Callable[[Tensor, Tensor], Tensor]

_ROWS_AT_A_TIME = 500
_NESTEROV = ("nesterov",)


def build_model(config: dict[str, Any]) -> Module:
    """The model of a configuration, with the initial weights that its seed gives."""
    manual_seed(config["seed"])
    model = models.build(config["model"]["name"], **config["model"]["options"])
    return model.astype(config["dtype"])


def training_loader(part: Part, config: dict[str, Any]) -> DataLoader | SequenceLoader:
    """The batches to train on, in an order that depends on the seed and the epoch."""
    if config["task"] == "text":
        return SequenceLoader(
            part, config["batch_size"], config["sequence_length"], shuffle=True, seed=config["seed"]
        )
    return DataLoader(part, config["batch_size"], shuffle=True, seed=config["seed"])


def evaluation_loader(part: Part, config: dict[str, Any]) -> DataLoader | SequenceLoader:
    """The same part in its own order, with nothing left out."""
    if config["task"] == "text":
        return SequenceLoader(part, 1, config["sequence_length"], shuffle=False)
    return DataLoader(part, _ROWS_AT_A_TIME, shuffle=False)


def build_loss(config: dict[str, Any]) -> Loss:
    """loss(output, targets), the mean over the rows or characters of a batch."""
    name, smoothing = config["loss"]["name"], config["loss"]["label_smoothing"]
    if config["task"] == "text":
        return partial(_text_loss, smoothing=smoothing)
    if config["task"] == "classification":
        return {
            "cross_entropy": partial(cross_entropy, label_smoothing=smoothing),
            "hinge": multi_margin_loss,
            "squared": _squared_error_of_probabilities,
        }[name]
    return {"squared": mse_loss, "absolute": l1_loss, "huber": huber_loss}[name]


def _text_loss(output: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy over every character of (batch, time, tokens)."""
    tokens = output.shape[-1]
    rows = reshape(output, (-1, tokens))
    return cross_entropy(rows, reshape(targets, (-1,)), label_smoothing=smoothing)


def _squared_error_of_probabilities(output: Tensor, targets: Tensor) -> Tensor:
    """The Brier score (Brier 1950): squared distance of softmax probabilities from the true class."""
    classes = output.shape[-1]
    probabilities = softmax(output, axis=-1)
    return mse_loss(probabilities, one_hot(targets, classes).astype(output.dtype)) * float(classes)


def build_metrics(config: dict[str, Any], preprocessing: Preprocessing) -> Callable[[], Metrics]:
    """Makes empty metrics; those of a regression are in the unit of the data."""
    if config["task"] == "regression":
        return partial(RegressionMetrics, preprocessing.restore_targets)
    return partial(metrics_for, config["task"])


def build_optimizer(model: Module, config: dict[str, Any]) -> Optimizer:
    """The optimiser over all parameters of a model."""
    settings = config["optimizer"]
    name = settings["name"]
    options = {"lr": settings["learning_rate"], "weight_decay": settings["weight_decay"]}
    parameters = list(model.parameters())
    if name in ("sgd", "momentum", "nesterov"):
        return SGD(parameters, momentum=settings["momentum"], nesterov=name in _NESTEROV, **options)
    if name == "rmsprop":
        return RMSprop(parameters, momentum=settings["momentum"], **options)
    return {"adagrad": Adagrad, "adam": Adam, "adamw": AdamW}[name](parameters, **options)


def build_schedule(optimizer: Optimizer, config: dict[str, Any], updates: int) -> tuple[Any, str]:
    """The schedule of the learning rate or None, and whether it counts epochs or steps.

    updates   in each epoch
    """
    settings = config["schedule"]
    name, decay = settings["name"], settings["decay"]
    warm_up = round(settings["warm_up"] * updates)
    if name == "cosine":
        total = config["epochs"] * updates
        return CosineWithWarmup(optimizer, min(warm_up, total - 1), total), "step"
    if name == "step":
        return StepLR(optimizer, settings["step_epochs"], decay), "epoch"
    if name == "exponential":
        return ExponentialLR(optimizer, decay), "epoch"
    if name == "plateau":
        return ReduceLROnPlateau(
            optimizer, mode=_mode(config), factor=decay, patience=settings["step_epochs"]
        ), "epoch"
    return (LinearWarmup(optimizer, warm_up), "step") if warm_up else (None, "epoch")


def _mode(config: dict[str, Any]) -> str:
    return "max" if config["monitor"] == "validation_accuracy" else "min"


def build_penalty(config: dict[str, Any]) -> Callable[[Module], Tensor] | None:
    """penalty(model), to be added to the loss, or None. Biases do not overfit, so they are left out."""
    settings = config["penalty"]
    l1, l2, elastic = settings["l1"], settings["l2"], settings["elastic"]
    if not (l1 or l2 or elastic):
        return None

    def penalty(model: Module) -> Tensor:
        weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
        terms = [
            *([l1_penalty(weights, l1)] if l1 else []),
            *([l2_penalty(weights, l2)] if l2 else []),
            *([elastic_penalty(weights, elastic, settings["l1_ratio"])] if elastic else []),
        ]
        return sum(terms[1:], terms[0])

    return penalty


def build_trainer(
    model: Module,
    config: dict[str, Any],
    preprocessing: Preprocessing,
    updates: int,
    run_folder: RunFolder,
    callbacks: Iterable[Callback] = (),
) -> Trainer:
    """The trainer of a run. Early stopping comes before the other callbacks, so that they see it."""
    optimizer = build_optimizer(model, config)
    schedule, per = build_schedule(optimizer, config, updates)
    patience = config["patience"]
    return Trainer(
        model,
        optimizer,
        config["task"],
        loss=build_loss(config),
        metrics=build_metrics(config, preprocessing),
        schedule=schedule,
        schedule_per=per,
        penalty=build_penalty(config),
        clip_value=config["clip"]["value"],
        clip_norm=config["clip"]["norm"],
        monitor=config["monitor"],
        restore_best=True,
        callbacks=[*([EarlyStopping(patience)] if patience else []), *callbacks],
        run_folder=run_folder,
        save_steps=config["checkpoint_every"],
        # A run from before there was a compiler goes on without it.
        compile=config.get("compile", False),
    )
