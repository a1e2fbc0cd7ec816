"""Sensible models and sizes, found from the shape of the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from deltarule.nn.models.registry import model_class


def default_name(input_shape: Sequence[int], task: str) -> str:
    """The model that suits such data: lenet for images, lstm for text, gru for sequences, else mlp.

    input_shape   shape of one sample: (channels, height, width), (time, features), (features,), () for text
    task          "classification", "regression" or "text"

    >>> import deltarule as dr
    >>> dr.nn.models.default_name((1, 28, 28), "classification")
    'lenet'
    """
    if task == "text":
        return "lstm"
    if len(input_shape) == 3 and min(input_shape[1:]) >= 4:
        return "lenet"
    return "gru" if len(input_shape) == 2 else "mlp"


def defaults_for(name: str, input_shape: Sequence[int], outputs: int, task: str) -> dict[str, Any]:
    """Options for `build` that suit such data: shapes and sizes. What is not named keeps its default.

    name          a model's name
    input_shape   shape of one sample: (channels, height, width), (time, features), (features,), () for text
    outputs       classes, numbers, or characters of the vocabulary
    task          "classification", "regression" or "text"

    Raises ArgumentError for an unknown name.

    >>> import deltarule as dr
    >>> dr.nn.models.defaults_for("mlp", (1, 8, 8), 10, "classification")["hidden"]
    [128, 64]
    """
    model_class(name)
    shape = tuple(input_shape)
    sizes = {"mlp": _mlp, "lenet": _lenet, "cnn": _cnn}.get(name, _recurrent)(shape, task)
    return {"input_shape": list(shape), "outputs": outputs, "task": task, **sizes}


def _mlp(shape: tuple[int, ...], task: str) -> dict[str, Any]:
    features = math.prod(shape)
    if features <= 32:
        return {"hidden": [64, 32]}
    if features <= 256:
        return {"hidden": [128, 64]}
    return {"hidden": [512, 256], "dropout": 0.2}


def _lenet(shape: tuple[int, ...], task: str) -> dict[str, Any]:
    if len(shape) == 3 and min(shape[1:]) < 16:
        # A 5x5 kernel would see all of an 8x8 image at once; small images leave time for more maps.
        return {"channels": [16, 32], "kernel_size": 3, "hidden": [120, 84]}
    return {"channels": [6, 16], "kernel_size": 5, "hidden": [120, 84], "dropout": 0.4}


def _cnn(shape: tuple[int, ...], task: str) -> dict[str, Any]:
    side = min(shape[1:]) if len(shape) == 3 else 0
    if side < 16:
        return {"channels": [32, 64], "convolutions": 1, "hidden": [128]}
    if side < 32:
        return {"channels": [32, 64], "convolutions": 1, "hidden": [128], "dropout": 0.25}
    return {"channels": [32, 64, 128], "convolutions": 2, "hidden": [128], "dropout": 0.25}


def _recurrent(shape: tuple[int, ...], task: str) -> dict[str, Any]:
    if task == "text":
        return {"hidden": 256, "layers": 1, "embedding": 64}
    return {"hidden": 32 if len(shape) == 1 else 128, "layers": 1}
