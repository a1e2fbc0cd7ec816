"""What a native step consists of: pieces of memory, views of them, calls of routines in order. Plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from deltarule.kernels.native.processor import SIZES
from deltarule.kernels.native.routine import Routine

Shape = tuple[int, ...]


@dataclass(eq=False)
class Storage:
    """A piece of memory.

    elements, dtype   what it holds
    outer             what is outside: a key of the step's table of addresses; None for memory of the step
    offset            bytes from the start of the step's memory, once it is planned
    first, last       calls between which it is needed
    """

    elements: int
    dtype: str
    outer: Any = None
    offset: int = -1
    first: int = -1
    last: int = -1
    kept: bool = False


@dataclass(frozen=True)
class View:
    """An array in a piece of memory; offset and strides in elements."""

    storage: Storage
    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def dtype(self) -> str:
        return self.storage.dtype

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie one after another in the order of its axes."""
        if 0 in self.shape:
            return True
        expected = 1
        for extent, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if extent != 1 and stride != expected:
                return False
            expected *= extent
        return True

    @property
    def is_dense(self) -> bool:
        """Whether its elements fill a block of memory, in some order of the axes, each once."""
        if 0 in self.shape:
            return True
        expected = 1
        for stride, extent in sorted(zip(self.strides, self.shape, strict=True)):
            if extent != 1:
                if stride != expected:
                    return False
                expected *= extent
        return True

    def broadcast(self, shape: Shape) -> tuple[int, ...]:
        """Strides of this view as an array of a larger shape."""
        missing = len(shape) - len(self.shape)
        strides = [0] * missing
        for extent, stride in zip(self.shape, self.strides, strict=True):
            strides.append(0 if extent == 1 else stride)
        return tuple(strides)

    def reshaped(self, shape: Shape) -> View | None:
        """The same elements in another shape, if no copy is needed for it."""
        if self.is_contiguous:
            return View(self.storage, shape, contiguous_strides(shape), self.offset)
        strides: list[int] = []
        old = [
            (extent, stride) for extent, stride in zip(self.shape, self.strides, strict=True) if extent != 1
        ]
        position = 0
        for group in _matching(tuple(extent for extent, _ in old), shape):
            if group is None:
                return None
            old_count, new_extents = group
            part = old[position : position + old_count]
            position += old_count
            for (_, outer), (extent, inner) in pairwise(part):
                if outer != inner * extent:
                    return None
            step = part[-1][1] if part else 0
            made: list[int] = []
            for extent in reversed(new_extents):
                made.append(step)
                step *= extent
            strides.extend(reversed(made))
        return View(self.storage, shape, tuple(strides), self.offset)


def _matching(old: Shape, new: Shape) -> list[tuple[int, Shape] | None]:
    """Pairs (number of old axes, new axes) of equal size, from the left."""
    groups: list[tuple[int, Shape] | None] = []
    i = j = 0
    while j < len(new):
        if new[j] == 1:
            groups.append((0, (1,)))
            j += 1
            continue
        if i >= len(old):
            return [None]
        size_old, size_new, count, extents = old[i], new[j], 1, [new[j]]
        i, j = i + 1, j + 1
        while size_old != size_new:
            if size_old < size_new:
                if i >= len(old):
                    return [None]
                size_old *= old[i]
                count, i = count + 1, i + 1
            else:
                if j >= len(new):
                    return [None]
                size_new *= new[j]
                extents.append(new[j])
                j += 1
        groups.append((count, tuple(extents)))
    return groups


def contiguous_strides(shape: Shape) -> tuple[int, ...]:
    """Strides of an array whose elements lie one after another."""
    strides = []
    step = 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


@dataclass(frozen=True)
class Scratch:
    """Memory that one call needs while it runs: elements for each thread, or in all."""

    elements: int
    dtype: str
    per_thread: bool = True


@dataclass(eq=False)
class Call:
    """One call of a routine.

    arguments   views, Scratch, plain numbers, None
    writes      positions of the arguments that it writes into
    work        about how many operations it takes: small ones are done by one thread
    label       layer and operations, for reading
    """

    routine: Routine
    arguments: list[Any]
    writes: tuple[int, ...]
    work: int
    label: str
    scratch: list[Storage] = field(default_factory=list)

    def storages(self) -> list[Storage]:
        found = [each.storage for each in self.arguments if isinstance(each, View)]
        return found + self.scratch


ALIGNMENT = 64


def plan_memory(calls: list[Call], threads: int) -> int:
    """Gives every piece of the step's own memory its place; answers how many bytes there are in all.

    Pieces whose lives do not meet share memory: each goes to the lowest place that is free all its life, the
    largest pieces first.
    """
    for position, call in enumerate(calls):
        call.scratch = []
        for i, argument in enumerate(call.arguments):
            if isinstance(argument, Scratch):
                count = argument.elements * (threads if argument.per_thread else 1)
                storage = Storage(count, argument.dtype)
                call.scratch.append(storage)
                call.arguments[i] = View(storage, (count,), (1,))
        for storage in call.storages():
            if storage.outer is None:
                if storage.first < 0:
                    storage.first = position
                storage.last = len(calls) if storage.kept else max(storage.last, position)
    pieces: dict[int, Storage] = {}
    for call in calls:
        for storage in call.storages():
            if storage.outer is None:
                pieces[id(storage)] = storage
    placed: list[tuple[int, int, Storage]] = []
    total = 0
    for storage in sorted(pieces.values(), key=_bytes, reverse=True):
        size = -(-_bytes(storage) // ALIGNMENT) * ALIGNMENT
        offset = 0
        for start, end, other in sorted(placed, key=lambda each: each[0]):
            if other.last < storage.first or storage.last < other.first:
                continue
            if start - offset >= size:
                break
            offset = max(offset, end)
        storage.offset = offset
        placed.append((offset, offset + size, storage))
        total = max(total, offset + size)
    return total


def _bytes(storage: Storage) -> int:
    return max(storage.elements, 1) * SIZES[storage.dtype]
