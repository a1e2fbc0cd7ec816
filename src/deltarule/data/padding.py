"""Sequences of different lengths as one array with a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deltarule.errors import ArgumentError, ShapeError


class Padded(NamedTuple):
    """Padded sequences: values (batch, time, ...), lengths (batch,) int64, mask (batch, time) bool.

    >>> pad_sequences([[1, 2, 3], [4]]).lengths
    array([3, 1])
    """

    values: np.ndarray
    lengths: np.ndarray
    mask: np.ndarray


def pad_sequences(sequences: Sequence, value: float = 0, length: int | None = None) -> Padded:
    """Stack sequences of different lengths into one array, filled up at the end.

    values[b, t] = sequences[b][t] if t < lengths[b] else value
    mask[b, t]   = t < lengths[b]

    sequences   each (time_b, ...); the trailing shape is the same in all
    value       what fills the steps after the end
    length      steps of the result; the longest sequence if left out
    returns     Padded(values (batch, time, ...), lengths (batch,), mask (batch, time), True where real)

    Raises ShapeError if the trailing shapes differ or a sequence has no time axis, ArgumentError if
    there is no sequence or `length` is shorter than the longest one: nothing is ever cut silently.

        >>> pad_sequences([[1, 2, 3], [4]]).values
        array([[1, 2, 3],
               [4, 0, 0]])
        >>> pad_sequences([[1, 2, 3], [4]]).mask
        array([[ True,  True,  True],
               [ True, False, False]])
    """
    arrays = [np.asarray(sequence) for sequence in sequences]
    if not arrays:
        raise ArgumentError(
            "pad_sequences", "expected at least one sequence, got none", "Pass a list of arrays."
        )
    for position, array in enumerate(arrays):
        if array.ndim == 0 or array.shape[1:] != arrays[0].shape[1:]:
            raise ShapeError(
                "pad_sequences",
                f"expected every sequence to be (time, {', '.join(map(str, arrays[0].shape[1:]))}), "
                f"got shape {array.shape} at position {position}",
                "All sequences need the same features for each step.",
            )
    lengths = np.array([len(array) for array in arrays], dtype=np.int64)
    longest = int(lengths.max())
    if length is None:
        length = longest
    if length < longest:
        raise ArgumentError(
            "pad_sequences",
            f"length={length} is shorter than the longest sequence of {longest} steps",
            f"Use length={longest} or cut the sequences first.",
        )
    # An empty list becomes a float64 array: it must not turn a batch of whole numbers into floats.
    filled = [array for array in arrays if array.size] or arrays[:1]
    values = np.full(
        (len(arrays), length, *arrays[0].shape[1:]), value, dtype=np.result_type(*[a.dtype for a in filled])
    )
    for row, array in zip(values, arrays, strict=True):
        row[: len(array)] = array
    return Padded(values, lengths, np.arange(length) < lengths[:, np.newaxis])
