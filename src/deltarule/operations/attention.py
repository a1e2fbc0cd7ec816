"""Attention: means of values, weighted by how well keys match queries.

Its kernels never hold all the weights; the composition that it opens into does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import derived
from deltarule.autodiff.formula.expression import (
    Equation,
    Expression,
    Index,
    Number,
    Sum,
    Symbol,
    array_function,
    broadcast_indices,
    function,
    less_equal,
    letters,
    summed_indices,
)
from deltarule.autodiff.formula.formula import Call, Form, Formula, form
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Shape, apply, register
from deltarule.autodiff.recording import recording
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import DTypeError, ShapeError
from deltarule.kernels import attention as kernels
from deltarule.operations import comparisons
from deltarule.operations.arithmetic import add, multiply, where
from deltarule.operations.dropout import dropout
from deltarule.operations.elementwise import converted, promote
from deltarule.operations.linear_algebra import matmul
from deltarule.operations.shape import swapaxes
from deltarule.operations.softmax import softmax

_WHO = "scaled_dot_product_attention"

SYMBOLS = {
    "query": ("q", "Q"),
    "key": ("k", "K"),
    "value": ("v", "V"),
    "attn_mask": ("m", "M"),
    "scores": ("s", "S"),
    "weights": ("p", "P"),
    "shares": (r"\delta^{s}", r"\delta^{S}"),
}


class _Attention(Group):
    name = "scaled_dot_product_attention"
    inputs = ("query", "key", "value", "attn_mask")
    reads = ("query", "key", "value", "attn_mask", "y")
    saves = True
    symbols = SYMBOLS

    def shape(
        self,
        query: Shape,
        key: Shape,
        value: Shape,
        mask: Shape | None = None,
        *,
        is_causal: bool,
        scale: float,
    ) -> Shape:
        scores = _scores_shape(query, key, mask)
        if len(value) < 2 or value[-2] != key[-2]:
            raise ShapeError(
                _WHO,
                f"value expected {key[-2]} sources on the axis before the last, as key has, "
                f"got shape {value}",
                "Each key needs its value.",
            )
        return (*_leading(scores[:-2], value[:-2], "value"), query[-2], value[-1])

    def open(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        *,
        is_causal: bool,
        scale: float,
    ) -> Tensor:
        return matmul(_weights(query, key, mask, is_causal, scale), value)

    def forward(
        self,
        query: Array,
        key: Array,
        value: Array,
        mask: Array | None = None,
        *,
        is_causal: bool,
        scale: float,
    ) -> tuple[Array, Array]:
        return kernels.attention(query, key, value, mask, is_causal, scale)

    def backward_kernel(self, node: Node, upstream: Array) -> Sequence[Array | None]:
        query, key, value, *mask = (tensor._array for tensor in node.inputs)
        options = (mask[0] if mask else None, node.parameters["is_causal"], node.parameters["scale"])
        gradients = kernels.attention_gradients(
            query, key, value, *options, node.values[0], node.saved, upstream
        )
        return (*gradients, *(None for _ in mask))

    def formula(self, call: Call) -> Formula:
        written = _Written(call)
        return Formula(
            written.value(),
            {
                "query": written.gradient_of_query(),
                "key": written.gradient_of_key(),
                "value": written.gradient_of_value(),
            },
        )


class _Written:
    """Value and gradients as equations in both forms.

    scores   s[t, r] of target t and source r; weights: their softmax; shares: ∂L/∂scores
    """

    def __init__(self, call: Call):
        self.call = call
        self.query, self.key, self.value_ = (call.symbol(name) for name in ("query", "key", "value"))
        self.y, self.grad = call.symbol("y"), call.upstream()
        query, key, value = (call.shapes[name] for name in ("query", "key", "value"))
        self.leading = letters(call.shapes["y"][:-2], avoid="tsrde")
        self.t, self.s, self.r = Index("t", query[-2]), Index("s", key[-2]), Index("r", key[-2])
        self.d, self.e = Index("d", query[-1]), Index("e", value[-1])
        depth = len(self.leading) + 2
        self.scores, self.weights, self.shares = (
            Symbol(name, depth) for name in ("scores", "weights", "shares")
        )
        self.is_causal = call.parameters["is_causal"]
        scale, features = call.parameters["scale"], query[-1]
        usual = features > 0 and scale == 1 / math.sqrt(features)
        self.scale = Number(scale, rf"\tfrac{{1}}{{\sqrt{{{features}}}}}" if usual else "")

    def at(self, symbol: Symbol, *last: Index) -> Expression:
        """An element, leading axes broadcast."""
        name = symbol.name.removeprefix("grad_")
        shape = self.call.shapes.get(name)
        if shape is None or symbol.name == "grad_y":
            return symbol.at([*self.leading, *last])
        return symbol.at([*broadcast_indices(shape[:-2], self.leading), *last])

    def value(self) -> Form:
        t, s, r, d, e = self.t, self.s, self.r, self.d, self.e
        score: Expression = self.scale * Sum(self.at(self.query, t, d) * self.at(self.key, s, d), d)
        whole: Expression = self.scale * (self.query @ self.key.T)
        own, other = function("exp", self.at(self.scores, t, s)), function("exp", self.at(self.scores, t, r))
        exponentials: Expression = function("exp", self.scores)
        if "attn_mask" in self.call.shapes:
            mask, shape = self.call.symbol("attn_mask"), self.call.shapes["attn_mask"]
            score, whole = score + mask.at(broadcast_indices(shape, (*self.leading, t, s))), whole + mask
        if self.is_causal:
            own, other = own * less_equal(s, t), other * less_equal(r, t)
            exponentials = array_function("tril", exponentials, k=0)
        total = array_function("sum", exponentials, axis=-1, keepdims=True)
        return form(
            [
                Equation(self.at(self.scores, t, s), score),
                Equation(self.at(self.weights, t, s), own / Sum(other, r)),
                Equation(
                    self.at(self.y, t, e), Sum(self.at(self.weights, t, s) * self.at(self.value_, s, e), s)
                ),
            ],
            [
                Equation(self.scores, whole),
                Equation(self.weights, exponentials / total),
                Equation(self.y, self.weights @ self.value_),
            ],
        )

    def _slope(self) -> tuple[list[Equation], list[Equation]]:
        """∂L/∂scores · scale."""
        t, s, e = self.t, self.s, self.e
        given, own = self.at(self.grad, t, e), self.at(self.y, t, e)
        inner = Sum(given * self.at(self.value_, s, e), e) - Sum(given * own, e)
        whole_inner = self.grad @ self.value_.T - array_function(
            "sum", self.grad * self.y, axis=-1, keepdims=True
        )
        return (
            [Equation(self.at(self.shares, t, s), self.scale * self.at(self.weights, t, s) * inner)],
            [Equation(self.shares, self.scale * (self.weights * whole_inner))],
        )

    def _summed(
        self, name: str, row: Index, column: Index, body: Expression, inner: Index, whole: Expression
    ) -> tuple[Equation, Equation]:
        """The gradient of an input, summed over leading axes along which it was broadcast."""
        shape, target = self.call.shapes[name], self.call.gradient(name)
        left, broadcast = summed_indices(shape[:-2], self.leading)
        if shape != (*(index.extent for index in self.leading), *shape[-2:]):
            whole = array_function("sum_to", whole, shape=shape)
        return Equation(target.at([*left, row, column]), Sum(body, *broadcast, inner)), Equation(
            target, whole
        )

    def gradient_of_query(self) -> Form:
        lines, whole_lines = self._slope()
        body = self.at(self.shares, self.t, self.s) * self.at(self.key, self.s, self.d)
        last, whole_last = self._summed("query", self.t, self.d, body, self.s, self.shares @ self.key)
        return form([*lines, last], [*whole_lines, whole_last])

    def gradient_of_key(self) -> Form:
        lines, whole_lines = self._slope()
        body = self.at(self.shares, self.t, self.s) * self.at(self.query, self.t, self.d)
        last, whole_last = self._summed("key", self.s, self.d, body, self.t, self.shares.T @ self.query)
        return form([*lines, last], [*whole_lines, whole_last])

    def gradient_of_value(self) -> Form:
        body = self.at(self.weights, self.t, self.s) * self.at(self.grad, self.t, self.e)
        return form(*self._summed("value", self.s, self.e, body, self.t, self.weights.T @ self.grad))


ATTENTION = register(_Attention)


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """For each query the mean of the values, weighted by how well their keys match it.

    w = softmax(query · keyᵀ · scale + mask), with the softmax over the keys;  y = w · value
    With s = w ⊙ (∂L/∂y · valueᵀ − sum(∂L/∂y ⊙ y)) · scale, the sum over features:
    ∂L/∂query = s · key,  ∂L/∂key = sᵀ · query,  ∂L/∂value = wᵀ · ∂L/∂y

    query      (..., targets, features)
    key        (..., sources, features)
    value      (..., sources, value features); leading axes broadcast
    attn_mask  broadcasts to (..., targets, sources): True where a target may look at a source, or numbers
               that are added (−∞ forbids)
    dropout_p  probability of dropping a weight; always applied, so give 0 in evaluation
    is_causal  target t looks at sources up to t only; combines with attn_mask
    scale      1/√features unless given
    returns    (..., targets, value features); zeros for a target that may look at nothing

    The weights are never all in memory, except with dropout or where the mask is differentiated.
    Raises ShapeError for shapes that do not fit, DTypeError for an integer mask.
    Source: Vaswani et al. 2017, eq. 1; Dao, Fu, Ermon, Rudra & Ré 2022 for memory.

    >>> import deltarule as dr
    >>> q, k, v = dr.zeros((1, 4)), dr.zeros((2, 4)), dr.tensor([[1.0], [3.0]])
    >>> dr.nn.scaled_dot_product_attention(q, k, v)
    tensor([[2.]], dtype=float32)
    """
    query, key, value = promote((query, key, value), True, _WHO)
    mask = additive_mask(attn_mask, query.dtype)
    factor = _factor(query, scale)
    inputs = (query, key, value) if mask is None else (query, key, value, mask)
    options = {"is_causal": bool(is_causal), "scale": factor}
    if not dropout_p and (mask is None or not mask.requires_grad):
        return apply(ATTENTION, *inputs, **options)
    ATTENTION.shape(*(each.shape for each in inputs), **options)
    weights = _weights(query, key, mask, is_causal, factor)
    return matmul(dropout(weights, dropout_p, True) if dropout_p else weights, value)


def attention_weights(
    query: Any, key: Any, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Tensor:
    """How much each target looks at each source: rows that add up to 1.

    w = softmax(query · keyᵀ · scale + mask)

    Arguments and errors are those of scaled_dot_product_attention; returns (..., targets, sources).

    >>> import deltarule as dr
    >>> dr.nn.attention.attention_weights(dr.zeros((2, 4)), dr.zeros((2, 4)), is_causal=True)
    tensor([[1. , 0. ],
            [0.5, 0.5]], dtype=float32)
    """
    query, key = promote((query, key), True, _WHO)
    mask = additive_mask(attn_mask, query.dtype)
    _scores_shape(query.shape, key.shape, None if mask is None else mask.shape)
    return _weights(query, key, mask, is_causal, _factor(query, scale))


def _factor(query: Tensor, scale: float | None) -> float:
    if scale is not None:
        return float(scale)
    return 1.0 / math.sqrt(max(query.shape[-1], 1)) if query.ndim else 1.0


def _scores_shape(query: Shape, key: Shape, mask: Shape | None) -> Shape:
    """Shape of query · keyᵀ, or a ShapeError; the mask must broadcast to it."""
    if len(query) < 2 or len(key) < 2 or query[-1] != key[-1]:
        raise ShapeError(
            _WHO,
            f"query and key expected the same number of features, got {query} and {key}",
            "Both are (..., length, features).",
        )
    scores = (*_leading(query[:-2], key[:-2], "key"), query[-2], key[-2])
    if mask is not None and not _spreads(mask, scores):
        raise ShapeError(
            _WHO,
            f"attn_mask expected a shape that broadcasts to {scores}, got {mask}",
            "Its last two axes are (targets, sources).",
        )
    return scores


def _leading(first: Shape, second: Shape, name: str) -> Shape:
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        raise ShapeError(
            _WHO,
            f"leading axes of {name} expected to broadcast with {first}, got {second}",
            "Query, key and value come from the same batch.",
        ) from None


def _spreads(shape: Shape, wanted: Shape) -> bool:
    return len(shape) <= len(wanted) and all(
        own in (1, other) for own, other in zip(shape[::-1], wanted[::-1], strict=False)
    )


def additive_mask(attn_mask: Any, dtype: Any) -> Tensor | None:
    """A mask as numbers of a float type to add: −∞ where a boolean one is False."""
    if attn_mask is None:
        return None
    mask = as_tensor(attn_mask)
    if mask.dtype.kind == "b":
        return derived(_forbidding, mask, dtype=dtype)
    if mask.dtype.kind != "f":
        raise DTypeError(_WHO, f"attn_mask expected booleans or floats, got {mask.dtype}", "Use mask != 0.")
    return converted(mask, dtype)


def _forbidding(mask: Array, *, dtype: Any) -> Array:
    return np.where(mask, 0.0, -math.inf).astype(dtype)


def _weights(query: Tensor, key: Tensor, mask: Tensor | None, is_causal: bool, scale: float) -> Tensor:
    """The weights as a composition; `mask` holds numbers."""
    # The queries are scaled rather than the scores: there are usually fewer of them.
    scores = matmul(multiply(query, scale), swapaxes(key, -1, -2))
    blocked = Tensor(np.zeros(scores.shape[-2:], np.bool_))
    if is_causal:
        blocked = Tensor(~np.tri(*scores.shape[-2:], dtype=np.bool_))
    if mask is not None:
        scores = add(scores, mask)
        blocked = derived(_blocked_by_infinity, blocked, mask)
    # A program that is being recorded must hold for other masks too.
    return _masked_softmax(scores, blocked, recording.tracer is not None and mask is not None)


def _blocked_by_infinity(blocked: Array, added: Array) -> Array:
    return blocked | np.isneginf(added)


def _masked_softmax(scores: Tensor, blocked: Tensor, general: bool) -> Tensor:
    """Softmax over what is not blocked; a row in which all is blocked gives zeros, not NaN.

    general   do not look at the mask for a shorter way
    """
    if not general and not blocked._array.any():
        return softmax(scores, axis=-1)
    nothing = comparisons.all(blocked, axis=-1, keepdims=True)
    if not general and not nothing._array.any():
        return softmax(where(blocked, -math.inf, scores), axis=-1)
    scores = where(nothing, 0.0, where(blocked, -math.inf, scores))
    return where(nothing, 0.0, softmax(scores, axis=-1))
