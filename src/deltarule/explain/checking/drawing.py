"""Other numbers for a computation: of the same size, of a smaller one, or easy to compute with by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from deltarule.autodiff.tensor import Array
from deltarule.explain.checking.problem import Numbers, Problem, Trial
from deltarule.operations.elementwise import Elementwise
from deltarule.operations.recurrence.groups import RecurrentGroup

Extents = Mapping[int, int]
# Products of the sizes of operands and results, above which a sum written out takes long.
_LIGHT = 2e7


def redrawn(problem: Problem, seed: int) -> Trial | None:
    """The computation on random numbers of the same size; None where it cannot be computed on any."""
    generator = np.random.default_rng(seed)
    for careful in (False, True):
        numbers = dict(problem.start)
        for name in problem.free:
            array = problem.start[name]
            scale = _spread(array)
            if careful:
                # Near the given numbers, for functions that are not defined everywhere.
                drawn = array * generator.uniform(0.8, 1.2, array.shape)
            else:
                drawn = generator.normal(0.0, scale, array.shape)
            # Infinities, as of a mask, stay where they are.
            numbers[name] = np.where(np.isfinite(array), drawn, array)
        trial = attempted(problem, numbers, seed)
        if trial is not None:
            return trial
    return None


def _spread(array: Array) -> float:
    """The size of an array's numbers, kept within what activations can tell apart."""
    finite = array[np.isfinite(array)]
    if not finite.size:
        return 1.0
    return min(max(float(np.std(finite)) or float(np.max(np.abs(finite))) or 1.0, 0.3), 1.5)


def attempted(problem: Problem, numbers: Numbers, seed: int) -> Trial | None:
    """The trial on these numbers, or None where they are of no use to the computation."""
    try:
        with np.errstate(all="ignore"):
            trial = problem.run(numbers, seed)
    # A function of the user may raise anything on numbers that it was not written for.
    except Exception:
        return None
    return trial if trial.finite() else None


def extents_of(trial: Trial) -> dict[int, tuple[int, int]]:
    """Extent -> (gates, hidden) where it counts the stacked rows of a recurrent layer's gates."""
    found: dict[int, tuple[int, int]] = {}
    for node in trial.pass_(False).nodes:
        operation = node.operation
        if isinstance(operation, RecurrentGroup) and operation.gates > 1:
            hidden = node.inputs[1].shape[1]
            found[operation.gates * hidden] = (operation.gates, hidden)
    return found


def resized(
    problem: Problem, trial: Trial, extents: Extents, fill: Callable[[str, tuple[int, ...]], Array], seed: int
) -> Trial | None:
    """The computation with other extents; None where it cannot be computed.

    extents   extent -> new extent; those of stacked gates follow their hidden size
    fill      name and shape -> numbers of an array that is drawn anew
    """
    stacked = extents_of(trial)

    def new(extent: int) -> int:
        if extent in stacked and extent not in extents:
            gates, hidden = stacked[extent]
            return gates * extents.get(hidden, hidden)
        return extents.get(extent, extent)

    numbers: Numbers = {}
    for name, array in problem.start.items():
        shape = tuple(new(extent) for extent in array.shape)
        if name in problem.free:
            numbers[name] = np.asarray(fill(name, shape), np.float64)
            continue
        if any(a > b for a, b in zip(shape, array.shape, strict=True)):
            return None
        cut = np.array(array[tuple(slice(0, extent) for extent in shape)])
        numbers[name] = _probabilities(array, cut) if shape and shape[-1] < array.shape[-1] else cut
    integers = [name for name, array in numbers.items() if array.dtype.kind in "iu"]
    # Class numbers and tokens must stay inside their smaller tables.
    for limit in (None, *sorted({*extents.values(), 1}, reverse=True)):
        chosen = dict(numbers)
        if limit is not None:
            if not integers:
                break
            chosen.update({name: numbers[name] % limit for name in integers})
        found = attempted(problem, chosen, seed)
        if found is not None:
            return found
    return None


