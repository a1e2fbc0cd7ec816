"""Class indices as vectors with a single 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import checked, require_known
from deltarule.autodiff.dtypes import default_float
from deltarule.autodiff.formula.expression import Equation, Index, array_function, equal, letters
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DTypeError, OutOfBoundsError
from deltarule.operations.axes import whole_number
from deltarule.operations.index_arrays import index_tensor


def _one_hot_rows(indices: Any, num_classes: int) -> Any:
    return np.eye(num_classes)[np.asarray(indices)]


define_array_function(
    "one_hot",
    _one_hot_rows,
    r"\operatorname{{one\_hot}}_{{{num_classes}}}\left({0}\right)",
    shape=lambda indices, num_classes: (*indices, num_classes),
    source="np.eye({num_classes})[{0}]",
)


class _OneHot(Operation):
    name = "one_hot"
    inputs = ("indices",)
    reads = ()

    def shape(self, indices: Shape, *, num_classes: int, dtype: Any = None) -> Shape:
        return (*indices, num_classes)

    def forward(self, indices: Array, *, num_classes: int, dtype: Any = None) -> Array:
        y = np.zeros((*indices.shape, num_classes), dtype=dtype)
        np.put_along_axis(y, indices[..., None].astype(np.int64, copy=False), 1, axis=-1)
        return y

    def formula(self, call: Call) -> Formula:
        y, indices = call.symbol("y"), call.symbol("indices")
        places = letters(call.shapes["indices"])
        chosen = Index("c", call.parameters["num_classes"])
        whole = array_function("one_hot", indices, num_classes=call.parameters["num_classes"])
        return Formula(
            form(Equation(y.at([*places, chosen]), equal(indices.at(places), chosen)), Equation(y, whole)), {}
        )


ONE_HOT = register(_OneHot)


def one_hot(indices: Any, num_classes: int = -1, *, dtype: Any = None) -> Tensor:
    """Class indices as vectors that are 1 at the class and 0 elsewhere. No gradient.

    y[n, c] = [indices[n] = c]

    indices      integers of any shape, from 0 to num_classes − 1
    num_classes  length of the new last axis; -1 takes the largest index plus one
    dtype        the default float unless given (PyTorch's one_hot gives integers)
    returns      (*indices.shape, num_classes)

    Raises OutOfBoundsError for an index outside the classes, DTypeError for indices that are no integers,
    ArgumentError for a number of classes below 1 (other than -1, which needs an index).
    Source: Bishop 2006, Pattern Recognition and Machine Learning, section 4.1.3 (1-of-K coding).

    >>> import deltarule as dr
    >>> dr.one_hot(dr.tensor([2, 0]), 3)
    tensor([[0., 0., 1.],
            [1., 0., 0.]], dtype=float32)
    """
    indices = as_tensor(indices)
    if indices.dtype.kind not in "iu" and indices.size:
        raise DTypeError(
            "one_hot",
            f"indices expected integers, got {indices.dtype}",
            "Convert them with .astype(dr.int64).",
        )
    classes = whole_number("one_hot", "num_classes", num_classes)
    if classes == -1 and indices.size:
        require_known(indices, "one_hot without num_classes")
        classes = max(int(indices._array.max()) + 1, 1)
    if classes < 1:
        raise ArgumentError(
            "one_hot", f"num_classes expected 1 or more, got {num_classes}", "Give the number of classes."
        )
    checked(_require_classes, indices, classes=classes)
    return apply(
        ONE_HOT,
        index_tensor("one_hot", indices, classes, 0),
        num_classes=classes,
        dtype=np.dtype(dtype or default_float()),
    )


def _require_classes(indices: Array, *, classes: int) -> None:
    if indices.size and (indices.min() < 0 or indices.max() >= classes):
        wrong = int(indices.min()) if indices.min() < 0 else int(indices.max())
        raise OutOfBoundsError(
            "one_hot",
            f"index {wrong} is outside {classes} classes",
            "Indices count from 0." if wrong < 0 else f"Did you mean num_classes={wrong + 1}?",
        )
