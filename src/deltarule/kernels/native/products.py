"""Products of two matrices as Python calls them: which routine, how many threads, which memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.batched_product import BatchedProduct
from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.epilogue import AddBias, Epilogue
from deltarule.kernels.native.matrix_product import Product, scratch_elements
from deltarule.kernels.native.outer_product import OuterProduct
from deltarule.kernels.native.processor import FLOATS, processor
from deltarule.kernels.native.row_product import RowProduct
from deltarule.kernels.native.team import thread_count, threads_for
from deltarule.kernels.native.workspace import workspace

Array = NDArray[Any]

# Multiply-adds from which a second thread repays being started (a third of a microsecond while it is awake,
# ten when it sleeps): one core does so many in four microseconds.
WORTH_A_TEAM = 500_000

# Rows up to which the left operand's rows are multiplied by rows, and up to which the right one is not packed
# (float32, 512 columns, 784 deep: 16 rows at 162 and 120 Gflop/s, 64 rows at 206 and 215).
FEW_ROWS = 24
FLAT = 4


def product_kind(rows: int, depth: int, transposed_b: bool, transposed_a: bool = False) -> str:
    """ "rows" for rows times rows, "outer", "direct" where nothing is packed, else "packed"."""
    if transposed_b:
        return "rows" if rows <= FEW_ROWS and not transposed_a else "packed"
    if transposed_a and depth <= FLAT:
        return "outer"
    return "direct" if rows <= FEW_ROWS or depth <= FLAT else "packed"


def team_for(multiply_adds: int) -> int:
    """Threads for so much work."""
    return threads_for(multiply_adds, WORTH_A_TEAM)


Shape = tuple[int, ...]
Plan = tuple[Callable[..., bool], int, Shape, Shape, int]


@lru_cache(4096)
def _plan(
    kind: str, a: Shape, b: Shape, transposed_a: bool, transposed_b: bool, biased: bool, team: int
) -> Plan | None:
    """(function, threads, shape of the product, sizes for the function, elements of scratch memory)."""
    dtype = FLOATS.get(kind)
    if dtype is None:
        return None
    rows, depth = a[::-1] if transposed_a else a
    columns = b[0] if transposed_b else b[1]
    shape, sizes = (rows, columns), (rows, columns, depth, a[1], b[1], columns)
    epilogue: Epilogue | None = AddBias() if biased else None
    # With few rows or steps time goes into reading and writing: an element moved counts as four operations.
    count = team_for(max(rows * columns * depth, 4 * columns * (rows + depth)))
    how = product_kind(rows, depth, transposed_b, transposed_a)
    if how in ("rows", "outer"):
        routine = (RowProduct if how == "rows" else OuterProduct)(dtype, epilogue=epilogue)
        return entry(routine, True), count, shape, sizes, 0
    packed = how != "direct"
    product = Product(dtype, transposed_a, transposed_b, epilogue=epilogue, packed=packed)
    return entry(product, True), count, shape, sizes, count * scratch_elements(processor(), dtype)


def batched_product(a: Array, b: Array, transposed_a: bool, transposed_b: bool) -> Array | None:
    """(aᵀ or a)[i] · (bᵀ or b)[i] for all i; None where these arrays are not for native code.

    a, b   contiguous (count, rows, columns) of one float type, as they lie in memory
    """
    dtype = FLOATS.get(a.dtype.char)
    if dtype is None:
        return None
    count = a.shape[0]
    rows, depth = a.shape[1:] if not transposed_a else a.shape[:0:-1]
    columns = b.shape[1] if transposed_b else b.shape[2]
    packed = transposed_b or product_kind(rows, depth, False) == "packed"
    function = entry(BatchedProduct(dtype, transposed_a, transposed_b, packed=packed), True)
    team = team_for(count * rows * columns * depth)
    out = np.empty((count, rows, columns), dtype)
    scratch = workspace(team * scratch_elements(processor(), dtype), dtype)
    steps = (count, a[0].size, b[0].size, rows * columns) if count else (0, 0, 0, 0)
    sizes = (rows, columns, depth, a.shape[2], b.shape[2], columns)
    return out if function(team, a, b, out, scratch, *sizes, *steps) else None


def product(
    a: Array,
    b: Array,
    transposed_a: bool = False,
    transposed_b: bool = False,
    bias: Array | None = None,
    out: Array | None = None,
) -> Array | None:
    """(aᵀ or a) · (bᵀ or b) + bias, in one pass; None where these arrays are not for native code.

    a, b     contiguous matrices of one float type, as they lie in memory
    bias     a number for each column, or None
    """
    kind = a.dtype
    plan = _plan(kind.char, a.shape, b.shape, transposed_a, transposed_b, bias is not None, thread_count())
    if plan is None:
        return None
    function, count, shape, sizes, scratch_size = plan
    if out is None:
        out = np.empty(shape, kind)
    more = () if bias is None else (bias,)
    if scratch_size:
        scratch = workspace(scratch_size, FLOATS[kind.char])
        return out if function(count, a, b, out, scratch, *sizes, *more) else None
    return out if function(count, a, b, out, *sizes, *more) else None
