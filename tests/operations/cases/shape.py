"""Rows of reshaping, reordering, moving, repeating and padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import ArgumentError, DTypeError, ShapeError
from deltarule.operations import arrangement, padding, shape
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(11)


def _array(*sizes: int) -> Any:
    return _generator.uniform(-2.0, 2.0, sizes)


VECTOR, MATRIX, CUBE, FLAT, ONE, EMPTY = (
    _array(6),
    _array(2, 3),
    _array(2, 3, 4),
    _array(2, 1, 3),
    _array(1, 1),
    _array(0, 3),
)
SCALAR = np.asarray(1.5)
EVERY = (VECTOR, MATRIX, CUBE, ONE, EMPTY)


def _reshaped(x: Any, shape: Any, copy: bool | None = None) -> Any:
    return np.reshape(x, shape)


def _doubled(x: Any, **options: Any) -> Any:
    return shape.reshape(x * x, **options)


def _padded(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Any:
    if mode == "constant":
        return np.pad(x, pad_width, constant_values=constant_values)
    return np.pad(x, pad_width, mode)


CASES: list[Case] = [
    *(
        Case(shape.reshape, (x,), _reshaped, {"shape": sizes})
        for x, sizes in (
            (VECTOR, (2, 3)),
            (MATRIX, (3, 2)),
            (MATRIX, -1),
            (CUBE, (6, 4)),
            (CUBE, (2, -1)),
            (CUBE, (4, 3, 2)),
            (CUBE, (2, 2, 6)),
            (CUBE, (1, 24, 1)),
            (FLAT, (3, 1, 2)),
            (ONE, ()),
            (SCALAR, (1, 1)),
            (EMPTY, (3, 0, 2)),
            (EMPTY, (0,)),
            (MATRIX, (2, 3)),
        )
    ),
    Case(shape.reshape, (MATRIX,), _reshaped, {"shape": (6,), "copy": True}),
    Case(_doubled, (CUBE,), lambda x, shape: np.reshape(x * x, shape), {"shape": (4, 6)}),
    Case(lambda x: shape.reshape(x, 3, -1), (MATRIX,), lambda x: x.reshape(3, 2)),
    *(Case(shape.flatten, (x,), np.ravel) for x in (*EVERY, SCALAR)),
    Case(shape.flatten, (CUBE,), lambda x, start_dim: x.reshape(2, 12), {"start_dim": 1}),
    Case(
        shape.flatten, (CUBE,), lambda x, start_dim, end_dim: x.reshape(6, 4), {"start_dim": 0, "end_dim": -2}
    ),
    *(
        Case(shape.expand_dims, (x,), np.expand_dims, {"axis": axis})
        for x in (MATRIX, EMPTY)
        for axis in (0, 1, -1)
    ),
    Case(shape.expand_dims, (MATRIX,), np.expand_dims, {"axis": (0, -1)}),
    Case(shape.expand_dims, (SCALAR,), np.expand_dims, {"axis": 0}),
    Case(shape.unsqueeze, (MATRIX,), lambda x, dim: x[:, None], {"dim": 1}),
    *(Case(shape.squeeze, (x,), np.squeeze) for x in (FLAT, ONE, MATRIX)),
    Case(shape.squeeze, (FLAT,), np.squeeze, {"axis": -2}),
    Case(shape.squeeze, (ONE,), np.squeeze, {"axis": (0, 1)}),
    *(
        Case(shape.permute_dims, (x,), np.transpose, {"axes": axes})
        for x, axes in (
            (CUBE, (1, 2, 0)),
            (CUBE, (2, 0, 1)),
            (CUBE, (0, 2, 1)),
            (CUBE, (-1, 0, 1)),
            (MATRIX, (1, 0)),
            (MATRIX, None),
            (VECTOR, (0,)),
            (SCALAR, ()),
            (EMPTY, (1, 0)),
            (FLAT, None),
        )
    ),
    Case(lambda x: shape.permute(x, 1, 2, 0), (CUBE,), lambda x: x.transpose(1, 2, 0)),
    Case(lambda x: shape.permute(x, (1, 2, 0)) ** 2, (CUBE,), lambda x: x.transpose(1, 2, 0) ** 2),
    Case(shape.swapaxes, (CUBE,), np.swapaxes, {"axis1": 0, "axis2": -1}),
    Case(lambda x: shape.moveaxis(x, 0, -1), (CUBE,), lambda x: np.moveaxis(x, 0, -1)),
    Case(lambda x: shape.moveaxis(x, (0, 2), (1, 0)), (CUBE,), lambda x: np.moveaxis(x, (0, 2), (1, 0))),
    Case(lambda x: shape.expand(x, 4, -1, 5, 3), (FLAT,), lambda x: np.broadcast_to(x, (4, 2, 5, 3))),
    Case(lambda x: shape.expand(x, (2, -1)), (VECTOR,), lambda x: np.broadcast_to(x, (2, 6))),
    *(Case(arrangement.flip, (x,), np.flip) for x in (*EVERY, SCALAR)),
    *(Case(arrangement.flip, (CUBE,), np.flip, {"axis": axis}) for axis in (0, -1, (0, 2))),
    *(Case(arrangement.roll, (x,), np.roll, {"shift": 2}) for x in EVERY),
    *(
        Case(arrangement.roll, (CUBE,), np.roll, {"shift": shift, "axis": axis})
        for shift, axis in (
            (1, 0),
            (-5, -1),
            ((1, 2), (0, 2)),
            (1, (0, 1)),
            ((1, 2), 1),
            ((1, 1), (2, 2)),
            (0, 1),
        )
    ),
    Case(arrangement.roll, (EMPTY,), np.roll, {"shift": 1, "axis": 0}),
    *(
        Case(
            lambda x, times=times: arrangement.tile(x, times),
            (x,),
            lambda x, times=times: np.tile(x, times),
            operation="tile",
        )
        for x, times in (
            (VECTOR, 3),
            (MATRIX, 2),
            (MATRIX, (2, 1)),
            (MATRIX, (2, 3)),
            (VECTOR, (2, 1, 2)),
            (MATRIX, (0, 2)),
            (EMPTY, 2),
            (SCALAR, 3),
            (ONE, (2, 3)),
            (SCALAR, ()),
        )
    ),
    *(
        Case(arrangement.repeat, (x,), np.repeat, {"repeats": repeats, "axis": axis})
        for x, repeats, axis in (
            (VECTOR, 2, None),
            (MATRIX, 3, None),
            (MATRIX, 3, 0),
            (CUBE, 2, -1),
            (MATRIX, 0, 1),
            (MATRIX, 1, 1),
            (MATRIX, [2, 0, 1], 1),
            (MATRIX, np.array([1, 2]), 0),
            (MATRIX, [2], 1),
            (EMPTY, 2, 0),
            (EMPTY, 2, 1),
        )
    ),
    *(
        Case(function, (x,), reference, {"k": k})
        for function, reference in ((arrangement.tril, np.tril), (arrangement.triu, np.triu))
        for x, k in ((CUBE, 0), (MATRIX, 1), (MATRIX, -1), (CUBE, 5), (CUBE, -5), (ONE, 0), (EMPTY, 0))
    ),
    *(
        Case(padding.pad, (x,), _padded, {"pad_width": width})
        for x, width in (
            (VECTOR, 2),
            (MATRIX, (1, 2)),
            (MATRIX, ((0, 1), (2, 0))),
            (MATRIX, ((1,), (2,))),
            (EMPTY, 1),
            (ONE, 0),
            (SCALAR, 1),
        )
    ),
    Case(padding.pad, (MATRIX,), _padded, {"pad_width": 1, "constant_values": -2.5}),
    Case(padding.pad, (EMPTY,), _padded, {"pad_width": 1, "constant_values": 1.0}),
    *(
        Case(padding.pad, (x,), _padded, {"pad_width": width, "mode": mode})
        for mode in ("edge", "reflect", "symmetric", "wrap")
        for x, width in (
            (MATRIX, ((1, 1), (2, 0))),
            (VECTOR, 2),
            (MATRIX, ((3, 4), (0, 7))),
            (EMPTY, ((0, 0), (1, 1))),
        )
    ),
]

ERRORS = [
    ErrorCase(
        lambda: shape.reshape(MATRIX, (4, 2)), ShapeError, ("reshape: shape (4, 2) has 8 elements, x has 6",)
    ),
    ErrorCase(lambda: shape.reshape(MATRIX, (-1, -1)), ShapeError, ("at most one -1, got (-1, -1)",)),
    ErrorCase(lambda: shape.reshape(MATRIX, (-2, 3)), ShapeError, ("at most one -1, got (-2, 3)",)),
    ErrorCase(lambda: shape.reshape(MATRIX, (4, -1)), ShapeError, ("(4, -1) leaves no whole number for -1",)),
    ErrorCase(lambda: shape.reshape(EMPTY, (0, -1)), ShapeError, ("(0, -1) leaves no whole number for -1",)),
    ErrorCase(
        lambda: shape.reshape(MATRIX, (2.5, 2)), DTypeError, ("reshape: a size expected an integer, got 2.5",)
    ),
    ErrorCase(
        lambda: shape.reshape(shape.permute_dims(MATRIX), (6,), copy=False),
        ArgumentError,
        ("reshape: copy=False, but (3, 2) to (6,) needs a copy",),
    ),
    ErrorCase(
        lambda: shape.flatten(CUBE, 2, 1), ShapeError, ("flatten: end_dim 1 comes before start_dim 2",)
    ),
    ErrorCase(
        lambda: shape.flatten(CUBE, 3),
        ShapeError,
        ("flatten: axis 3 does not exist in an array of 3 axes", "Axes run from -3 to 2."),
    ),
    ErrorCase(lambda: arrangement.flip(VECTOR, 1), ShapeError, ("flip: axis 1 does not exist",)),
    ErrorCase(
        lambda: arrangement.flip(SCALAR, 0), ShapeError, ("flip: axis 0 does not exist", "0-dimensional")
    ),
    ErrorCase(
        lambda: arrangement.flip(CUBE, (0, -3)), ShapeError, ("flip: axes (0, -3) name an axis twice",)
    ),
    ErrorCase(
        lambda: arrangement.flip(CUBE, "rows"), DTypeError, ("flip: axis expected an integer, got 'rows'",)
    ),
    ErrorCase(
        lambda: shape.expand_dims(MATRIX, 3),
        ShapeError,
        ("expand_dims: axis 3 does not exist in an array of 3 axes",),
    ),
    ErrorCase(
        lambda: shape.squeeze(FLAT, 0),
        ShapeError,
        ("squeeze: axis 0 expected length 1, got 2 (x (2, 1, 3))",),
    ),
    ErrorCase(
        lambda: shape.permute_dims(CUBE, (0, 1)),
        ShapeError,
        ("permute_dims: axes expected each of the 3 axes of x once, got (0, 1)", "(2, 1, 0)"),
    ),
    ErrorCase(
        lambda: shape.permute_dims(CUBE, (0, 1, 1)),
        ShapeError,
        ("permute_dims: axes (0, 1, 1) name an axis twice",),
    ),
    ErrorCase(lambda: shape.swapaxes(MATRIX, 0, 2), ShapeError, ("swapaxes: axis 2 does not exist",)),
    ErrorCase(
        lambda: shape.moveaxis(CUBE, (0, 1), 2), ShapeError, ("moveaxis: 2 axes to move, 1 places for them",)
    ),
    ErrorCase(
        lambda: shape.expand(FLAT, 2, 3), ShapeError, ("expand: cannot spread shape (2, 1, 3) to (2, 3)",)
    ),
    ErrorCase(lambda: shape.expand(VECTOR, -1, 6), ShapeError, ("leading new axes need a size",)),
    ErrorCase(lambda: arrangement.roll(CUBE, (1, 2, 3), (0, 1)), ShapeError, ("roll: 3 shifts for 2 axes",)),
    ErrorCase(lambda: arrangement.roll(CUBE, 1, 4), ShapeError, ("roll: axis 4 does not exist",)),
    ErrorCase(
        lambda: arrangement.roll(CUBE, 0.5, 1), DTypeError, ("roll: shift expected an integer, got 0.5",)
    ),
    ErrorCase(
        lambda: arrangement.tile(MATRIX, (1, -1)),
        ArgumentError,
        ("tile: a repetition expected 0 or more, got -1",),
    ),
    ErrorCase(
        lambda: arrangement.tile(MATRIX, 1.5),
        DTypeError,
        ("tile: a repetition expected an integer, got 1.5",),
    ),
    ErrorCase(
        lambda: arrangement.repeat(MATRIX, -1), ArgumentError, ("repeat: repeats expected 0 or more, got -1",)
    ),
    ErrorCase(
        lambda: arrangement.repeat(MATRIX, [1, 2], 1), ShapeError, ("repeat: 2 repeats for axis 1 of size 3",)
    ),
    ErrorCase(
        lambda: arrangement.repeat(MATRIX, 0.5), DTypeError, ("repeat: repeats expected an integer, got 0.5",)
    ),
    ErrorCase(
        lambda: arrangement.tril(VECTOR),
        ShapeError,
        ("tril: expected a matrix or a stack of them, got shape (6,)",),
    ),
    ErrorCase(lambda: arrangement.triu(VECTOR), ShapeError, ("triu: expected a matrix",)),
    ErrorCase(lambda: arrangement.triu(MATRIX, k=0.5), DTypeError, ("triu: k expected an integer, got 0.5",)),
    ErrorCase(
        lambda: padding.pad(MATRIX, ((1, 1), (1, 1), (1, 1))),
        ShapeError,
        ("pad: pad_width of shape (3, 2) does not fit 2 axes",),
    ),
    ErrorCase(lambda: padding.pad(MATRIX, -1), ArgumentError, ("pad: pad_width expected 0 or more, got -1",)),
    ErrorCase(lambda: padding.pad(MATRIX, 0.5), DTypeError, ("pad: pad_width expected an integer, got 0.5",)),
    ErrorCase(
        lambda: padding.pad(MATRIX, 1, "mirror"),
        ArgumentError,
        ("pad: mode expected one of constant, edge,", "got 'mirror'"),
    ),
    ErrorCase(
        lambda: padding.pad(MATRIX, 1, constant_values=(1, 2)),
        ArgumentError,
        ("pad: constant_values expected one number, got shape (2,)",),
    ),
    ErrorCase(
        lambda: padding.pad(EMPTY, 1, "edge"), ShapeError, ("pad: axis 0 is empty: edge has nothing to copy",)
    ),
]
