"""What the source of a program calls: operations' kernels on plain arrays, random draws, updates."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.operation import Operation
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.compiler.program import Instruction, Rule
from deltarule.errors import DeltaruleError
from deltarule.operations.random import generator


class _Step:
    """What a gradient kernel sees of a node: its record without the graph around it."""

    __slots__ = ("inputs", "operation", "parameters", "saved", "scope", "values")

    def __init__(
        self,
        operation: Operation,
        inputs: tuple[Tensor, ...],
        values: tuple[Array, ...],
        saved: Any,
        parameters: dict[str, Any],
    ):
        self.operation = operation
        self.inputs = inputs
        self.values = values
        self.saved = saved
        self.parameters = parameters
        self.scope = ""

    def needs(self, position: int) -> bool:
        return self.inputs[position]._requires_grad

    def output(self, index: int = 0) -> Tensor:
        return Tensor(self.values[index])

    def label(self) -> str:
        return self.operation.name


class Kernel:
    """An operation as a function of arrays, with its gradient."""

    def __init__(self, operation: Operation):
        self.operation = operation

    def __call__(self, *arrays: Array, **parameters: Any) -> Any:
        """The value; with several outputs, or something saved, a tuple of them all."""
        operation = self.operation
        result = operation.forward(*arrays, **parameters)
        saved: tuple[Any, ...] = ()
        if operation.saves:
            result, saved = result[0], (result[1],)
        if len(operation.outputs) > 1:
            return (*[np.asarray(value) for value in result], *saved)
        return (np.asarray(result), *saved) if saved else np.asarray(result)

    def gradient(
        self,
        *upstream: Array,
        inputs: tuple[Array, ...],
        values: tuple[Array, ...],
        needs: tuple[int, ...],
        saved: Any = None,
        parameters: dict[str, Any] | None = None,
    ) -> list[Array | None]:
        """A gradient for each input, None where it is not needed."""
        tensors = tuple([Tensor(array, bool(need)) for array, need in zip(inputs, needs, strict=True)])
        step: Any = _Step(self.operation, tensors, values, saved, {} if parameters is None else parameters)
        found = self.operation.backward_kernel(step, *upstream)
        return [None if each is None else np.asarray(each) for each in found]

    def scatter(self, total: Array, upstream: Array, *, like: Array, own: bool, **parameters: Any) -> Array:
        """total plus the gradient, at its place; in place if nobody else needs the total so far."""
        if not own:
            total = np.array(total)
        step: Any = _Step(self.operation, (Tensor(like, True),), (), None, parameters)
        self.operation.scatter(step, upstream, total)
        return total


class Located:
    """A rule whose errors name the layer."""

    def __init__(self, rule: Rule, scope: str):
        self.rule = rule
        self.scope = scope

    def __call__(self, *arrays: Any, **parameters: Any) -> Any:
        try:
            result = self.rule.function(*arrays, **parameters)
        except DeltaruleError as error:
            if self.scope:
                error.who = f"{error.who} in layer {self.scope}"
            raise
        if isinstance(result, tuple):
            return tuple([np.asarray(each) for each in result])
        return result if result is None else np.asarray(result)


class Drawing:
    """A rule that draws from the library's generator."""

    def __init__(self, rule: Rule):
        self.rule = rule

    def __call__(self, **parameters: Any) -> Array:
        return np.asarray(self.rule.function(generator(), **parameters))


class Updating:
    """An optimiser's update of parameters of one group, with the options and slots of the moment."""

    def __init__(self, instructions: list[Instruction]):
        self.optimizer = instructions[0].optimizer
        self.group = instructions[0].group
        self.parameters = [each.parameter for each in instructions]

    def __call__(self, *pairs: tuple[Array, Array]) -> None:
        """pairs   each parameter, which is written, with its gradient"""
        optimizer = self.optimizer
        states = [optimizer.state.setdefault(parameter, {}) for parameter in self.parameters]
        arrays, gradients = [array for array, _ in pairs], [gradient for _, gradient in pairs]
        optimizer.update_arrays(arrays, gradients, states, optimizer.param_groups[self.group])


def put(array: Array, key: Any, source: Any) -> Array:
    """A copy with other elements at the key."""
    copied = array.copy()
    copied[key] = source
    return copied
