"""Zero mean and unit variance, with statistics of the training part only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deltarule.errors import ArgumentError, DataError, ShapeError

_BLOCK_ELEMENTS = 1 << 16


@dataclass(frozen=True)
class Standardise:
    """Subtract the mean and divide by the standard deviation, after dividing by a fixed scale.

    y = (x/scale - mean)/std

    Fit it on the training part only, then apply it to every part and to new data: what validation
    and test data look like must not leak into training.

    mean, std    float64, of a shape that broadcasts to one sample: (*sample shape) for each feature,
                 (channels, 1, 1) for each channel of images, () for all values together
    scale        what the values are divided by first, such as 255 for images of bytes

    A constant feature is only centred: its std counts as 1.
    Source: LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.3.

        >>> import numpy as np
        >>> standardise = Standardise.fit(np.array([[0.0, 5.0], [4.0, 5.0]]))
        >>> standardise.apply(np.array([[4.0, 6.0]]))
        array([[1., 1.]], dtype=float32)
    """

    mean: np.ndarray
    std: np.ndarray
    scale: float = 1.0

    @classmethod
    def fit(
        cls, inputs: np.ndarray, per: str = "feature", scale: float = 1.0, who: str = "Standardise.fit"
    ) -> Standardise:
        """Measure mean and standard deviation of the training inputs.

        inputs   (n, ...) numbers, n at least 1
        per      "feature": for each position of a sample; "channel": for each channel of images
                 (n, channels, height, width); "global": one mean and one std for all values

        Raises ArgumentError for another `per`, ShapeError if there are no rows or no channels, DataError
        if the values are too large for their variance to be a number.
        """
        inputs = np.asarray(inputs)
        if per not in ("feature", "channel", "global"):
            raise ArgumentError(
                who, f"per expects 'feature', 'channel' or 'global', got {per!r}", "Choose one of them."
            )
        if inputs.ndim == 0 or len(inputs) == 0:
            raise ShapeError(
                who, f"expected at least one row, got shape {inputs.shape}", "Pass training inputs."
            )
        if per == "channel" and inputs.ndim < 3:
            raise ShapeError(
                who,
                f"per='channel' expects images (n, channels, height, width), got {inputs.shape}",
                "Did you mean per='feature'?",
            )
        axes = {"feature": (0,), "channel": (0, *range(2, inputs.ndim)), "global": tuple(range(inputs.ndim))}[
            per
        ]
        count = int(np.prod([inputs.shape[axis] for axis in axes]))
        with np.errstate(over="ignore", invalid="ignore"):
            total = sum(block.sum(axis=axes, keepdims=True) for block in _blocks(inputs, scale))
            mean = np.asarray(total) / count
            squares = sum(
                ((block - mean) ** 2).sum(axis=axes, keepdims=True) for block in _blocks(inputs, scale)
            )
            std = np.sqrt(squares / count)
        if not (np.isfinite(mean).all() and np.isfinite(std).all()):
            raise DataError(
                who,
                "expected values whose mean and variance are finite, got NaN, infinity or values near the "
                "limit of the number format",
                "Clean or rescale the inputs.",
            )
        # Rounding alone gives the values of a constant feature a tiny std; dividing by it would blow them up.
        std = np.where(std <= 1e-12 * np.abs(mean), 1.0, std)
        std = np.where(std == 0, 1.0, std)
        return cls(
            mean[0] if per != "global" else mean.reshape(()),
            std[0] if per != "global" else std.reshape(()),
            scale,
        )

    @classmethod
    def only_scale(cls, scale: float) -> Standardise:
        """Divide by a scale and leave mean and variance as they are."""
        return cls(np.zeros(()), np.ones(()), scale)

    def apply(self, inputs: np.ndarray) -> np.ndarray:
        """(x/scale - mean)/std as float32, of the shape of the inputs."""
        inputs = np.asarray(inputs)
        standardised = np.empty(inputs.shape, dtype=np.float32)
        factor, centre = 1 / (self.scale * self.std), self.mean * self.scale
        # In float64, as float32 would lose the differences of large numbers such as time stamps, and in
        # blocks, as that needs no float64 copy of all images.
        step = max(1, _BLOCK_ELEMENTS // max(1, int(np.prod(inputs.shape[1:]))))
        with np.errstate(over="ignore"):
            for start in range(0, len(inputs), step):
                block = inputs[start : start + step].astype(np.float64)
                block -= centre
                block *= factor
                standardised[start : start + step] = block
        return standardised

    def restore(self, standardised: np.ndarray) -> np.ndarray:
        """The inverse of apply: (y·std + mean)·scale, in the floating type of the argument."""
        standardised = np.asarray(standardised)
        kind = standardised.dtype if standardised.dtype.kind == "f" else np.dtype(np.float64)
        return ((standardised * self.std + self.mean) * self.scale).astype(kind)

    def to_dict(self) -> dict:
        """The statistics as plain values for JSON; from_dict gives the same numbers back."""
        return {"scale": self.scale, "mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def from_dict(cls, record: dict) -> Standardise:
        """The statistics that to_dict wrote."""
        return cls(
            np.asarray(record["mean"], dtype=np.float64),
            np.asarray(record["std"], dtype=np.float64),
            float(record["scale"]),
        )


def _blocks(inputs: np.ndarray, scale: float):
    """The inputs as float64 blocks of some megabytes, so that large images need no float64 copy."""
    step = max(1, _BLOCK_ELEMENTS // max(1, int(np.prod(inputs.shape[1:]))))
    for start in range(0, len(inputs), step):
        yield inputs[start : start + step].astype(np.float64) / scale
