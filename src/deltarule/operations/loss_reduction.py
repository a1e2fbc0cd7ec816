"""What all losses share: their reduction to one number, and losses that are made element by element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import checked
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Number,
    Sum,
    Symbol,
    array_function,
    letters,
    substitute,
)
from deltarule.autodiff.formula.formula import Call, Form, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.formula.source import compile_expressions
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import REGISTRY, Group, Shape, record
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.kernels.elementwise import array_functions
from deltarule.operations.broadcast import broadcast_to
from deltarule.operations.elementwise import Elementwise, elementwise, promote
from deltarule.operations.reductions import mean, sum

# Notation of the inputs that losses share; the result of a loss is written ℓ.
LOSS_SYMBOLS = {
    "input": ("x", "X"),
    "target": ("t", "T"),
    "weight": ("w", "w"),
    "y": (r"\ell", r"\ell"),
}

define_array_function(
    "sum_all", np.sum, r"\operatorname{{sum}}\left({0}\right)", shape=lambda x: (), source="np.sum({0})"
)


def require_reduction(who: str, reduction: Any, choices: Sequence[str] = ("mean", "sum", "none")) -> str:
    """The reduction if it is one of the choices, or an ArgumentError."""
    if reduction not in choices:
        listed = ", ".join(repr(choice) for choice in choices[:-1]) + f" or {choices[-1]!r}"
        raise ArgumentError(who, f"reduction expected {listed}, got {reduction!r}")
    return reduction


def require_elements(who: str, shape: Shape, reduction: str) -> None:
    """Raises ShapeError where a mean would divide by zero."""
    if reduction == "mean" and 0 in shape:
        raise ShapeError(
            who,
            f"there is nothing to average in shape {shape}",
            "Leave empty batches out, or use reduction='sum'.",
        )


def reduced(terms: Tensor, reduction: str) -> Tensor:
    """The terms of a loss added up, averaged, or as they are."""
    if reduction == "mean":
        return mean(terms)
    return sum(terms) if reduction == "sum" else terms


def reduced_shape(shape: Shape, reduction: str) -> Shape:
    """Shape of a loss whose terms have this shape."""
    return shape if reduction == "none" else ()


def count(shape: Shape) -> Number:
    """The number of elements as it stands in a formula."""
    total = 1
    for extent in shape:
        total *= extent
    return Number(float(total))


class PointwiseLoss(Group):
    """The sum or mean of an element-wise row over input and target of one shape.

    It opens into the row and its reduction; its kernels compute both at once.
    """

    reads = ("input", "target")
    symbols = LOSS_SYMBOLS

    def __init__(self, name: str, row: str):
        operation = REGISTRY[row]
        assert isinstance(operation, Elementwise)
        self.name = name  # type: ignore[misc]
        self.inputs = operation.inputs  # type: ignore[misc]
        self.row = operation
        names = ("grad_y", *operation.inputs, *operation.parameter_names)
        self._gradients = [
            compile_expressions(names, [operation.gradients[each]], name) for each in operation.inputs
        ]

    def shape(self, *shapes: Shape, reduction: str, **options: Any) -> Shape:
        return ()

    def open(self, *inputs: Tensor, reduction: str, **options: Any) -> Tensor:
        return reduced(elementwise(self.row, inputs, options), reduction)

    def forward(self, *arrays: Array, reduction: str, **options: Any) -> Array:
        total = np.add.reduce(self.row.forward(*arrays, **options), axis=None)
        return total / arrays[0].size if reduction == "mean" else total

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        inputs = node.inputs
        arrays = [tensor._array for tensor in inputs]
        options = [value for name, value in node.parameters.items() if name != "reduction"]
        # [()] makes a scalar of a 0-dimensional array, which NumPy divides in a tenth of the time.
        mean = node.parameters["reduction"] == "mean"
        share = upstream[()] / arrays[0].size if mean else upstream
        answers: list[Array | None] = []
        for tensor, gradient in zip(inputs, self._gradients, strict=True):
            if tensor._requires_grad:
                answers.append(np.asarray(gradient(array_functions, share, *arrays, *options)[0]))
            else:
                answers.append(None)
        return answers

    def formula(self, call: Call) -> Formula:
        shape = call.shapes["input"]
        indices = letters(shape)
        upstream: Expression = Symbol("grad_y", 0)
        if call.parameters["reduction"] == "mean":
            upstream = upstream / count(shape)

        def element(symbol: Symbol) -> Expression:
            if symbol.name == "grad_y":
                return upstream
            if symbol.name in call.parameters:
                return Number(float(call.parameters[symbol.name]))
            return Symbol(symbol.name, len(shape)).at(indices)

        def whole(symbol: Symbol) -> Expression:
            changed = element(symbol)
            return changed if symbol.name not in call.shapes else Symbol(symbol.name, len(shape))

        def gradient(name: str) -> Form:
            target = call.gradient(name)
            expression = self.row.gradients[name]
            return form(
                Equation(target.at(indices), substitute(expression, element)),
                Equation(target, substitute(expression, whole)),
            )

        terms = Sum(substitute(self.row.value, element), *indices)
        together = array_function("sum_all", substitute(self.row.value, whole))
        if call.parameters["reduction"] == "mean":
            terms, together = terms / count(shape), together / count(shape)
        y = call.symbol("y")
        return Formula(
            form(Equation(y, terms), Equation(y, together)), {name: gradient(name) for name in self.inputs}
        )


def register_pointwise(name: str, row: str) -> PointwiseLoss:
    """Makes and registers the loss that reduces a row."""
    assert name not in REGISTRY, f"operation name {name!r}"
    operation = PointwiseLoss(name, row)
    REGISTRY[name] = operation
    return operation


def pointwise(operation: PointwiseLoss, input: Any, target: Any, reduction: str, **options: Any) -> Tensor:
    """Checks input and target and computes the loss; without reduction that is its row."""
    who = operation.name
    tensors = same_shape(who, *promote((input, target), True, who))
    if reduction == "none":
        return elementwise(operation.row, tensors, options)
    arrays = [tensor._array for tensor in tensors]
    require_elements(who, arrays[0].shape, reduction)
    # The shape rule has nothing left to say.
    parameters = {"reduction": reduction, **options}
    return record(operation, tensors, parameters, operation.forward(*arrays, **parameters))


def same_shape(who: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both if their shapes are equal (a single number is spread), or a ShapeError."""
    if input._array.shape == target._array.shape:
        return input, target
    if not target.ndim:
        return input, broadcast_to(target, input.shape)
    same_size = input.size == target.size
    raise ShapeError(
        who,
        f"input has shape {input.shape}, target {target.shape}: expected the same",
        f"Broadcasting would compare every element with every other one. Use target.reshape({input.shape})."
        if same_size
        else "Each input needs one target.",
    )


def require_constant(who: str, name: str, value: Any, fix: str) -> Tensor:
    """A tensor that no gradient flows to, or an ArgumentError."""
    tensor = as_tensor(value)
    if tensor.requires_grad:
        raise ArgumentError(who, f"{name} requires a gradient, but is a constant of this loss", fix)
    return tensor


def require_between_0_and_1(who: str, name: str, value: Tensor, fix: str) -> None:
    """Raises ArgumentError where an element is outside the range of probabilities."""
    checked(_require_range, value, who=who, name=name, fix=fix)


def _require_range(value: Array, *, who: str, name: str, fix: str) -> None:
    if not value.size:
        return
    low, high = float(value.min()), float(value.max())
    if low < 0 or high > 1:
        wrong = low if low < 0 else high
        raise ArgumentError(who, f"{name} expected numbers from 0 to 1, got {wrong:g}", fix)
