"""Preprocessing of arrays of numbers: images and numeric tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.data.finite import check_finite, check_numbers
from deltarule.data.preprocessing import Preprocessing
from deltarule.data.standardise import Standardise
from deltarule.data.targets import TargetEncoding
from deltarule.errors import ArgumentError, ShapeError

LAYOUTS = ("channels_first", "channels_last", "as_is")
COLOUR_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, eq=False)
class ArrayPreprocessing(Preprocessing):
    """Scales and standardises arrays (rows, *input_shape).

    input_shape   shape of one sample as the network gets it
    statistics    mean, std and scale of the training part
    names         feature names of a table; empty for images

        >>> statistics = Standardise.only_scale(255.0)
        >>> ArrayPreprocessing((1, 1, 2), statistics).apply(np.array([[[0, 255]]], dtype=np.uint8))
        array([[[[0., 1.]]]], dtype=float32)
    """

    input_shape: tuple[int, ...]
    statistics: Standardise
    targets: TargetEncoding | None = None
    names: tuple[str, ...] = ()

    form = "array"

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.names

    def apply(self, raw) -> np.ndarray:
        """Raw samples as float32 (rows, *input_shape).

        raw   (rows, *input_shape); for images also (rows, height, width) if there is one channel,
              (rows, height, width, channels), or (rows, all values of an image)

        Raises ShapeError if the samples do not fit, DataError for NaN or infinity.
        """
        inputs = check_numbers(raw, "Preprocessing.apply")
        expected = self.input_shape
        shape = inputs.shape[1:]
        if inputs.ndim == 0 or shape != expected:
            if len(expected) == 3 and shape == expected[1:] and expected[0] == 1:
                inputs = inputs[:, np.newaxis]
            elif len(expected) == 3 and shape == (*expected[1:], expected[0]):
                inputs = np.moveaxis(inputs, -1, 1)
            elif inputs.ndim == 2 and shape == (int(np.prod(expected)),):
                inputs = inputs.reshape(len(inputs), *expected)
            elif inputs.ndim == 1 and expected == (1,):
                inputs = inputs[:, np.newaxis]
            else:
                raise ShapeError(
                    "Preprocessing.apply",
                    f"expected samples of shape {expected}, got an array {inputs.shape} (rows first)",
                    "Add the axis of rows with raw[None]."
                    if inputs.shape in (expected, expected[1:])
                    else "The data has to look like the training data.",
                )
        return check_finite(self.statistics.apply(inputs), "Preprocessing.apply")

    def to_dict(self) -> dict:
        return {
            "form": self.form,
            "input_shape": list(self.input_shape),
            "statistics": self.statistics.to_dict(),
            "targets": self.targets.to_dict() if self.targets else None,
            "names": list(self.names),
        }

    @classmethod
    def _from_dict(cls, record: dict) -> ArrayPreprocessing:
        return cls(
            tuple(record["input_shape"]),
            Standardise.from_dict(record["statistics"]),
            TargetEncoding.from_dict(record["targets"]) if record["targets"] else None,
            tuple(record["names"]),
        )


def arrange(inputs: np.ndarray, layout: str | None, who: str) -> tuple[np.ndarray, str]:
    """Bring samples into the shape that networks take, and say what was done ("" if nothing).

    (rows,) becomes a table of one feature; (rows, height, width) an image of one channel; images with
    their channels last are turned to (rows, channels, height, width).

    layout   "channels_first", "channels_last" or "as_is"; None finds out from the sizes
    """
    if layout is not None and layout not in LAYOUTS:
        raise ArgumentError(
            who, f"layout expects one of {', '.join(LAYOUTS)}, got {layout!r}", "Choose one of them."
        )
    if inputs.ndim == 1:
        return inputs[:, np.newaxis], ""
    if layout == "as_is" or inputs.ndim == 2:
        return inputs, ""
    if inputs.ndim == 3:
        return inputs[:, np.newaxis], f"inputs {inputs.shape} are read as images of one channel"
    if inputs.ndim != 4:
        raise ShapeError(
            who,
            f"expected inputs of 1 to 4 axes, got shape {inputs.shape}",
            "Use layout='as_is' to keep them.",
        )
    if layout is None and inputs.shape[1] not in COLOUR_CHANNELS and inputs.shape[3] in COLOUR_CHANNELS:
        layout = "channels_last"
    if layout == "channels_last":
        moved = np.ascontiguousarray(np.moveaxis(inputs, -1, 1))
        return moved, f"inputs {inputs.shape} are read as images with their channels last"
    return inputs, ""


def fit_statistics(
    training_inputs: np.ndarray, standardise: bool | str, scale: float | None, who: str
) -> Standardise:
    """Mean and std of training inputs: for each channel of images, for each feature of anything else.

    standardise   True, False (only scale), or "feature", "channel", "global"
    scale         divisor; if None 255 for bytes and 1 for anything else
    """
    if scale is None:
        scale = 255.0 if training_inputs.dtype == np.uint8 and training_inputs.ndim == 4 else 1.0
    if not (isinstance(scale, (int, float)) and np.isfinite(scale) and scale > 0):
        raise ArgumentError(
            who, f"scale expects a number above 0, got {scale!r}", "Use 255 for images of bytes."
        )
    if standardise is False:
        return Standardise.only_scale(float(scale))
    if standardise is True:
        standardise = "channel" if training_inputs.ndim == 4 else "feature"
    return Standardise.fit(training_inputs, standardise, float(scale), who)


def name_features(names: Sequence[str] | None, inputs: np.ndarray, who: str) -> tuple[str, ...]:
    """Feature names of a table (rows, features), made up where none are given; () for anything else."""
    if inputs.ndim != 2:
        if names is not None:
            raise ArgumentError(
                who,
                f"feature_names expects a table (rows, features), got inputs {inputs.shape}",
                "Leave it out.",
            )
        return ()
    if names is None:
        return tuple(f"feature {index + 1}" for index in range(inputs.shape[1]))
    if len(names) != inputs.shape[1]:
        raise ArgumentError(
            who,
            f"feature_names expects {inputs.shape[1]} names, got {len(names)}",
            "One name for each column.",
        )
    return tuple(names)
