"""Facts of a batch of data: inputs and targets, as a network gets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.training_health.label_information import MOST_ROWS, label_information

# As many random orders that their deviation is known to a tenth.
_ORDERS = 100
# Features of which distances are made.
_MOST_COLUMNS = 4096
# Losses whose targets are classes or probabilities, in whatever numbers they come.
OF_CLASSES = frozenset(("cross_entropy", "soft_cross_entropy", "nll_loss", "multi_margin_loss"))
OF_PROBABILITIES = frozenset(
    (
        *("binary_cross_entropy", "binary_cross_entropy_with_logits", "binary_log_loss"),
        *("binary_log_loss_with_logits", "weighted_binary_log_loss_with_logits"),
    )
)


@dataclass(frozen=True)
class InputVitals:
    """Rows of the data as the network gets them: the probe batch, or more (see `vitals`, facts).

    kind           "features" (rows, features), "sequence" (rows, time, features), "image" (rows, channels,
                   height, width), "tokens" (whole numbers that are not bytes)
    shape          of these rows
    mean, std      over all elements that are finite
    means, stds    of each feature (for images: of each channel), over all else
    smallest, largest   over all elements that are finite
    constant       share of the features that have the same value in all rows
    not_finite     share of elements that are NaN or infinite
    """

    kind: str
    shape: tuple[int, ...]
    mean: float
    std: float
    means: tuple[float, ...]
    stds: tuple[float, ...]
    smallest: float
    largest: float
    constant: float
    not_finite: float


@dataclass(frozen=True)
class TargetVitals:
    """What the network is to learn.

    kind           "classes" (whole numbers), "probabilities" (in [0, 1]) or "numbers"
    classes        class -> share of the rows; empty for "numbers"
    mean, std, smallest, largest   over all elements
    not_finite     share of elements that are NaN or infinite
    constant_loss  the loss of the best constant guess, where it is known: the entropy of the classes'
                   shares; None else
    neighbours     how well the target of the nearest other row (by Euclidean distance of standardised
                   inputs) tells a row's target: share of equal classes, or correlation; None for tokens
                   and for fewer than 8 rows
    neighbours_by_chance   mean of the same with the targets in random order
    neighbours_spread      its standard deviation over the random orders
    feature        share of the targets' variance that goes with the best single feature; None for few rows
    feature_by_chance, feature_spread   mean and deviation of the same with the targets in random order
    features       the same share summed over all features, in deviations above its mean by chance
    told_within    of sequences: among how many last time steps a feature tells significantly more than by
                   chance; None where none does
    """

    kind: str
    classes: dict[int, float]
    mean: float
    std: float
    smallest: float
    largest: float
    not_finite: float
    constant_loss: float | None
    neighbours: float | None
    neighbours_by_chance: float | None
    neighbours_spread: float | None
    feature: float | None = None
    feature_by_chance: float | None = None
    feature_spread: float | None = None
    features: float | None = None
    told_within: int | None = None


def input_vitals(inputs: Array) -> InputVitals:
    """Mean, spread and range of a batch of inputs.

    inputs   (rows, ...)
    """
    array = np.asarray(inputs)
    kind = "tokens"
    if not are_tokens(array):
        kind = {4: "image", 3: "sequence"}.get(array.ndim, "features")
    axis = 1 if kind == "image" else array.ndim - 1
    columns = (
        np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis]) if array.ndim > 1 else array[:, None]
    )
    columns = columns.astype(np.float64)
    finite = np.isfinite(columns)
    lacking = 1.0 - float(finite.mean()) if columns.size else 0.0
    columns = np.where(finite, columns, np.nan) if lacking else columns
    means, stds = _moments(columns)
    good = columns[finite]
    flat = array.reshape(len(array), -1) if kind != "sequence" else columns
    constant = float(np.mean(np.ptp(flat, axis=0) == 0)) if len(flat) > 1 and flat.size else 0.0
    return InputVitals(
        kind,
        array.shape,
        float(good.mean()) if good.size else np.nan,
        float(good.std()) if good.size else np.nan,
        tuple(means.tolist()),
        tuple(stds.tolist()),
        float(good.min()) if good.size else np.nan,
        float(good.max()) if good.size else np.nan,
        constant,
        lacking,
    )


def target_vitals(inputs: Array, targets: Array, loss: tuple[str, ...] = ()) -> TargetVitals:
    """Frequencies or spread of a batch of targets, and whether inputs that are alike have targets that are.

    targets   (rows, ...)
    loss      names of the operations that the loss begins with
    """
    array = np.asarray(targets)
    values = array.astype(np.float64)
    finite = np.isfinite(values)
    good = values[finite]
    kind = _kind(array, loss)
    classes: dict[int, float] = {}
    if kind == "classes" or (kind == "probabilities" and bool(np.isin(good, (0.0, 1.0)).all())):
        if kind == "probabilities" and array.ndim == 2 and array.shape[1] > 1:
            labels, counts = np.unique(values.argmax(axis=1), return_counts=True)
        else:
            labels, counts = np.unique(good, return_counts=True)
        classes = {int(label): float(n / counts.sum()) for label, n in zip(labels, counts, strict=True)}
    constant: float | None = None
    if classes and set(loss) & (OF_CLASSES | OF_PROBABILITIES):
        constant = -sum(share * float(np.log(share)) for share in classes.values())
    elif kind == "numbers" and "mse_loss" in loss and good.size == values.size:
        constant = float(values.var(axis=0).mean())
    found = _neighbours(np.asarray(inputs), array, kind, bool(classes))
    single = label_information(np.asarray(inputs), _told(array, kind, classes), bool(classes))
    return TargetVitals(
        kind,
        classes,
        float(good.mean()) if good.size else np.nan,
        float(good.std()) if good.size else np.nan,
        float(good.min()) if good.size else np.nan,
        float(good.max()) if good.size else np.nan,
        1.0 - float(finite.mean()) if finite.size else 0.0,
        constant,
        *found,
        feature=None if single is None else single.best,
        feature_by_chance=None if single is None else single.by_chance,
        feature_spread=None if single is None else single.spread,
        features=None if single is None else single.together,
        told_within=None if single is None else single.told_within,
    )


def _told(targets: Array, kind: str, classes: dict[int, float]) -> Array:
    """Targets as labels where they are one-hot rows."""
    one_hot = kind == "probabilities" and bool(classes) and targets.ndim == 2 and targets.shape[1] > 1
    return targets.argmax(axis=1) if one_hot else targets


def are_tokens(inputs: Array) -> bool:
    """Whether inputs are looked up in a table: whole numbers, but for bytes, which are pixels and the like.

    >>> are_tokens(np.array([3, 4])), are_tokens(np.zeros((2, 2), np.uint8))
    (True, False)
    """
    return inputs.dtype.kind in "iub" and inputs.dtype.itemsize > 1


def _moments(columns: Array) -> tuple[Array, Array]:
    """Mean and deviation of each column without its NaNs; NaN for one that has no other."""
    finite = np.isfinite(columns)
    count = finite.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(finite, columns, 0.0).sum(axis=0) / count
        spread = np.where(finite, columns - mean, 0.0)
        return mean, np.sqrt((spread * spread).sum(axis=0) / count)


def _kind(targets: Array, loss: tuple[str, ...]) -> str:
    if targets.dtype.kind in "iub":
        return "classes"
    return "probabilities" if set(loss) & (OF_CLASSES | OF_PROBABILITIES) else "numbers"


def _neighbours(
    inputs: Array, targets: Array, kind: str, labelled: bool
) -> tuple[float | None, float | None, float | None]:
    """Agreement with the nearest other row, and mean and deviation of the same by chance."""
    rows = min(len(inputs), MOST_ROWS)
    if are_tokens(inputs) or rows < 8 or len(targets) != len(inputs):
        return None, None, None
    flat = inputs[:rows].reshape(rows, -1)
    if flat.shape[1] > _MOST_COLUMNS:
        flat = flat[:, np.linspace(0, flat.shape[1] - 1, _MOST_COLUMNS).astype(int)]
    flat = flat.astype(np.float64)
    wanted = targets[:rows].reshape(rows, -1)
    if kind == "classes" and wanted.shape[1] != 1:
        return None, None, None
    if not np.isfinite(flat).all() or not np.isfinite(wanted.astype(np.float64)).all():
        return None, None, None
    deviation = flat.std(axis=0)
    scaled = (flat - flat.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    squares = (scaled * scaled).sum(axis=1)
    distances = squares[:, None] + squares[None, :] - 2.0 * scaled @ scaled.T
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    if labelled and kind == "probabilities" and wanted.shape[1] > 1:
        wanted = wanted.argmax(axis=1)[:, None]

    def agreement(labels: Array) -> float:
        if labelled:
            return float(np.mean(labels[nearest] == labels))
        mine, theirs = labels - labels.mean(axis=0), labels[nearest] - labels[nearest].mean(axis=0)
        size = float(np.sqrt((mine * mine).sum() * (theirs * theirs).sum()))
        return float((mine * theirs).sum()) / size if size else 0.0

    source = np.random.default_rng(0)
    wanted = wanted if labelled else wanted.astype(np.float64)
    chance = [agreement(wanted[source.permutation(rows)]) for _ in range(_ORDERS)]
    return agreement(wanted), float(np.mean(chance)), float(np.std(chance))


def plain_array(value: Any) -> Array:
    """A batch, or a tensor of one, as an array."""
    return np.asarray(getattr(value, "_array", value))
