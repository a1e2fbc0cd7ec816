"""Rows of concat, stack, split and unstack."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import ArgumentError, DTypeError, ShapeError
from deltarule.operations import joining
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(12)


def _array(*sizes: int) -> Any:
    return _generator.uniform(-2.0, 2.0, sizes)


A, B, LONGER, EMPTY, CUBE = _array(2, 3), _array(2, 3), _array(2, 5), _array(2, 0), _array(4, 2, 3)


def _concatenated(arrays: Any, axis: int | None = 0) -> Any:
    return np.concatenate(arrays, axis)


def _stacked(arrays: Any, axis: int = 0) -> Any:
    return np.stack(arrays, axis)


CASES: list[Case] = [
    Case(joining.concat, ([A, B],), _concatenated),
    Case(joining.concat, ([A, LONGER, B],), _concatenated, {"axis": 1}),
    Case(joining.concat, ([A, EMPTY, B],), _concatenated, {"axis": -1}),
    Case(joining.concat, ([EMPTY, A],), _concatenated, {"axis": -1}),
    Case(joining.concat, ([EMPTY, EMPTY],), _concatenated, {"axis": 1}),
    Case(joining.concat, ([EMPTY, EMPTY],), _concatenated, {"axis": 0}),
    Case(joining.concat, ([A],), _concatenated),
    Case(
        joining.concat,
        ([A, LONGER, np.asarray(2.0)],),
        lambda arrays, axis: np.concatenate(arrays, axis),
        {"axis": None},
    ),
    Case(joining.concat, ([A, np.arange(6).reshape(2, 3)],), _concatenated),
    Case(lambda x: joining.concat([x, x * x], 1), (A,), lambda x: np.concatenate([x, x * x], 1)),
    *(Case(joining.stack, ([A, B, A + 1],), _stacked, {"axis": axis}) for axis in (0, 1, 2, -1, -2)),
    Case(joining.stack, ([np.asarray(1.0), np.asarray(-2.0)],), _stacked),
    Case(joining.stack, ([EMPTY, EMPTY],), _stacked, {"axis": 1}),
    Case(joining.stack, ([A],), _stacked),
    Case(lambda x: joining.stack([x, x * x], 1), (A,), lambda x: np.stack([x, x * x], 1)),
    Case(lambda x: joining.split(x, 2), (CUBE,), lambda x: np.split(x, 2)),
    Case(lambda x: joining.split(x, 3, -1), (CUBE,), lambda x: np.split(x, 3, -1)),
    Case(lambda x: joining.split(x, [1, 3]), (CUBE,), lambda x: np.split(x, [1, 3])),
    Case(lambda x: joining.split(x, [3, 1, -1, 9]), (CUBE,), lambda x: np.split(x, [3, 1, -1, 9])),
    Case(lambda x: joining.split(x, np.array([2]), axis=2), (CUBE,), lambda x: np.split(x, [2], 2)),
    Case(lambda x: joining.split(x, [], axis=2), (CUBE,), lambda x: np.split(x, [], 2)),
    *(
        Case(
            lambda x, axis=axis: joining.unstack(x, axis=axis),
            (CUBE,),
            lambda x, axis=axis: list(np.moveaxis(x, axis, 0)),
        )
        for axis in (0, 1, -1)
    ),
]

ERRORS = [
    ErrorCase(
        lambda: joining.concat([A, LONGER]),
        ShapeError,
        ("concat: part 1 has shape (2, 5), part 0 has (2, 3): only axis 0 may differ", "stack"),
    ),
    ErrorCase(lambda: joining.concat([A, CUBE]), ShapeError, ("part 1 has shape (4, 2, 3)",)),
    ErrorCase(lambda: joining.concat([1.0, 2.0]), ShapeError, ("concat: 0-dimensional arrays", "Use stack")),
    ErrorCase(lambda: joining.concat([A, B], 2), ShapeError, ("concat: axis 2 does not exist",)),
    ErrorCase(lambda: joining.concat([]), ArgumentError, ("concat: expected at least one array",)),
    ErrorCase(
        lambda: joining.concat(A),
        DTypeError,
        ("concat: expected a list of arrays, got ndarray", "concat([a, b])"),
    ),
    ErrorCase(
        lambda: joining.stack([A, LONGER]),
        ShapeError,
        ("stack: part 1 has shape (2, 5), part 0 has (2, 3): all must be equal", "concat"),
    ),
    ErrorCase(
        lambda: joining.stack([A, B], 3), ShapeError, ("stack: axis 3 does not exist in an array of 3 axes",)
    ),
    ErrorCase(lambda: joining.stack([]), ArgumentError, ("stack: expected at least one array",)),
    ErrorCase(lambda: joining.stack(A), DTypeError, ("stack: expected a list of arrays",)),
    ErrorCase(
        lambda: joining.split(CUBE, 3),
        ShapeError,
        ("split: axis 0 of size 4 does not cut into 3 equal parts (x (4, 2, 3))",),
    ),
    ErrorCase(lambda: joining.split(CUBE, 0), ArgumentError, ("split: sections expected 1 or more, got 0",)),
    ErrorCase(
        lambda: joining.split(CUBE, 1.5), DTypeError, ("split: sections expected an integer, got 1.5",)
    ),
    ErrorCase(
        lambda: joining.split(CUBE, [0.5]), DTypeError, ("split: a position expected an integer, got 0.5",)
    ),
    ErrorCase(lambda: joining.split(CUBE, 2, 3), ShapeError, ("split: axis 3 does not exist",)),
    ErrorCase(lambda: joining.unstack(CUBE, axis=-4), ShapeError, ("unstack: axis -4 does not exist",)),
]
