"""A recurrent layer over whole sequences, forward, once the inputs' share of the pre-activations is there.

Each thread takes its part of the batch through all steps, so that threads never wait for each other; where
the batch is too small for that, each takes its part of the units, and they meet once a step
(`split_units`).
"""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.processor import Processor
from deltarule.kernels.native.recurrence_cells import Before, Cell
from deltarule.kernels.native.recurrence_tile import (
    ROWS_AT_ONCE,
    PackGates,
    banded_products,
    copied_units,
    present,
    tile_memory,
    whole_and_rest,
)
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Mask, Pointer


@dataclass(frozen=True)
class RecurrenceForward(Routine):
    """h[n, t] from W_hh h[n, t−1] and driven[n, t], the inputs' share; time runs as it lies, or in reverse.

    blocks        vectors of units in a tile
    masked        whether `mask` says which steps there are; at others states stay and the output is 0
    split_units   whether threads share the units instead of the batch
    sizes         (batch, steps, hidden) where they are known, else None: then the arguments of these names
                  say it

    gates      (batch, steps, gates · hidden): holds `driven`, and is replaced by the gates; of a cell that
               keeps no gates it is the output's memory
    weight_hh  (gates · hidden, hidden);  bias_hh (gates · hidden,) of a cell that takes it apart, else None
    h0, c0     (batch, hidden);  c0 and c_n of a cell that has them, else None
    mask       (batch, steps) or None
    output     (batch, steps, hidden)
    previous   (batch, steps, hidden): the hidden state that each step started from
    kept       (batch, steps, hidden): what the cell keeps, or None
    h_n, c_n   (batch, hidden), the last states
    scratch    forward_scratch_elements
    reverse    1 to run from the last step to the first, else 0
    """

    cell: Cell
    dtype: str
    blocks: int
    masked: bool = False
    split_units: bool = False
    sizes: tuple[int, int, int] | None = None

    def parameters(self) -> dict[str, str]:
        array = self.dtype + "*"
        taken: dict[str, str] = dict.fromkeys(("gates", "weight_hh", "bias_hh", "h0", "c0"), array)
        taken["mask"] = "bool*"
        taken |= dict.fromkeys(("output", "previous", "kept", "h_n", "c_n", "scratch"), array)
        return taken | dict.fromkeys(("batch", "steps", "hidden", "reverse"), "index")

    def write(
        self,
        code: Code,
        gates: Pointer,
        weight_hh: Pointer,
        bias_hh: Pointer,
        h0: Pointer,
        c0: Pointer,
        mask: Pointer,
        output: Pointer,
        previous: Pointer,
        kept: Pointer,
        h_n: Pointer,
        c_n: Pointer,
        scratch: Pointer,
        batch: Bound,
        steps: Bound,
        hidden: Bound,
        reverse: Bound,
    ) -> None:
        if self.sizes is not None:
            batch, steps, hidden = self.sizes
        width = self.blocks * code.lanes(self.dtype)
        groups = (hidden + (width - 1)) // width
        panel = hidden * self.cell.gates * width
        stride = groups * width + code.lanes(self.dtype)
        low, high = code.share(groups)
        for group in code.range(low, high):
            pack = PackGates(self.dtype, self.cell.gates, self.blocks)
            code.call(pack, weight_hh, scratch + group * panel, group * width, hidden, alone=True)
        code.barrier()
        rows = (0, batch) if self.split_units else code.share(batch)
        units = (low, high) if self.split_units else (0, groups)
        states = scratch + groups * panel
        if not self.split_units:
            states = states + code.thread * _states_elements(stride)
        memories = states + 2 * ROWS_AT_ONCE * stride
        tile = tile_memory(code, self.dtype, self.cell.gates * self.blocks)
        sequences = _Sequences(
            self, code, gates, bias_hh, mask, output, previous, kept, memories, tile, stride, steps, hidden
        )
        for first in code.range(*rows, ROWS_AT_ONCE):
            count = code.least(rows[1] - first, ROWS_AT_ONCE)
            for row, unit, rest in copied_units(code, self.dtype, units, width, hidden, count):
                place = (first + row) * hidden + unit
                states.put(h0.vector(place, mask=rest), row * stride + unit)
                if self.cell.remembers:
                    memories.put(c0.vector(place, mask=rest), row * stride + unit)
            if self.split_units:
                code.barrier()
            for step in code.range(steps):
                now = states + step % 2 * (ROWS_AT_ONCE * stride)
                after = states + (step + 1) % 2 * (ROWS_AT_ONCE * stride)
                time = step + reverse * (steps - 1 - 2 * step)
                sequences.step(scratch, panel, now, after, time, units, first, count)
                if self.split_units:
                    code.barrier()
            last = states + steps % 2 * (ROWS_AT_ONCE * stride)
            for row, unit, rest in copied_units(code, self.dtype, units, width, hidden, count):
                place = (first + row) * hidden + unit
                h_n.put(last.vector(row * stride + unit), place, rest)
                if self.cell.remembers:
                    c_n.put(memories.vector(row * stride + unit), place, rest)


