"""What losses over classes share: checks of class numbers and weights, and their notation.

Logits are (classes,), (batch, classes) or (batch, classes, ...); class numbers have the same shape
without the class axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.derived import checked, derived
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Number,
    Sum,
    Symbol,
    array_function,
    equal,
    function,
    letters,
)
from deltarule.autodiff.formula.formula import Call
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.operation import Operation, Shape, record
from deltarule.autodiff.recording import recording
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DTypeError, OutOfBoundsError, ShapeError
from deltarule.kernels.losses import class_axis, kept_positions
from deltarule.operations.elementwise import converted
from deltarule.operations.loss_reduction import count, reduced_shape, require_constant, require_elements


def _one_hot(target: Any, classes: int, axis: int) -> Any:
    """1 at the class that each target names, else 0; the classes lie along the axis."""
    numbers = np.arange(classes).reshape((-1,) + (1,) * (np.ndim(target) - axis))
    return np.where(np.expand_dims(target, axis) == numbers, 1, 0)


define_array_function(
    "indicator",
    _one_hot,
    r"\operatorname{{one\_hot}}_{{{classes}}}\left({0}\right)",
    shape=lambda target, classes, axis: (*target[:axis], classes, *target[axis:]),
    source="one_hot({0}, {classes}, axis={axis})",
    helper=_one_hot,
)


def class_loss_shape(
    who: str, input: Shape, target: Shape, weight: Shape | None, reduction: str, *, soft: bool = False
) -> Shape:
    """Shape of a loss over classes, or a ShapeError that says what does not fit.

    soft   the target holds a probability for each class, rather than one class number
    """
    if not input:
        raise ShapeError(
            who, "input expected logits of several classes, got a single number", "Use (batch, classes)."
        )
    axis = class_axis(len(input))
    positions = input[:axis] + input[axis + 1 :]
    if target != (input if soft else positions):
        wanted = f"{positions} for class numbers" + (f", or {input} for probabilities" if soft else "")
        fix = "The class axis comes second: (batch, classes, ...)."
        if target == input:
            fix = "Pass class numbers: labels.argmax(1) of one-hot labels."
        elif target == (*positions, 1):
            fix = f"Drop its last axis: target.reshape({positions})."
        raise ShapeError(who, f"target has shape {target}, input {input}: expected target {wanted}", fix)
    if not input[axis]:
        raise ShapeError(who, f"input of shape {input} has no classes", "The class axis must not be empty.")
    if weight is not None and weight != (input[axis],):
        raise ShapeError(
            who,
            f"weight has shape {weight}, expected ({input[axis]},)",
            "It holds one factor for each class.",
        )
    require_elements(who, positions, reduction)
    return reduced_shape(positions, reduction)


def class_numbers(who: str, target: Tensor) -> Tensor:
    """The target as integers of one type, or a DTypeError if it is not made of integers."""
    if target.dtype.kind not in "biu":
        raise DTypeError(
            who,
            f"target expected integer class numbers, got {target.dtype} of shape {target.shape}",
            "Convert them: target.astype('int64').",
        )
    return target if target.dtype == np.intp else derived(_as_positions, target)


def _as_positions(target: Array) -> Array:
    return target.astype(np.intp)


def class_weight(who: str, weight: Any, dtype: Any) -> Tensor:
    """Class weights as a constant of the input's type; none may be negative."""
    constant = require_constant(who, "weight", weight, "Pass weight.detach().")
    checked(_require_not_negative, constant, who=who)
    return converted(constant, dtype)


def _require_not_negative(weight: Array, *, who: str) -> None:
    if weight.size and float(weight.min()) < 0:
        raise ArgumentError(who, f"weight expected factors of at least 0, got {float(weight.min()):g}")


