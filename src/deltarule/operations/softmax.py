"""Exponentials that are normalised: softmax, its logarithm, and the logarithm of their sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltarule.autodiff.derived import derived
from deltarule.autodiff.formula.expression import Equation, Index, Sum, array_function, function, letters
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.kernels import softmax as kernels
from deltarule.operations.arithmetic import add, divide, multiply, subtract
from deltarule.operations.axes import axis_position
from deltarule.operations.elementwise import promote
from deltarule.operations.functions import exp, log
from deltarule.operations.reducing import Reducing, ReductionIndices, reduced_axes
from deltarule.operations.reductions import spread, sum

Axes = tuple[int, ...]


def _shifted(x: Tensor, axis: Axes) -> tuple[Tensor, Tensor]:
    """x minus its largest elements, and these: constants, since they cancel out of value and gradient."""
    largest = derived(kernels.finite_largest, x, axis=axis)
    return subtract(x, largest), largest


class _Softmax(Group):
    name = "softmax"
    inputs = ("x",)
    reads = ("y",)

    def shape(self, x: Shape, *, axis: int) -> Shape:
        return x

    def open(self, x: Tensor, *, axis: int) -> Tensor:
        exponentials = exp(_shifted(x, (axis,))[0])
        return divide(exponentials, sum(exponentials, axis, keepdims=True))

    def forward(self, x: Array, *, axis: int) -> Array:
        return kernels.softmax(x, axis)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        y, axis = node.output(), node.parameters["axis"]
        inner = sum(multiply(upstream, y), axis, keepdims=True)
        return (multiply(y, subtract(upstream, inner)),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (kernels.softmax_gradient(node.values[0], upstream, node.parameters["axis"]),)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        here, other, summed = _axis_indices(call)
        total = array_function("sum", function("exp", x), axis=call.parameters["axis"], keepdims=True)
        inner = array_function("sum", grad * y, axis=call.parameters["axis"], keepdims=True)
        return Formula(
            form(
                Equation(y.at(here), function("exp", x.at(here)) / Sum(function("exp", x.at(other)), summed)),
                Equation(y, function("exp", x) / total),
            ),
            {
                "x": form(
                    Equation(
                        grad_x.at(here),
                        y.at(here) * (grad.at(here) - Sum(grad.at(other) * y.at(other), summed)),
                    ),
                    Equation(grad_x, y * (grad - inner)),
                )
            },
        )


class _LogSoftmax(Group):
    name = "log_softmax"
    inputs = ("x",)
    reads = ("y",)

    def shape(self, x: Shape, *, axis: int) -> Shape:
        return x

    def open(self, x: Tensor, *, axis: int) -> Tensor:
        return subtract(x, apply(LOGSUMEXP, x, axis=(axis,), keepdims=True))

    def forward(self, x: Array, *, axis: int) -> Array:
        return kernels.log_softmax(x, axis)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        total = sum(upstream, node.parameters["axis"], keepdims=True)
        return (subtract(upstream, multiply(exp(node.output()), total)),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        return (kernels.log_softmax_gradient(node.values[0], upstream, node.parameters["axis"]),)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        here, other, summed = _axis_indices(call)
        options = {"axis": call.parameters["axis"], "keepdims": True}
        total = Sum(function("exp", x.at(other)), summed)
        whole_total = array_function("sum", function("exp", x), **options)
        return Formula(
            form(
                Equation(y.at(here), x.at(here) - function("log", total)),
                Equation(y, x - function("log", whole_total)),
            ),
            {
                "x": form(
                    Equation(
                        grad_x.at(here),
                        grad.at(here) - function("exp", y.at(here)) * Sum(grad.at(other), summed),
                    ),
                    Equation(grad_x, grad - function("exp", y) * array_function("sum", grad, **options)),
                )
            },
        )


def _axis_indices(call: Call) -> tuple[list[Index], list[Index], Index]:
    """Indices of an element, of another one along the axis, and the index that runs there."""
    shape, axis = call.shapes["x"], call.parameters["axis"]
    *here, summed = letters((*shape, shape[axis]))
    other = list(here)
    other[axis] = summed
    return here, other, summed


class _LogSumExp(Reducing, Group):
    name = "logsumexp"
    reads = ("x", "y")

    def open(self, x: Tensor, *, axis: Axes, keepdims: bool) -> Tensor:
        shifted, largest = _shifted(x, axis)
        if not keepdims:
            largest = sum(largest, axis)
        return add(log(sum(exp(shifted), axis, keepdims=keepdims)), largest)

    def forward(self, x: Array, *, axis: Axes, keepdims: bool) -> Array:
        return kernels.logsumexp(x, axis, keepdims)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        x, y, axis, keepdims = (
            node.inputs[0],
            node.output(),
            node.parameters["axis"],
            node.parameters["keepdims"],
        )
        weights = exp(subtract(x, spread(y, x.shape, axis, keepdims=keepdims)))
        return (multiply(spread(upstream, x.shape, axis, keepdims=keepdims), weights),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        axis = node.parameters["axis"]
        return (kernels.logsumexp_gradient(node.inputs[0]._array, node.values[0], upstream, axis),)

    def formula(self, call: Call) -> Formula:
        x, y, grad, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        at = ReductionIndices(call)
        return Formula(
            form(
                Equation(y.at(at.left), function("log", Sum(function("exp", x.at(at.inside)), *at.summed))),
                Equation(y, function("log", at.whole("sum", function("exp", x)))),
            ),
            {
                "x": form(
                    Equation(
                        grad_x.at(at.inside),
                        grad.at(at.source) * function("exp", x.at(at.inside) - y.at(at.source)),
                    ),
                    Equation(grad_x, at.kept(grad) * function("exp", x - at.kept(y))),
                )
            },
        )


SOFTMAX = register(_Softmax)
LOG_SOFTMAX = register(_LogSoftmax)
LOGSUMEXP = register(_LogSumExp)


def softmax(x: Any, /, axis: int = -1) -> Tensor:
    """Turns logits into probabilities: each between 0 and 1, adding up to 1 along the axis.

    y[n, i] = e^x[n, i] / Σ_j e^x[n, j]
    ∂L/∂x[n, i] = y[n, i] (∂L/∂y[n, i] - Σ_j ∂L/∂y[n, j] y[n, j])

    x        logits, of any shape with at least one axis; integers give the default float
    axis     the axis along which they compete
    returns  probabilities, of x's shape; computed without overflow

    Raises ShapeError for an axis that x does not have. Source: Bridle 1990.

    >>> import deltarule as dr
    >>> dr.softmax(dr.tensor([0.0, 0.0, 0.0, 0.0]))
    tensor([0.25, 0.25, 0.25, 0.25], dtype=float32)
    """
    (x,) = promote((x,), True, "softmax")
    return apply(SOFTMAX, x, axis=axis_position("softmax", axis, x.ndim))


def log_softmax(x: Any, /, axis: int = -1) -> Tensor:
    """Logarithm of the softmax, in nats, computed without overflow or loss of precision.

    y[n, i] = x[n, i] - ln Σ_j e^x[n, j]
    ∂L/∂x[n, i] = ∂L/∂y[n, i] - e^y[n, i] Σ_j ∂L/∂y[n, j]

    x        logits, of any shape with at least one axis; integers give the default float
    axis     the axis along which they compete
    returns  log-probabilities (at most 0), of x's shape

    Raises ShapeError for an axis that x does not have. Source: Bridle 1990.

    >>> import deltarule as dr
    >>> dr.log_softmax(dr.tensor([1000.0, 0.0]))
    tensor([    0., -1000.], dtype=float32)
    """
    (x,) = promote((x,), True, "log_softmax")
    return apply(LOG_SOFTMAX, x, axis=axis_position("log_softmax", axis, x.ndim))


def logsumexp(x: Any, /, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """Logarithm of the sum of exponentials along axes, without overflow: a smooth maximum.

    y[i] = ln Σ_j e^x[i, j];  ∂L/∂x[i, j] = ∂L/∂y[i] · e^(x[i, j] - y[i])

    axis      axis, tuple of axes, or None for all of them
    keepdims  keep the reduced axes, with length 1
    returns   x's shape without these axes; -inf where there are no elements

    Raises ShapeError for an axis that x does not have.
    Source: Blanchard, Higham & Higham 2021.

    >>> import deltarule as dr
    >>> dr.logsumexp(dr.tensor([1000.0, 1000.0])).item()
    1000.6931762695312
    """
    (x,) = promote((x,), True, "logsumexp")
    return apply(LOGSUMEXP, x, axis=reduced_axes("logsumexp", axis, x.shape), keepdims=bool(keepdims))