def _states_elements(stride: Bound) -> Bound:
    """Scratch memory for the states of the rows that are under way: hidden states twice, and cell states."""
    return 3 * ROWS_AT_ONCE * stride


def forward_scratch_elements(
    routine: RecurrenceForward, processor: Processor, threads: int, hidden: int
) -> int:
    """Elements of scratch memory for so many threads."""
    lanes = processor.lanes(routine.dtype)
    width = routine.blocks * lanes
    groups = -(-hidden // width)
    packed = groups * hidden * routine.cell.gates * width
    return packed + threads * _states_elements(groups * width + lanes)


@dataclass
class _Sequences:
    """One thread's work on its rows and units."""

    routine: RecurrenceForward
    code: Code
    gates: Pointer
    bias_hh: Pointer
    mask: Pointer
    output: Pointer
    previous: Pointer
    kept: Pointer
    memories: Pointer
    tile: Pointer
    stride: Bound
    steps: Bound
    hidden: Bound

    def step(
        self,
        packed: Pointer,
        panel: Bound,
        now: Pointer,
        after: Pointer,
        time: Bound,
        groups: tuple[Bound, Bound],
        first: Bound,
        rows: Bound,
    ) -> None:
        """The units of some groups, of the rows from `first` on, from the states `now` to those `after`."""
        code, routine = self.code, self.routine
        lanes = code.lanes(routine.dtype)
        width, vectors = routine.blocks * lanes, routine.cell.gates * routine.blocks

        def ahead(group: Bound, low: Bound, count: Bound) -> None:
            for i in code.range(count):
                place = (first + low + i) * self.steps + time
                for block in range(routine.blocks):
                    self._ask(place, group * width + block * lanes)

        bands = banded_products(
            code, routine.dtype, vectors, now, self.stride, packed, self.hidden, panel, groups, rows,
            self.tile, ahead,
        )  # fmt: skip
        for group, low, count in bands:
            for whole in whole_and_rest(code, group, width, self.hidden):
                for i in code.range(count):
                    row = low + i
                    place = (first + row) * self.steps + time
                    for block in range(routine.blocks):
                        unit = group * width + block * lanes
                        mask = None if whole else code.mask(self.hidden - unit, lanes)
                        product = self.tile + (i * vectors + block) * lanes
                        self._unit(product, now, after, row * self.stride + unit, place, unit, mask)

    def _ask(self, place: Bound, unit: Bound) -> None:
        """Asks for the memory of one vector of units in one step of one sequence."""
        cell, hidden = self.routine.cell, self.hidden
        for j in range(cell.gates):
            self.code.prefetch(self.gates + place * cell.gates * hidden + j * hidden + unit)
        here = place * hidden + unit
        for array, wanted in (
            (self.output, cell.keeps_gates),
            (self.previous, True),
            (self.kept, cell.keeps),
        ):
            if wanted:
                self.code.prefetch(array + here)

    def _unit(
        self,
        product: Pointer,
        now: Pointer,
        after: Pointer,
        held: Bound,
        place: Bound,
        unit: Bound,
        mask: Mask | None,
    ) -> None:
        """One vector of units in one step of one sequence.

        product  of its first gate; held  where its states stand; place  the step's number among all
        """
        code, cell, hidden = self.code, self.routine.cell, self.hidden
        apart = self.routine.blocks * code.lanes(self.routine.dtype)
        gates = self.gates + place * cell.gates * hidden + unit
        driven = [gates.vector(j * hidden, mask=mask) for j in range(cell.gates)]
        products = [product.vector(j * apart) for j in range(cell.gates)]
        if cell.separate:
            bias = self.bias_hh + unit
            products = [each + bias.vector(j * hidden, mask=mask) for j, each in enumerate(products)]
        before = Before(now.vector(held), self.memories.vector(held) if cell.remembers else None)
        new = cell.forward(driven, products, before)
        state, memory, visible = new.state, new.memory, new.state
        if self.routine.masked:
            there = present(code, self.mask, place, self.routine.dtype)
            state, visible = there.select(state, before.state), there.select(state, 0.0)
            memory = None if memory is None else there.select(memory, before.memory)
        here = place * hidden + unit
        for j, gate in enumerate(new.gates):
            gates.put(gate, j * hidden, mask)
        self.output.put(visible, here, mask)
        self.previous.put(before.state, here, mask)
        if new.kept is not None:
            self.kept.put(new.kept, here, mask)
        after.put(state, held)
        if memory is not None:
            self.memories.put(memory, held)
