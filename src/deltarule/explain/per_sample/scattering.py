"""Sums into the places that indices in the data name: how a table of embeddings gets its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from deltarule.autodiff.formula.expression import Element, Expression, Function, Index, Reduction, symbols_in
from deltarule.autodiff.tensor import Array
from deltarule.explain.per_sample.evaluator import Evaluator, UnreadableError
from deltarule.kernels import scatter


def scattered(body: Expression, sample: Index, left: Sequence[Index], evaluator: Evaluator) -> Array | None:
    """Σ [indices[…] = v] g[…, e] as sums into the places that the indices name; None for other formulas."""
    if not isinstance(body, Reduction) or body.kind != "sum":
        return None
    parts = _multiplied(body.body)
    for number, part in enumerate(parts):
        if not isinstance(part, Function) or part.name != "equal":
            continue
        for places, row in (part.arguments, part.arguments[::-1]):
            others = parts[:number] + parts[number + 1 :]
            if isinstance(row, Index) and row in left and isinstance(places, Element):
                return _sums_by_place(places, row, others, body.indices, sample, left, evaluator)
    return None


def _sums_by_place(
    places: Element,
    row: Index,
    others: Sequence[Expression],
    summed: Sequence[Index],
    sample: Index,
    left: Sequence[Index],
    evaluator: Evaluator,
) -> Array | None:
    features = [index for index in left if index is not row]
    inside, outside = list[Expression](), list[Expression]()
    for each in others:
        (outside if symbols_in(each) == set() else inside).append(each)
    running = (sample, *summed)
    extents = [index.extent for index in (*running, *features)]
    try:
        at = evaluator.value(places, running).astype(np.int64)
        value = np.ones((1,) * len(extents))
        for each in inside:
            value = value * evaluator.value(each, (*running, *features))
    except UnreadableError:
        return None
    at = np.broadcast_to(at, extents[: len(running)])
    keys = at + row.extent * np.arange(sample.extent).reshape(-1, *[1] * len(summed))
    width = math.prod(index.extent for index in features)
    rows = np.ascontiguousarray(np.broadcast_to(value, extents)).reshape(-1, width)
    found = scatter.sum_rows(sample.extent * row.extent, keys.reshape(-1), rows)
    whole = found.reshape(sample.extent, row.extent, *(index.extent for index in features))
    order = [row, *features]
    whole = whole.transpose(0, *(1 + order.index(index) for index in left))
    for each in outside:
        whole = whole * evaluator.value(each, (sample, *left))
    return whole


def _multiplied(expression: Expression) -> list[Expression]:
    if isinstance(expression, Function) and expression.name == "multiply":
        return [each for part in expression.arguments for each in _multiplied(part)]
    return [expression]
