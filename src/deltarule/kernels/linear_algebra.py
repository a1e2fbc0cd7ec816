"""Matrix products of plain arrays: native code where it serves, else one BLAS call where shapes allow it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deltarule.kernels.native.products import batched_product, product
from deltarule.kernels.reductions import add_up

# Elements of a stack of matrices below which NumPy's call is the cheaper one.
SMALL_STACK = 2048


def matmul(a: Any, b: Any) -> Any:
    """a @ b; a stack of matrices times one matrix is a single product."""
    if b.ndim == 2 and a.ndim >= 2:
        left, a_turned = _as_it_lies(_rows(a)) if a.flags.c_contiguous or a.ndim == 2 else (None, False)
        if left is not None:
            right, b_turned = _as_it_lies(b)
            result = product(left, right, a_turned, b_turned)
            if result is not None:
                return result if a.ndim == 2 else result.reshape(*a.shape[:-1], b.shape[-1])
            if a.ndim > 2:
                return np.matmul(_rows(a), b).reshape(*a.shape[:-1], b.shape[-1])
    if a.ndim > 2 and a.shape[:-2] == b.shape[:-2] and a.dtype == b.dtype and a.size > SMALL_STACK:
        (left, a_turned), (right, b_turned) = _stack(a), _stack(b)
        result = batched_product(left, right, a_turned, b_turned)
        if result is not None:
            return result.reshape(*a.shape[:-1], b.shape[-1])
    return np.matmul(a, b)


def _stack(matrices: Any) -> tuple[Any, bool]:
    """(the matrices as (count, rows, columns) in the order of memory, whether each is transposed there)."""
    turned = matrices.swapaxes(-1, -2)
    is_turned = turned.flags.c_contiguous and not matrices.flags.c_contiguous
    lying = turned if is_turned else np.ascontiguousarray(matrices)
    return lying.reshape(math.prod(lying.shape[:-2]), *lying.shape[-2:]), is_turned


def _as_it_lies(matrix: Any) -> tuple[Any, bool]:
    """(the matrix in the order of memory, whether that is its transpose)."""
    if not matrix.flags.c_contiguous and matrix.flags.f_contiguous:
        return matrix.T, True
    return matrix, False


def linear(x: Any, weight: Any, bias: Any | None) -> Any:
    """x Wᵀ + b for every row of x."""
    rows = x if x.ndim == 2 else _rows(x)
    y = product(rows, weight, transposed_b=True, bias=bias)
    if y is None:
        y = np.matmul(rows, weight.T)
        if bias is not None:
            y += bias
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], weight.shape[0])


def linear_gradient_x(upstream: Any, weight: Any) -> Any:
    """G W."""
    rows = upstream if upstream.ndim == 2 else _rows(upstream)
    gradient = product(rows, weight)
    if gradient is None:
        gradient = np.matmul(rows, weight)
    return gradient if upstream.ndim == 2 else gradient.reshape(*upstream.shape[:-1], weight.shape[1])


def linear_gradient_weight(upstream: Any, x: Any) -> Any:
    """Gᵀ X, summed over all rows."""
    if upstream.ndim != 2:
        upstream, x = _rows(upstream), _rows(x)
    gradient = product(upstream, x, transposed_a=True)
    return np.matmul(upstream.T, x) if gradient is None else gradient


def linear_gradient_bias(upstream: Any) -> Any:
    """Σ of the rows of G."""
    rows = upstream if upstream.ndim == 2 else _rows(upstream)
    return rows[0].copy() if len(rows) == 1 else add_up(rows, (0,))


def _rows(x: Any) -> Any:
    """All axes but the last as one."""
    if x.ndim == 2:
        return x
    rows = 1
    for extent in x.shape[:-1]:
        rows *= extent
    return x.reshape(rows, x.shape[-1])
