"""What a network answers on a batch, and what its loss makes of the answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deltarule.autodiff.backward import nodes_below
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.explain.training_health.data_vitals import OF_CLASSES, OF_PROBABILITIES
from deltarule.explain.training_health.recorded_pass import MOVING, RecordedPass, maker_of


@dataclass(frozen=True)
class OutputVitals:
    """What the network answers, and what becomes of it.

    shape        of the output on the probe batch
    operation    operation that made the output, through reshapes: "linear", "softmax", "sigmoid", "relu"
    layer        where that operation was called
    loss         operations of the loss that take the output: "cross_entropy", "mse_loss"
    classes      length of the class axis where the loss is over classes; None else
    mean, std, smallest, largest   over all elements
    row_std      mean over rows of the standard deviation within a row: the spread of the logits
    between_std  mean over outputs of the standard deviation over rows: whether the answer depends on the
                 input
    entropy      mean entropy of softmax(output) in nats, where the loss is over classes; None else
    accuracy     share of rows whose largest output is the target's, where the loss is over classes
    """

    shape: tuple[int, ...]
    operation: str
    layer: str
    loss: tuple[str, ...]
    classes: int | None
    mean: float
    std: float
    smallest: float
    largest: float
    row_std: float
    between_std: float
    entropy: float | None
    accuracy: float | None


def loss_operations(seen: RecordedPass) -> tuple[tuple[str, ...], Tensor]:
    """(operations of the loss that take the output, the output in the shape in which the first takes it)."""
    output = seen.output
    nodes = nodes_below([seen.loss]) if seen.loss.node is not None else []
    followed = {(output.node, output.output_index)}
    names: list[str] = []
    taken = output
    for node in nodes:
        fitting = [
            each for each in node.inputs if (each.node, each.output_index) in followed or each is output
        ]
        if output.node is None:
            fitting = [each for each in node.inputs if each is output]
        if not fitting:
            continue
        if node.operation.name in MOVING:
            followed.update((node, index) for index in range(len(node.values)))
        else:
            if not names:
                taken = fitting[0]
            names.append(node.operation.name)
    return tuple(dict.fromkeys(names)), taken


def output_vitals(seen: RecordedPass) -> OutputVitals:
    """Size, spread and certainty of the output of a recorded pass."""
    names, taken = loss_operations(seen)
    maker = maker_of(seen.output)
    array = seen.output._array.astype(np.float64)
    rows = array.reshape(len(array), -1) if array.ndim > 1 else array.reshape(-1, 1)
    classes, entropy, accuracy = _classes(names, taken._array.astype(np.float64), seen.targets._array)
    return OutputVitals(
        array.shape,
        "" if maker is None else maker.operation.name,
        "" if maker is None else maker.scope,
        names,
        classes,
        float(array.mean()),
        float(array.std()),
        float(array.min()),
        float(array.max()),
        float(array.std(axis=-1).mean()) if array.ndim > 1 and array.shape[-1] > 1 else 0.0,
        float(rows.std(axis=0).mean()),
        entropy,
        accuracy,
    )


def _classes(
    names: tuple[str, ...], logits: Array, targets: Array
) -> tuple[int | None, float | None, float | None]:
    """(number of classes, entropy of the answers, accuracy) where the loss is over classes."""
    if set(names) & OF_PROBABILITIES and logits.size == targets.size:
        wanted = targets.reshape(-1) > 0.5
        raw = "binary_cross_entropy" not in names and "binary_log_loss" not in names
        guess = (logits.reshape(-1) > 0.0) if raw else (logits.reshape(-1) > 0.5)
        chance = 1.0 / (1.0 + np.exp(-logits)) if raw else logits
        return (
            2,
            float(_entropy(np.stack([chance, 1.0 - chance], axis=-1)).mean()),
            float((guess == wanted).mean()),
        )
    if not set(names) & OF_CLASSES or logits.ndim < 2:
        return None, None, None
    scores = np.moveaxis(logits, 1, -1)
    if "nll_loss" in names:
        chances = np.exp(scores)
    else:
        chances = np.exp(scores - scores.max(axis=-1, keepdims=True))
        chances /= chances.sum(axis=-1, keepdims=True)
    wanted = targets
    if targets.size == logits.size and targets.dtype.kind == "f":
        wanted = np.moveaxis(targets.reshape(logits.shape), 1, -1).argmax(axis=-1)
    right = (
        float((scores.argmax(axis=-1).reshape(-1) == wanted.reshape(-1)).mean())
        if wanted.size * scores.shape[-1] == scores.size
        else None
    )
    return scores.shape[-1], float(_entropy(chances).mean()), right


def _entropy(chances: Array) -> Array:
    """Entropy in nats along the last axis."""
    return -(chances * np.log(np.maximum(chances, 1e-300))).sum(axis=-1)
