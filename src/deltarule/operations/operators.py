"""Installs Tensor's operators and methods: the one place where tensors learn operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.operations import arithmetic, comparisons, creation, elementwise, functions

OPERATORS: dict[str, Callable[..., Tensor]] = {
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "truediv": arithmetic.divide,
    "floordiv": arithmetic.floor_divide,
    "mod": arithmetic.remainder,
    "pow": arithmetic.pow,
}

COMPARISONS: dict[str, Callable[..., Tensor]] = {
    "eq": comparisons.equal,
    "ne": comparisons.not_equal,
    "lt": comparisons.less,
    "le": comparisons.less_equal,
    "gt": comparisons.greater,
    "ge": comparisons.greater_equal,
    "and": comparisons.logical_and,
    "or": comparisons.logical_or,
}

# Functions that are methods too: x.exp() is dr.exp(x).
METHODS: dict[str, Callable[..., Any]] = {
    "abs": arithmetic.abs,
    "astype": creation.astype,
    "clip": arithmetic.clip,
    "exp": functions.exp,
    "log": functions.log,
    "sqrt": functions.sqrt,
    "tanh": functions.tanh,
    "all": comparisons.all,
    "any": comparisons.any,
}


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


def install() -> None:
    """Gives Tensor its operators and methods."""
    for name, function in OPERATORS.items():
        setattr(Tensor, f"__{name}__", _binary(function))
        setattr(Tensor, f"__r{name}__", _reflected(function))
    for name, function in COMPARISONS.items():
        setattr(Tensor, f"__{name}__", _binary(function))
    Tensor.__neg__ = lambda self: arithmetic.negative(self)  # type: ignore[method-assign]
    Tensor.__pos__ = lambda self: arithmetic.positive(self)  # type: ignore[method-assign]
    Tensor.__abs__ = lambda self: arithmetic.abs(self)  # type: ignore[method-assign]
    Tensor.__invert__ = lambda self: comparisons.logical_not(self)  # type: ignore[method-assign]
    for name, function in METHODS.items():
        setattr(Tensor, name, function)
    elementwise.tensor_functions.inf = float("inf")


install()
