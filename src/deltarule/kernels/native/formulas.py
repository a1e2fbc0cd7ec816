"""Element-wise formulas as Python calls them: which routine, how many threads, how arrays lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.kernels.elementwise import array_functions
from deltarule.kernels.native.code import Code
from deltarule.kernels.native.elementwise import Elementwise
from deltarule.kernels.native.entry import entry
from deltarule.kernels.native.team import threads
from deltarule.kernels.native.values import Vector
from deltarule.kernels.native.vector_functions import vector_functions

Array = NDArray[Any]
Formula = Callable[..., Sequence[Any]]

_TYPES = {"f": "float32", "d": "float64", "?": "bool"}

# Bytes that are read and written, and elements of a function that takes long, from which a second thread
# repays its start: about ten microseconds of work.
_WORTH_A_TEAM_BYTES = 1_000_000
_WORTH_A_TEAM_DEAR = 60_000

# Elements from which native code is faster than NumPy's: where a formula has functions that take long (exp,
# say) among others, where it is one such function, where it has several steps, each of which is a pass for
# NumPy, and where it is one of these: then only threads help (benchmarks/formulas.py).
LEAST, LEAST_ONE_DEAR, LEAST_SEVERAL, LEAST_ONE = 48, 4_096, 512, 16_384

_DEAR = frozenset(
    "exp expm1 log log1p log2 log10 sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh erf "
    "sigmoid softplus pow".split()
)
# What NumPy computes with vectors too.
_QUICK_IN_NUMPY = _DEAR - {"erf", "sigmoid", "softplus", "pow"}


@dataclass(frozen=True)
class _Plan:
    function: Callable[..., bool]
    shape: tuple[int, ...]
    outputs: tuple[Any, ...]
    sizes: tuple[int, int]
    team: bool


class FormulaKernel:
    """A formula in native code, for the arrays that it is called with.

    key        says what the formula computes
    formula    function of a namespace, arrays and numbers that answers a tuple, one value for each output
    steps      names of the functions and operators in it, for the choice between native code and NumPy
    folded     positions of inputs that become constants where they are single numbers of `constants`
    """

    def __init__(
        self,
        key: str,
        formula: Formula,
        steps: Sequence[str],
        folded: tuple[int, ...] = (),
        constants: frozenset[float] = frozenset(),
    ):
        self.key, self.formula, self.folded, self.constants = key, formula, folded, constants
        self.is_dear = any(step in _DEAR for step in steps)
        if self.is_dear:
            self.least = LEAST_ONE_DEAR if len(steps) == 1 and steps[0] in _QUICK_IN_NUMPY else LEAST
        else:
            self.least = LEAST_SEVERAL if len(steps) > 1 else LEAST_ONE
        self._plans: dict[Any, _Plan | None] = {}

    def __call__(self, arrays: Sequence[Array], numbers: Sequence[float] = ()) -> list[Array] | None:
        """The outputs; None where NumPy is to compute them."""
        first = arrays[0]
        signature: Any = (first.shape, first.dtype)
        for array in arrays[1:]:
            signature += (array.shape, array.dtype)
        known: tuple[float | None, ...] = ()
        if self.folded:
            known = tuple(self._constant(arrays[position]) for position in self.folded)
            signature = (signature, known)
        try:
            plan = self._plans[signature]
        except KeyError:
            plan = self._plans[signature] = self._planned(arrays, numbers, known)
        if plan is None:
            return None
        if known:
            arrays = [
                array
                for position, array in enumerate(arrays)
                if position not in self.folded or known[self.folded.index(position)] is None
            ]
        team = threads() if plan.team else 1
        outputs = [np.empty(plan.shape, dtype) for dtype in plan.outputs]
        if plan.function(team, *arrays, *outputs, *numbers, *plan.sizes):
            return outputs
        return self._laid_out(plan, team, arrays, numbers)

    def _constant(self, array: Array) -> float | None:
        if array.size != 1:
            return None
        value = float(array.reshape(()))
        return value if value in self.constants else None

    def _laid_out(
        self, plan: _Plan, team: int, arrays: Sequence[Array], numbers: Sequence[float]
    ) -> list[Array] | None:
        """The outputs for arrays that lie in another order of axes, all alike; else for copies of them."""
        full = [array for array in arrays if array.shape == plan.shape]
        if full and all(array.size == 1 or array.shape == plan.shape for array in arrays):
            order = sorted(range(len(plan.shape)), key=lambda axis: -full[0].strides[axis])
            turned = [array.transpose(order) if array.shape == plan.shape else array for array in arrays]
            back = np.argsort(order)
        else:
            turned, back = list(arrays), np.arange(len(plan.shape))
        if not all(array.flags.c_contiguous for array in turned):
            if not self.is_dear:
                return None
            turned = [np.ascontiguousarray(array).reshape(array.shape) for array in turned]
        shape = tuple(plan.shape[axis] for axis in np.argsort(back))
        outputs = [np.empty(shape, dtype) for dtype in plan.outputs]
        if not plan.function(team, *turned, *outputs, *numbers, *plan.sizes):
            return None
        return [output.transpose(back) for output in outputs]

    def _planned(
        self, arrays: Sequence[Array], numbers: Sequence[float], known: tuple[float | None, ...]
    ) -> _Plan | None:
        kinds = [array.dtype.char for array in arrays]
        floats = {kind for kind in kinds if kind in "fd"}
        if len(floats) != 1 or any(kind not in _TYPES for kind in kinds):
            return None
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        size = int(np.prod(shape, dtype=np.int64))
        if size < self.least:
            return None
        constants = {
            position: value for position, value in zip(self.folded, known, strict=False) if value is not None
        }
        kept = [array for position, array in enumerate(arrays) if position not in constants]
        found = layouts([array.shape for array in kept], shape)
        if found is None:
            return None
        names, rows, columns = found
        # What NumPy answers for no elements has the types of the outputs.
        samples = [np.empty(0, array.dtype) for array in arrays]
        with np.errstate(all="ignore"):
            answers = self.formula(array_functions, *samples, *numbers)
        outputs = tuple(np.asarray(answer).dtype for answer in answers)
        if any(output.char not in _TYPES for output in outputs):
            return None
        dtype = _TYPES[next(iter(floats))]
        routine = Elementwise(
            f"{self.key} {sorted(constants.items())}",
            tuple((_TYPES[array.dtype.char], name) for array, name in zip(kept, names, strict=True)),
            tuple(_TYPES[output.char] for output in outputs),
            self._written(constants),
            (dtype,) * len(numbers),
        )
        moved = size * sum(each.itemsize for each in outputs) + sum(array.nbytes for array in kept)
        team = moved >= _WORTH_A_TEAM_BYTES or (self.is_dear and size >= _WORTH_A_TEAM_DEAR)
        return _Plan(entry(routine, True), shape, outputs, (rows, columns), team)

    def _written(self, constants: dict[int, float]) -> Callable[[Code, list[Vector]], Sequence[Any]]:
        def function(code: Code, vectors: list[Vector]) -> Sequence[Any]:
            given: list[Any] = list(vectors)
            for position in sorted(constants):
                given.insert(position, constants[position])
            return self.formula(vector_functions, *given)

        return function


def layouts(shapes: Sequence[tuple[int, ...]], shape: tuple[int, ...]) -> tuple[list[str], int, int] | None:
    """How arrays of these shapes lie in one of the common shape: (layouts, rows, columns).

    None where they are no rows, columns or single elements of one matrix.
    """
    size = int(np.prod(shape, dtype=np.int64))
    names, columns = [], None
    for each in shapes:
        count = int(np.prod(each, dtype=np.int64))
        if count == size:
            names.append("full")
            continue
        if count == 1:
            names.append("scalar")
            continue
        padded = (1,) * (len(shape) - len(each)) + each
        differing = [axis for axis, extent in enumerate(padded) if extent != shape[axis]]
        first, last = differing[0], differing[-1]
        if all(extent == 1 for extent in padded[: last + 1]):
            name, wanted = "row", count
        elif all(extent == 1 for extent in padded[first:]):
            name, wanted = "column", size // count
        else:
            return None
        if columns not in (None, wanted):
            return None
        names.append(name)
        columns = wanted
    if columns is None:
        return names, 1, size
    return names, size // columns, columns
