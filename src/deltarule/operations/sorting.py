"""Sorted elements, and the order that sorts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    Element,
    Equation,
    Expression,
    Index,
    Sum,
    Symbol,
    array_function,
    equal,
    less,
    letters,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.kernels import sorting as kernels
from deltarule.operations.axes import axis_position
from deltarule.operations.gathering import take_along_axis


def _argsort(x: np.ndarray, axis: int, descending: bool = False) -> np.ndarray:
    """Places of the elements in order; elements that are equal stay in the order that they have."""
    return np.argsort(-x if descending else x, axis=axis, kind="stable")


def _sort(x: np.ndarray, axis: int, descending: bool = False) -> np.ndarray:
    """The elements in order."""
    return np.take_along_axis(x, _argsort(x, axis, descending), axis)


def _unsort(grad: np.ndarray, x: np.ndarray, axis: int, descending: bool = False) -> np.ndarray:
    """Puts the gradient of every sorted element back where the element came from."""
    result = np.zeros(x.shape)
    np.put_along_axis(result, _argsort(x, axis, descending), grad, axis)
    return result


define_array_function(
    "argsort",
    _argsort,
    r"\operatorname{{argsort}}_{{{axis}, \text{{descending }} {descending}}}\left({0}\right)",
)
define_array_function(
    "sort",
    _sort,
    r"\operatorname{{sort}}_{{{axis}, \text{{descending }} {descending}}}\left({0}\right)",
)
define_array_function(
    "unsort",
    _unsort,
    r"\operatorname{{unsort}}_{{{axis}, \text{{descending }} {descending}}}\left({0}; {1}\right)",
)


class _Order:
    """Indices of the formulas: `here` of an element, `there` of its place t among the sorted ones.

    rank is that place: how many elements come before, which are those that are smaller (or larger, if
    descending), and among equal ones those in front.
    """

    def __init__(self, call: Call, descending: bool, axis: int):
        x = call.symbol("x")
        shape = call.shapes["x"]
        self.here = letters(shape)
        self.own = self.here[axis]
        self.place = Index("t", shape[axis])
        self.there = [self.place if position == axis else index for position, index in enumerate(self.here)]
        self.rank: Symbol = Symbol("rank", len(shape))
        other = Index("r", shape[axis])
        rival = x.at([other if position == axis else index for position, index in enumerate(self.here)])
        own = x.at(self.here)
        before = less(own, rival) if descending else less(rival, own)
        in_front = equal(rival, own) * less(other, self.own)
        self.definition = Equation(self.rank.at(self.here), Sum(before + in_front, other))
        self.chosen = equal(self.rank.at(self.here), self.place)

    def picked(self, value: Expression) -> Expression:
        """The value at the element whose rank is t."""
        return Sum(value * self.chosen, self.own)


class _ArgSort(Operation):
    name = "argsort"
    inputs = ("x",)
    reads = ()

    def shape(self, x: Shape, *, axis: int, descending: bool = False) -> Shape:
        return x

    def forward(self, x: Array, *, axis: int, descending: bool = False) -> Array:
        return kernels.argsort(x, axis, descending)

    def formula(self, call: Call) -> Formula:
        axis, descending = call.parameters["axis"], call.parameters.get("descending", False)
        order = _Order(call, descending, axis)
        x, y = call.symbol("x"), call.symbol("y")
        whole = array_function("argsort", x, axis=axis, descending=descending)
        index = (order.definition, Equation(y.at(order.there), order.picked(order.own)))
        return Formula(form(index, Equation(y, whole)), {})


class _Sort(Group):
    name = "sort"
    inputs = ("x",)
    reads = ("x",)
    saves = True

    def shape(self, x: Shape, *, axis: int, descending: bool) -> Shape:
        return x

    def open(self, x: Tensor, *, axis: int, descending: bool) -> Tensor:
        return take_along_axis(x, apply(ARGSORT, x, axis=axis, descending=descending), axis=axis)

    def forward(self, x: Array, *, axis: int, descending: bool) -> Any:
        order = kernels.argsort(x, axis, descending)
        return np.take_along_axis(x, order, axis), order

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        gradient = np.empty_like(upstream)
        np.put_along_axis(gradient, node.saved, upstream, node.parameters["axis"])
        return (gradient,)

    def formula(self, call: Call) -> Formula:
        options = call.parameters
        order = _Order(call, options["descending"], options["axis"])
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        element = x.at(order.here)
        assert isinstance(element, Element)
        return Formula(
            form(
                (order.definition, Equation(y.at(order.there), order.picked(element))),
                Equation(y, array_function("sort", x, **options)),
            ),
            {
                "x": form(
                    Equation(grad_x.at(order.here), Sum(grad.at(order.there) * order.chosen, order.place)),
                    Equation(grad_x, array_function("unsort", grad, x, **options)),
                )
            },
        )


ARGSORT = register(_ArgSort)
SORT = register(_Sort)


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The order that sorts along an axis: positions of the smallest element, the next, and so on.

    y[t] is the i with rank[i] = t, where rank[i] = Σ_j [x[j] < x[i]] + [x[j] = x[i]] [j < i]

    descending  largest first
    stable      equal elements keep their order; they do so here with False as well
    returns     integers (int64) of x's shape; no gradient

    Raises ShapeError for an axis that x does not have.

    >>> import deltarule as dr
    >>> dr.argsort(dr.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    x = as_tensor(x)
    return apply(ARGSORT, x, axis=axis_position("argsort", axis, x.ndim), descending=bool(descending))


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements in rising order along an axis. Opens into argsort and take_along_axis.

    y[t] = x[order[t]];  ∂L/∂x[order[t]] = ∂L/∂y[t]: each gradient goes back where its element came from

    descending  largest first
    stable      equal elements keep their order; they do so here with False as well
    returns     x's shape. NaN comes last (first if descending)

    Raises ShapeError for an axis that x does not have.

    >>> import deltarule as dr
    >>> dr.sort(dr.tensor([3.0, 1.0, 2.0]), descending=True)
    tensor([3., 2., 1.], dtype=float32)
    """
    x = as_tensor(x)
    return apply(SORT, x, axis=axis_position("sort", axis, x.ndim), descending=bool(descending))
