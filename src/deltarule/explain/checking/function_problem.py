"""A function of tensors as what is differentiated, with the tensors that it reaches from its surroundings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from deltarule.autodiff.backward import nodes_below
from deltarule.autodiff.checkpoint import read_replayed, restore_replayed
from deltarule.autodiff.recording import enable_grad
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, GraphError
from deltarule.explain.checking.problem import WHO, Numbers, Problem, Trial, among, array_of, held
from deltarule.explain.checking.replay import replay
from deltarule.nn.module import Module


class FunctionProblem(Problem):
    """A function of tensors; tensors that it reaches from its surroundings are varied too."""

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any], names: Sequence[str] = ()):
        self.function = function
        self.inputs = list(inputs)
        self.names = _input_names(function, inputs, names)
        self.start, self.varied, self._requested = {}, [], set()
        for name, value in zip(self.names, inputs, strict=True):
            array = array_of(value)
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
                    if not among(tensor, self._extra.values()):
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
        return held({tensor: trial.numbers[name] for name, tensor in self._extra.items()})

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
        with held({tensor: numbers[name] for name, tensor in self._extra.items()}):
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


def _flat(result: Any) -> list[Tensor]:
    """Every tensor of a result, which may be nested tuples."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, (tuple, list)):
        return [tensor for part in result for tensor in _flat(part)]
    raise GraphError(WHO, f"the function returned {type(result).__name__}, expected a tensor or several")


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