def require_classes(
    target: Array,
    weight: Array | None = None,
    *,
    who: str,
    classes: int,
    ignore_index: int | None,
    reduction: str,
) -> int | None:
    """Raises OutOfBoundsError for a number that is no class; returns ignore_index if it occurs.

    A mean over positions of which all are ignored, or weigh nothing, is an ArgumentError.
    """
    if not target.size:
        return None
    low, high = int(target.min()), int(target.max())
    outside = low < 0 or high >= classes
    if not outside and (ignore_index is None or not low <= ignore_index <= high):
        kept: Array | None = None
    else:
        everywhere = np.ones(target.shape, dtype=bool)
        kept = everywhere if ignore_index is None else np.asarray(target != ignore_index)
        wrong = kept & ((target < 0) | (target >= classes))
        if wrong.any():
            place = tuple(int(position) for position in np.argwhere(wrong)[0])
            raise OutOfBoundsError(
                who,
                f"target{list(place) if place else ''} is class {int(target[place])}, input has {classes} "
                f"classes (0 to {classes - 1})",
                "Count classes from 0, and check the size of the last layer.",
            )
        if kept.all():
            kept = None
    if reduction == "mean":
        if kept is not None and not kept.any():
            raise ArgumentError(
                who,
                f"all targets are {ignore_index} and ignored: there is nothing to average",
                "Use reduction='sum'.",
            )
        if weight is not None:
            each = weight[kept_positions(target, ignore_index)[0]]
            if not (each if kept is None else each * kept).any():
                raise ArgumentError(
                    who,
                    "the classes of all targets weigh 0: there is nothing to average",
                    "Use reduction='sum'.",
                )
    return None if kept is None else ignore_index


def apply_to_classes(operation: Operation, tensors: list[Tensor], parameters: dict[str, Any]) -> Tensor:
    """Checks shapes, then class numbers, then computes and records a loss over classes.

    Where no target is `ignore_index`, that option becomes None: the plain formula holds.
    """
    operation.shape(*(tensor.shape for tensor in tensors), **parameters)
    arrays = [tensor._array for tensor in tensors]
    options = {
        "who": operation.name,
        "classes": arrays[0].shape[class_axis(arrays[0].ndim)],
        "ignore_index": parameters.get("ignore_index"),
        "reduction": parameters["reduction"],
    }
    if recording.tracer is not None:
        # The targets of another call may hold ignore_index: the general formula is recorded.
        checked(require_classes, *tensors[1:], **options)
    else:
        ignored = require_classes(*arrays[1:], **options)
        if "ignore_index" in parameters:
            parameters["ignore_index"] = ignored
    return record(operation, tuple(tensors), parameters, operation.forward(*arrays, **parameters))


