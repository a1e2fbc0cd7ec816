"""Class indices as vectors with a single 1."""

from __future__ import annotations

import numpy as np

from deltarule.errors import ArgumentError, DTypeError, OutOfBoundsError


def one_hot(indices, classes: int | None = None, dtype="float32") -> np.ndarray:
    """Turn class indices into vectors that are 1 at the class and 0 elsewhere.

    y[..., k] = 1 if indices[...] = k else 0

    indices   any shape, whole numbers in [0, classes)
    classes   length of the new last axis; the largest index plus one if left out
    returns   (*indices.shape, classes)

    Raises DTypeError for indices that are not whole numbers and OutOfBoundsError for an index outside
    [0, classes).
    Source: Bishop 2006, Pattern Recognition and Machine Learning, section 4.1.3 (1-of-K coding).

        >>> one_hot([2, 0], 3)
        array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)
    """
    indices = np.asarray(indices)
    if indices.size == 0 and indices.dtype.kind == "f":
        indices = indices.astype(np.int64)  # an empty list has no element to tell its type by
    if indices.dtype.kind not in "iu":
        raise DTypeError(
            "one_hot",
            f"indices expect whole numbers, got {indices.dtype}",
            "Convert them with .astype('int64') if they are class indices.",
        )
    largest = int(indices.max()) if indices.size else -1
    if classes is None:
        classes = largest + 1
    if classes < 0:
        raise ArgumentError(
            "one_hot", f"classes expects 0 or more, got {classes}", "Give the number of classes."
        )
    smallest = int(indices.min()) if indices.size else 0
    if largest >= classes or smallest < 0:
        wrong = largest if largest >= classes else smallest
        raise OutOfBoundsError(
            "one_hot",
            f"expected indices in [0, {classes}), got {wrong}",
            f"Did you mean classes={largest + 1}?" if smallest >= 0 else "Indices count from 0.",
        )
    encoded = np.zeros((*indices.shape, classes), dtype=dtype)
    np.put_along_axis(encoded, indices[..., np.newaxis].astype(np.int64), 1, axis=-1)
    return encoded
