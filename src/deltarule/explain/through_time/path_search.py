"""Follows a gradient from a loss to one value along every path of a record, and keeps what arrives apart.

Steps are visited from the last to the first. At each value the partial paths that have arrived there go
on through the step that made it; where they are too many the largest go on and the rest are counted.
So the cost is bounded, and without such a place every path is followed to its end.
Source: Bauer, "Computational graphs and rounding error", 1974: a derivative is the sum over all paths of the
products of the local derivatives along them.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.record.trace import Step, Trace


@dataclass(frozen=True, eq=False)
class Partial:
    """A path from the loss to a value, by its last edge and what came before.

    value      number of the value that it has reached; gradient: what arrives there along it
    before     the path without its last edge; step: that edge's step, None at the loss
    position   which input of the step, None where all its uses of the value count as one
    """

    value: int
    gradient: Array
    size: float
    before: Partial | None = None
    step: Step | None = None
    position: int | None = None

    def edges(self) -> list[Partial]:
        """The path from the loss on: one partial path for each value on it."""
        found: list[Partial] = []
        here: Partial | None = self
        while here is not None:
            found.append(here)
            here = here.before
        return found[::-1]


@dataclass(eq=False)
class Search:
    """What was found.

    largest     the largest paths, by falling size
    sizes       of all that were followed to the end
    total       their sum
    vanished    how many paths were left because exactly nothing passes on them
    dropped     how many were left because others arriving at the same value were larger
    """

    total: Array
    largest: list[Partial] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    vanished: int = 0
    dropped: int = 0


def count_paths(steps: Sequence[Step], loss: int, target: int, *, each_use: bool) -> dict[int, int]:
    """Value -> number of paths from it to the target, for all values that have any.

    each_use   whether an operation's several uses of one value count as so many paths
    """
    found = {target: 1}
    for step in steps:
        edges = [found.get(number, 0) for _, number in step_edges(step, each_use)]
        if any(edges):
            for output in step.outputs:
                if output != target:
                    found[output] = sum(edges)
    return found


def step_edges(step: Step, each_use: bool) -> list[tuple[int | None, int]]:
    """(position, value) of each edge from a step to what it reads and hands a gradient to."""
    needed = [
        (position, number)
        for position, number in enumerate(step.inputs)
        if step.node.inputs[position].requires_grad
    ]
    if each_use:
        return list(needed)
    return [(None, number) for number in dict.fromkeys(number for _, number in needed)]


def search(
    trace: Trace,
    steps: Sequence[Step],
    counts: dict[int, int],
    seed: Array,
    target: int,
    *,
    most: int,
    width: int,
    each_use: bool,
) -> Search:
    """Follows all paths from the trace's loss to the target.

    counts   what `count_paths` gave
    most     how many of the largest are kept with what arrives along them
    width    how many partial paths go on from each value
    """
    found = Search(np.zeros(trace.values[target].array.shape))
    heap: list[tuple[float, int, Partial]] = []
    numbers = itertools.count()
    waiting: dict[int, list[Partial]] = {}

    def arrive(partial: Partial) -> None:
        if partial.size == 0:
            found.vanished += counts[partial.value]
        elif partial.value != target:
            waiting.setdefault(partial.value, []).append(partial)
        else:
            found.total += partial.gradient
            found.sizes.append(partial.size)
            entry = (partial.size, -next(numbers), partial)
            if len(heap) < most:
                heapq.heappush(heap, entry)
            elif most:
                heapq.heappushpop(heap, entry)

    arrive(Partial(trace.loss, seed, _size(seed)))
    for step in reversed(steps):
        for place, output in enumerate(step.outputs):
            partials = waiting.pop(output, [])
            if len(partials) > width:
                partials.sort(key=lambda each: -each.size)
                found.dropped += counts[output] * (len(partials) - width)
                partials = partials[:width]
            for partial in partials:
                for edge in _handed_on(step, place, partial, counts, each_use):
                    arrive(edge)
    found.largest = [partial for _, _, partial in sorted(heap, key=lambda entry: entry[:2], reverse=True)]
    return found


def _handed_on(
    step: Step, place: int, partial: Partial, counts: dict[int, int], each_use: bool
) -> list[Partial]:
    """A path's next edges, through the step that made the value it has reached."""
    gradients = local_gradients(step, place, partial.gradient)
    found = []
    for position, number in step_edges(step, each_use):
        if number not in counts:
            continue
        uses = range(len(step.inputs)) if position is None else (position,)
        total = np.zeros(())
        for use in uses:
            gradient = gradients[use]
            if step.inputs[use] == number and gradient is not None:
                total = total + gradient if total.any() else gradient
        found.append(Partial(number, total, _size(total), partial, step, position))
    return found


def local_gradients(step: Step, place: int, upstream: Array) -> Sequence[Array | None]:
    """What a step hands to each of its inputs from the gradient of one of its outputs."""
    node = step.node
    node.require_intact()
    given = [np.zeros_like(value) for value in node.values]
    given[place] = np.asarray(upstream, node.values[place].dtype).reshape(node.values[place].shape)
    return node.operation.backward_kernel(node, *given)


def _size(array: Array) -> float:
    return float(np.linalg.norm(np.asarray(array, np.float64)))
