"""What is differentiated: a function or a recorded loss, run on any numbers of any size that it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from deltarule.autodiff.backward import nodes_below
from deltarule.autodiff.checkpoint import read_replayed, restore_replayed
from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.node import Node
from deltarule.autodiff.recording import enable_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, GraphError
from deltarule.explain.checking.replay import Pass, fully_opened, replay
from deltarule.nn.module import Module
from deltarule.operations.recurrence.groups import RecurrentGroup

WHO = "check_derivation"
Numbers = dict[str, Array]


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


class FunctionProblem(Problem):
    """A function of tensors; tensors that it reaches from its surroundings are varied too."""

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any], names: Sequence[str] = ()):
        self.function = function
        self.inputs = list(inputs)
        self.names = _input_names(function, inputs, names)
        self.start, self.varied, self._requested = {}, [], set()
        for name, value in zip(self.names, inputs, strict=True):
            array = _array_of(value)
            if array is None:
                continue
            self.start[name] = array
            if array.dtype.kind == "f":
                self.varied.append(name)
                if isinstance(value, Tensor) and value.requires_grad:
                    self._requested.add(name)
        self.free = self.varied
        self._random = read_replayed()
        self._extra: dict[str, Tensor] = {}
        outputs = self._first_outputs()
        own = set(self._arguments.values())
        around = _surroundings(function)
        for node in nodes_below([each for each in outputs if each.requires_grad]):
            for tensor in node.inputs:
                if tensor.node is None and tensor.requires_grad and tensor not in own:
                    name = around.get(tensor) or tensor.name or f"parameter{len(self._extra)}"
                    if not _among(tensor, self._extra.values()):
                        self._extra[name] = tensor
                        self.start[name] = tensor._array.astype(np.float64)
                        self.varied.append(name)
        self.is_loss = len(outputs) == 1 and outputs[0].ndim == 0

    def _first_outputs(self) -> list[Tensor]:
        """The outputs on the given numbers; an input that must be a constant (class weights) is made one."""
        try:
            return self._call(self.start)[1]
        except ArgumentError:
            everything = list(self.varied)
            for name in reversed(everything):
                self.varied[:] = [each for each in everything if each != name]
                try:
                    return self._call(self.start)[1]
                except ArgumentError:
                    continue
            self.varied[:] = everything
            raise

    def expected_order(self) -> list[str]:
        """Names in the order in which gradients are handed back: those asked for, else all floating ones."""
        positional = [name for name in self.names if name in self.varied]
        asked = [name for name in positional if name in self._requested]
        return asked or positional

    def holding(self, trial: Trial) -> AbstractContextManager[None]:
        return _holding({tensor: trial.numbers[name] for name, tensor in self._extra.items()})

    def _call(self, numbers: Numbers) -> tuple[dict[str, Tensor], list[Tensor]]:
        arguments: dict[str, Tensor] = {}
        given: list[Any] = []
        for name, value in zip(self.names, self.inputs, strict=True):
            if name in numbers:
                array = numbers[name]
                arguments[name] = Tensor(array, requires_grad=name in self.varied)
                given.append(arguments[name])
            else:
                given.append(value)
        self._arguments = arguments
        restore_replayed(self._random)
        with enable_grad():
            result = self.function(*given)
        return arguments, _flat(result)

    def run(self, numbers: Numbers, seed: int = 0) -> Trial:
        with _holding({tensor: numbers[name] for name, tensor in self._extra.items()}):
            arguments, outputs = self._call(numbers)
            # Later readers of the record need the held numbers: it is made anew on leaves of its own.
            fresh = {tensor: Tensor(numbers[name], True, name) for name, tensor in self._extra.items()}
            leaves = {name: arguments[name] for name in arguments if name in self.varied}
            if fresh:
                live = [each for each in outputs if each.requires_grad]
                copies = {tensor: Tensor(tensor._array, True) for tensor in leaves.values()}
                again = iter(replay(live, {**fresh, **copies}))
                outputs = [next(again) if each.requires_grad else each for each in outputs]
                leaves = {name: copies[tensor] for name, tensor in leaves.items()}
        leaves.update({name: fresh[tensor] for name, tensor in self._extra.items()})
        return Trial(dict(numbers), leaves, outputs, seed)


class RecordedProblem(Problem):
    """A recorded loss; its leaves take other numbers, its constants stay.

    names   name -> tensor of the record, for leaves, constants and values in between
    """

    def __init__(self, loss: Tensor, names: Mapping[str, Any]):
        if not loss.requires_grad:
            raise GraphError(
                WHO, "the loss needs no gradient: nothing it was computed from has requires_grad=True"
            )
        self.loss = loss
        self.is_loss = loss.ndim == 0
        titles = {tensor: name for name, tensor in names.items() if isinstance(tensor, Tensor)}
        self.start, self.varied = {}, []
        self._leaves: dict[str, Tensor] = {}
        self._between: dict[str, tuple[int, int]] = {}
        nodes = nodes_below([loss])
        for position, node in enumerate(nodes):
            for tensor in node.inputs:
                if tensor.node is None and not _among(tensor, self._leaves.values()):
                    self._enter(tensor, titles.get(tensor) or tensor.name or _title_of(tensor, names))
            for index in range(len(node.values)):
                for tensor, name in titles.items():
                    if tensor.node is node and tensor.output_index == index:
                        self._between[name] = (position, index)
        self.free = list(self.varied)
        self._named = [name for name in self._leaves if name in names]
        reached = {*self._leaves, *self._between}
        for name, tensor in names.items():
            if isinstance(tensor, Tensor) and name not in reached:
                if tensor.node is not None or tensor.requires_grad:
                    raise ArgumentError(
                        WHO,
                        f"the loss does not depend on the tensor named {name!r}",
                        "Name one that it uses.",
                    )
                self.start[name] = np.asarray(tensor._array)
            elif not isinstance(tensor, Tensor) and name not in reached:
                self.start[name] = np.asarray(tensor)

    def _loose(self) -> list[str]:
        # Constants without a name of the user's belong to the computation itself.
        data = [name for name in self._named if self.start[name].ndim and self.start[name].dtype.kind == "f"]
        return [*self.varied, *(name for name in data if name not in self.varied)]

    def _enter(self, tensor: Tensor, name: str) -> None:
        array = _array_of(tensor)
        assert array is not None
        nameless = not name
        name = name or f"value{len(self._leaves)}"
        while name in self._leaves:
            name += "'"
        self._leaves[name] = tensor
        self.start[name] = array
        if tensor.requires_grad:
            self.varied.append(name)
        elif nameless and not array.ndim:
            self.unnamed |= {name}

    def holding(self, trial: Trial) -> AbstractContextManager[None]:
        return _holding({self._leaves[name]: trial.numbers[name] for name in self.varied})

    def run(self, numbers: Numbers, seed: int = 0) -> Trial:
        leaves = {
            name: Tensor(numbers[name], requires_grad=name in self.varied, name=name) for name in self._leaves
        }
        replacing: dict[Tensor, Tensor] = {self._leaves[name]: leaf for name, leaf in leaves.items()}
        outputs = replay([self.loss], replacing)
        nodes = nodes_below(outputs)
        named = {name: (nodes[position], index) for name, (position, index) in self._between.items()}
        found = {name: node.values[index] for name, (node, index) in named.items()}
        varied = {name: leaves[name] for name in self.varied}
        return Trial({**numbers, **found}, varied, outputs, seed, named)


def _title_of(tensor: Tensor, names: Mapping[str, Any]) -> str:
    """The name of a constant that was handed to an operation as an array: that of the equal array."""
    for name, value in names.items():
        if not isinstance(value, Tensor) and np.shape(value) == tensor.shape and tensor.ndim:
            if np.array_equal(np.asarray(value), tensor._array):
                return name
    return ""


def _among(tensor: Tensor, others: Iterable[Tensor]) -> bool:
    """Whether it is one of them itself: == compares elements."""
    return any(tensor is each for each in others)


def _flat(result: Any) -> list[Tensor]:
    """Every tensor of a result, which may be nested tuples."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, (tuple, list)):
        return [tensor for part in result for tensor in _flat(part)]
    raise GraphError(WHO, f"the function returned {type(result).__name__}, expected a tensor or several")


