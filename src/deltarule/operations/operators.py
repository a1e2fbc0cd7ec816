"""Installs Tensor's operators and methods: the one place where tensors learn operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ShapeError
from deltarule.operations.activations import relu, sigmoid
from deltarule.operations.arithmetic import (
    abs,
    add,
    clip,
    divide,
    floor_divide,
    multiply,
    negative,
    positive,
    pow,
    remainder,
    square,
    subtract,
)
from deltarule.operations.comparisons import (
    all,
    any,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    not_equal,
)
from deltarule.operations.creation import astype
from deltarule.operations.cumulative import cumulative_prod, cumulative_sum
from deltarule.operations.elementwise import tensor_functions
from deltarule.operations.extremes import argmax, argmin, max, min
from deltarule.operations.functions import exp, log, sqrt, tanh
from deltarule.operations.gathering import take
from deltarule.operations.indexing import getitem
from deltarule.operations.linear_algebra import matmul, matrix_transpose
from deltarule.operations.products import prod
from deltarule.operations.reductions import mean, std, sum, var
from deltarule.operations.shape import expand, flatten, permute, reshape, squeeze, swapaxes, unsqueeze
from deltarule.operations.softmax import log_softmax, logsumexp, softmax
from deltarule.operations.sorting import argsort, sort

OPERATORS: dict[str, Callable[..., Tensor]] = {
    "add": add,
    "sub": subtract,
    "mul": multiply,
    "truediv": divide,
    "floordiv": floor_divide,
    "mod": remainder,
    "pow": pow,
    "matmul": matmul,
    "and": bitwise_and,
    "or": bitwise_or,
    "xor": bitwise_xor,
    "lshift": bitwise_left_shift,
    "rshift": bitwise_right_shift,
}

COMPARISONS: dict[str, Callable[..., Tensor]] = {
    "eq": equal,
    "ne": not_equal,
    "lt": less,
    "le": less_equal,
    "gt": greater,
    "ge": greater_equal,
}

# Functions that are methods too: x.exp() is dr.exp(x).
METHODS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "all": all,
    "any": any,
    "argmax": argmax,
    "argmin": argmin,
    "astype": astype,
    "clip": clip,
    "argsort": argsort,
    "cumulative_prod": cumulative_prod,
    "cumulative_sum": cumulative_sum,
    "sort": sort,
    "exp": exp,
    "expand": expand,
    "flatten": flatten,
    "log": log,
    "log_softmax": log_softmax,
    "logsumexp": logsumexp,
    "matmul": matmul,
    "max": max,
    "mean": mean,
    "min": min,
    "permute": permute,
    "prod": prod,
    "relu": relu,
    "reshape": reshape,
    "sigmoid": sigmoid,
    "softmax": softmax,
    "sqrt": sqrt,
    "square": square,
    "squeeze": squeeze,
    "std": std,
    "sum": sum,
    "swapaxes": swapaxes,
    "take": take,
    "tanh": tanh,
    "unsqueeze": unsqueeze,
    "var": var,
}


def _transpose(self: Tensor) -> Tensor:
    """The matrix with rows and columns exchanged. Raises ShapeError unless there are 2 axes.

    >>> import deltarule as dr
    >>> dr.tensor([[1, 2, 3]]).T.shape
    (3, 1)
    """
    if self.ndim != 2:
        raise ShapeError(
            "T",
            f"expected a matrix, got {self.ndim} axes {self.shape}",
            "Use .mT for a stack of matrices, or permute_dims for any order of axes.",
        )
    return matrix_transpose(self)


def _is_operand(value: Any) -> bool:
    return not isinstance(value, (str, bytes, dict, set)) and value is not None


def _binary(function: Callable[..., Tensor]) -> Callable[..., Any]:
    def operator(self: Tensor, other: Any) -> Any:
        return function(self, other) if _is_operand(other) else NotImplemented

    return operator


def _reflected(function: Callable[..., Tensor]) -> Callable[..., Any]:
    def operator(self: Tensor, other: Any) -> Any:
        return function(other, self) if _is_operand(other) else NotImplemented

    return operator


PROPERTIES: dict[str, Callable[[Tensor], Tensor]] = {"T": _transpose, "mT": matrix_transpose}


def install() -> None:
    """Gives Tensor its operators and methods."""
    for name, function in OPERATORS.items():
        setattr(Tensor, f"__{name}__", _binary(function))
        setattr(Tensor, f"__r{name}__", _reflected(function))
    for name, function in COMPARISONS.items():
        setattr(Tensor, f"__{name}__", _binary(function))
    Tensor.__neg__ = lambda self: negative(self)
    Tensor.__pos__ = lambda self: positive(self)
    Tensor.__abs__ = lambda self: abs(self)
    Tensor.__invert__ = lambda self: bitwise_invert(self)
    for name, function in METHODS.items():
        setattr(Tensor, name, function)
    Tensor.__getitem__ = getitem  # type: ignore[method-assign]
    for name, function in PROPERTIES.items():
        setattr(Tensor, name, property(function))
    tensor_functions.inf = float("inf")
