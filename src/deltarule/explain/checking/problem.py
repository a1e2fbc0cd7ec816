"""What is differentiated, run on any numbers of any size that it takes: one computation is a trial."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.node import Node
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import GraphError
from deltarule.explain.checking.replay import Pass, fully_opened
from deltarule.operations.recurrence.groups import RecurrentGroup

WHO = "check_derivation"
Numbers = dict[str, Array]
# Names of the gates whose rows are stacked, by their number.
GATES = {1: ("",), 3: ("r", "z", "n"), 4: ("i", "f", "g", "o")}


class Trial:
    """One computation with its numbers: all arrays by name, outputs, upstream and the right gradients.

    numbers    every named array, the constant ones too
    leaves     name -> the tensor that is differentiated with respect to
    named      name -> (node, output) of values in between that have names
    """

    def __init__(
        self,
        numbers: Numbers,
        leaves: dict[str, Tensor],
        outputs: Sequence[Tensor],
        seed: int,
        named: Mapping[str, tuple[Node, int]] | None = None,
        upstream: Sequence[Array] | None = None,
    ):
        self.numbers, self.leaves, self.seed = numbers, leaves, seed
        self.all_outputs = list(outputs)
        self.outputs = [each for each in outputs if each.requires_grad]
        if not self.outputs:
            raise GraphError(
                WHO,
                "the result does not depend on the inputs through recorded operations",
                "Compute it with deltarule's operations, without .numpy(), .item() or .detach() on the way.",
            )
        self.upstream = (
            list(upstream)
            if upstream is not None
            else [_upstream(each.shape, seed, position) for position, each in enumerate(self.outputs)]
        )
        self.named = dict(named or {})
        self._pass: dict[bool, Pass] = {}
        # Node -> its formula with these numbers, as it is asked for.
        self.formulas: dict[Node, Any] = {}
        by_leaf = self.pass_(False).right
        self.gradients = {name: by_leaf.get(leaf, np.zeros(leaf.shape)) for name, leaf in leaves.items()}

    def pass_(self, opened: bool) -> Pass:
        """The backward pass over the record, or over its opened form."""
        if opened not in self._pass:
            outputs = fully_opened(self.outputs) if opened else self.outputs
            self._pass[opened] = Pass(outputs, self.upstream)
        return self._pass[opened]

    def with_upstream(self, upstream: Sequence[Array]) -> Trial:
        """The same numbers with other upstream gradients."""
        return Trial(self.numbers, self.leaves, self.all_outputs, self.seed, self.named, upstream)

    def by_name(self, gradients: Mapping[Tensor, Array]) -> dict[str, Array]:
        """Gradients of leaves under their names."""
        return {
            name: np.asarray(gradients.get(leaf, np.zeros(leaf.shape))) for name, leaf in self.leaves.items()
        }

    def finite(self) -> bool:
        """Whether outputs and gradients are numbers at all."""
        return all(np.all(np.isfinite(each._array)) for each in self.outputs) and all(
            np.all(np.isfinite(gradient)) for gradient in self.gradients.values()
        )


def _upstream(shape: tuple[int, ...], seed: int, position: int) -> Array:
    """∂L/∂output: 1 for one number, else numbers of both signs with few digits."""
    if int(np.prod(shape)) == 1:
        return np.ones(shape)
    generator = np.random.default_rng((seed, position))
    sizes = generator.integers(2, 9, shape) / 4
    return np.where(generator.random(shape) < 0.4, -sizes, sizes)


class Problem:
    """A computation whose gradients are claimed.

    start      the numbers that were given, in float64
    varied     names of arrays that are differentiated with respect to
    free       names of arrays that may be drawn anew: until it is known what is claimed, all varied ones
    unnamed    constants that are single numbers without a name, such as 0.5: part of the computation
    """

    start: Numbers
    varied: list[str]
    free: list[str]
    unnamed: frozenset[str] = frozenset()
    is_loss: bool

    def run(self, numbers: Numbers, seed: int = 0) -> Trial:
        """The computation on these numbers."""
        raise TypeError(f"{type(self).__name__} defines no run method")

    def holding(self, trial: Trial) -> AbstractContextManager[None]:
        """Lets the tensors themselves have a trial's numbers for a while, for code that reads them."""
        return nullcontext()

    def claim(self, names: Collection[str]) -> None:
        """Settles which arrays are drawn anew: those whose gradients are claimed, and other data.

        What lies between 0 and 1 may be a target, a probability or a mask, which other numbers would not be.
        """
        self.free = [
            name
            for name in self._loose()
            if name in names or bool(np.any((self.start[name] < 0) | (self.start[name] > 1)))
        ]

    def _loose(self) -> list[str]:
        """Names of arrays that other numbers may stand for."""
        return self.varied


def among(tensor: Tensor, others: Iterable[Tensor]) -> bool:
    """Whether it is one of them itself: == compares elements."""
    return any(tensor is each for each in others)


def array_of(value: Any) -> Array | None:
    """An input as an array of its own, floats as float64; None for what is no array."""
    if value is None or isinstance(value, (str, bool, int, slice)):
        return None
    if isinstance(value, Tensor) or hasattr(value, "dtype") or isinstance(value, (float, list, tuple)):
        array = as_tensor(value)._array
        return np.array(array, np.float64) if array.dtype.kind == "f" else np.array(array)
    return None


@contextmanager
def held(arrays: Mapping[Tensor, Array]) -> Iterator[None]:
    """Lets tensors hold other elements for a while."""
    own = {tensor: tensor._array for tensor in arrays}
    for tensor, array in arrays.items():
        tensor._array = array
    try:
        yield
    finally:
        for tensor, array in own.items():
            tensor._array = array


def recurrent_weights(trial: Trial) -> list[str]:
    """Names of the weights that lead from a step of a layer with gates to the next."""
    found: list[str] = []
    for node in trial.pass_(False).nodes:
        operation = node.operation
        if isinstance(operation, RecurrentGroup) and operation.gates > 1:
            weight = node.inputs[2 + len(operation.states)]
            found += [name for name, leaf in trial.leaves.items() if leaf is weight]
    return found


def gates_of(trial: Trial) -> dict[str, tuple[str, ...]]:
    """Names of parameters whose rows are stacked gates -> the gates, in the order of their blocks."""
    found: dict[str, tuple[str, ...]] = {}
    for node in trial.pass_(False).nodes:
        operation = node.operation
        if isinstance(operation, RecurrentGroup) and operation.gates > 1:
            first = 1 + len(operation.states)
            for tensor in node.inputs[first : first + 4]:
                for name, leaf in trial.leaves.items():
                    if leaf is tensor:
                        found[name] = GATES[operation.gates]
    return found
