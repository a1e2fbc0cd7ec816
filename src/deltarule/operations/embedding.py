"""Embedding: rows of a table looked up by token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import checked, derived
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Sum,
    array_function,
    equal,
    function,
    letters,
)
from deltarule.autodiff.formula.formula import Call, Formula, form
from deltarule.autodiff.formula.functions import define_array_function
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import DTypeError, OutOfBoundsError, ShapeError
from deltarule.kernels import scatter
from deltarule.operations.arithmetic import multiply
from deltarule.operations.axes import whole_number
from deltarule.operations.gathering import INDEX_ADD


def _one_hot_but(indices: Any, num_classes: int, padding: int) -> Any:
    """1 at the token that each index names, else 0; nothing for the padding token."""
    table = np.eye(num_classes)
    table[padding, padding] = 0.0
    return table[indices]


define_array_function(
    "one_hot_but",
    _one_hot_but,
    r"\operatorname{{one\_hot}}_{{{num_classes} \setminus {padding}}}\left({0}\right)",
    shape=lambda indices, num_classes, padding: (*indices, num_classes),
)


class _Embedding(Operation):
    name = "embedding"
    inputs = ("indices", "weight")
    reads = ("indices",)

    def shape(self, indices: Shape, weight: Shape, *, padding_idx: int | None) -> Shape:
        if len(weight) != 2:
            raise ShapeError(
                "embedding",
                f"weight expected shape (tokens, features), got {weight}",
                "The order is embedding(indices, weight).",
            )
        return (*indices, weight[1])

    def forward(self, indices: Array, weight: Array, *, padding_idx: int | None) -> Array:
        return scatter.take_rows(weight, indices)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        indices, weight = node.inputs
        if node.parameters["padding_idx"] is not None:
            padding_idx = node.parameters["padding_idx"]
            upstream = multiply(
                upstream, derived(_not_padding, indices, padding_idx=padding_idx, dtype=upstream.dtype)
            )
        zeros = Tensor(np.zeros(weight.shape, dtype=upstream.dtype))
        return (None, apply(INDEX_ADD, zeros, upstream, indices, axes=(0,), place=0))

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        indices, weight = node.inputs
        tokens, features = weight.shape
        rows = upstream.reshape(indices.size, features)
        gradient = scatter.sum_rows(tokens, indices._array.reshape(-1), rows)
        if node.parameters["padding_idx"] is not None:
            gradient[node.parameters["padding_idx"]] = 0
        return (None, gradient)

    def formula(self, call: Call) -> Formula:
        indices, weight, y = call.symbol("indices"), call.symbol("weight"), call.symbol("y")
        grad_weight, grad = call.gradient("weight"), call.upstream()
        tokens, features = call.shapes["weight"]
        places, padding = letters(call.shapes["indices"], start=2), call.parameters["padding_idx"]
        token, feature = letters(call.shapes["weight"])
        picked: Expression = equal(indices.at(places), token)
        if padding is not None:
            picked = picked * function("not_equal", token, padding)
        rows = array_function("one_hot", indices, num_classes=tokens)
        kept = rows
        if padding is not None:
            kept = array_function("one_hot_but", indices, num_classes=tokens, padding=padding)
        rows_grad: Expression = grad
        if len(call.shapes["indices"]) != 1:
            count = math.prod(call.shapes["indices"])
            kept = array_function("reshape", kept, shape=(count, tokens))
            rows_grad = array_function("reshape", grad, shape=(count, features))
        return Formula(
            form(
                Equation(y.at([*places, feature]), weight.at([indices.at(places), feature])),
                Equation(y, rows @ weight),
            ),
            {
                "weight": form(
                    Equation(
                        grad_weight.at([token, feature]), Sum(picked * grad.at([*places, feature]), *places)
                    ),
                    Equation(grad_weight, kept.T @ rows_grad),
                )
            },
        )


EMBEDDING = register(_Embedding)


def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Tensor:
    """Rows of a table, looked up by token: a linear layer on one-hot vectors, without the zeros.

    y[n, e] = weight[indices[n], e]
    grad_weight[v, e] = Σ_n [indices[n] = v] · grad_y[n, e]

    indices      (...) integers from 0 to tokens − 1
    weight       (tokens, features)
    padding_idx  a token whose row gets no gradient (it may count from the end)
    returns      (..., features)

    Raises OutOfBoundsError naming the token, its position and the table's size; DTypeError for indices
    that are no integers; ShapeError if weight is not a matrix.
    Source: Bengio, Ducharme, Vincent & Jauvin 2003, A Neural Probabilistic Language Model, section 2.

    >>> import deltarule as dr
    >>> table = dr.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> dr.embedding(dr.tensor([2, 0]), table)
    tensor([[5., 6.],
            [1., 2.]], dtype=float32)
    """
    indices, weight = as_tensor(indices), as_tensor(weight)
    EMBEDDING.shape(indices.shape, weight.shape, padding_idx=None)
    if indices.dtype.kind not in "iu":
        if indices.size:
            raise DTypeError(
                "embedding",
                f"indices expected integers, got {indices.dtype}",
                "The order is embedding(indices, weight); convert tokens with .astype(dr.int64).",
            )
        indices = Tensor(np.zeros(indices.shape, dtype=np.int64))
    tokens = weight.shape[0]
    checked(_require_tokens, indices, tokens=tokens, features=weight.shape[1])
    if indices.dtype == np.uint64:
        indices = derived(_as_positions, indices)
    return apply(EMBEDDING, indices, weight, padding_idx=_padding_row(padding_idx, tokens))


def _require_tokens(indices: Array, *, tokens: int, features: int) -> None:
    if not indices.size or (indices.min() >= 0 and indices.max() < tokens):
        return
    wrong = int(indices.min()) if indices.min() < 0 else int(indices.max())
    where = tuple(int(place) for place in np.unravel_index(int(np.argmax(indices == wrong)), indices.shape))
    at = f" at {where} of the indices" if where else ""
    raise OutOfBoundsError(
        "embedding",
        f"token {wrong}{at} is outside the table of {tokens} rows (weight {(tokens, features)})",
        "Tokens count from 0." if wrong < 0 else f"Did you mean Embedding({wrong + 1}, {features})?",
    )


def _as_positions(indices: Array) -> Array:
    return indices.astype(np.int64)


def _not_padding(indices: Array, *, padding_idx: int, dtype: Any) -> Array:
    """1 where a token is none of padding, else 0, for each row of the table that is looked up."""
    return (indices[..., None] != padding_idx).astype(dtype)


def _padding_row(padding_idx: int | None, tokens: int) -> int | None:
    if padding_idx is None:
        return None
    row = whole_number("embedding", "padding_idx", padding_idx)
    if not -tokens <= row < tokens:
        raise OutOfBoundsError("embedding", f"padding_idx {row} is outside the table of {tokens} rows")
    return row % tokens
