"""Steps of optimisers as Python calls them: all parameters of a group at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.team import thread_count, threads
from deltarule.kernels.native.update_rules import Rule
from deltarule.kernels.native.updates import UpdateAll

Array = NDArray[Any]

_TYPES = {"f": "float32", "d": "float64"}

# Elements from which a second thread repays its start: an element of SGD moves 12 bytes, one of Adam 28.
_WORTH_A_TEAM = 50_000


@lru_cache(1024)
def _sizes(shapes: tuple[tuple[int, ...], ...]) -> tuple[Array, int]:
    sizes = np.array([int(np.prod(shape, dtype=np.int64)) for shape in shapes], np.int64)
    return sizes, int(sizes.sum())


def fit(arrays: Sequence[Array], kind: Any = None) -> bool:
    """Whether these arrays are contiguous and all of one float type, the given one or that of the first."""
    if kind is None:
        kind = arrays[0].dtype
    if kind.char not in _TYPES or not kind.isnative:
        return False
    for each in arrays:
        # Types are almost always the same object, which is compared in a third of the time.
        if (each.dtype is not kind and each.dtype != kind) or not each.flags.c_contiguous:
            return False
    return True


@lru_cache(256)
def _function(kind: str, rule: Rule) -> Callable[..., None]:
    return entry(UpdateAll(_TYPES[kind], rule))


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
    sizes, total = _sizes(tuple([parameter.shape for parameter in parameters]))
    count = threads() if total >= _WORTH_A_TEAM and thread_count() > 1 else 1
    function = _function(parameters[0].dtype.char, rule)
    table = np.array(numbers, np.float64)
    stride = len(numbers[0]) if len(numbers) > 1 else 0
    more = [tuple(each) for each in states]
    function(count, tuple(parameters), tuple(gradients), *more, sizes, len(parameters), table, stride)
