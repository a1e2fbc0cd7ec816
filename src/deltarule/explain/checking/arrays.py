"""Mistakes that can be read off the arrays alone: sign, factor, transposition, sums, blocks of gates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.claims import deviation
from deltarule.explain.checking.problem import Trial

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Reading:
    """One way in which given arrays differ from the right ones, on all trials alike."""

    kind: str
    factor: float | None = None
    extent: str = ""
    axes: tuple[int, ...] = ()
    gate: str = ""
    other: str = ""
    error: float = 0.0


def close(left: Array, right: Array, tolerance: float = TOLERANCE) -> bool:
    """Whether two arrays are the same up to rounding."""
    return left.shape == right.shape and deviation(left, right) <= tolerance


def readings(
    given: Sequence[Array],
    right: Sequence[Array],
    trials: Sequence[Trial],
    gates: tuple[str, ...],
    tolerance: float = TOLERANCE,
) -> Iterator[Reading]:
    """Readings that hold on every trial, the ones that say most first.

    given, right   the claimed and the right gradient on each trial
    gates          names of gates whose rows are stacked in it, or none
    """

    def holds(mended: Sequence[Array | None]) -> float | None:
        """The relative error once mended, or None where that does not make it right."""
        worst = 0.0
        for own, target in zip(mended, right, strict=True):
            if own is None or own.shape != target.shape:
                return None
            worst = max(worst, deviation(own, target))
        return worst if worst <= tolerance else None

    if not all(np.all(np.isfinite(each)) for each in given):
        return
    if any(own.shape != target.shape for own, target in zip(given, right, strict=True)):
        yield from _shapes(given, right, trials, holds)
        return
    if all(not np.any(each) for each in given):
        yield Reading("zero")
        return
    error = holds([-each for each in given])
    if error is not None:
        yield Reading("sign", factor=-1.0, error=error)
    if given[0].ndim >= 2 and given[0].shape[-1] == given[0].shape[-2] > 1:
        error = holds([np.swapaxes(each, -1, -2) for each in given])
        if error is not None:
            yield Reading("transposed", error=error)
    if given[0].ndim >= 3:
        error = holds([np.flip(each, (-2, -1)) for each in given])
        if error is not None:
            yield Reading("flipped", error=error)
    if len(gates) > 1:
        yield from _gates(given, right, gates, tolerance)
    factor = _factor(given, right, trials, tolerance)
    if factor is not None:
        yield factor


def _shapes(
    given: Sequence[Array],
    right: Sequence[Array],
    trials: Sequence[Trial],
    holds: Callable[[Sequence[Array | None]], float | None],
) -> Iterator[Reading]:
    """Arrays of another shape: transposed, not summed, summed too much, axes of length 1."""
    first, target = given[0], right[0]
    if first.ndim >= 2 and first.ndim == target.ndim:
        error = holds([np.swapaxes(each, -1, -2) for each in given])
        if error is not None:
            yield Reading("transposed", error=error)
        error = holds([-np.swapaxes(each, -1, -2) for each in given])
        if error is not None:
            yield Reading("transposed", factor=-1.0, error=error)
    if first.size == target.size:
        error = holds(
            [np.reshape(a, b.shape) if a.size == b.size else None for a, b in zip(given, right, strict=True)]
        )
        if error is not None:
            yield Reading("kept_axes", error=error)
            return
    for count in range(1, first.ndim + 1):
        for axes in combinations(range(first.ndim), count):
            for keep in (False, True):
                try:
                    error = holds([np.sum(each, axis=axes, keepdims=keep) for each in given])
                except ValueError:
                    continue
                if error is not None:
                    yield Reading("missing_sum", extent=_role(given, axes, trials), axes=axes, error=error)
                    return
    for count in range(1, target.ndim + 1):
        for axes in combinations(range(target.ndim), count):
            for keep in (False, True):
                sums = [np.sum(each, axis=axes, keepdims=keep) for each in right]
                if all(own.shape == each.shape for own, each in zip(given, sums, strict=True)) and all(
                    np.max(np.abs(own - each)) <= TOLERANCE * np.max(np.abs(whole))
                    for own, each, whole in zip(given, sums, right, strict=True)
                ):
                    yield Reading("extra_sum", axes=axes)
                    return


def _role(given: Sequence[Array], axes: tuple[int, ...], trials: Sequence[Trial]) -> str:
    """What the only axis of a sum counts, "batch" or "time", where its length is that on every trial."""
    for role in ("batch", "time") if len(axes) == 1 else ():
        lengths = [extents_by_role(trial).get(role) for trial in trials]
        if all(own.shape[axes[0]] == length for own, length in zip(given, lengths, strict=True)):
            return role
    return ""


def _gates(
    given: Sequence[Array], right: Sequence[Array], gates: tuple[str, ...], tolerance: float
) -> Iterator[Reading]:
    """Rows of gates in another order, or one gate's rows wrong in a simple way and the others right."""
    count = len(gates)
    if any(each.shape[0] % count for each in given):
        return
    own = [np.split(each, count) for each in given]
    target = [np.split(each, count) for each in right]
    order = list(range(count))
    for permutation in permutations(order):
        if list(permutation) == order:
            continue
        if all(
            close(a[place], b[source], tolerance)
            for a, b in zip(own, target, strict=True)
            for place, source in enumerate(permutation)
        ):
            moved = [gate for gate, source in enumerate(permutation) if gate != source]
            names = ", ".join(gates[gate] for gate in moved)
            came = ", ".join(gates[permutation[gate]] for gate in moved)
            yield Reading("swapped_gates", gate=names, other=came)
            return


