"""Steps of optimisers as Python calls them: all parameters of a group at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.processor import FLOATS
from deltarule.kernels.native.team import thread_count, threads
from deltarule.kernels.native.update_rules import Rule
from deltarule.kernels.native.updates import UpdateAll

Array = NDArray[Any]

# Elements from which a second thread repays its start: an element of SGD moves 12 bytes, one of Adam 28.
_WORTH_A_TEAM = 50_000


@lru_cache(1024)
def _plan(
    kind: str, rule: Rule, shapes: tuple[tuple[int, ...], ...]
) -> tuple[Callable[..., None], Array, bool]:
    """(function, elements of each parameter, whether they are worth a team)."""
    sizes = np.array([prod(shape) for shape in shapes], np.int64)
    return entry(UpdateAll(FLOATS[kind], rule)), sizes, int(sizes.sum()) >= _WORTH_A_TEAM


@lru_cache(16)
def _table(numbers: tuple[float, ...]) -> Array:
    """The numbers of most rules are the same for all parameters and from step to step."""
    return np.array(numbers, np.float64)


def fit(arrays: Sequence[Array], kind: Any = None) -> bool:
    """Whether these arrays are contiguous and all of one float type, the given one or that of the first."""
    if kind is None:
        kind = arrays[0].dtype
    if kind.char not in FLOATS or not kind.isnative:
        return False
    for each in arrays:
        # Types are almost always the same object, which is compared in a third of the time.
        if (each.dtype is not kind and each.dtype != kind) or not each.flags.c_contiguous:
            return False
    return True


def update_all(
    rule: Rule,
    parameters: Sequence[Array],
    gradients: Sequence[Array],
    states: Sequence[Sequence[Array]],
    numbers: Sequence[Sequence[float]],
) -> None:
    """One step of the rule on every parameter, in place. All arrays must `fit`.

    states    one sequence for each array of state that the rule has, each as long as `parameters`
    numbers   the rule's numbers for each parameter, or a single row of them for all
    """
    shapes = tuple([parameter.shape for parameter in parameters])
    function, sizes, worth_a_team = _plan(parameters[0].dtype.char, rule, shapes)
    count = threads() if worth_a_team and thread_count() > 1 else 1
    if len(numbers) > 1:
        table, stride = np.array(numbers, np.float64), len(numbers[0])
    else:
        table, stride = _table(tuple(numbers[0])), 0
    more = [tuple(each) for each in states]
    function(count, tuple(parameters), tuple(gradients), *more, sizes, len(parameters), table, stride)
