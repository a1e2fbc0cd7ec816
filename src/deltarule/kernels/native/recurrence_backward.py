"""A recurrent layer over whole sequences, backward: from the output's gradient to the errors of all steps.

In each step the product of the later errors with the hidden weights gives, a few rows and units at a time,
the gradient of the hidden state, and at once the errors of the gates. The gradients of the weights are
products with all errors, formed afterwards. Threads share the work as on the way forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.matrix_product import Pack
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.recurrence_cells import Cell, Record
from deltarule.kernels.native.recurrence_tile import (
    ROWS_AT_ONCE,
    banded_products,
    copied_units,
    padded,
    present,
    tile_memory,
    whole_and_rest,
)
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Mask, Pointer, Vector


@dataclass(frozen=True)
class RecurrenceBackward(Routine):
    """δ[n, t] of all gates, the gradients of the first states, and of the biases: sums of δ over n and t.

    Each thread forms the biases' sums over its rows, which are then added in the order of the threads: they
    depend on the number of threads in their last digits.

    vectors       vectors of units in a tile
    masked, split_units, sizes   as on the way forward

    gates, output, previous, kept   what the way forward left; None where the cell does not read it
    weight_hh     (gates · hidden, hidden)
    mask          (batch, steps) or None
    grad_output   (batch, steps, hidden)
    grad_h_n, grad_c_n   (batch, hidden)
    delta         (batch, steps, gates · hidden): errors of the inputs' pre-activations; may be the memory of
                  `gates`
    delta_hidden  the same of the hidden pre-activations, of a cell that takes them apart, else None
    grad_h0, grad_c0   (batch, hidden)
    grad_bias, grad_bias_hidden   (gates · hidden,); the second as delta_hidden
    scratch       backward_scratch_elements
    reverse       as on the way forward
    """

    cell: Cell
    dtype: str
    vectors: int
    masked: bool = False
    split_units: bool = False
    sizes: tuple[int, int, int] | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken: dict[str, str] = dict.fromkeys(("gates", "output", "previous", "kept", "weight_hh"), array)
        taken["mask"] = "bool*"
        taken |= dict.fromkeys(("grad_output", "grad_h_n", "grad_c_n", "delta", "delta_hidden"), array)
        taken |= dict.fromkeys(("grad_h0", "grad_c0", "grad_bias", "grad_bias_hidden", "scratch"), array)
        return taken | dict.fromkeys(("batch", "steps", "hidden", "reverse"), "index")

    def write(
        self,
        code: Code,
        gates: Pointer,
        output: Pointer,
        previous: Pointer,
        kept: Pointer,
        weight_hh: Pointer,
        mask: Pointer,
        grad_output: Pointer,
        grad_h_n: Pointer,
        grad_c_n: Pointer,
        delta: Pointer,
        delta_hidden: Pointer,
        grad_h0: Pointer,
        grad_c0: Pointer,
        grad_bias: Pointer,
        grad_bias_hidden: Pointer,
        scratch: Pointer,
        batch: Bound,
        steps: Bound,
        hidden: Bound,
        reverse: Bound,
    ) -> None:
        if self.sizes is not None:
            batch, steps, hidden = self.sizes
        lanes = code.lanes(self.dtype)
        width, depth = self.vectors * lanes, self.cell.gates * hidden
        groups = (hidden + (width - 1)) // width
        low, high = code.share(groups)
        for group in code.range(low, high):
            column = group * width
            pack = Pack(self.dtype, False, self.vectors)
            code.call(
                pack, weight_hh + column, scratch + column * depth, depth, hidden - column, hidden, alone=True
            )
        code.barrier()
        rows = (0, batch) if self.split_units else code.share(batch)
        units = (low, high) if self.split_units else (0, groups)
        unit_stride, error_stride = groups * width + lanes, padded(depth, lanes)
        sums = scratch + groups * width * depth + code.thread * (_sums(self.cell) * unit_stride)
        held = scratch + groups * width * depth + code.threads * (_sums(self.cell) * unit_stride)
        if not self.split_units:
            held = held + code.thread * _held_elements(unit_stride, error_stride)
        error_rows = ROWS_AT_ONCE * error_stride
        carry = held + 2 * error_rows
        memories = carry + ROWS_AT_ONCE * unit_stride
        for place in code.range(0, _sums(self.cell) * unit_stride, lanes):
            sums.put(code.zeros(self.dtype), place)
        tile = tile_memory(code, self.dtype, self.vectors)
        sequences = _Sequences(
            self, code, gates, output, previous, kept, mask, grad_output, delta, delta_hidden, carry,
            memories, sums, tile, scratch, unit_stride, error_stride, steps, hidden,
        )  # fmt: skip
        for first in code.range(*rows, ROWS_AT_ONCE):
            count = code.least(rows[1] - first, ROWS_AT_ONCE)
            for row, unit, rest in copied_units(code, self.dtype, units, width, hidden, count):
                place = (first + row) * hidden + unit
                carry.put(grad_h_n.vector(place, mask=rest), row * unit_stride + unit)
                if self.cell.remembers:
                    memories.put(grad_c_n.vector(place, mask=rest), row * unit_stride + unit)
            for step in code.range(steps):
                later = held + step % 2 * error_rows
                now = held + (step + 1) % 2 * error_rows
                time = code.choose(reverse == 0, steps - 1 - step, step)
                # Nothing is later than the last step.
                known = code.choose(step == 0, 0, depth)
                sequences.step(later, now, known, time, units, first, count)
                if self.split_units:
                    code.barrier()
            sequences.first_states(held + steps % 2 * error_rows, depth, grad_h0, units, first, count)
            if self.cell.remembers:
                for row, unit, rest in copied_units(code, self.dtype, units, width, hidden, count):
                    gradient = memories.vector(row * unit_stride + unit)
                    grad_c0.put(gradient, (first + row) * hidden + unit, rest)
            if self.split_units:
                # The next rows' errors come where other threads may still read.
                code.barrier()
        code.barrier()
        total = scratch + groups * width * depth
        self._add_up(code, total, grad_bias, grad_bias_hidden, unit_stride, hidden)

    def _add_up(
        self,
        code: Code,
        sums: Pointer,
        grad_bias: Pointer,
        grad_bias_hidden: Pointer,
        unit_stride: Bound,
        hidden: Bound,
    ) -> None:
        """The threads' sums for the biases, each thread adding up those of some units."""
        lanes, gates = code.lanes(self.dtype), self.cell.gates
        low, high = code.share(hidden, lanes)
        for unit in code.range(low, high, lanes):
            rest = code.mask(hidden - unit, lanes)
            for j in range(_sums(self.cell)):
                total = code.variable(code.zeros(self.dtype))
                for thread in code.range(code.threads):
                    place = (thread * _sums(self.cell) + j) * unit_stride + unit
                    total.value = total.value + sums.vector(place)
                if j < gates:
                    grad_bias.put(total.value, j * hidden + unit, rest)
                if self.cell.separate and j != gates - 1:
                    grad_bias_hidden.put(total.value, min(j, gates - 1) * hidden + unit, rest)


