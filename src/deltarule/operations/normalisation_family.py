"""The records of normalisation: by batch, by layer, by group, by root mean square.

All four are one group over different axes: μ and σ² over some axes, x̂ = (x − μ) / √(σ² + eps), then
y = x̂ · weight + bias. They open into mean, variance, square root and arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Sum,
    Symbol,
    array_function,
    function,
    letters,
)
from deltarule.autodiff.formula.formula import Call, Form, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.kernels import normalisation as kernels
from deltarule.operations.arithmetic import add, divide, multiply, square, subtract
from deltarule.operations.functions import sqrt
from deltarule.operations.reductions import mean, var
from deltarule.operations.shape import reshape

Axes = tuple[int, ...]


class Normalising(Group):
    """A normalisation. Each subclass says how x is viewed, over which axes, and where its affine map lies."""

    inputs = ("x", "weight", "bias")
    reads = ("x", "weight")
    saves = True
    centred: ClassVar[bool] = True
    symbols = {
        "normalised": (r"\hat{x}", r"\hat{X}"),
        "deviation": (r"\sigma", r"\sigma"),
        "delta": (r"\delta", r"\Delta"),
        "average": (r"\bar{\delta}", r"\bar{\delta}"),
        "aligned": (r"\bar{\alpha}", r"\bar{\alpha}"),
    }

    def arrangement(self, x: Shape, **parameters: Any) -> tuple[Shape, Axes, Shape]:
        """(shape in which x is viewed, axes that are normalised, shape of weight and bias in that view)."""
        raise NotImplementedError(f"{self.name}: arrangement")

    def layout(self, call: Call) -> Layout:
        """The same in terms of indices."""
        raise NotImplementedError(f"{self.name}: layout")

    def affine_shape(self, x: Shape, **parameters: Any) -> Shape:
        """Shape of weight and bias as users give them."""
        return (x[1],)

    def require_affine(self, x: Shape, affine: tuple[Shape, ...], **parameters: Any) -> Shape:
        expected = self.affine_shape(x, **parameters)
        for name, shape in zip(self.inputs[1:], affine, strict=False):
            if shape != expected:
                raise ShapeError(self.name, f"{name} expected shape {expected}, got {shape} (x {x})")
        return x

    def require_elements(self, x: Shape, least: int, **parameters: Any) -> None:
        shape, axes, _ = self.arrangement(x, **parameters)
        if prod(shape[axis] for axis in axes) < least:
            raise ShapeError(
                self.name,
                f"expected more than {least - 1} value(s) to normalise over, got x of shape {x}",
                "The mean and variance of so few say nothing.",
            )

    def forward(
        self, x: Array, *affine: Array, eps: float, **parameters: Any
    ) -> tuple[Array, kernels.Statistics]:
        shape, axes, wide = self.arrangement(x.shape, **parameters)
        weight, bias = (*(each.reshape(wide) for each in affine), None, None)[:2]
        y, statistics = kernels.normalise(x.reshape(shape), weight, bias, axes, eps, centred=self.centred)
        return y.reshape(x.shape), statistics

    def open(self, x: Tensor, *affine: Tensor, eps: float, **parameters: Any) -> Tensor:
        shape, axes, wide = self.arrangement(x.shape, **parameters)
        viewed = reshape(x, shape)
        if self.centred:
            centre = mean(viewed, axis=axes, keepdims=True)
            variance = var(viewed, axis=axes, keepdims=True)
            y = divide(subtract(viewed, centre), sqrt(add(variance, eps)))
        else:
            y = divide(viewed, sqrt(add(mean(square(viewed), axis=axes, keepdims=True), eps)))
        if affine:
            y = multiply(y, reshape(affine[0], wide))
        if len(affine) > 1:
            y = add(y, reshape(affine[1], wide))
        return reshape(y, x.shape)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        x, *affine = (tensor._array for tensor in node.inputs)
        parameters = {name: value for name, value in node.parameters.items() if name != "eps"}
        shape, axes, wide = self.arrangement(x.shape, **parameters)
        viewed, delta = x.reshape(shape), upstream.reshape(shape)
        weight = affine[0].reshape(wide) if affine else None
        grad_x, grad_weight, grad_bias = kernels.normalise_gradients(
            viewed, weight, delta, node.saved, axes, biased=len(affine) > 1
        )
        gradients: list[Array | None] = [grad_x.reshape(x.shape)]
        for position, gradient in ((1, grad_weight), (2, grad_bias))[: len(affine)]:
            if gradient is None or not node.needs(position):
                gradients.append(None)
            else:
                gradients.append(gradient.reshape(affine[0].shape))
        return gradients

    # ---- formulas

    def formula(self, call: Call) -> Formula:
        parameters = {name: value for name, value in call.parameters.items() if name != "eps"}
        shape, axes, wide = self.arrangement(call.shapes["x"], **parameters)
        at = self.layout(call)
        written = _Written(call, at, shape, axes, wide, self.centred)
        gradients = {"x": written.gradient_of_x()}
        if "weight" in call.shapes:
            gradients["weight"] = written.gradient_of_affine("weight")
        if "bias" in call.shapes:
            gradients["bias"] = written.gradient_of_affine("bias")
        return Formula(written.value(), gradients)


class Layout:
    """Indices of a normalisation.

    element       of x
    statistic     of μ and σ
    statistic_at  where an element's μ and σ are
    inner         that a statistic is summed over
    source        the element of x for a statistic and the inner indices
    affine        positions of the axes of x along which weight and bias lie
    """

    def __init__(
        self,
        element: Sequence[Index],
        statistic: Sequence[Index],
        statistic_at: Sequence[Expression],
        inner: Sequence[Index],
        source: Sequence[Expression],
        affine: Sequence[int],
    ):
        self.element, self.statistic, self.statistic_at = element, statistic, statistic_at
        self.inner, self.source, self.affine = inner, source, affine
        self.count = prod(index.extent for index in inner)


class _Written:
    """Value and gradients of a normalisation as equations in both forms."""

    def __init__(self, call: Call, at: Layout, shape: Shape, axes: Axes, wide: Shape, centred: bool):
        self.call, self.at, self.shape, self.axes, self.wide, self.centred = (
            call,
            at,
            shape,
            axes,
            wide,
            centred,
        )
        self.x, self.y, self.upstream = call.symbol("x"), call.symbol("y"), call.upstream()
        depth = len(at.statistic)
        self.mean, self.variance = Symbol("mean", depth), Symbol("variance", depth)
        self.deviation, self.normalised = Symbol("deviation", depth), Symbol("normalised", self.x.ndim)
        self.weight = call.symbol("weight") if "weight" in call.shapes else None
        self.bias = call.symbol("bias") if "bias" in call.shapes else None

    def _affine_at(self, elements: Sequence[Expression]) -> list[Expression]:
        return [elements[axis] for axis in self.at.affine]

    def _viewed(self, array: Expression) -> Expression:
        return (
            array
            if self.shape == self.call.shapes["x"]
            else array_function("reshape", array, shape=self.shape)
        )

    def _restored(self, array: Expression) -> Expression:
        own = self.call.shapes["x"]
        return array if self.shape == own else array_function("reshape", array, shape=own)

    def _wide(self, symbol: Symbol) -> Expression:
        same = self.call.shapes[symbol.name] == self.wide
        return symbol if same else array_function("reshape", symbol, shape=self.wide)

    def _mean_over(self, body: Expression) -> Expression:
        return Sum(body, *self.at.inner) / self.at.count

    def _whole_mean(self, array: Expression) -> Expression:
        return array_function("sum", array, axis=self.axes, keepdims=True) / self.at.count

    def value(self) -> Form:
        at, eps = self.at, self.call.parameters["eps"]
        x, own = self._viewed(self.x), at.statistic
        inside: Expression = self.x.at(at.source)
        element: Expression = self.x.at(at.element)
        whole, index, matrix = x, [], []
        if self.centred:
            index.append(Equation(self.mean.at(own), self._mean_over(inside)))
            matrix.append(Equation(self.mean, self._whole_mean(x)))
            inside, whole = inside - self.mean.at(own), x - self.mean
            element = element - self.mean.at(at.statistic_at)
        index.append(Equation(self.variance.at(own), self._mean_over(function("square", inside))))
        matrix.append(Equation(self.variance, self._whole_mean(function("square", whole))))
        index.append(Equation(self.deviation.at(own), function("sqrt", self.variance.at(own) + eps)))
        matrix.append(Equation(self.deviation, function("sqrt", self.variance + eps)))
        index.append(Equation(self.normalised.at(at.element), element / self.deviation.at(at.statistic_at)))
        matrix.append(Equation(self.normalised, whole / self.deviation))
        scaled: Expression = self.normalised.at(at.element)
        whole_scaled: Expression = self.normalised
        if self.weight is not None:
            scaled = scaled * self.weight.at(self._affine_at(at.element))
            whole_scaled = whole_scaled * self._wide(self.weight)
        if self.bias is not None:
            scaled = scaled + self.bias.at(self._affine_at(at.element))
            whole_scaled = whole_scaled + self._wide(self.bias)
        index.append(Equation(self.y.at(at.element), scaled))
        matrix.append(Equation(self.y, self._restored(whole_scaled)))
        return form(index, matrix)

    def gradient_of_x(self) -> Form:
        at = self.at
        grad_x = self.call.gradient("x")
        delta, aligned = Symbol("delta", self.x.ndim), Symbol("aligned", len(at.statistic))
        average = Symbol("average", len(at.statistic))
        error: Expression = self.upstream.at(at.element)
        whole_error = self._viewed(self.upstream)
        if self.weight is not None:
            error = error * self.weight.at(self._affine_at(at.element))
            whole_error = whole_error * self._wide(self.weight)
        index = [
            Equation(delta.at(at.element), error),
            Equation(
                aligned.at(at.statistic), self._mean_over(delta.at(at.source) * self.normalised.at(at.source))
            ),
        ]
        matrix = [
            Equation(delta, whole_error),
            Equation(aligned, self._whole_mean(delta * self.normalised)),
        ]
        rest: Expression = delta.at(at.element)
        whole_rest: Expression = delta
        if self.centred:
            index.append(Equation(average.at(at.statistic), self._mean_over(delta.at(at.source))))
            matrix.append(Equation(average, self._whole_mean(delta)))
            rest, whole_rest = rest - average.at(at.statistic_at), whole_rest - average
        rest = rest - self.normalised.at(at.element) * aligned.at(at.statistic_at)
        whole_rest = whole_rest - self.normalised * aligned
        index.append(Equation(grad_x.at(at.element), rest / self.deviation.at(at.statistic_at)))
        matrix.append(Equation(grad_x, self._restored(whole_rest / self.deviation)))
        return form(index, matrix)

    def gradient_of_affine(self, name: str) -> Form:
        at, target = self.at, self.call.gradient(name)
        body: Expression = self.upstream.at(at.element)
        whole = self._viewed(self.upstream)
        if name == "weight":
            body, whole = body * self.normalised.at(at.element), whole * self.normalised
        others = [index for axis, index in enumerate(at.element) if axis not in at.affine]
        summed = array_function("sum_to", whole, shape=self.wide)
        shape = self.call.shapes[name]
        return form(
            Equation(target.at(self._affine_at(at.element)), Sum(body, *others)),
            Equation(
                target, summed if shape == self.wide else array_function("reshape", summed, shape=shape)
            ),
        )


class _BatchNorm(Normalising):
    name = "batch_norm"

    def arrangement(self, x: Shape) -> tuple[Shape, Axes, Shape]:
        return x, (0, *range(2, len(x))), (1, x[1], *[1] * (len(x) - 2))

    def shape(self, x: Shape, *affine: Shape, eps: float) -> Shape:
        if len(x) < 2:
            raise ShapeError(self.name, f"x expected at least 2 axes (batch, channels, ...), got shape {x}")
        self.require_elements(x, 2)
        return self.require_affine(x, affine)

    def layout(self, call: Call) -> Layout:
        n, c, *rest = _image_indices(call.shapes["x"])
        return Layout((n, c, *rest), (c,), (c,), (n, *rest), (n, c, *rest), (1,))


class _LayerNorm(Normalising):
    name = "layer_norm"

    def arrangement(self, x: Shape, *, normalized_shape: Shape) -> tuple[Shape, Axes, Shape]:
        depth = len(normalized_shape)
        first = len(x) - depth
        return x, tuple(range(first, len(x))), (*[1] * first, *normalized_shape)

    def affine_shape(self, x: Shape, *, normalized_shape: Shape) -> Shape:
        return normalized_shape

    def shape(self, x: Shape, *affine: Shape, eps: float, normalized_shape: Shape) -> Shape:
        if not normalized_shape or x[-len(normalized_shape) :] != normalized_shape:
            raise ShapeError(
                self.name,
                f"the last axes of x expected normalized_shape {normalized_shape}, got x of shape {x}",
                f"Did you mean normalized_shape={x[-max(len(normalized_shape), 1) :]}?",
            )
        self.require_elements(x, 1, normalized_shape=normalized_shape)
        return self.require_affine(x, affine, normalized_shape=normalized_shape)

    def layout(self, call: Call) -> Layout:
        element = letters(call.shapes["x"])
        first = len(element) - len(call.parameters["normalized_shape"])
        own = element[:first]
        return Layout(element, own, own, element[first:], element, range(first, len(element)))


class _RMSNorm(_LayerNorm):
    name = "rms_norm"
    inputs = ("x", "weight")
    centred = False
    symbols = {**Normalising.symbols, "variance": ("s", "s"), "deviation": ("r", "r")}


class _GroupNorm(Normalising):
    name = "group_norm"

    def arrangement(self, x: Shape, *, num_groups: int) -> tuple[Shape, Axes, Shape]:
        split = (num_groups, x[1] // num_groups)
        shape = (x[0], *split, *x[2:])
        return shape, tuple(range(2, len(shape))), (1, *split, *[1] * (len(x) - 2))

    def shape(self, x: Shape, *affine: Shape, eps: float, num_groups: int) -> Shape:
        if len(x) < 2:
            raise ShapeError(self.name, f"x expected at least 2 axes (batch, channels, ...), got shape {x}")
        if x[1] % num_groups:
            raise ShapeError(
                self.name,
                f"the channels of x {x} expected to be a multiple of num_groups, got num_groups={num_groups}",
                "Each group takes an equal share of the channels.",
            )
        self.require_elements(x, 1, num_groups=num_groups)
        return self.require_affine(x, affine)

    def layout(self, call: Call) -> Layout:
        n, c, *rest = _image_indices(call.shapes["x"])
        groups = call.parameters["num_groups"]
        share = c.extent // groups
        group, member = Index("g", groups), Index("k", share)
        return Layout(
            (n, c, *rest),
            (n, group),
            (n, c // share),
            (member, *rest),
            (n, share * group + member, *rest),
            (1,),
        )


def _image_indices(x: Shape) -> tuple[Index, ...]:
    return (Index("n", x[0]), Index("c", x[1]), *letters(x[2:], avoid="nck"))


BATCH_NORM = register(_BatchNorm)
LAYER_NORM = register(_LayerNorm)
RMS_NORM = register(_RMSNorm)
GROUP_NORM = register(_GroupNorm)
