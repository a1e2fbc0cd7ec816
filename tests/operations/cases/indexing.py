"""Rows of indexing in all its forms, gathering and scattering, one-hot vectors and embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, DTypeError, OutOfBoundsError, ShapeError
from deltarule.operations import gathering, indexing, slicing
from deltarule.operations.embedding import embedding
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(13)


def _array(*sizes: int) -> Any:
    return _generator.uniform(-2.0, 2.0, sizes)


VECTOR, MATRIX, CUBE, EMPTY, SCALAR = _array(5), _array(3, 4), _array(2, 3, 4), _array(0, 3), np.asarray(1.5)
MASK = np.array([[True, False, True, False], [False, False, False, False], [True, True, False, True]])
TABLE = _array(5, 3)
NOTHING = np.zeros(0, dtype=int)

BASIC = [
    (VECTOR, 2),
    (VECTOR, -1),
    (VECTOR, np.int64(1)),
    (VECTOR, slice(1, 4)),
    (VECTOR, slice(None, None, 2)),
    (VECTOR, slice(None, None, -1)),
    (VECTOR, slice(4, 0, -2)),
    (VECTOR, slice(-10, 10)),
    (VECTOR, slice(3, 1)),
    (VECTOR, slice(-9, None, -1)),
    (VECTOR, None),
    (VECTOR, Ellipsis),
    (MATRIX, ()),
    (MATRIX, (1, 2)),
    (MATRIX, (slice(None), 1)),
    (MATRIX, (Ellipsis, -1)),
    (MATRIX, (None, slice(0, 2), None, 3)),
    (CUBE, (0, Ellipsis, slice(3, None, -3))),
    (CUBE, (slice(1), slice(1, 3), slice(None, None, 2))),
    (CUBE, (Ellipsis, None)),
    (EMPTY, slice(None)),
    (EMPTY, (slice(None, None, -1), 1)),
    (EMPTY, (None, slice(0, 5))),
    (MATRIX, slice(0, 0)),
    (SCALAR, ()),
    (SCALAR, (None, Ellipsis)),
    (SCALAR, Ellipsis),
]
ADVANCED = [
    (VECTOR, [0, 2, 2, -1]),
    (VECTOR, np.array([[0, 1], [4, 1]])),
    (VECTOR, np.array(3)),
    (VECTOR, []),
    (VECTOR, NOTHING),
    (MATRIX, [1, 1, 0]),
    (MATRIX, np.array([2], dtype=np.uint8)),
    (MATRIX, (slice(None), [3, 0, 3])),
    (MATRIX, ([0, 1, 2], [1, 2, 1])),
    (MATRIX, ([[0], [2]], [1, 3])),
    (MATRIX, (1, [0, 0, 3])),
    (MATRIX, ([2, 0], 1)),
    (CUBE, ([1, 0], slice(None), [2, 2])),
    (CUBE, (0, slice(None), [1, 3])),
    (CUBE, (slice(None), [0, 2], [1, 1])),
    (CUBE, (slice(None), 1, [0, 3, 3])),
    (CUBE, (Ellipsis, [0, 3])),
    (CUBE, ([0, 1], Ellipsis, [0, 3])),
    (CUBE, (slice(None), [0, 1], Ellipsis, [0, 3])),
    (CUBE, (None, [1, 0])),
    (CUBE, ([1], None, [2])),
    (CUBE, (slice(None, None, -1), None, [2, 0], slice(1, 3))),
    (CUBE, ([0, 1, 1], [2, 0, 0], [3, 1, 1])),
    (MATRIX, MASK),
    (MATRIX, (MASK[:, 0], slice(1, 3))),
    (MATRIX, (MASK[:, 0], [1, 3])),
    (MATRIX, (slice(None), MASK[0])),
    (CUBE, (slice(None), MASK)),
    (CUBE, (1, MASK)),
    (CUBE, (MASK[:2, 0], None, [0, 0])),
    (MATRIX, np.zeros((3, 4), dtype=bool)),
    (MATRIX, True),
    (MATRIX, False),
    (MATRIX, (slice(1), np.True_)),
    (SCALAR, True),
    (EMPTY, NOTHING),
    (EMPTY, (slice(None), [2, 0])),
    (EMPTY, np.zeros((0, 3), dtype=bool)),
    (VECTOR, [True, False, True, False, True]),
    (MATRIX, ((0, 1), (2, 3))),
]


def _squared(x: Any) -> Any:
    return indexing.getitem(x * x, (slice(None), [1, 3, 1]))


def _rows(indices: Any, weight: Any, padding_idx: int | None = None) -> Any:
    return weight[indices]


def _index_added(x: Any, indices: Any, updates: Any, axis: int) -> Any:
    y = np.moveaxis(x.copy(), axis, 0)
    depth, place = indices.ndim, axis % x.ndim
    spread = np.broadcast_to(updates, np.take(x, indices, axis).shape)
    np.add.at(y, indices, np.moveaxis(spread, range(place, place + depth), range(depth)))
    return np.moveaxis(y, 0, axis)


def _scatter_added(x: Any, indices: Any, updates: Any, axis: int) -> Any:
    y = x.copy()
    spread = np.broadcast_to(updates, indices.shape)
    for place in np.ndindex(*indices.shape):
        target = list(place)
        target[axis] = indices[place]
        y[tuple(target)] += spread[place]
    return y


CASES: list[Case] = [
    *(
        Case(indexing.getitem, (x,), lambda x, key: x[key], {"key": key}, operation="slice")
        for x, key in BASIC
    ),
    *(
        Case(indexing.getitem, (x,), lambda x, key: x[key], {"key": key}, operation="gather")
        for x, key in ADVANCED
    ),
    Case(_squared, (MATRIX,), lambda x: (x * x)[:, [1, 3, 1]]),
    Case(
        lambda x, indices: indexing.getitem(x, (slice(None), indices)),
        (CUBE, np.array([[2, 0], [2, 2]])),
        lambda x, indices: x[:, indices],
    ),
    Case(
        lambda x, place: indexing.getitem(x, (place, slice(1, 3))),
        (CUBE, np.array(1)),
        lambda x, place: x[place, 1:3],
    ),
    *(
        Case(
            lambda x, key=key, shape=shape: slicing.apply(slicing.UNSLICE, x, key=key, shape=shape),
            (x,),
            lambda x, key=key, shape=shape: slicing._unslice(x, key, shape),
            operation="unslice",
        )
        for x, key, shape in (
            (VECTOR, (slice(1, 6, 1),), (7,)),
            (VECTOR, (slice(8, None, -2),), (9,)),
            (MATRIX, (slice(0, 3, 1), 1, slice(0, 4, 1)), (3, 2, 4)),
            (MATRIX, (None, slice(0, 3, 1), slice(0, 4, 1))[1:], (3, 4)),
            (SCALAR, (2,), (3,)),
            (VECTOR[None], (None, slice(4, None, -1)), (5,)),
        )
    ),
    *(
        Case(
            gathering.take,
            (x, np.array(indices, dtype=int)),
            lambda x, indices, axis: np.take(x, indices, axis),
            {"axis": axis},
        )
        for x, indices, axis in (
            (VECTOR, [0, 4, 4], 0),
            (MATRIX, [[1, 0], [-1, 1]], 1),
            (CUBE, [2, 2, 0], -2),
            (CUBE, 1, 0),
            (MATRIX, [], 0),
            (CUBE, [3, 3, 3, 1], -1),
            (EMPTY, [1, 1], 1),
            (_array(4, 20), [0, 2, 2, 0, 3], 0),
        )
    ),
    Case(gathering.take, (VECTOR, np.array([3, 1, 3])), np.take),
    *(
        Case(
            gathering.index_add,
            (x, np.array(indices), updates),
            _index_added,
            {"axis": axis},
        )
        for x, indices, updates, axis in (
            (VECTOR, [0, 4, 4, -1], _array(4), 0),
            (MATRIX, [1, 1], _array(2, 4), 0),
            (CUBE, [[3, 0], [3, 3]], _array(2, 3, 2, 2), -1),
            (MATRIX, [0, 0], _array(4), 0),
            (VECTOR, NOTHING, _array(0), 0),
            (_array(4, 20), [2, 2, 0, 3, 2], _array(5, 20), 0),
            (CUBE, 2, _array(2, 4), 1),
        )
    ),
    *(
        Case(gathering.take_along_axis, (x, np.array(indices)), np.take_along_axis, {"axis": axis})
        for x, indices, axis in (
            (VECTOR, [0, 4, 4, -1], 0),
            (MATRIX, [[1, 1], [0, 3], [2, 0]], 1),
            (MATRIX, [[1, 1, 0, 2]], -2),
            (CUBE, np.array([[[0, 2, 1, 1]], [[2, 2, 0, -1]]]), 1),
            (EMPTY, np.zeros((0, 2), dtype=int), 1),
            (MATRIX, [[1, 1]], 1),
            (MATRIX[:1], [[0], [3], [3]], 1),
            (MATRIX, np.zeros((3, 0), dtype=int), 1),
        )
    ),
    Case(
        gathering.take_along_axis,
        (MATRIX, np.array([[3, 11, 3]])),
        lambda x, indices, axis: x.ravel()[indices.ravel()],
        {"axis": None},
    ),
    *(
        Case(gathering.scatter_add, (x, np.array(indices), updates), _scatter_added, {"axis": axis})
        for x, indices, updates, axis in (
            (VECTOR, [0, 4, 4, -1], _array(4), 0),
            (MATRIX, [[1, 1], [0, 3], [2, 0]], _array(3, 2), 1),
            (MATRIX, [[1, 1, 0, 2], [1, 0, 0, 2]], _array(2, 4), 0),
            (CUBE, np.array([[[0, 2, 1, 1]], [[2, 2, 0, -1]]]), _array(2, 1, 4), -2),
            (MATRIX, [[1, 1], [0, 3], [2, 0]], np.asarray(0.5), 1),
            (EMPTY, np.zeros((0, 2), dtype=int), _array(0, 2), 1),
        )
    ),
    *(
        Case(
            indexing.one_hot,
            (np.array(indices, dtype=int),),
            lambda indices, num_classes, dtype: np.eye(num_classes)[indices],
            {"num_classes": 4, "dtype": np.float64},
        )
        for indices in ([0, 3, 3], [[1, 2]], 2, [])
    ),
    *(
        Case(embedding, (np.array(indices, dtype=int), TABLE), _rows)
        for indices in ([0, 4, 4], [[1, 2], [1, 1]], 3, [])
    ),
    *(
        Case(
            lambda indices, weight: embedding(indices, weight) ** 2,
            (np.array(indices, dtype=int), table),
            lambda indices, weight: weight[indices] ** 2,
        )
        for indices, table in (([[1, 2], [1, 1]], TABLE), ([0, 5, 5, 0, 2], _array(6, 20)))
    ),
]


def _get(x: Any, *key: Any) -> Tensor:
    return indexing.getitem(x, key)


ERRORS = [
    ErrorCase(
        lambda: _get(MATRIX, 3),
        OutOfBoundsError,
        ("getitem: index 3 is outside axis 0 of size 3 (x (3, 4))", "Indices run from -3 to 2."),
    ),
    ErrorCase(lambda: _get(MATRIX, 0, -5), OutOfBoundsError, ("index -5 is outside axis 1 of size 4",)),
    ErrorCase(
        lambda: _get(EMPTY, 0),
        OutOfBoundsError,
        ("index 0 is outside axis 0 of size 0", "The axis is empty."),
    ),
    ErrorCase(
        lambda: _get(VECTOR, [[0, 1], [7, 2]]),
        OutOfBoundsError,
        ("getitem: index 7 is outside axis 0 of size 5 (at (1, 0) of the indices)",),
    ),
    ErrorCase(
        lambda: _get(MATRIX, slice(None), [-5]), OutOfBoundsError, ("index -5 is outside axis 1 of size 4",)
    ),
    ErrorCase(lambda: _get(MATRIX, 0, 0, 0), OutOfBoundsError, ("getitem: 3 indices for 2 axes (x (3, 4))",)),
    ErrorCase(lambda: _get(SCALAR, 0), OutOfBoundsError, ("getitem: 1 indices for 0 axes",)),
    ErrorCase(lambda: _get(MATRIX, ..., ...), ArgumentError, ("one ellipsis at most",)),
    ErrorCase(lambda: _get(MATRIX, slice(None, None, 0)), ArgumentError, ("step cannot be 0",)),
    ErrorCase(lambda: _get(MATRIX, slice(0.5, None)), DTypeError, ("a slice expected integers or None",)),
    ErrorCase(
        lambda: _get(MATRIX, 1.0),
        DTypeError,
        ("getitem: an index expected integers, booleans, a slice, None or ..., got float",),
    ),
    ErrorCase(lambda: _get(MATRIX, np.array([1.0])), DTypeError, ("got float64", ".astype(dr.int64)")),
    ErrorCase(lambda: _get(MATRIX, "row"), DTypeError, ("got str",)),
    ErrorCase(
        lambda: _get(MATRIX, [0, 1], [0, 1, 2]),
        ShapeError,
        ("getitem: shapes (2,) and (3,) do not broadcast",),
    ),
    ErrorCase(
        lambda: _get(MATRIX, MASK[:, :3]), ShapeError, ("getitem: mask expected shape (3, 4), got (3, 3)",)
    ),
    ErrorCase(
        lambda: gathering.take(MATRIX, [5], axis=1),
        OutOfBoundsError,
        ("take: index 5 is outside axis 1 of size 4 (at (0,) of the indices)", "from -4 to 3"),
    ),
    ErrorCase(
        lambda: gathering.take(MATRIX, [0]), ShapeError, ("take: which axis is not said, and x has 2",)
    ),
    ErrorCase(lambda: gathering.take(SCALAR, [0], axis=0), ShapeError, ("take: axis 0 does not exist",)),
    ErrorCase(
        lambda: gathering.take(VECTOR, [0.5]), DTypeError, ("take: indices expected integers, got float32",)
    ),
    ErrorCase(
        lambda: gathering.take(VECTOR, VECTOR > 0),
        DTypeError,
        ("take: indices expected integers, got bool", "x[mask]"),
    ),
    ErrorCase(
        lambda: gathering.index_add(MATRIX, [3], MATRIX[:1]),
        OutOfBoundsError,
        ("index_add: index 3 is outside axis 0 of size 3",),
    ),
    ErrorCase(
        lambda: gathering.index_add(MATRIX, [1], MATRIX),
        ShapeError,
        ("index_add: updates expected shape (1, 4), got (3, 4)",),
    ),
    ErrorCase(
        lambda: gathering.index_add(MATRIX, [0.5], MATRIX[:1]),
        DTypeError,
        ("index_add: indices expected integers",),
    ),
    ErrorCase(
        lambda: gathering.index_add(MATRIX, [1], MATRIX[:1], 2),
        ShapeError,
        ("index_add: axis 2 does not exist",),
    ),
    ErrorCase(
        lambda: gathering.take_along_axis(MATRIX, [0, 1]),
        ShapeError,
        ("take_along_axis: x (3, 4) and indices (2,) must agree but along axis 1",),
    ),
    ErrorCase(
        lambda: gathering.take_along_axis(MATRIX, [[0], [1]]),
        ShapeError,
        ("take_along_axis: shapes (3, 1) and (2, 1) do not broadcast",),
    ),
    ErrorCase(
        lambda: gathering.take_along_axis(MATRIX, [[4], [1], [0]]),
        OutOfBoundsError,
        ("take_along_axis: index 4 is outside axis 1 of size 4 (at (0, 0) of the indices)",),
    ),
    ErrorCase(
        lambda: gathering.take_along_axis(MATRIX, MATRIX),
        DTypeError,
        ("take_along_axis: indices expected integers",),
    ),
    ErrorCase(
        lambda: gathering.take_along_axis(MATRIX, [[0], [0], [0]], 2),
        ShapeError,
        ("take_along_axis: axis 2 does not exist",),
    ),
    ErrorCase(
        lambda: gathering.scatter_add(MATRIX, [[0, 0]], 1.0, 1),
        ShapeError,
        ("scatter_add: x (3, 4) and indices (1, 2) must agree but along axis 1",),
    ),
    ErrorCase(
        lambda: gathering.scatter_add(VECTOR, [0, 1], VECTOR),
        ShapeError,
        ("scatter_add: updates expected shape (2,), got (5,)",),
    ),
    ErrorCase(
        lambda: gathering.scatter_add(VECTOR, [-6], 1.0),
        OutOfBoundsError,
        ("scatter_add: index -6 is outside axis 0 of size 5",),
    ),
    ErrorCase(
        lambda: gathering.scatter_add(VECTOR, [0.5], 1.0),
        DTypeError,
        ("scatter_add: indices expected integers",),
    ),
    ErrorCase(
        lambda: gathering.scatter_add(VECTOR, [0], 1.0, 1),
        ShapeError,
        ("scatter_add: axis 1 does not exist",),
    ),
    ErrorCase(lambda: indexing.nonzero(1.0), ShapeError, ("nonzero: expected at least one axis",)),
    ErrorCase(
        lambda: indexing.one_hot([0, 3], 3),
        OutOfBoundsError,
        ("one_hot: index 3 is outside 3 classes", "Did you mean num_classes=4?"),
    ),
    ErrorCase(
        lambda: indexing.one_hot([0, -1], 3),
        OutOfBoundsError,
        ("one_hot: index -1 is outside 3 classes", "from 0"),
    ),
    ErrorCase(
        lambda: indexing.one_hot([0.5], 3), DTypeError, ("one_hot: indices expected integers, got float32",)
    ),
    ErrorCase(
        lambda: indexing.one_hot([0], 0), ArgumentError, ("one_hot: num_classes expected 1 or more, got 0",)
    ),
    ErrorCase(
        lambda: indexing.one_hot([]), ArgumentError, ("one_hot: num_classes expected 1 or more, got -1",)
    ),
    ErrorCase(
        lambda: indexing.one_hot([0], 1.5), DTypeError, ("one_hot: num_classes expected an integer, got 1.5",)
    ),
    ErrorCase(
        lambda: embedding([[0, 1], [2, 5]], TABLE),
        OutOfBoundsError,
        (
            "embedding: token 5 at (1, 1) of the indices is outside the table of 5 rows (weight (5, 3))",
            "Did you mean Embedding(6, 3)?",
        ),
    ),
    ErrorCase(
        lambda: embedding([0, -1], TABLE),
        OutOfBoundsError,
        ("embedding: token -1 at (1,)", "Tokens count from 0."),
    ),
    ErrorCase(
        lambda: embedding(7, TABLE),
        OutOfBoundsError,
        ("embedding: token 7 is outside the table of 5 rows",),
    ),
    ErrorCase(
        lambda: embedding(TABLE, TABLE),
        DTypeError,
        ("embedding: indices expected integers, got float64", "embedding(indices, weight)"),
    ),
    ErrorCase(
        lambda: embedding([0], VECTOR),
        ShapeError,
        ("embedding: weight expected shape (tokens, features), got (5,)",),
    ),
    ErrorCase(
        lambda: embedding([0], TABLE, 5),
        OutOfBoundsError,
        ("embedding: padding_idx 5 is outside the table of 5 rows",),
    ),
    ErrorCase(
        lambda: embedding([0], TABLE, 0.5),
        DTypeError,
        ("embedding: padding_idx expected an integer, got 0.5",),
    ),
]
