"""Matrix products of plain arrays: each is one BLAS call wherever the shapes allow it."""

from __future__ import annotations

from typing import Any

import numpy as np


def matmul(a: Any, b: Any) -> Any:
    """a @ b; a stack of matrices times one matrix is a single product."""
    if b.ndim == 2 and a.ndim > 2 and a.flags.c_contiguous:
        return np.matmul(a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    return np.matmul(a, b)


def linear(x: Any, weight: Any, bias: Any | None) -> Any:
    """x Wᵀ + b for every row of x."""
    y = np.matmul(_rows(x) if x.ndim > 2 else x, weight.T)
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], weight.shape[0]) if x.ndim > 2 else y


def linear_gradient_x(upstream: Any, weight: Any) -> Any:
    """G W."""
    if upstream.ndim > 2:
        return np.matmul(_rows(upstream), weight).reshape(*upstream.shape[:-1], weight.shape[1])
    return np.matmul(upstream, weight)


def linear_gradient_weight(upstream: Any, x: Any) -> Any:
    """Gᵀ X, summed over all rows."""
    return np.matmul(_rows(upstream).T, _rows(x))


def linear_gradient_bias(upstream: Any) -> Any:
    """Σ of the rows of G."""
    return np.add.reduce(_rows(upstream), axis=0)


def _rows(x: Any) -> Any:
    """All axes but the last as one."""
    if x.ndim == 2:
        return x
    rows = 1
    for extent in x.shape[:-1]:
        rows *= extent
    return x.reshape(rows, x.shape[-1])
