"""Dropout: a random share of the elements, or of the channels, is set to zero while training.

The mask is drawn first and is an input of the record: the record computes the same value again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.formula.expression import Number, Symbol
from deltarule.autodiff.formula.formula import Call, Formula
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations.elementwise import promote
from deltarule.operations.random import drawn


class _Dropout(Operation):
    name = "dropout"
    inputs = ("x", "mask")
    reads = ("mask",)
    symbols = {"mask": ("m", "M")}

    def shape(self, x: Shape, mask: Shape, *, p: float) -> Shape:
        fits = len(x) == len(mask) and all(own in (1, wanted) for own, wanted in zip(mask, x, strict=True))
        if not fits:
            raise ShapeError(
                "dropout",
                f"mask expected shape {x} (or 1 along some axes), got {mask}",
                "The mask has one entry for each element or channel.",
            )
        return x

    def forward(self, x: Array, mask: Array, *, p: float) -> Array:
        return np.multiply(x, _factors(mask, p, x.dtype))

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (apply(DROPOUT, upstream, node.inputs[1], **node.parameters), None)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        mask = node.inputs[1]._array
        return (np.multiply(upstream, _factors(mask, node.parameters["p"], upstream.dtype)), None)

    def formula(self, call: Call) -> Formula:
        scale = Number(_scale(call.parameters["p"]))
        mask = Symbol("mask")
        return Formula.elementwise(call, Symbol("x") * mask * scale, {"x": Symbol("grad_y") * mask * scale})


def _scale(p: float) -> float:
    """1 / (1 − p), which keeps the expected sum; nothing is left to scale at p = 1."""
    return 1.0 / (1.0 - p) if p < 1 else 0.0


def _factors(mask: Array, p: float, dtype: Any) -> Array:
    return np.multiply(mask, dtype.type(_scale(p)), dtype=dtype)


DROPOUT = register(_Dropout)


def masked_dropout(x: Any, mask: Any, p: float) -> Tensor:
    """Dropout with a mask that is given: x · mask / (1 − p).

    mask     booleans, True where an element is kept; x's shape, or 1 along axes that drop together
    p        the probability that the mask was drawn with

    Raises ShapeError where the mask does not fit, ArgumentError for p outside 0 to 1.

    >>> import deltarule as dr
    >>> from deltarule.operations.dropout import masked_dropout
    >>> masked_dropout(dr.tensor([1.0, 2.0]), dr.tensor([True, False]), 0.5)
    tensor([2., 0.], dtype=float32)
    """
    (x,) = promote((x,), True, "dropout")
    kept = mask if isinstance(mask, Tensor) else Tensor(np.array(mask, dtype=bool))
    return apply(DROPOUT, x, kept, p=_probability("dropout", p))


def dropout(x: Any, p: float = 0.5, training: bool = True) -> Tensor:
    """Sets each element to zero with probability p and scales the others by 1 / (1 − p).

    y[i] = x[i] · m[i] / (1 − p),  m[i] = 0 with probability p, else 1;  E[y] = x
    ∂L/∂x[i] = ∂L/∂y[i] · m[i] / (1 − p), with the same m

    p         probability of dropping an element, from 0 to 1
    training  False returns x as it is

    The mask comes from `manual_seed`'s generator. Raises ArgumentError for p outside 0 to 1.
    Source: Srivastava et al. 2014; scaled while training ("inverted"), so that nothing changes later.

    >>> import deltarule as dr
    >>> dr.manual_seed(0)
    >>> sorted(set(dr.dropout(dr.ones(100), 0.75).tolist()))
    [0.0, 4.0]
    """
    return _dropped("dropout", x, p, training, channels=False)


def dropout2d(x: Any, p: float = 0.5, training: bool = True) -> Tensor:
    """Sets whole channels to zero with probability p and scales the others by 1 / (1 − p).

    y[n, c, i, j] = x[n, c, i, j] · m[n, c] / (1 − p),  m[n, c] = 0 with probability p, else 1

    x   (batch, channels, ...): neighbouring pixels are alike, so that dropping single ones does little

    Options, errors and random numbers as in `dropout`; ShapeError for fewer than 2 axes.
    Source: Tompson, Goroshin, Jain, LeCun & Bregler 2015.

    >>> import deltarule as dr
    >>> y = dr.dropout2d(dr.ones((8, 8, 2, 2)), 0.5)
    >>> sorted(set(y.sum(axis=(2, 3)).numpy().reshape(-1).tolist()))
    [0.0, 8.0]
    """
    return _dropped("dropout2d", x, p, training, channels=True)


def _dropped(who: str, x: Any, p: float, training: bool, *, channels: bool) -> Tensor:
    p = _probability(who, p)
    (x,) = promote((x,), True, who)
    if channels and x.ndim < 2:
        raise ShapeError(who, f"x expected at least 2 axes (batch, channels, ...), got shape {x.shape}")
    if not training or p == 0:
        return x
    shape = (*x.shape[:2], *[1] * (x.ndim - 2)) if channels else x.shape
    return apply(DROPOUT, x, Tensor(drawn(keep_mask, shape=shape, p=p)), p=p)


def keep_mask(source: np.random.Generator, *, shape: Shape, p: float) -> Array:
    """Booleans, each False with probability p."""
    return np.asarray(source.random(shape, dtype=np.float32) >= p)


def _probability(who: str, p: float) -> float:
    if isinstance(p, (int, float)) and 0 <= p <= 1:
        return float(p)
    raise ArgumentError(who, f"p expected a probability from 0 to 1, got {p!r}", "0.5 drops half.")