def _array_of(value: Any) -> Array | None:
    """An input as an array of its own, floats as float64; None for what is no array."""
    if value is None or isinstance(value, (str, bool, int, slice)):
        return None
    if isinstance(value, Tensor) or hasattr(value, "dtype") or isinstance(value, (float, list, tuple)):
        array = as_tensor(value)._array
        return np.array(array, np.float64) if array.dtype.kind == "f" else np.array(array)
    return None


def _input_names(function: Callable[..., Any], inputs: Sequence[Any], names: Sequence[str]) -> list[str]:
    """Names of positional inputs: given ones, those of the tensors, else the function's own."""
    if names and len(names) != len(inputs):
        raise ArgumentError(
            WHO,
            f"names expected one for each of the {len(inputs)} inputs, got {len(names)}",
            "Name them all.",
        )
    own: list[str] = []
    try:
        called = function.forward if isinstance(function, Module) else function
        for parameter in inspect.signature(called).parameters.values():
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                break
            own.append(parameter.name)
    except (TypeError, ValueError):
        pass
    found: list[str] = []
    for position, value in enumerate(inputs):
        name = names[position] if names else value.name if isinstance(value, Tensor) else ""
        name = name or (own[position] if position < len(own) else f"x{position}")
        found.append(name if name not in found else f"{name}{position}")
    return found


def _surroundings(function: Callable[..., Any]) -> dict[Tensor, str]:
    """Tensors and parameters of modules that a function reaches, with the names they have there."""
    reached: dict[str, Any] = {}
    if isinstance(function, Module):
        reached[""] = function
    owner = getattr(function, "__self__", None)
    if isinstance(owner, Module):
        reached[""] = owner
    code = getattr(function, "__code__", None)
    if code is not None:
        known = getattr(function, "__globals__", {})
        reached.update({name: known[name] for name in code.co_names if name in known})
        for name, cell in zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False):
            reached[name] = cell.cell_contents
    found: dict[Tensor, str] = {}
    modules = sum(isinstance(each, Module) for each in reached.values())
    for name, value in reached.items():
        if isinstance(value, Tensor):
            found.setdefault(value, name)
        elif isinstance(value, Module):
            for title, parameter in value.named_parameters():
                found.setdefault(parameter, title if modules == 1 else f"{name}.{title}")
        elif isinstance(value, Mapping):
            for key, each in value.items():
                if isinstance(each, Tensor):
                    found.setdefault(each, str(key))
    return found


@contextmanager
def _holding(arrays: Mapping[Tensor, Array]) -> Iterator[None]:
    """Lets tensors hold other elements for a while."""
    own = {tensor: tensor._array for tensor in arrays}
    for tensor, array in arrays.items():
        tensor._array = array
    try:
        yield
    finally:
        for tensor, array in own.items():
            tensor._array = array


GATES = {1: ("",), 3: ("r", "z", "n"), 4: ("i", "f", "g", "o")}


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