def _factor(
    given: Sequence[Array], right: Sequence[Array], trials: Sequence[Trial], tolerance: float
) -> Reading | None:
    """A constant factor, and what it counts where it follows an extent from trial to trial."""
    found: list[float] = []
    for own, target in zip(given, right, strict=True):
        scale = float(np.sum(target * target))
        if scale == 0:
            return None
        factor = float(np.sum(own * target)) / scale
        if factor == 0 or not close(own, factor * target, tolerance):
            return None
        found.append(factor)
    if all(np.isclose(each, found[0], rtol=1e-5) for each in found) and found[0] == 1:
        return None
    counted = [extents_by_role(trial) for trial in trials]
    for base in (1.0, -1.0, 2.0, 0.5, -2.0, -0.5):
        for role in counted[0]:
            for power in (1, -1):
                if len({own.get(role) for own in counted}) == 1 and abs(base) != 1:
                    # On sizes that stay the same, any number is a multiple of one of them.
                    continue
                if counted[0][role] > 1 and all(
                    role in own and np.isclose(each, base * own[role] ** power, rtol=1e-5)
                    for each, own in zip(found, counted, strict=True)
                ):
                    return Reading("factor", factor=found[0], extent=role)
    if all(np.isclose(each, found[0], rtol=1e-5) for each in found):
        return Reading("factor", factor=found[0])
    return None


def extents_by_role(trial: Trial) -> dict[str, int]:
    """What a factor may count: sequences or samples, time steps, classes or features, elements."""
    found: dict[str, int] = {}
    output = trial.outputs[0]
    shape = output.shape
    if output.size == 1:
        for node in reversed(trial.pass_(False).nodes):
            shape = max((tensor.shape for tensor in node.inputs), key=len, default=())
            if shape:
                break
    if shape:
        found["batch"] = shape[0]
        found["elements"] = int(np.prod(shape))
    if len(shape) > 1:
        found["classes"] = shape[-1]
    if (
        len(shape) == 2
        and shape[1] > 1
        and any(leaf.shape == (shape[0], 1) for leaf in trial.leaves.values())
    ):
        # A bias that is a column says that samples are columns.
        found["batch"], found["classes"] = shape[1], shape[0]
    for node in trial.pass_(False).nodes:
        deep = next((tensor.shape for tensor in node.inputs if tensor.ndim == 3), None)
        if deep is not None:
            found["time"] = deep[1]
            found.setdefault("batch", deep[0])
            break
    return found


def blocks(gates: Mapping[str, tuple[str, ...]], name: str, rows: int) -> list[tuple[str, int, int]]:
    """(gate, first row, row after the last) of a parameter."""
    own = gates.get(name, ())
    if not own or rows % len(own):
        return []
    height = rows // len(own)
    return [(gate, place * height, (place + 1) * height) for place, gate in enumerate(own)]
