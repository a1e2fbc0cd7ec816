"""Rows of sums, moments, extremes, products, running sums and sorting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import ArgumentError, DTypeError, ShapeError
from deltarule.operations import cumulative, extremes, products, reductions, sorting
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(11)


def apart(*shape: int) -> Any:
    """Elements that differ by at least 0.1, none near 0, in random order: no ties, no kinks."""
    count = int(np.prod(shape))
    values = np.arange(1, count + 1) * 0.17 * np.where(np.arange(count) % 3 == 0, -1.0, 1.0)
    return _generator.permutation(values).reshape(shape)


MATRIX, CUBE, VECTOR, SINGLE, NUMBER = apart(3, 4), apart(2, 3, 2), apart(5), apart(1, 1), np.asarray(0.7)
WITH_ZERO, WITH_ZEROS = apart(2, 3), apart(2, 4)
WITH_ZERO[0, 1] = 0.0
WITH_ZEROS[1, 0] = WITH_ZEROS[1, 2] = WITH_ZEROS[0, 3] = 0.0

AXES: list[tuple[Any, dict[str, Any]]] = [
    (MATRIX, {}),
    (MATRIX, {"keepdims": True}),
    (MATRIX, {"axis": 0}),
    (MATRIX, {"axis": -1, "keepdims": True}),
    (MATRIX, {"axis": (0, 1)}),
    (MATRIX, {"axis": ()}),
    (CUBE, {"axis": 1}),
    (CUBE, {"axis": (-1, 0)}),
    (CUBE, {"axis": (0, 2), "keepdims": True}),
    (SINGLE, {"axis": 0}),
    (NUMBER, {}),
    (MATRIX[:0], {"axis": 1}),
]


def _rows(
    function: Callable[..., Any],
    reference: Callable[..., Any],
    but: Callable[[Any, dict[str, Any]], bool] = lambda x, options: False,
) -> list[Case]:
    return [Case(function, (x,), reference, options) for x, options in AXES if not but(x, options)]


def _no_product(x: Any, options: dict[str, Any]) -> bool:
    # Over no axes a product is x itself: nothing is recorded that a row could look at.
    return x.ndim == 0 or options.get("axis") == ()


def _no_variation(x: Any, options: dict[str, Any]) -> bool:
    # The standard deviation of one element is 0, where it has a kink.
    return x.ndim == 0 or x.size == 1 or options.get("axis") == ()


def _cumulative_sum(x: Any, axis: int = 0, include_initial: bool = False) -> Any:
    return np.cumulative_sum(x, axis=axis, include_initial=include_initial)


def _cumulative_prod(x: Any, axis: int = 0, include_initial: bool = False) -> Any:
    return np.cumulative_prod(x, axis=axis, include_initial=include_initial)


def _sort(x: Any, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    return -np.sort(-x, axis=axis) if descending else np.sort(x, axis=axis)


def _argsort(x: Any, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    return np.argsort(-x if descending else x, axis=axis, kind="stable")


def _others(x: Any, axis: int) -> Any:
    return np.prod(x, axis=axis, keepdims=True) / x


TIES = np.array([[1, 2, 2, 0], [3, 3, 1, 3]])

CASES: list[Case] = [
    *_rows(reductions.sum, np.sum),
    Case(reductions.sum, (MATRIX[:0],), np.sum, {"axis": 0}),
    Case(
        reductions.spread,
        (VECTOR,),
        lambda x, shape, axis: np.stack([x, x], axis),
        {"shape": (2, 5), "axis": 0},
    ),
    Case(
        reductions.spread,
        (MATRIX[:1, :],),
        lambda x, shape, axis, keepdims: np.broadcast_to(x, shape),
        {"shape": (3, 4), "axis": -2, "keepdims": True},
    ),
    Case(reductions.spread, (NUMBER,), np.broadcast_to, {"shape": (2, 3)}),
    *_rows(reductions.mean, np.mean),
    *_rows(reductions.var, np.var),
    Case(reductions.var, (MATRIX,), np.var, {"axis": 1, "correction": 1}),
    Case(reductions.var, (CUBE,), np.var, {"axis": (0, 2), "correction": 1, "keepdims": True}),
    Case(reductions.var, (VECTOR,), np.var, {"correction": 1.5}),
    *_rows(reductions.std, np.std, but=_no_variation),
    Case(reductions.std, (MATRIX,), np.std, {"axis": 1, "correction": 1}),
    Case(reductions.std, (CUBE,), np.std, {"axis": (0, 2), "correction": 1, "keepdims": True}),
    *(
        Case(reductions.count_nonzero, (WITH_ZEROS,), np.count_nonzero, options, constant=(0,))
        for options in ({}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)})
    ),
    Case(reductions.count_nonzero, (WITH_ZEROS != 0,), np.count_nonzero, {"axis": 1}),
    Case(reductions.count_nonzero, (WITH_ZEROS[:0],), np.count_nonzero, {"axis": 0}, constant=(0,)),
    *_rows(extremes.max, np.max),
    *_rows(extremes.min, np.min),
    *(
        Case(function, (x,), reference, options, constant=(0,))
        for function, reference in ((extremes.argmax, np.argmax), (extremes.argmin, np.argmin))
        for x, options in (
            (MATRIX, {}),
            (MATRIX, {"keepdims": True}),
            (MATRIX, {"axis": 0}),
            (CUBE, {"axis": -2, "keepdims": True}),
            (SINGLE, {"axis": 1}),
            (NUMBER, {}),
            (TIES, {"axis": 1}),
            (TIES, {}),
            (MATRIX[:0], {"axis": 1}),
        )
    ),
    *_rows(products.prod, np.prod, but=_no_product),
    Case(products.prod, (WITH_ZERO,), np.prod, {"axis": 1}),
    Case(products.prod, (WITH_ZERO,), np.prod, {"axis": 0}),
    Case(products.prod, (WITH_ZEROS,), np.prod, {"axis": 1, "keepdims": True}),
    Case(products.prod, (WITH_ZEROS,), np.prod),
    Case(products.prod, (MATRIX[:0],), np.prod, {"axis": 0}),
    Case(products.product_of_others, (MATRIX,), _others, {"axis": 1}),
    Case(products.product_of_others, (CUBE,), _others, {"axis": 1}),
    Case(products.product_of_others, (SINGLE,), _others, {"axis": 0}),
    Case(products.product_of_others, (MATRIX[:0],), lambda x, axis: x, {"axis": 0}),
    Case(
        products.product_of_others,
        (WITH_ZEROS,),
        lambda x, axis: np.stack([np.prod(np.delete(x, i, axis), axis) for i in range(x.shape[axis])], axis),
        {"axis": 1},
    ),
    *(
        Case(function, (x,), reference, options)
        for function, reference in (
            (cumulative.cumulative_sum, _cumulative_sum),
            (cumulative.cumulative_prod, _cumulative_prod),
        )
        for x, options in (
            (VECTOR, {}),
            (VECTOR, {"include_initial": True}),
            (MATRIX, {"axis": 0}),
            (MATRIX, {"axis": -1, "include_initial": True}),
            (CUBE, {"axis": 1}),
            (CUBE, {"axis": 1, "include_initial": True}),
            (SINGLE, {"axis": 0}),
            (MATRIX[:0], {"axis": 0}),
            (MATRIX[:0], {"axis": 0, "include_initial": True}),
            (WITH_ZEROS, {"axis": 1}),
            (WITH_ZERO, {"axis": 0, "include_initial": True}),
        )
    ),
    *(
        Case(sorting.sort, (x,), _sort, options)
        for x, options in (
            (MATRIX, {}),
            (MATRIX, {"axis": 0}),
            (MATRIX, {"descending": True}),
            (CUBE, {"axis": -2, "descending": True}),
            (SINGLE, {}),
            (MATRIX[:0], {"axis": 0}),
        )
    ),
    *(
        Case(sorting.argsort, (x,), _argsort, options, constant=(0,))
        for x, options in (
            (MATRIX, {"axis": 1}),
            (CUBE, {"axis": 1, "descending": True}),
            (TIES, {"axis": 1}),
            (TIES, {"axis": 1, "descending": True}),
            (MATRIX[:0], {"axis": 0}),
        )
    ),
]

ERRORS: list[ErrorCase] = [
    *(
        ErrorCase(lambda f=f: f(MATRIX, axis=2), ShapeError, (f"{f.__name__}: axis 2 does not exist",))
        for f in (
            reductions.sum,
            reductions.mean,
            reductions.var,
            reductions.std,
            reductions.count_nonzero,
            extremes.max,
            extremes.min,
            extremes.argmax,
            extremes.argmin,
            products.prod,
            cumulative.cumulative_sum,
            cumulative.cumulative_prod,
            sorting.sort,
            sorting.argsort,
        )
    ),
    ErrorCase(
        lambda: reductions.sum(MATRIX, axis=(0, -2)), ShapeError, ("sum: axes (0, -2) name an axis twice",)
    ),
    ErrorCase(lambda: reductions.sum(MATRIX, axis="rows"), DTypeError, ("sum: axis expected an integer",)),
    ErrorCase(
        lambda: reductions.spread(VECTOR, (2, 3), axis=0),
        ShapeError,
        ("spread: expected shape (3,) to spread along axes (0,) to (2, 3), got (5,)",),
    ),
    *(
        ErrorCase(
            lambda f=f: f(MATRIX, correction=-1),
            ArgumentError,
            (f"{f.__name__}: correction expected a number >= 0, got -1",),
        )
        for f in (reductions.var, reductions.std)
    ),
    *(
        ErrorCase(
            lambda f=f: f(MATRIX[:0], axis=0),
            ShapeError,
            (f"{f.__name__}: expected at least one element along axis (0,), got shape (0, 4)",),
        )
        for f in (extremes.max, extremes.min, extremes.argmax, extremes.argmin)
    ),
    *(
        ErrorCase(lambda f=f: f(MATRIX), ArgumentError, (f"{f.__name__}: axis is needed", "(x (3, 4))"))
        for f in (cumulative.cumulative_sum, cumulative.cumulative_prod)
    ),
]
