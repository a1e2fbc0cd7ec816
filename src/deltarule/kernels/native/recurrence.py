"""Recurrent layers over sequences as Python calls them: which routines, how many threads, which memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.processor import FLOATS, processor
from deltarule.kernels.native.products import WORTH_A_TEAM, product
from deltarule.kernels.native.recurrence_backward import RecurrenceBackward, backward_scratch_elements
from deltarule.kernels.native.recurrence_cells import Cell
from deltarule.kernels.native.recurrence_forward import RecurrenceForward, forward_scratch_elements
from deltarule.kernels.native.team import thread_count, threads
from deltarule.kernels.native.workspace import workspace

Array = NDArray[Any]

# Rows for each thread below which all threads take part in every row, each with some of the units, and the
# hidden weights from which that repays meeting once a step (LSTM, batch 1: 64 steps of 256 units 0.20 ms on
# two threads and 0.57 on one, 25 steps of 64 units 0.009 and 0.011; another program on the same cores costs
# much more).
_FEW_ROWS = 4
_WORTH_MEETING = 50_000


class Saved(NamedTuple):
    """What the way back needs, as the sequences lie: (batch, time, …)."""

    cell: Cell
    inputs: Array
    gates: Array | None
    output: Array | None
    previous: Array
    kept: Array | None
    mask: Array | None


Plan = tuple[Callable[..., None], int, int]


def sharing(cell: Cell, batch: int, steps: int, hidden: int, team: int) -> tuple[int, bool]:
    """(threads, whether they share the units of each step instead of the batch)."""
    weights = cell.gates * hidden * hidden
    if team > 1 and batch < _FEW_ROWS * team and weights >= _WORTH_MEETING:
        return team, True
    worth = batch * steps * weights >= WORTH_A_TEAM
    return (min(team, max(batch, 1)) if worth else 1), False


def tile_vectors(dtype: str, hidden: int) -> int:
    """Vectors of units side by side where the tile holds one gate: 4, or 2 where registers are few."""
    machine = processor()
    wanted = 4 if machine.registers > 16 else 2
    units = -(-hidden // machine.lanes(dtype))
    while wanted > 1 and wanted > units:
        wanted //= 2
    return wanted


@lru_cache(1024)
def _forward_plan(
    cell: Cell, dtype: str, batch: int, steps: int, hidden: int, masked: bool, team: int
) -> Plan:
    """(function, threads, elements of scratch memory)."""
    count, split = sharing(cell, batch, steps, hidden, team)
    blocks = max(1, tile_vectors(dtype, hidden) // cell.gates)
    routine = RecurrenceForward(cell, dtype, blocks, masked, split)
    return entry(routine), count, forward_scratch_elements(routine, processor(), count, hidden)


@lru_cache(1024)
def _backward_plan(
    cell: Cell, dtype: str, batch: int, steps: int, hidden: int, masked: bool, team: int
) -> Plan:
    count, split = sharing(cell, batch, steps, hidden, team)
    routine = RecurrenceBackward(cell, dtype, tile_vectors(dtype, hidden), masked, split)
    return entry(routine), count, backward_scratch_elements(routine, processor(), count, hidden)


def forward(
    cell: Cell,
    x: Array,
    states: Sequence[Array],
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array,
    bias_hh: Array,
    mask: Array | None,
    reverse: bool,
) -> tuple[tuple[Array, ...], Saved] | None:
    """((output, last states…), what backward needs); None where these arrays are not for native code.

    The parameters are those of kernels/recurrence/lstm.py, `states` being h0, and c0 of a cell that has it.
    """
    dtype = FLOATS.get(x.dtype.char)
    if dtype is None:
        return None
    arrays = (x, weight_ih, weight_hh, bias_ih, bias_hh, *states)
    x, weight_ih, weight_hh, bias_ih, bias_hh, *states = [_as_taken(array, dtype) for array in arrays]
    batch, steps, features = x.shape
    hidden = weight_hh.shape[1]
    if mask is not None:
        mask = _as_taken(mask, "bool")
        # What stands in padding (NaN, say) must not reach any sum.
        x = np.where(mask[:, :, None], x, np.zeros((), dtype))
    inputs = x.reshape(batch * steps, features)
    output = np.empty((batch, steps, hidden), dtype)
    gates = np.empty((batch * steps, cell.gates * hidden), dtype) if cell.keeps_gates else None
    driven = output.reshape(batch * steps, hidden) if gates is None else gates
    bias = bias_ih if cell.separate else bias_ih + bias_hh
    product(inputs, weight_ih, transposed_b=True, bias=bias, out=driven)
    previous = np.empty((batch * steps, hidden), dtype)
    kept = np.empty((batch * steps, hidden), dtype) if cell.keeps else None
    last = [np.empty((batch, hidden), dtype) for _ in states]
    function, count, elements = _forward_plan(
        cell, dtype, batch, steps, hidden, mask is not None, thread_count()
    )
    if count > 1:
        threads()
    # fmt: off
    function(
        count, driven, weight_hh, bias_hh if cell.separate else None, states[0],
        states[1] if cell.remembers else None, mask, output, previous, kept, last[0],
        last[1] if cell.remembers else None, workspace(elements, dtype), batch, steps, hidden, int(reverse),
    )
    # fmt: on
    saved = Saved(cell, inputs, gates, None if cell.keeps_gates else output, previous, kept, mask)
    return (output, *last), saved


def backward(
    saved: Saved,
    weight_ih: Array,
    weight_hh: Array,
    grad_output: Array,
    grad_last: Sequence[Array],
    needs: Sequence[bool],
    reverse: bool,
) -> tuple[Array | None, ...]:
    """Gradients of x, first states, weight_ih, weight_hh, bias_ih, bias_hh; those not needed may be None."""
    cell, inputs, gates, output, previous, kept, mask = saved
    dtype = inputs.dtype.name
    arrays = (weight_ih, weight_hh, grad_output, *grad_last)
    weight_ih, weight_hh, grad_output, *grad_last = [_as_taken(array, dtype) for array in arrays]
    batch, steps, hidden = grad_output.shape
    delta = np.empty((batch * steps, cell.gates * hidden), dtype)
    delta_hidden = np.empty_like(delta) if cell.separate else None
    grad_bias = np.empty(cell.gates * hidden, dtype)
    grad_bias_hidden = np.empty_like(grad_bias) if cell.separate else None
    grad_first = [np.empty((batch, hidden), dtype) for _ in grad_last]
    function, count, elements = _backward_plan(
        cell, dtype, batch, steps, hidden, mask is not None, thread_count()
    )
    if count > 1:
        threads()
    # fmt: off
    function(
        count, gates, output, previous, kept, weight_hh, mask, grad_output, grad_last[0],
        grad_last[1] if cell.remembers else None, delta, delta_hidden, grad_first[0],
        grad_first[1] if cell.remembers else None, grad_bias, grad_bias_hidden, workspace(elements, dtype),
        batch, steps, hidden, int(reverse),
    )
    # fmt: on
    needs_x, needs_ih, needs_hh = needs[0], needs[1 + len(grad_last)], needs[2 + len(grad_last)]
    grad_x = product(delta, weight_ih) if needs_x else None
    return (
        None if grad_x is None else grad_x.reshape(batch, steps, weight_ih.shape[1]),
        *grad_first,
        product(delta, inputs, transposed_a=True) if needs_ih else None,
        product(delta if delta_hidden is None else delta_hidden, previous, transposed_a=True)
        if needs_hh
        else None,
        grad_bias,
        grad_bias if grad_bias_hidden is None else grad_bias_hidden,
    )


def _as_taken(array: Array, dtype: str) -> Array:
    """The array as native code takes it: contiguous, aligned, of one type."""
    flags = array.flags
    if array.dtype == dtype and flags.c_contiguous and flags.aligned:
        return array
    return np.array(array, dtype, order="C")
