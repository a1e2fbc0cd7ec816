"""Element-wise work and reductions over strided arrays of known shape, in one pass over memory.

Every operand is an address with a stride for each axis of the loop: 0 where it is broadcast, anything where
it is a transposed or sliced view. A result with stride 0 along an axis is reduced over it. What is computed
for each element is given from outside, so chains of operations become one loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deltarule.kernels.native.code import Bound, Code
from deltarule.kernels.native.routine import Routine
from deltarule.kernels.native.values import Mask, Pointer, Vector

# Elements of one run of a sum: longer sums add up the sums of runs, so that rounding errors grow slower.
RUN = 256


@dataclass(frozen=True)
class Body:
    """What a loop computes: function(code, inputs) -> results, one vector each. `key` identifies it."""

    key: str
    function: Callable[[Code, list[Vector]], list[Vector]] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Operand:
    """dtype and strides (in elements, one an axis of the loop); `reduction` "sum" or "max" of a result."""

    dtype: str
    strides: tuple[int, ...]
    reduction: str | None = None


@dataclass(frozen=True)
class LoopNest(Routine):
    """results = body(inputs) at every place of a box.

    extents   lengths of the axes; the last one is done in vectors
    inputs    how each input lies
    results   how each result lies; those with a reduction have stride 0 along the axes they are reduced over
    """

    extents: tuple[int, ...]
    inputs: tuple[Operand, ...]
    results: tuple[Operand, ...]
    body: Body

    def parameters(self) -> dict[str, str]:
        taken = {f"x{i}": each.dtype + "*" for i, each in enumerate(self.inputs)}
        return taken | {f"y{i}": each.dtype + "*" for i, each in enumerate(self.results)}

    @property
    def reduced(self) -> tuple[bool, ...]:
        """For each axis whether the reduced results are reduced over it."""
        for each in self.results:
            if each.reduction is not None:
                return tuple(stride == 0 for stride in each.strides)
        return (False,) * len(self.extents)

    def write(self, code: Code, *pointers: Pointer) -> None:
        _Writer(self, code, pointers).write()


class _Writer:
    def __init__(self, nest: LoopNest, code: Code, pointers: tuple[Pointer, ...]):
        self.nest, self.code = nest, code
        self.inputs = list(pointers[: len(nest.inputs)])
        self.results = list(pointers[len(nest.inputs) :])
        floats = [each.dtype for each in (*nest.inputs, *nest.results) if each.dtype.startswith("float")]
        self.lanes = code.lanes("float64" if "float64" in floats else "float32")
        self.reduced = nest.reduced
        axes = range(len(nest.extents))
        self.kept = [axis for axis in axes if not self.reduced[axis]]
        self.summed = [axis for axis in axes if self.reduced[axis]]

    def write(self) -> None:
        nest, code = self.nest, self.code
        if 0 in (nest.extents[axis] for axis in self.kept):
            return
        if not self.kept:
            # One result in all: the first thread does it, so that it does not depend on their number.
            for _ in code.first_thread():
                self._reduce([(self.inputs, self.results)], [None])
            return
        self._outer(0, self.inputs, self.results, True)

    def _outer(self, depth: int, inputs: list[Pointer], results: list[Pointer], share: bool) -> None:
        """Loops over kept axes; threads divide the first one that is long enough between them."""
        nest, code = self.nest, self.code
        axis = self.kept[depth]
        last = depth == len(self.kept) - 1
        extent = nest.extents[axis]
        is_vector_axis = axis == len(nest.extents) - 1
        if last and is_vector_axis:
            self._vectors(axis, inputs, results, share)
            return
        low, high = 0, extent
        if share and (extent >= 8 or last):
            low, high = code.share(extent)  # type: ignore[assignment]
            share = False
        for i in code.range(low, high):
            here = self._moved(nest.inputs, inputs, axis, i), self._moved(nest.results, results, axis, i)
            if last:
                self._reduce([here], [None])
            else:
                self._outer(depth + 1, *here, share)

    def _moved(
        self, operands: tuple[Operand, ...], pointers: list[Pointer], axis: int, i: Bound
    ) -> list[Pointer]:
        return [pointer + i * each.strides[axis] for each, pointer in zip(operands, pointers, strict=True)]

    def _vectors(self, axis: int, inputs: list[Pointer], results: list[Pointer], share: bool) -> None:
        """The last axis in vectors; where other axes are reduced, several vectors at once."""
        code, nest, lanes = self.code, self.nest, self.lanes
        extent = nest.extents[axis]
        low, high = code.share(extent, lanes) if share else (0, extent)
        if not self.summed:
            for i, count in code.blocks(high, lanes, low):
                here = self._moved(nest.inputs, inputs, axis, i), self._moved(nest.results, results, axis, i)
                self._element(*here, code.mask(count, lanes))
            return
        together = 4
        for i, count in code.blocks(high, lanes * together, low):
            places, masks = [], []
            if isinstance(count, int):
                vectors = -(-count // lanes)
            else:
                vectors = together
            for j in range(vectors):
                first = i + j * lanes
                places.append(
                    (
                        self._moved(nest.inputs, inputs, axis, first),
                        self._moved(nest.results, results, axis, first),
                    )
                )
                masks.append(code.mask(count - j * lanes, lanes))
            self._reduce(places, masks)

    def _element(self, inputs: list[Pointer], results: list[Pointer], mask: Mask | None) -> list[Vector]:
        """Computes one vector; stores what is not reduced; answers all results."""
        code, nest = self.code, self.nest
        values = [
            self._read(pointer, each.strides[-1], mask)
            for each, pointer in zip(nest.inputs, inputs, strict=True)
        ]
        computed = nest.body.function(code, values)
        answers = []
        for each, pointer, value in zip(nest.results, results, computed, strict=True):
            if isinstance(value, Mask):
                value = value.select(code.number(1, "bool", self.lanes), code.number(0, "bool", self.lanes))
            value = value if value.lanes == self.lanes else value.spread(self.lanes)
            answers.append(value)
            # A sum over axes of length 1 alone, which are dropped, is stored as it is.
            if each.reduction is None or not self.summed:
                self._store(pointer, each.strides[-1], value, mask)
        return answers

    def _read(self, pointer: Pointer, stride: int, mask: Mask | None) -> Any:
        if stride == 0:
            value = pointer.number().spread(self.lanes)
        else:
            value = pointer.gather(stride, self.lanes, mask)
        return value.differs(0) if pointer.dtype == "bool" else value

    def _store(self, pointer: Pointer, stride: int, value: Vector, mask: Mask | None) -> None:
        if stride == 1:
            pointer.put(value, mask=mask)
            return
        if mask is None:
            for i in range(self.lanes):
                pointer.put(value.lane(i), i * stride)
            return
        for i in range(self.lanes):
            for _ in self.code.when(mask.lane(i)):
                pointer.put(value.lane(i), i * stride)

    def _reduce(self, places: list[tuple[list[Pointer], list[Pointer]]], masks: list[Mask | None]) -> None:
        """Runs over the reduced axes with one running value for each reduced result and place."""
        code, nest = self.code, self.nest
        positions = [i for i, each in enumerate(nest.results) if each.reduction is not None]
        vector_axis_reduced = self.reduced[-1]
        totals = [[self._start(nest.results[i]) for i in positions] for _ in places]

        def visit(
            depth: int, where: list[tuple[list[Pointer], list[Pointer]]], sums: list[list[Any]]
        ) -> None:
            axis = self.summed[depth]
            extent = nest.extents[axis]
            innermost = depth == len(self.summed) - 1
            if innermost and vector_axis_reduced:
                for i, count in code.blocks(extent, self.lanes):
                    mask = code.mask(count, self.lanes)
                    self._step(
                        [self._at(place, axis, i) for place in where], [mask] * len(where), positions, sums
                    )
                return
            for start in code.range(0, extent, RUN):
                partial = sums
                if extent > RUN or depth > 0:
                    partial = [[self._start(nest.results[i]) for i in positions] for _ in where]
                for i in code.range(start, code.least(start + RUN, extent)):
                    moved = [self._at(place, axis, i) for place in where]
                    if innermost:
                        self._step(moved, masks, positions, partial)
                    else:
                        visit(depth + 1, moved, partial)
                if partial is not sums:
                    for line, others in zip(sums, partial, strict=True):
                        for i, total, part in zip(positions, line, others, strict=True):
                            total.value = _combined(nest.results[i].reduction, total.value, part.value)

        visit(0, places, totals)
        for (_, results), line, mask in zip(places, totals, masks, strict=True):
            for i, total in zip(positions, line, strict=True):
                each, value = nest.results[i], total.value
                if vector_axis_reduced:
                    whole = value.total() if each.reduction == "sum" else value.largest()
                    results[i].put(whole)
                else:
                    self._store(results[i], each.strides[-1], value, mask)

    def _at(
        self, place: tuple[list[Pointer], list[Pointer]], axis: int, i: Bound
    ) -> tuple[list[Pointer], list[Pointer]]:
        nest = self.nest
        return self._moved(nest.inputs, place[0], axis, i), self._moved(nest.results, place[1], axis, i)

    def _step(
        self,
        places: list[tuple[list[Pointer], list[Pointer]]],
        masks: list[Mask | None],
        positions: list[int],
        sums: list[list[Any]],
    ) -> None:
        nest = self.nest
        for (inputs, results), mask, line in zip(places, masks, sums, strict=True):
            answers = self._element(inputs, results, mask)
            for i, total in zip(positions, line, strict=True):
                value, kind = answers[i], nest.results[i].reduction
                if mask is not None and self.reduced[-1]:
                    value = mask.select(value, value.like(_NEUTRAL[kind or ""]))
                total.value = _combined(kind, total.value, value)

    def _start(self, operand: Operand) -> Any:
        value = self.code.number(_NEUTRAL[operand.reduction or ""], operand.dtype, self.lanes)
        return self.code.variable(value)


_NEUTRAL = {"sum": 0.0, "max": float("-inf")}


def _combined(kind: str | None, total: Vector, value: Vector) -> Vector:
    return total + value if kind == "sum" else total.larger(value)


def simplified(
    extents: tuple[int, ...], strides: list[tuple[int, ...]]
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """The same loop with axes of length 1 dropped and neighbours joined where every operand allows it."""
    axes = [axis for axis, extent in enumerate(extents) if extent != 1]
    kept: list[int] = []
    lengths: list[int] = []
    for axis in axes:
        if kept and all(each[kept[-1]] == each[axis] * extents[axis] for each in strides):
            lengths[-1] *= extents[axis]
            kept[-1] = axis
            continue
        kept.append(axis)
        lengths.append(extents[axis])
    if not kept:
        return (1,), [(0,) for _ in strides]
    return tuple(lengths), [tuple(each[axis] for axis in kept) for each in strides]
