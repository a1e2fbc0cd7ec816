"""Penalties on the size of weights, as terms of the loss: L1, L2 and elastic regularisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Number,
    Sum,
    Symbol,
    array_function,
    function,
    letters,
)
from deltarule.autodiff.formula.formula import Call, Form, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, DTypeError
from deltarule.operations.arithmetic import abs, add, multiply, square
from deltarule.operations.elementwise import promote
from deltarule.operations.reductions import sum


class _Penalty(Group):
    """strength · Σ_θ Σ_i absolute · |θ[i]| + squared · ½ θ[i]²; the shares depend on the options."""

    inputs = ("parameter",)
    variadic = True
    reads = ("parameter",)
    symbols = {"parameter": (r"\theta", r"\theta")}

    def shares(self, options: dict[str, Any]) -> tuple[float, float]:
        """Factors of Σ|θ| and of ½ Σθ²."""
        raise NotImplementedError

    def shape(self, *shapes: Shape, **options: Any) -> Shape:
        return ()

    def open(self, *parameters: Tensor, **options: Any) -> Tensor:
        absolute, squared = self.shares(options)
        terms = []
        for parameter in parameters:
            if absolute:
                terms.append(multiply(sum(abs(parameter)), absolute))
            if squared:
                terms.append(multiply(sum(square(parameter)), 0.5 * squared))
        total = terms[0] if terms else multiply(sum(parameters[0]), 0.0)
        for term in terms[1:]:
            total = add(total, term)
        return total

    def forward(self, *parameters: Array, **options: Any) -> Array:
        absolute, squared = self.shares(options)
        total: Any = parameters[0].dtype.type(0)
        for parameter in parameters:
            flat = parameter.ravel()
            if absolute:
                total = total + np.abs(flat).sum() * absolute
            if squared:
                total = total + np.dot(flat, flat) * (0.5 * squared)
        return np.asarray(total)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        absolute, squared = self.shares(node.parameters)
        answers: list[Array | None] = []
        for position, parameter in enumerate(node.inputs):
            if not node.needs(position):
                answers.append(None)
                continue
            array = parameter._array
            gradient = (upstream * squared) * array
            if absolute:
                gradient = gradient + (upstream * absolute) * np.sign(array)
            answers.append(np.asarray(gradient))
        return answers

    def formula(self, call: Call) -> Formula:
        absolute, squared = self.shares(call.parameters)
        names = [name for name in call.shapes if name != "y"]
        y, grad = call.symbol("y"), call.upstream()

        def added(parts: list[Expression]) -> Expression:
            total = parts[0]
            for part in parts[1:]:
                total = total + part
            return total

        def cost(theta: Expression) -> Expression:
            parts: list[Expression] = []
            if absolute:
                parts.append(Number(absolute) * function("abs", theta))
            if squared:
                parts.append(Number(0.5 * squared) * function("square", theta))
            return added(parts) if parts else theta * 0.0

        def slope(theta: Expression) -> Expression:
            parts: list[Expression] = []
            if absolute:
                parts.append(Number(absolute) * function("sign", theta))
            if squared:
                parts.append(Number(squared) * theta)
            return grad * added(parts) if parts else theta * 0.0

        def gradient(name: str) -> Form:
            indices = letters(call.shapes[name])
            theta, target = call.symbol(name), call.gradient(name)
            return form(
                Equation(target.at(indices), slope(theta.at(indices))), Equation(target, slope(theta))
            )

        index_terms: list[Expression] = []
        matrix_terms: list[Expression] = []
        for name in names:
            indices = letters(call.shapes[name])
            theta: Symbol = call.symbol(name)
            index_terms.append(Sum(cost(theta.at(indices)), *indices))
            matrix_terms.append(array_function("sum_all", cost(theta)))
        return Formula(
            form(Equation(y, added(index_terms)), Equation(y, added(matrix_terms))),
            {name: gradient(name) for name in names},
        )


class _L1Penalty(_Penalty):
    name = "l1_penalty"

    def shares(self, options: dict[str, Any]) -> tuple[float, float]:
        return options["strength"], 0.0


class _L2Penalty(_Penalty):
    name = "l2_penalty"

    def shares(self, options: dict[str, Any]) -> tuple[float, float]:
        return 0.0, options["strength"]


class _ElasticPenalty(_Penalty):
    name = "elastic_penalty"

    def shares(self, options: dict[str, Any]) -> tuple[float, float]:
        ratio = options["l1_ratio"]
        return options["strength"] * ratio, options["strength"] * (1 - ratio)


L1_PENALTY = register(_L1Penalty)
L2_PENALTY = register(_L2Penalty)
ELASTIC_PENALTY = register(_ElasticPenalty)


def l1_penalty(parameters: Any, strength: float = 1.0) -> Tensor:
    """L1 regularisation: the sum of all magnitudes, which drives small weights to exactly zero.

    y = strength · Σ_θ Σ_i |θ[i]|;  ∂y/∂θ[i] = strength · sign(θ[i])

    parameters  one tensor or several of any shapes, e.g. model.parameters()
    strength    at least 0

    The gradient at 0 is 0. Raises ArgumentError for no parameters or a negative strength.
    Source: Tibshirani 1996.

    >>> import deltarule as dr
    >>> dr.l1_penalty([dr.tensor([1.0, -2.0]), dr.tensor(3.0)], strength=0.5).item()
    3.0
    """
    return _penalty(L1_PENALTY, parameters, strength=strength)


def l2_penalty(parameters: Any, strength: float = 1.0) -> Tensor:
    """L2 regularisation: half the sum of squares, which shrinks weights towards zero.

    y = strength · ½ Σ_θ Σ_i θ[i]²;  ∂y/∂θ[i] = strength · θ[i]

    parameters  one tensor or several of any shapes, e.g. model.parameters()
    strength    at least 0; the same as `weight_decay` of SGD

    Raises ArgumentError for no parameters or a negative strength. Source: Hoerl & Kennard 1970.

    >>> import deltarule as dr
    >>> dr.l2_penalty(dr.tensor([3.0, -4.0]), strength=0.1)
    tensor(1.25, dtype=float32)
    """
    return _penalty(L2_PENALTY, parameters, strength=strength)


def elastic_penalty(parameters: Any, strength: float = 1.0, l1_ratio: float = 0.5) -> Tensor:
    """Elastic net: a mixture of L1 and L2 regularisation.

    y = strength · (l1_ratio Σ|θ| + ½ (1 − l1_ratio) Σθ²), over all elements of all parameters

    parameters  one tensor or several of any shapes, e.g. model.parameters()
    strength    at least 0
    l1_ratio    0 (L2 alone) to 1 (L1 alone)

    Raises ArgumentError for no parameters or options out of range.
    Source: Zou & Hastie 2005, in scikit-learn's parameters.

    >>> import deltarule as dr
    >>> dr.elastic_penalty(dr.tensor([1.0, -2.0]), strength=2.0, l1_ratio=0.5).item()
    5.5
    """
    if not 0 <= l1_ratio <= 1:
        raise ArgumentError("elastic_penalty", f"l1_ratio expected 0 to 1, got {l1_ratio!r}")
    return _penalty(ELASTIC_PENALTY, parameters, strength=strength, l1_ratio=float(l1_ratio))


def _penalty(operation: Operation, parameters: Any, *, strength: float, **options: float) -> Tensor:
    who = operation.name
    if not strength >= 0:
        raise ArgumentError(who, f"strength expected at least 0, got {strength!r}")
    if isinstance(parameters, Tensor):
        given: list[Any] = [parameters]
    elif isinstance(parameters, Iterable):
        given = list(parameters)
    else:
        raise DTypeError(
            who, f"expected tensors, got {type(parameters).__name__}", "Pass model.parameters()."
        )
    if not given:
        raise ArgumentError(
            who, "expected parameters, got none", "Call model.parameters() again for each loss."
        )
    tensors = promote(tuple(as_tensor(each) for each in given), True, who)
    return apply(operation, *tensors, strength=float(strength), **options)