def _sums(cell: Cell) -> int:
    """Sums for biases: one for each gate; where errors are taken apart, they differ in the last gate."""
    return cell.gates + int(cell.separate)


def _held_elements(unit_stride: Bound, error_stride: Bound) -> Bound:
    """Scratch memory for the rows under way: errors twice, gradients of hidden and of cell states."""
    return 2 * ROWS_AT_ONCE * error_stride + 2 * ROWS_AT_ONCE * unit_stride


def backward_scratch_elements(
    routine: RecurrenceBackward, processor: Processor, threads: int, hidden: int
) -> int:
    """Elements of scratch memory for so many threads."""
    lanes = processor.lanes(routine.dtype)
    width, depth = routine.vectors * lanes, routine.cell.gates * hidden
    groups = -(-hidden // width)
    unit_stride = groups * width + lanes
    held = _held_elements(unit_stride, padded(depth, lanes))
    return groups * width * depth + threads * (_sums(routine.cell) * unit_stride + held)


@dataclass
class _Sequences:
    """One thread's work on its rows and units."""

    routine: RecurrenceBackward
    code: Code
    gates: Pointer
    output: Pointer
    previous: Pointer
    kept: Pointer
    mask: Pointer
    grad_output: Pointer
    delta: Pointer
    delta_hidden: Pointer
    carry: Pointer
    memories: Pointer
    sums: Pointer
    tile: Pointer
    packed: Pointer
    unit_stride: Bound
    error_stride: Bound
    steps: Bound
    hidden: Bound

    def _bands(
        self, errors: Pointer, depth: Bound, groups: tuple[Bound, Bound], rows: Bound, ahead: Any
    ) -> Any:
        code, routine = self.code, self.routine
        panel = routine.cell.gates * self.hidden * (routine.vectors * code.lanes(routine.dtype))
        return banded_products(
            code, routine.dtype, routine.vectors, errors, self.error_stride, self.packed, depth, panel,
            groups, rows, self.tile, ahead,
        )  # fmt: skip

    def step(
        self,
        later: Pointer,
        now: Pointer,
        depth: Bound,
        time: Bound,
        groups: tuple[Bound, Bound],
        first: Bound,
        rows: Bound,
    ) -> None:
        """Errors of one step, put where `now` points as well as among all, from those of the step `later`."""
        code, routine = self.code, self.routine
        lanes, width = code.lanes(routine.dtype), routine.vectors * code.lanes(routine.dtype)

        def ahead(group: Bound, low: Bound, count: Bound) -> None:
            for i in code.range(count):
                place = (first + low + i) * self.steps + time
                for block in range(routine.vectors):
                    self._ask(place, group * width + block * lanes)

        for group, low, count in self._bands(later, depth, groups, rows, ahead):
            for whole in whole_and_rest(code, group, width, self.hidden):
                for block in code.range(routine.vectors):
                    unit = group * width + block * lanes
                    rest = None if whole else code.mask(self.hidden - unit, lanes)
                    totals = [
                        code.variable(self.sums.vector(j * self.unit_stride + unit))
                        for j in range(_sums(routine.cell))
                    ]
                    for i in code.range(count):
                        row = low + i
                        product = self.tile.vector((i * routine.vectors + block) * lanes)
                        place = (first + row) * self.steps + time
                        errors = self._unit(product, now, row, place, unit, rest)
                        for total, error in zip(totals, errors, strict=True):
                            total.value = total.value + error
                    for j, total in enumerate(totals):
                        self.sums.put(total.value, j * self.unit_stride + unit)

    def _ask(self, place: Bound, unit: Bound) -> None:
        """Asks for the memory of one vector of units in one step of one sequence."""
        cell, hidden = self.routine.cell, self.hidden
        for array, wanted in (
            (self.gates, cell.keeps_gates),
            (self.delta, True),
            (self.delta_hidden, cell.separate),
        ):
            for j in range(cell.gates if wanted else 0):
                self.code.prefetch(array + place * cell.gates * hidden + j * hidden + unit)
        here = place * hidden + unit
        for array, wanted in (
            (self.grad_output, True),
            (self.output, not cell.keeps_gates),
            (self.previous, cell.separate),
            (self.kept, cell.keeps),
        ):
            if wanted:
                self.code.prefetch(array + here)

    def _unit(
        self, product: Vector, now: Pointer, row: Bound, place: Bound, unit: Bound, rest: Mask | None
    ) -> list[Vector]:
        """The errors of one vector of units in one step of one sequence; answers the biases' share."""
        code, cell, hidden = self.code, self.routine.cell, self.hidden
        here, held = place * hidden + unit, row * self.unit_stride + unit
        gate_place = place * cell.gates * hidden + unit
        arriving = product + self.carry.vector(held)
        grad_state = arriving + self.grad_output.vector(here, mask=rest)
        grad_memory = self.memories.vector(held) if cell.remembers else None
        record = Record(
            [self.gates.vector(gate_place + j * hidden, mask=rest) for j in range(cell.gates)]
            if cell.keeps_gates
            else [],
            None if cell.keeps_gates else self.output.vector(here, mask=rest),
            self.previous.vector(here, mask=rest) if cell.separate else None,
            self.kept.vector(here, mask=rest) if cell.keeps else None,
        )
        found = cell.backward(grad_state, grad_memory, record)
        delta, delta_hidden, memory = found.delta, found.delta_hidden, found.memory
        carried = grad_state.like(0.0) if found.state is None else found.state
        if self.routine.masked:
            there = present(code, self.mask, place, self.routine.dtype)
            delta = [there.select(error, 0.0) for error in delta]
            if delta_hidden is not None:
                delta_hidden = [*delta[:-1], there.select(delta_hidden[-1], 0.0)]
            carried = there.select(carried, arriving)
            memory = None if memory is None else there.select(memory, grad_memory)
        used = delta if delta_hidden is None else delta_hidden
        for j in range(cell.gates):
            self.delta.put(delta[j], gate_place + j * hidden, rest)
            if delta_hidden is not None:
                self.delta_hidden.put(used[j], gate_place + j * hidden, rest)
            now.put(used[j], row * self.error_stride + j * hidden + unit, rest)
        self.carry.put(carried, held)
        if memory is not None:
            self.memories.put(memory, held)
        return delta if delta_hidden is None else [*delta, delta_hidden[-1]]

    def first_states(
        self,
        errors: Pointer,
        depth: Bound,
        grad_h0: Pointer,
        groups: tuple[Bound, Bound],
        first: Bound,
        rows: Bound,
    ) -> None:
        """The gradient of the hidden state that the first step started from."""
        code, routine = self.code, self.routine
        lanes, width = code.lanes(routine.dtype), routine.vectors * code.lanes(routine.dtype)
        for group, low, count in self._bands(errors, depth, groups, rows, lambda *place: None):
            for i in code.range(count):
                for block in code.range(routine.vectors):
                    unit = group * width + block * lanes
                    gradient = self.tile.vector((i * routine.vectors + block) * lanes)
                    gradient = gradient + self.carry.vector((low + i) * self.unit_stride + unit)
                    place = (first + low + i) * self.hidden + unit
                    grad_h0.put(gradient, place, code.mask(self.hidden - unit, lanes))
