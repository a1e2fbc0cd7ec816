"""Arrays in memory as a Dataset: split, fit on the training part, apply to every part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.data.array_preprocessing import (
    ArrayPreprocessing,
    arrange,
    fit_statistics,
    name_features,
)
from deltarule.data.arrays import Arrays
from deltarule.data.dataset import Dataset, Part
from deltarule.data.finite import check_numbers
from deltarule.data.randomness import check_seed
from deltarule.data.split import default_fractions, split_rows
from deltarule.data.target_kind import check_kind, check_targets, find_kind
from deltarule.data.targets import TargetEncoding
from deltarule.errors import ArgumentError, DTypeError, ShapeError


def from_arrays(
    inputs,
    targets,
    *,
    test_inputs=None,
    test_targets=None,
    name: str = "arrays",
    kind: str | None = None,
    seed: int = 0,
    validation: float | None = None,
    test: float | None = None,
    standardise: bool | str = True,
    standardise_targets: bool = False,
    layout: str | None = None,
    scale: float | None = None,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
) -> Dataset:
    """Make a Dataset of arrays in memory.

    inputs         (rows,), (rows, features), images (rows, height, width), (rows, channels, height, width)
                   or (rows, height, width, channels); finite numbers
    targets        (rows,) class indices, names or numbers; (rows, classes) with a single 1 in each row;
                   (rows, outputs) numbers
    test_inputs, test_targets   a test part of its own; the other rows are then split for validation only
    kind           "classification" or "regression"; found from the targets if left out
    seed           decides the split, and nothing else does
    validation     fraction of the rows, 0.1 if left out
    test           fraction of the rows, 0.2 if left out; not allowed beside a test part of its own.
                   With fewer than 10 rows, fractions left out are 0
    standardise    True: zero mean and unit variance for each channel of images, for each feature of
                   anything else; False: only divide by the scale; or "feature", "channel", "global"
    standardise_targets   for a regression: the same for targets; preprocessing.restore_targets undoes it
    layout         "channels_first", "channels_last" or "as_is" (sequences and the like); found if left out
    scale          what inputs are divided by first; 255 for images of bytes, else 1
    class_names    names of the classes 0 to K-1
    feature_names  names of the features of a table

    Raises DataError, ShapeError, DTypeError or ArgumentError saying what does not fit.

        >>> import numpy as np
        >>> from_arrays(np.arange(20.0), np.arange(20) % 2)
        Dataset('arrays', classification, input shape (1,), 2 outputs, train 14, validation 2, test 4)
    """
    who = name
    check_kind(kind, who)
    seed = check_seed(seed, who)
    own_test = test_inputs is not None or test_targets is not None
    raw = Arrays(check_numbers(inputs, who), check_targets(targets, who))
    if own_test:
        if test_inputs is None or test_targets is None:
            raise ArgumentError(
                who, "expected test_inputs and test_targets together, got one of them", "Pass both."
            )
        raw = Arrays(
            raw.inputs, raw.targets, check_numbers(test_inputs, who), check_targets(test_targets, who)
        )
    _check_shapes(raw, test, who)
    rows = len(raw.inputs)
    all_inputs, note = arrange(_joined(raw.inputs, raw.test_inputs), layout, who)
    all_targets = _joined(raw.targets, raw.test_targets)
    notes = [note] if note else []
    if kind is None:
        kind, reason = find_kind(all_targets)
        notes.append(f"{kind}: {reason}")
    fractions = default_fractions(rows, validation, 0.0 if own_test else test)
    classes = None
    if kind == "classification":
        names = None if class_names is None else tuple(map(str, class_names))
        encoding = TargetEncoding.fit(
            all_targets, kind, class_names=names, standardise=standardise_targets, who=who
        )
        classes = encoding.encode(all_targets, who)[:rows]
    split = split_rows(rows, **fractions, seed=seed, classes=classes, who=who)
    if kind == "regression":
        if class_names is not None:
            raise ArgumentError(
                who, "class_names expects a classification, got a regression", "Leave class_names out."
            )
        encoding = TargetEncoding.fit(
            all_targets, kind, train=split.train, standardise=standardise_targets, who=who
        )
    if own_test:
        split = split._replace(test=np.arange(rows, len(all_inputs)))
        fractions["test"] = None
    preprocessing = ArrayPreprocessing(
        tuple(all_inputs.shape[1:]),
        fit_statistics(all_inputs[split.train], standardise, scale, who),
        encoding,
        name_features(feature_names, all_inputs, who),
    )
    encoded = encoding.encode(all_targets, who)
    train, validated, tested = (
        Part(preprocessing.apply(all_inputs[part]), encoded[part], part) for part in split
    )
    return Dataset(
        name=name,
        kind=kind,
        inputs=all_inputs,
        targets=encoding.in_source_units().encode(all_targets, who) if standardise_targets else encoded,
        train=train,
        validation=validated,
        test=tested,
        preprocessing=preprocessing,
        sha256=raw.sha256(),
        seed=seed,
        fractions=fractions,
        source=name,
        notes=tuple(notes),
    )


def _check_shapes(raw: Arrays, test: float | None, who: str) -> None:
    """Raise unless every row has a target and the test part, if any, is shaped like the training part."""
    inputs, targets, test_inputs, test_targets = raw
    if targets is None or inputs.ndim == 0 or len(inputs) != len(targets) or not inputs.size:
        raise ShapeError(
            who,
            f"expected rows with a target each, got inputs {inputs.shape} and targets "
            f"{None if targets is None else targets.shape}",
            "Inputs and targets need the same number of rows, at least one.",
        )
    if test_inputs is None or test_targets is None:
        return
    if (
        test_inputs.shape[1:] != inputs.shape[1:]
        or test_targets.shape[1:] != targets.shape[1:]
        or test_inputs.ndim == 0
        or len(test_inputs) != len(test_targets)
    ):
        raise ShapeError(
            who,
            f"expected a test part shaped like the training part, got inputs {test_inputs.shape} and "
            f"targets {test_targets.shape} beside {inputs.shape} and {targets.shape}",
            "Both parts need the same features.",
        )
    if (test_targets.dtype.kind in "US") != (targets.dtype.kind in "US"):
        raise DTypeError(
            who,
            f"expected test targets like those of training, got {test_targets.dtype} and {targets.dtype}",
            "Use numbers in both parts, or names in both.",
        )
    if test is not None:
        raise ArgumentError(
            who,
            f"test={test} asks for a test part, but the data brings its own",
            "Leave the test fraction out.",
        )


def _joined(train: np.ndarray | None, test: np.ndarray | None) -> np.ndarray:
    parts = [part for part in (train, test) if part is not None]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
