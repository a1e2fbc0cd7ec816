"""Rows of softmax, log-softmax and logsumexp."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

from deltarule.errors import ShapeError
from deltarule.operations.softmax import log_softmax, logsumexp, softmax
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(6)
MATRIX, CUBE, VECTOR = (_generator.uniform(-3, 3, shape) for shape in ((3, 4), (2, 3, 2), (5,)))


def _softmax(x: Any, axis: int = -1) -> Any:
    return scipy.special.softmax(x, axis=axis)


def _log_softmax(x: Any, axis: int = -1) -> Any:
    return scipy.special.log_softmax(x, axis=axis)


CASES: list[Case] = [
    *(
        Case(function, (x,), reference, options)
        for function, reference in ((softmax, _softmax), (log_softmax, _log_softmax))
        for x, options in (
            (VECTOR, {}),
            (MATRIX, {}),
            (MATRIX, {"axis": 0}),
            (CUBE, {"axis": -2}),
            (CUBE, {"axis": 2}),
            (MATRIX[:1, :1], {}),
        )
    ),
    Case(softmax, (MATRIX[:0],), lambda x: x),
    Case(softmax, (MATRIX[:, :0],), lambda x: x),
    Case(log_softmax, (MATRIX[:0],), lambda x: x),
    *(
        Case(logsumexp, (x,), scipy.special.logsumexp, options)
        for x, options in (
            (VECTOR, {}),
            (MATRIX, {"axis": 1}),
            (MATRIX, {"axis": -2, "keepdims": True}),
            (CUBE, {"axis": (0, -1)}),
            (CUBE, {"axis": (1, 2), "keepdims": True}),
            (CUBE, {}),
            (MATRIX[:1, :1], {"axis": 0}),
            (MATRIX[:0], {"axis": 1}),
            (np.asarray(0.3), {}),
        )
    ),
]

ERRORS: list[ErrorCase] = [
    ErrorCase(lambda: softmax(MATRIX, axis=2), ShapeError, ("softmax: axis 2 does not exist",)),
    ErrorCase(
        lambda: log_softmax(1.0), ShapeError, ("log_softmax: axis -1 does not exist in an array of 0 axes",)
    ),
    ErrorCase(lambda: logsumexp(MATRIX, axis=-3), ShapeError, ("logsumexp: axis -3 does not exist",)),
]
