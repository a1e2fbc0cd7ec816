"""Rows of arithmetic, functions, activations and comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

from deltarule.autodiff.operation import identity
from deltarule.errors import ShapeError
from deltarule.operations import activations, arithmetic, comparisons, creation, functions
from deltarule.operations.broadcast import broadcast_to, sum_to
from tests.operations.harness import Case, ErrorCase

_generator = np.random.default_rng(0)


def between(low: float, high: float, *shape: int) -> Any:
    return _generator.uniform(low, high, shape)


def away_from_zero(*shape: int) -> Any:
    return _generator.uniform(0.3, 2.0, shape) * _generator.choice([-1.0, 1.0], shape)


A, B, ROW, ONE, EMPTY = (
    away_from_zero(2, 3),
    away_from_zero(2, 3),
    away_from_zero(3),
    away_from_zero(1, 1),
    away_from_zero(0, 3),
)
POSITIVE = between(0.4, 2.5, 2, 3)
WHOLE = np.array([[6, -5, 0], [127, 3, -1]])
INSIDE = between(-0.8, 0.8, 2, 3)


def _unary(function: Any, reference: Any, inputs: Any = A, **options: Any) -> list[Case]:
    return [
        Case(function, (inputs,), reference, options),
        Case(function, (inputs[:1, :1],), reference, options),
        Case(function, (inputs[:0],), reference, options),
        Case(function, (np.asarray(inputs[0, 0]),), reference, options),
    ]


def _binary(function: Any, reference: Any, a: Any = A, b: Any = B) -> list[Case]:
    return [
        Case(function, (a, b), reference),
        Case(function, (a, b[0]), reference),
        Case(function, (a[:, :1], b), reference),
        Case(function, (a, b[:1, :1]), reference),
        Case(function, (np.asarray(a[0, 0]), b), reference),
        Case(function, (a[:0], b[0]), reference),
    ]


def _sigmoid(x: Any) -> Any:
    return scipy.special.expit(x)


CASES: list[Case] = [
    *_binary(arithmetic.add, np.add),
    *_binary(arithmetic.subtract, np.subtract),
    *_binary(arithmetic.multiply, np.multiply),
    *_binary(arithmetic.divide, np.divide),
    *_binary(arithmetic.pow, np.power, POSITIVE, B),
    Case(arithmetic.pow, (A, np.asarray(3.0)), np.power, constant=(1,)),
    Case(arithmetic.pow, (A, np.asarray(0.0)), np.power, constant=(1,)),
    *_binary(arithmetic.maximum, np.maximum),
    *_binary(arithmetic.minimum, np.minimum),
    *_binary(functions.atan2, np.arctan2),
    *_binary(arithmetic.remainder, np.remainder, POSITIVE + 5.0, POSITIVE[::-1]),
    Case(arithmetic.floor_divide, (A, B), np.floor_divide, constant=(0, 1)),
    *_unary(arithmetic.negative, np.negative),
    *_unary(arithmetic.positive, np.positive),
    *_unary(arithmetic.abs, np.abs),
    *_unary(arithmetic.sign, np.sign),
    *_unary(arithmetic.square, np.square),
    *_unary(arithmetic.reciprocal, lambda x: 1 / x),
    *_unary(arithmetic.floor, np.floor),
    *_unary(arithmetic.ceil, np.ceil),
    *_unary(arithmetic.round, np.round),
    *_unary(arithmetic.trunc, np.trunc),
    *_unary(functions.exp, np.exp),
    *_unary(functions.expm1, np.expm1),
    *_unary(functions.log, np.log, POSITIVE),
    *_unary(functions.log1p, np.log1p, POSITIVE),
    *_unary(functions.log2, np.log2, POSITIVE),
    *_unary(functions.log10, np.log10, POSITIVE),
    *_unary(functions.sqrt, np.sqrt, POSITIVE),
    *_unary(functions.rsqrt, lambda x: 1 / np.sqrt(x), POSITIVE),
    *_unary(functions.sin, np.sin),
    *_unary(functions.cos, np.cos),
    *_unary(functions.tan, np.tan, INSIDE),
    *_unary(functions.asin, np.arcsin, INSIDE),
    *_unary(functions.acos, np.arccos, INSIDE),
    *_unary(functions.atan, np.arctan),
    *_unary(functions.sinh, np.sinh),
    *_unary(functions.cosh, np.cosh),
    *_unary(functions.tanh, np.tanh),
    *_unary(functions.asinh, np.arcsinh),
    *_unary(functions.acosh, np.arccosh, POSITIVE + 1.0),
    *_unary(functions.atanh, np.arctanh, INSIDE),
    *_unary(functions.erf, scipy.special.erf),
    Case(functions.erf, (np.array([-7.0, -3.0, -0.4, 0.2, 0.47, 2.0, 4.1, 20.0]),), scipy.special.erf),
    *_unary(activations.sigmoid, _sigmoid),
    *_unary(activations.relu, lambda x: np.maximum(x, 0)),
    *_unary(activations.leaky_relu, lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x)),
    Case(
        activations.leaky_relu,
        (A,),
        lambda x, negative_slope: np.where(x > 0, x, negative_slope * x),
        {"negative_slope": 0.2},
    ),
    *_unary(activations.elu, lambda x: np.where(x > 0, x, np.expm1(x))),
    Case(activations.elu, (A,), lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)), {"alpha": 0.5}),
    *_unary(activations.softplus, lambda x: np.log1p(np.exp(x))),
    Case(activations.softplus, (A,), lambda x, beta: np.log1p(np.exp(beta * x)) / beta, {"beta": 3.0}),
    *_unary(activations.silu, lambda x: x * _sigmoid(x)),
    *_unary(activations.gelu, lambda x: x * scipy.special.ndtr(x)),
    Case(
        activations.gelu,
        (A,),
        lambda x, approximate: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        {"approximate": "tanh"},
        operation="gelu_tanh",
    ),
    Case(arithmetic.where, (A > 0, A, B), np.where),
    Case(arithmetic.where, (A[0] > 0, A, np.asarray(0.5)), np.where),
    Case(arithmetic.clip, (A, np.asarray(-1.0), np.asarray(0.9)), np.clip, constant=(1, 2)),
    Case(arithmetic.clip, (A,), lambda x, min: np.maximum(x, min), {"min": -0.5}, operation="clip_below"),
    Case(arithmetic.clip, (A,), lambda x, max: np.minimum(x, max), {"max": 0.5}, operation="clip_above"),
    *(
        Case(getattr(comparisons, name), (np.round(A), np.round(B)), getattr(np, name), constant=(0, 1))
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    ),
    *(
        Case(getattr(comparisons, name), (A > 0, B > 0), getattr(np, name))
        for name in ("logical_and", "logical_or")
    ),
    Case(comparisons.logical_not, (A > 0,), np.logical_not),
    Case(comparisons.logical_xor, (A > 0, B > 0), np.logical_xor),
    *(
        Case(getattr(comparisons, name), operands, getattr(np, name))
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
        for operands in ((WHOLE, WHOLE[::-1]), (WHOLE[:0], WHOLE[0]), (A > 0, B > 0))
    ),
    *(
        Case(getattr(comparisons, name), (WHOLE, np.array([0, 1, 5])), getattr(np, name))
        for name in ("bitwise_left_shift", "bitwise_right_shift")
    ),
    Case(comparisons.bitwise_invert, (WHOLE,), np.bitwise_invert),
    Case(comparisons.bitwise_invert, (A > 0,), np.bitwise_invert),
    *(
        Case(
            getattr(comparisons, name),
            (np.array([1.0, np.nan, np.inf, -np.inf]),),
            getattr(np, name),
            constant=(0,),
        )
        for name in ("isnan", "isinf", "isfinite")
    ),
    Case(identity, (A,), lambda x: x),
    Case(broadcast_to, (ROW,), np.broadcast_to, {"shape": (2, 3)}),
    Case(broadcast_to, (A[:, :1],), np.broadcast_to, {"shape": (4, 2, 3)}),
    Case(sum_to, (A,), lambda x, shape: x.sum(0), {"shape": (3,)}),
    Case(sum_to, (A,), lambda x, shape: x.sum(1, keepdims=True), {"shape": (2, 1)}),
    # To a wider type, so that differences see the conversion and not its rounding; to a narrower one
    # in tests/autodiff/test_backward.py.
    Case(
        lambda x: creation.astype(x, np.longdouble),
        (A,),
        lambda x: x.astype(np.longdouble),
        operation="astype",
        float32=False,
    ),
    *(
        Case(arithmetic.pow, (A, np.asarray(power)), np.power, constant=(1,))
        for power in (1.0, 2.0, -1.0, 3.0)
    ),
    Case(arithmetic.pow, (A, np.full((1, 1), 2.0)), np.power, constant=(1,)),
    Case(arithmetic.pow, (A[0, :1], np.full((1, 1), 2.0)), np.power, constant=(1,)),
]

ERRORS = [
    ErrorCase(lambda: arithmetic.add(A, B[:, :2]), ShapeError, ("add: shapes (2, 3) and (2, 2)",)),
    ErrorCase(
        lambda: broadcast_to(A, (3, 3)), ShapeError, ("broadcast_to: cannot spread shape (2, 3) to (3, 3)",)
    ),
    ErrorCase(lambda: sum_to(A, (4,)), ShapeError, ("sum_to: cannot sum shape (2, 3) to (4,)",)),
    ErrorCase(
        lambda: activations.gelu(A, "sharp"), ValueError, ("gelu: approximate expected 'none' or 'tanh'",)
    ),
]