def _probabilities(array: Array, cut: Array) -> Array:
    """Fewer classes: rows that held probabilities hold them again."""
    if array.dtype.kind != "f" or np.any(array < 0) or not np.allclose(np.sum(array, axis=-1), 1.0):
        return cut
    total = np.sum(cut, axis=-1, keepdims=True)
    chosen = np.argmax(array[tuple(slice(0, extent) for extent in cut.shape[:-1])], axis=-1) % cut.shape[-1]
    spread = np.eye(cut.shape[-1])[chosen]
    return np.where(total > 0, cut / np.where(total > 0, total, 1.0), spread)


def smaller(problem: Problem, trial: Trial, seed: int) -> Trial | None:
    """The computation on small random arrays whose different extents stay different."""
    stacked = extents_of(trial)
    extents = sorted(
        {extent for array in problem.start.values() for extent in array.shape if extent > 1} - {*stacked}
    )
    # A recurrence shows what it does from three steps on.
    times = {array.shape[1] for array in problem.start.values() if array.ndim == 3}
    wanted = {
        extent: min(extent, (3 if extent in times else 2) + place) for place, extent in enumerate(extents)
    }
    wanted = {extent: new for extent, new in wanted.items() if new != extent}
    if not wanted:
        return None
    generator = np.random.default_rng(seed)

    def anywhere(name: str, shape: tuple[int, ...]) -> Array:
        return generator.normal(0.0, _spread(problem.start[name]), shape)

    def nearby(name: str, shape: tuple[int, ...]) -> Array:
        # For functions that are not defined everywhere.
        return generator.choice(problem.start[name].reshape(-1), shape) * generator.uniform(0.8, 1.2, shape)

    for fill in (anywhere, nearby):
        whole = resized(problem, trial, wanted, fill, seed)
        if whole is not None:
            return whole
    # Some extents cannot change, such as the number of classes of given labels.
    plan: dict[int, int] = {}
    found = None
    for extent in sorted(wanted, reverse=True):
        smaller_still = resized(problem, trial, {**plan, extent: wanted[extent]}, anywhere, seed)
        if smaller_still is not None:
            found, plan = smaller_still, {**plan, extent: wanted[extent]}
    return found


def square(problem: Problem, trial: Trial, extent: int, seed: int) -> Trial | None:
    """The computation with all extents alike, so that no product fails for its shapes alone."""
    stacked = extents_of(trial)
    extents = {each: extent for array in problem.start.values() for each in array.shape if each > 1}
    for rows in stacked:
        extents.pop(rows, None)
    generator = np.random.default_rng(seed)
    return resized(problem, trial, extents, lambda name, shape: generator.normal(0.0, 0.7, shape), seed)


def by_hand(generator: np.random.Generator) -> Callable[[str, tuple[int, ...]], Array]:
    """Small numbers with at most one digit after the point, none of them zero."""
    choices = np.array([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0])

    def fill(name: str, shape: tuple[int, ...]) -> Array:
        return np.asarray(generator.choice(choices, shape), np.float64)

    return fill


def shrinkings(problem: Problem, trial: Trial) -> Iterator[int]:
    """Extents that may be made smaller, the largest first; stacked gates follow their hidden size."""
    stacked = extents_of(trial)
    extents = {extent for array in problem.start.values() for extent in array.shape if extent > 1}
    yield from sorted(extents - {*stacked}, reverse=True)


def is_light(trial: Trial) -> bool:
    """Whether formulas in index form, every sum written out, can be computed on these numbers in no time."""
    for node in trial.pass_(False).nodes:
        if isinstance(node.operation, (Elementwise, RecurrentGroup)):
            continue
        largest = max((tensor.size for tensor in node.inputs), default=0)
        if largest * node.values[0].size > _LIGHT:
            return False
    return True
