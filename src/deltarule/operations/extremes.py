"""Largest and smallest elements, and where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import derived
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Maximum,
    Minimum,
    Number,
    Sum,
    Symbol,
    array_function,
    equal,
    where,
)
from deltarule.autodiff.formula.formula import Call, Form, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.formula.shape_rules import reduced
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.kernels import reductions as kernels
from deltarule.operations.arithmetic import multiply
from deltarule.operations.axes import axis_position
from deltarule.operations.reducing import Reducing, ReductionIndices, reduced_axes, reduced_shape
from deltarule.operations.reductions import spread

Axes = tuple[int, ...]


def _require_elements(who: str, x: Shape, axis: Axes) -> None:
    if any(x[position] == 0 for position in axis):
        raise ShapeError(
            who,
            f"expected at least one element along axis {axis}, got shape {x}",
            "Nothing has no largest or smallest element: check for an empty batch.",
        )


class _Extreme(Reducing, Operation):
    """max and min: the chosen elements share the gradient, all others get 0."""

    reads = ("x", "y")
    _reduction: ClassVar[Callable[..., Expression]]

    def shape(self, x: Shape, *, axis: Axes, keepdims: bool, **options: Any) -> Shape:
        _require_elements(self.name, x, axis)
        return reduced_shape(x, axis, keepdims)

    def forward(self, x: Array, *, axis: Axes, keepdims: bool) -> Array:
        return kernels.extreme(x, axis, keepdims, self.name)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        # Which elements are chosen does not change with small changes of x: the shares are constants.
        x, axis = node.inputs[0], node.parameters["axis"]
        shares = derived(kernels.shares_of_ties, x, node.output(), axis=axis)
        return (multiply(spread(upstream, x.shape, axis, keepdims=node.parameters["keepdims"]), shares),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        x, axis = node.inputs[0]._array, node.parameters["axis"]
        shares = kernels.shares_of_ties(x, node.values[0], axis)
        shares *= kernels.kept(upstream, x.shape, axis)
        return (shares,)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        ties = Symbol("ties", y.ndim)
        at = ReductionIndices(call)
        chosen = equal(x.at(at.inside), y.at(at.source))
        whole_chosen = equal(x, at.kept(y))
        return Formula(
            form(
                (
                    Equation(y.at(at.left), self._reduction(x.at(at.inside), *at.summed)),
                    Equation(ties.at(at.left), Sum(chosen, *at.summed)),
                ),
                (Equation(y, at.whole(self.name, x)), Equation(ties, at.whole("sum", whole_chosen))),
            ),
            {
                "x": form(
                    Equation(grad_x.at(at.inside), grad.at(at.source) * chosen / ties.at(at.source)),
                    Equation(grad_x, at.kept(grad / ties) * whole_chosen),
                )
            },
        )


class _Max(_Extreme):
    name = "max"
    _reduction = staticmethod(Maximum)


class _Min(_Extreme):
    name = "min"
    _reduction = staticmethod(Minimum)


MAX = register(_Max)
MIN = register(_Min)


def max(x: Any, /, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """Largest element along axes.

    y[i] = max_j x[i, j];  ∂L/∂x[i, j] = ∂L/∂y[i] · [x[i, j] = y[i]] / (number of j that reach y[i])

    axis      axis, tuple of axes, or None for all of them
    keepdims  keep the reduced axes, with length 1
    returns   x's shape without these axes; NaN where x holds one

    Elements that tie share the gradient evenly (as in PyTorch's amax and JAX). Raises ShapeError
    for an axis that x does not have, or one without elements.

    >>> import deltarule as dr
    >>> dr.max(dr.tensor([[1.0, 5.0], [7.0, 3.0]]), axis=1)
    tensor([5., 7.], dtype=float32)
    """
    x = as_tensor(x)
    return apply(MAX, x, axis=reduced_axes("max", axis, x.shape), keepdims=bool(keepdims))


def min(x: Any, /, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """Smallest element along axes; options, gradient and errors are those of `max`.

    y[i] = min_j x[i, j]

    >>> import deltarule as dr
    >>> dr.min(dr.tensor([[1.0, 5.0], [7.0, 3.0]]), axis=0)
    tensor([1., 3.], dtype=float32)
    """
    x = as_tensor(x)
    return apply(MIN, x, axis=reduced_axes("min", axis, x.shape), keepdims=bool(keepdims))


def _source(name: str) -> Callable[..., str]:
    def source(x: Shape, axis: int | None, keepdims: bool) -> str:
        options = "" if axis is None else f", axis={axis}"
        return f"np.{name}({{0}}{options}{', keepdims=True' if keepdims else ''})"

    return source


define_array_function(
    "argmax",
    np.argmax,
    r"\operatorname{{arg\,max}}_{{{axis}}}\left({0}\right)",
    shape=reduced,
    source=_source("argmax"),
)
define_array_function(
    "argmin",
    np.argmin,
    r"\operatorname{{arg\,min}}_{{{axis}}}\left({0}\right)",
    shape=reduced,
    source=_source("argmin"),
)


class _Position(Operation):
    """argmax and argmin: the first position of the extreme element; no gradient."""

    inputs = ("x",)
    reads = ()
    _find: ClassVar[Callable[..., Any]]
    _reduction: ClassVar[Callable[..., Expression]]

    def shape(self, x: Shape, *, axis: Any = None, keepdims: bool = False) -> Shape:
        axes = reduced_axes(self.name, axis, x)
        _require_elements(self.name, x, axes)
        return reduced_shape(x, axes, keepdims)

    def forward(self, x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
        return self._find(x, axis=axis, keepdims=keepdims)

    def formula(self, call: Call) -> Formula:
        x, y, shape = call.symbol("x"), call.symbol("y"), call.shapes["x"]
        axis, keepdims = call.parameters.get("axis"), call.parameters.get("keepdims", False)
        axes = reduced_axes(self.name, axis, shape)
        at = ReductionIndices(Call(call.shapes, {"axis": axes, "keepdims": keepdims}))
        # The smallest position among those whose element is extreme; over all axes it counts row by row.
        position: Expression = at.summed[0] if at.summed else Number(0)
        for index in at.summed[1:]:
            position = position * index.extent + index
        others = {index: Index(f"{index.name}'", index.extent) for index in at.summed}
        best = self._reduction(x.at([others.get(index, index) for index in at.inside]), *others.values())
        candidates = where(equal(x.at(at.inside), best), position, float("inf"))
        whole = array_function(self.name, x, axis=axis, keepdims=keepdims)
        value: Form = form(Equation(y.at(at.left), Minimum(candidates, *at.summed)), Equation(y, whole))
        return Formula(value, {})


class _ArgMax(_Position):
    name = "argmax"
    _find = staticmethod(np.argmax)
    _reduction = staticmethod(Maximum)


class _ArgMin(_Position):
    name = "argmin"
    _find = staticmethod(np.argmin)
    _reduction = staticmethod(Minimum)


ARGMAX = register(_ArgMax)
ARGMIN = register(_ArgMin)


def argmax(x: Any, /, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
    """Position of the largest element along an axis; of several equal ones, the first.

    y[i] = min { j : x[i, j] = max_k x[i, k] }

    axis      an axis, or None for the position among all elements, row by row
    keepdims  keep the reduced axes, with length 1
    returns   integers (int64); no gradient

    Raises ShapeError for an axis that x does not have, or one without elements.

    >>> import deltarule as dr
    >>> dr.argmax(dr.tensor([[0.1, 0.7, 0.2], [0.9, 0.1, 0.0]]), axis=1)
    tensor([1, 0])
    """
    return _position(ARGMAX, x, axis, keepdims)


def argmin(x: Any, /, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
    """Position of the smallest element along an axis; options and errors are those of `argmax`.

    y[i] = min { j : x[i, j] = min_k x[i, k] }

    >>> import deltarule as dr
    >>> dr.argmin(dr.tensor([3.0, 1.0, 2.0])).item()
    1
    """
    return _position(ARGMIN, x, axis, keepdims)


def _position(operation: Operation, x: Any, axis: int | None, keepdims: bool) -> Tensor:
    x = as_tensor(x)
    only = None if axis is None else axis_position(operation.name, axis, x.ndim)
    return apply(operation, x, axis=only, keepdims=bool(keepdims))
