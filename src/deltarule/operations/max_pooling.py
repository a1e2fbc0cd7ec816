"""The record of max pooling in one and two dimensions: the largest element of each window."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np

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
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.formula.shape_rules import same
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.kernels import pooling as kernels
from deltarule.operations.convolution_formulas import window_element, window_positions
from deltarule.operations.gathering import scatter_add
from deltarule.operations.shape import reshape
from deltarule.operations.window_options import Sizes, pooled_sizes, require_axes


def _first_largest(windows: Any) -> Any:
    """1 at the first of the largest elements along axis 2, else 0."""
    largest = windows == windows.max(axis=2, keepdims=True)
    return np.where(largest & (np.cumsum(largest, axis=2) == 1), 1, 0)


define_array_function(
    "first_largest", _first_largest, r"\operatorname{{first\_largest}}\left({0}\right)", shape=same
)


class _MaxPool(Operation):
    inputs = ("x",)
    reads = ("x", "y")
    rank: ClassVar[int]

    def shape(
        self, x: Shape, *, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool
    ) -> Shape:
        require_axes(self.name, "x", x, self.rank)
        return (*x[:2], *pooled_sizes(self.name, x, kernel_size, stride, padding, dilation, ceil_mode))

    def forward(
        self,
        x: Array,
        *,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
        ceil_mode: bool,
    ) -> Array:
        positions = pooled_sizes(self.name, x.shape, kernel_size, stride, padding, dilation, ceil_mode)
        return kernels.max_pool(x, positions, kernel_size, stride, padding, dilation)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        # Which element is the largest does not change with small changes of x: the positions are constants.
        x = node.inputs[0]
        kernel_size, stride, padding, dilation = _window(node.parameters)
        found = derived(
            kernels.max_pool_positions,
            x,
            node.output(),
            kernel_size=kernel_size,
            stride=stride,
            before=padding,
            dilation=dilation,
        )
        rows, elements, windows = x.shape[:2], prod(x.shape[2:]), prod(found.shape[2:])
        positions = reshape(found, (*rows, windows))
        zeros = Tensor(np.zeros((*rows, elements), dtype=upstream.dtype))
        total = scatter_add(zeros, positions, reshape(upstream, (*rows, windows)), axis=2)
        return (reshape(total, x.shape),)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        window = _window(node.parameters)
        return (kernels.max_pool_gradient(node.inputs[0]._array, node.values[0], upstream, *window),)

    def formula(self, call: Call) -> Formula:
        x, y, upstream, grad_x = call.symbol("x"), call.symbol("y"), call.upstream(), call.gradient("x")
        kernel_size, stride, padding, dilation = _window(call.parameters)
        batch, channels, *extents = call.shapes["x"]
        counts = call.shapes["y"][2:]
        n, c = Index("n", batch), Index("c", channels)
        positions = [Index(name, count) for name, count in zip("pq", counts, strict=False)]
        offsets = [Index(name, size) for name, size in zip("uv", kernel_size, strict=False)]
        elements = [Index(name, extent) for name, extent in zip("ij", extents, strict=False)]
        met = [
            window_element(*each) for each in zip(positions, offsets, stride, dilation, padding, strict=True)
        ]
        # Windows are read row by row: `first` is the number of the first largest element in its window.
        number: Expression = offsets[0]
        for offset in offsets[1:]:
            number = offset.extent * number + offset
        first = Symbol("first", y.ndim)
        element, outside = x.at([n, c, *met], outside=-np.inf), Number(np.inf)
        window = y.at([n, c, *positions])
        inverse, brackets = window_positions(elements, offsets, stride, dilation, padding)
        routed = equal(first.at([n, c, *inverse], outside=-1.0), number) * upstream.at(
            [n, c, *inverse], outside=0.0
        )
        for bracket in brackets:
            routed = bracket * routed
        windows = Symbol("windows", 4)
        options: dict[str, Any] = {
            "kernel_size": kernel_size,
            "positions": counts,
            "stride": stride,
            "before": padding,
            "dilation": dilation,
        }
        split = (batch, channels, prod(kernel_size), prod(counts))
        columns = array_function("unfold", x, **options, outside=-np.inf)
        row = array_function("reshape", upstream, shape=(batch, channels, 1, prod(counts)))
        chosen = array_function("first_largest", windows) * row
        return Formula(
            form(
                (
                    Equation(window, Maximum(element, *offsets)),
                    Equation(
                        first.at([n, c, *positions]),
                        Minimum(where(equal(element, window), number, outside), *offsets),
                    ),
                ),
                (
                    Equation(windows, array_function("reshape", columns, shape=split)),
                    Equation(
                        y,
                        array_function(
                            "reshape", array_function("max", windows, axis=2), shape=call.shapes["y"]
                        ),
                    ),
                ),
            ),
            {
                "x": form(
                    Equation(grad_x.at([n, c, *elements]), Sum(routed, *offsets)),
                    Equation(grad_x, array_function("fold", chosen, shape=call.shapes["x"], **options)),
                )
            },
        )


def _window(parameters: dict[str, Any]) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    return (
        parameters["kernel_size"],
        parameters["stride"],
        parameters["padding"],
        parameters["dilation"],
    )


class _MaxPool1d(_MaxPool):
    name, rank = "max_pool1d", 1


class _MaxPool2d(_MaxPool):
    name, rank = "max_pool2d", 2


MAX_POOL = {1: register(_MaxPool1d), 2: register(_MaxPool2d)}
