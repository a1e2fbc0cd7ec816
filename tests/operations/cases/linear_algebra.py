"""Rows of matrix products, einsum and its short forms, norms and the fully-connected layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import ArgumentError, DTypeError, ShapeError
from deltarule.operations import einsum as einsums
from deltarule.operations import linear_algebra, norms
from deltarule.operations.linear import linear
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(5)


def random(*shape: int) -> Any:
    return _generator.uniform(-1.5, 1.5, shape)


def away_from_zero(*shape: int) -> Any:
    return _generator.uniform(0.3, 2.0, shape) * _generator.choice([-1.0, 1.0], shape)


def _einsum(subscripts: str, *inputs: Any, reference: str = "") -> Case:
    """A row of einsum; the reference is NumPy's, where it takes the same subscripts."""

    def einsum(*arrays: Any) -> Any:
        return einsums.einsum(subscripts, *arrays)

    def expected(*arrays: Any) -> Any:
        return np.einsum(reference or subscripts, *arrays)

    return Case(einsum, inputs, expected, {}, operation=f"einsum {subscripts}")


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    product = np.tensordot(x, weight, axes=(-1, 1))
    return product if bias is None else product + bias


def _norm(x: Any, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Any:
    return np.sum(np.abs(x) ** ord, axis=axis, keepdims=keepdims) ** (1 / ord)


def _largest(x: Any, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Any:
    return np.max(np.abs(x), axis=axis, keepdims=keepdims)


def _vecdot(a: Any, b: Any, axis: int = -1) -> Any:
    return np.sum(np.moveaxis(a, axis, -1) * np.moveaxis(b, axis, -1), axis=-1)


def _trace(x: Any, offset: int = 0) -> Any:
    return np.trace(x, offset, -2, -1)


MATRIX, SQUARE, CUBE, VECTOR = random(2, 3), random(3, 3), random(2, 3, 4), random(3)
AWAY = away_from_zero(2, 3, 2)
WEIGHT, BIAS = random(4, 3), random(4)

CASES: list[Case] = [
    *(
        Case(linear_algebra.matmul, inputs, np.matmul)
        for inputs in (
            (random(2, 3), random(3, 4)),
            (random(3), random(3)),
            (random(3), random(3, 2)),
            (random(2, 3), random(3)),
            (random(3), random(2, 3, 2)),
            (random(2, 2, 3), random(3)),
            (random(2, 2, 3), random(3, 2)),
            (random(2, 3), random(2, 3, 2)),
            (random(2, 1, 2, 3), random(3, 3, 2)),
            (random(1, 2, 3), random(2, 3, 2)),
            (random(1, 1), random(1, 1)),
            (random(1), random(1, 1)),
            (random(0, 3), random(3, 2)),
            (random(2, 0), random(0, 2)),
            (random(0, 2, 3), random(3, 2)),
            (random(0), random(0)),
        )
    ),
    Case(linear_algebra.matmul, (MATRIX, SQUARE), np.matmul, constant=(0,)),
    Case(linear_algebra.matmul, (MATRIX, SQUARE), np.matmul, constant=(1,)),
    Case(linear_algebra.matmul, (MATRIX, VECTOR), np.matmul, constant=(0,)),
    *(
        Case(linear_algebra.matrix_transpose, (x,), lambda x: np.swapaxes(x, -1, -2))
        for x in (MATRIX, CUBE, random(1, 1), random(0, 3))
    ),
    _einsum("ij,jk->ik", random(2, 3), random(3, 2)),
    _einsum("ij,jk", random(2, 3), random(3, 2)),
    _einsum("ba", MATRIX),
    _einsum("ij->ji", MATRIX),
    _einsum("ij->", MATRIX),
    _einsum("ij->j", MATRIX),
    _einsum("ii", SQUARE),
    _einsum("ii->i", SQUARE),
    _einsum("iij->ij", random(2, 2, 3)),
    _einsum("iii->i", random(2, 2, 2)),
    _einsum("ii,ij->j", SQUARE, random(3, 2)),
    _einsum("ij,ij->ij", MATRIX, random(2, 3)),
    _einsum("ij,ij", MATRIX, random(2, 3)),
    _einsum("i,j->ij", random(2), VECTOR),
    _einsum("i,j->", random(2), VECTOR),
    _einsum("ij,k->i", MATRIX, random(2)),
    _einsum("bhqd,bhkd->bhqk", random(2, 2, 2, 3), random(2, 2, 2, 3)),
    _einsum("bhqk,bkhd->bqhd", random(2, 2, 1, 3), random(2, 3, 2, 2)),
    _einsum("ij,jk,kl->il", random(2, 3), random(3, 2), random(2, 2)),
    _einsum("i,ij,j->", random(2), MATRIX, VECTOR),
    _einsum("ni,nj,oij->no", random(2, 2), random(2, 3), random(2, 2, 3)),
    _einsum("...ij,...jk->...ik", random(2, 2, 3), random(2, 3, 2)),
    _einsum("...ij,jk", random(2, 2, 3), random(3, 2)),
    _einsum("...i,...i->...", random(2, 2, 3), random(3)),
    _einsum("i...->...", CUBE),
    _einsum("...ii->...", random(2, 3, 3)),
    _einsum("ij...,jk...->ik...", random(2, 3, 2), random(3, 2, 2)),
    _einsum("...j,...j->...j", random(2, 1, 3), random(2, 3)),
    _einsum("...", np.asarray(0.5)),
    _einsum(" i j , j k -> i k ", random(2, 3), random(3, 2)),
    # Axes of length 1 broadcast, for named letters too.
    _einsum("ij,ij->ij", random(1, 3), random(2, 1)),
    _einsum("ij,jk->ik", random(2, 1), random(3, 2)),
    _einsum("ij,ij->", random(2, 1), random(2, 3)),
    _einsum("ij,jk->ik", random(0, 3), random(3, 2)),
    _einsum("ij,jk->ik", random(2, 0), random(0, 2)),
    _einsum("i->i", random(1)),
    *(
        Case(einsums.tensordot, (CUBE, b), np.tensordot, options)
        for b, options in (
            (random(3, 4, 2), {}),
            (random(4, 2), {"axes": 1}),
            (random(2), {"axes": 0}),
            (random(4, 2), {"axes": ((-1, 0), (0, 1))}),
            (random(4, 3), {"axes": ([1], [1])}),
            (random(2, 3, 4), {"axes": 3}),
        )
    ),
    Case(einsums.vecdot, (MATRIX, random(2, 3)), _vecdot),
    Case(einsums.vecdot, (MATRIX, VECTOR), _vecdot),
    Case(einsums.vecdot, (random(2, 3, 2), random(3, 1)), _vecdot, {"axis": -2}),
    Case(einsums.vecdot, (MATRIX, random(2, 1)), _vecdot, {"axis": 0}),
    Case(einsums.vecdot, (random(0), random(0)), _vecdot),
    Case(einsums.outer, (random(2), VECTOR), np.outer),
    Case(einsums.outer, (random(1), random(0)), np.outer),
    Case(einsums.diagonal, (SQUARE,), np.diagonal),
    Case(einsums.diagonal, (random(2, 3, 3),), lambda x: np.diagonal(x, 0, 1, 2)),
    Case(einsums.trace, (MATRIX,), _trace),
    Case(einsums.trace, (random(2, 3, 2),), _trace),
    Case(einsums.trace, (MATRIX,), _trace, {"offset": 1}),
    Case(einsums.trace, (MATRIX,), _trace, {"offset": -1}),
    Case(einsums.trace, (MATRIX,), _trace, {"offset": 5}),
    *(
        Case(norms.vector_norm, (AWAY,), _largest if options.get("ord") == np.inf else _norm, options)
        for ord in ({}, {"ord": 1}, {"ord": 3}, {"ord": 2.5}, {"ord": np.inf})
        for options in (ord, {"axis": 1, **ord}, {"axis": (0, -1), "keepdims": True, **ord})
    ),
    Case(norms.vector_norm, (AWAY[:1, :1, :1],), _norm, {"axis": 0}),
    Case(norms.vector_norm, (AWAY[:0],), _norm, {"axis": 1}),
    *(
        Case(linear, inputs, _linear)
        for inputs in (
            (random(5, 3), WEIGHT, BIAS),
            (random(5, 3), WEIGHT),
            (random(3), WEIGHT, BIAS),
            (random(3), WEIGHT),
            (random(2, 2, 3), WEIGHT, BIAS),
            (random(2, 1, 2, 3), WEIGHT),
            (random(1, 1), random(1, 1), random(1)),
            (random(0, 3), WEIGHT, BIAS),
            (random(2, 0, 3), WEIGHT, BIAS),
            (random(2, 0), random(4, 0), BIAS),
        )
    ),
    Case(linear, (random(5, 3), WEIGHT, BIAS), _linear, constant=(0,)),
    Case(linear, (random(5, 3), WEIGHT, BIAS), _linear, constant=(1, 2)),
]


def _refused(call: Callable[[], Any], error: type[Exception], *says: str) -> ErrorCase:
    return ErrorCase(call, error, says)


ERRORS: list[ErrorCase] = [
    _refused(
        lambda: linear_algebra.matmul(MATRIX, MATRIX),
        ShapeError,
        "matmul: a has 3 columns, b has 2 rows (a (2, 3), b (2, 3)). They must be equal: did you forget",
    ),
    _refused(lambda: linear_algebra.matmul(MATRIX, random(2)), ShapeError, "b has 2 rows (a (2, 3), b (2,))"),
    _refused(
        lambda: linear_algebra.matmul(MATRIX, 2.0),
        ShapeError,
        "matmul: expected at least one axis, got shapes (2, 3) and ()",
    ),
    _refused(
        lambda: linear_algebra.matmul(random(2, 2, 3), random(3, 3, 2)),
        ShapeError,
        "matmul: batch axes (2,) and (3,) do not broadcast (a (2, 2, 3), b (3, 3, 2))",
    ),
    _refused(
        lambda: linear_algebra.matrix_transpose(VECTOR),
        ShapeError,
        "matrix_transpose: expected at least 2 axes, got shape (3,)",
    ),
    _refused(
        lambda: linear(random(8, 32), random(10, 64)),
        ShapeError,
        "linear: weight expects 64 input features, x has 32 (x (8, 32), weight (10, 64)). "
        "Did you mean Linear(in_features=32)?",
    ),
    _refused(
        lambda: linear(2.0, WEIGHT), ShapeError, "linear: weight expects 3 input features, x has no axes"
    ),
    _refused(
        lambda: linear(MATRIX, VECTOR),
        ShapeError,
        "linear: weight expected shape (out_features, in_features), got (3,)",
    ),
    _refused(
        lambda: linear(MATRIX, WEIGHT, VECTOR),
        ShapeError,
        "linear: bias expected shape (4,), got (3,) (weight (4, 3))",
    ),
    _refused(
        lambda: einsums.einsum(MATRIX, "ij"), DTypeError, "einsum: subscripts expected a string, got ndarray"
    ),  # type: ignore[arg-type]
    _refused(lambda: einsums.einsum("ij"), ShapeError, "einsum: expected at least one array, got none"),
    _refused(
        lambda: einsums.einsum("ij,jk", MATRIX),
        ArgumentError,
        "einsum: subscripts 'ij,jk' are for 2 array(s), got 1",
    ),
    _refused(
        lambda: einsums.einsum("i1", MATRIX),
        ArgumentError,
        "expected letters, one '...', ',' and '->', got 'i1'",
    ),
    _refused(lambda: einsums.einsum("......", MATRIX), ArgumentError, "got '......'"),
    _refused(
        lambda: einsums.einsum("ijk", MATRIX),
        ShapeError,
        "'ijk' of 'ijk' names 3 axes, the array has 2 (shape (2, 3))",
    ),
    _refused(lambda: einsums.einsum("i", MATRIX), ShapeError, "'i' of 'i' names 1 axes, the array has 2"),
    _refused(
        lambda: einsums.einsum("...i->i", MATRIX), ArgumentError, "drop the axes of '...' from the result"
    ),
    _refused(lambda: einsums.einsum("ij->ik", MATRIX), ArgumentError, "result letter 'k'"),
    _refused(lambda: einsums.einsum("ij->ii", MATRIX), ArgumentError, "result letter 'i'"),
    _refused(
        lambda: einsums.einsum("ij,ji", MATRIX, MATRIX),
        ShapeError,
        "einsum: axis 'j' of 'ij,ji->' is 3 long, but 2 in x1 (2, 3)",
    ),
    _refused(
        lambda: einsums.einsum("ii", MATRIX), ShapeError, "axis 'i' of 'ii->' is 2 long, but 3 in x0 (2, 3)"
    ),
    _refused(
        lambda: einsums.einsum("ii", random(1, 3)),
        ShapeError,
        "axis 'i' of 'ii->' is 1 long, but 3 in x0 (1, 3)",
    ),
    _refused(
        lambda: einsums.tensordot(MATRIX, SQUARE),
        ShapeError,
        "tensordot: axes (0, 1) of a (2, 3) and axes (0, 1) of b (3, 3)",
    ),
    _refused(
        lambda: einsums.tensordot(MATRIX, VECTOR), ShapeError, "tensordot: cannot sum over 2 axes of a (2, 3)"
    ),
    _refused(
        lambda: einsums.tensordot(MATRIX, VECTOR, axes=(1, 0, 2)),
        ShapeError,
        "axes expected a number or two sequences",
    ),
    _refused(
        lambda: einsums.tensordot(MATRIX, VECTOR, axes=(2, 0)), ShapeError, "tensordot: axis 2 does not exist"
    ),
    _refused(
        lambda: einsums.vecdot(MATRIX, random(2)),
        ShapeError,
        "vecdot: axis -1 is 3 long in a (2, 3) and 2 in b (2,)",
    ),
    _refused(lambda: einsums.vecdot(MATRIX, VECTOR, axis=1), ShapeError, "vecdot: axis 1 does not exist"),
    _refused(lambda: einsums.vecdot(MATRIX, random(4, 3)), ShapeError, "einsum: axis"),
    _refused(
        lambda: einsums.outer(MATRIX, VECTOR),
        ShapeError,
        "outer: expected two vectors, got shapes (2, 3) and (3,)",
    ),
    _refused(
        lambda: einsums.diagonal(MATRIX), ShapeError, "diagonal: expected square matrices, got shape (2, 3)"
    ),
    _refused(
        lambda: einsums.diagonal(VECTOR), ShapeError, "diagonal: expected at least 2 axes, got shape (3,)"
    ),
    _refused(lambda: einsums.trace(VECTOR), ShapeError, "trace: expected at least 2 axes, got shape (3,)"),
    _refused(
        lambda: norms.vector_norm(VECTOR, ord=0.5),
        ArgumentError,
        "vector_norm: ord expected a number >= 1 or inf, got 0.5",
    ),
    _refused(lambda: norms.vector_norm(VECTOR, axis=1), ShapeError, "vector_norm: axis 1 does not exist"),
]