class ClassNotation:
    """Indices and parts of the formula of a loss over classes.

    here       indices of the logits, with c along the class axis; other: with k there
    positions  indices without the class axis
    """

    def __init__(self, call: Call):
        self.call = call
        self.shape = call.shapes["input"]
        self.ndim = len(self.shape)
        self.axis = class_axis(self.ndim)
        self.classes = self.shape[self.axis]
        self.c, self.k = Index("c", self.classes), Index("k", self.classes)
        rest = letters(self.shape[2:])
        batch = (Index("n", self.shape[0]),) if self.axis else ()
        self.here = [*batch, self.c, *rest]
        self.other = [*batch, self.k, *rest]
        self.positions = [*batch, *rest]
        self.position_shape = tuple(index.extent for index in self.positions)
        self.reduction = call.parameters["reduction"]
        self.weighted = "weight" in call.shapes
        self.ignore_index = call.parameters.get("ignore_index")
        self.smoothing = call.parameters.get("label_smoothing", 0.0)
        self.x, self.target, self.y = call.symbol("input"), call.symbol("target"), call.symbol("y")
        self.grad, self.grad_x = call.upstream(), call.gradient("input")
        self.q, self.p = Symbol("q", self.ndim), Symbol("p", self.ndim)

    @property
    def plain(self) -> bool:
        """No weights, nothing ignored, no smoothing: one-hot targets as they are."""
        return not self.weighted and self.ignore_index is None and not self.smoothing

    # ---- expressions in index form, and the same of whole arrays

    def with_class_axis(self, whole: Expression) -> Expression:
        """Values of positions, with the class axis back, of length 1."""
        shape = list(self.position_shape)
        shape.insert(self.axis, 1)
        return array_function("reshape", whole, shape=tuple(shape))

    def sum_classes(self, whole: Expression) -> Expression:
        return array_function("sum", whole, axis=self.axis)

    def own_class(self) -> Expression:
        """[c = t[n]]."""
        return equal(self.c, self.target.at(self.positions))

    def whole_own_class(self) -> Expression:
        if self.axis == self.target.ndim and self.ignore_index is None:
            return array_function("one_hot", self.target, num_classes=self.classes)
        return array_function("indicator", self.target, classes=self.classes, axis=self.axis)

    def weigh(self, share: Expression, at: Index | None = None) -> Expression:
        """A share times its class's weight and 0 where ignored, in index form."""
        if self.weighted:
            share = self.call.symbol("weight").at([at or self.c]) * share
        if self.ignore_index is not None:
            share = share * function("not_equal", self.target.at(self.positions), self.ignore_index)
        return share

    def weigh_whole(self, share: Expression) -> Expression:
        if self.weighted:
            share = self.class_row() * share
        if self.ignore_index is not None:
            share = share * self.with_class_axis(function("not_equal", self.target, self.ignore_index))
        return share

    def class_row(self) -> Expression:
        """The class weights in a shape that broadcasts to the logits."""
        weight = self.call.symbol("weight")
        trailing = self.ndim - self.axis - 1
        return (
            array_function("reshape", weight, shape=(self.classes,) + (1,) * trailing) if trailing else weight
        )

    def smoothed(self, share: Expression) -> Expression:
        """(1 − ε) share + ε / C."""
        if not self.smoothing:
            return share
        return Number(1 - self.smoothing) * share + Number(self.smoothing / self.classes)

    # ---- lines

    def wanted(self) -> tuple[list[Equation], list[Equation]]:
        """q: how much of each class is wanted, weighed; in index form and in matrix form."""
        return (
            [Equation(self.q.at(self.here), self.weigh(self.smoothed(self.own_class())))],
            [Equation(self.q, self.weigh_whole(self.smoothed(self.whole_own_class())))],
        )

    def divisor(self) -> tuple[list[Equation], list[Equation], Expression]:
        """What a mean divides by: the number of positions, or d, their weight; with its lines."""
        if not self.weighted and self.ignore_index is None:
            return [], [], count(self.position_shape)
        d = Symbol("d", 0)
        total = Sum(self.weigh(self.own_class()), *self.positions, self.c)
        return (
            [Equation(d, total)],
            [Equation(d, array_function("sum_all", self.weigh_whole(self.whole_own_class())))],
            d,
        )

    def reduce(
        self, term: Expression, whole_terms: Expression, divisor: Expression | None
    ) -> tuple[Equation, Equation]:
        """y as the terms of positions, their sum, or their mean if there is a divisor."""
        if self.reduction == "none":
            return Equation(self.y.at(self.positions), term), Equation(self.y, whole_terms)
        total, whole = Sum(term, *self.positions), array_function("sum_all", whole_terms)
        if divisor is not None:
            return Equation(self.y, total / divisor), Equation(self.y, whole / divisor)
        return Equation(self.y, total), Equation(self.y, whole)

    def scale(self, divisor: Expression | None) -> tuple[Expression, Expression]:
        """∂L/∂term of a position; and of all, to broadcast to the logits."""
        if self.reduction == "none":
            return self.grad.at(self.positions), self.with_class_axis(self.grad)
        scaled = self.grad if divisor is None else self.grad / divisor
        return scaled, scaled
