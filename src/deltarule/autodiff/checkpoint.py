"""Trading time for memory: forget what a function computed, and compute it again in backward."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from deltarule.autodiff.backward import gradients, nodes_below
from deltarule.autodiff.formula.expression import Equation, array_function
from deltarule.autodiff.formula.formula import Call, Form, Formula
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, identity, record
from deltarule.autodiff.recording import enable_grad, no_grad, recording
from deltarule.autodiff.tensor import Tensor

# State that a recomputation must find as the first run found it, e.g. random numbers: (read, restore).
_replayed: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []


def replay_with(read: Callable[[], Any], restore: Callable[[Any], None]) -> None:
    """Registers state that a recomputation restores before it runs; the random generator does."""
    _replayed.append((read, restore))


def read_replayed() -> list[Any]:
    """The replayed state as it is now."""
    return [read() for read, _ in _replayed]


def restore_replayed(state: list[Any]) -> None:
    """Puts the replayed state back to what `read_replayed` gave."""
    for (_, restore), each in zip(_replayed, state, strict=True):
        restore(each)


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that computes f but keeps only its inputs; backward runs f again.

    Memory: the inputs and outputs of f instead of everything between. Time: one more forward of f.
    Values and gradients are the same to the last bit, random numbers (dropout) included. Tensors that
    f takes from its surroundings, such as a module's parameters, receive their gradients too. State
    that f changes (the running mean of a batch normalisation) is changed twice.

    Source: T. Chen et al., "Training deep nets with sublinear memory cost", 2016.

    >>> import deltarule as dr
    >>> x = dr.tensor(2.0, requires_grad=True)
    >>> dr.checkpoint(lambda x: dr.exp(x) * x)(x).backward()
    >>> x.grad.item() == ((1 + dr.tensor(2.0)) * dr.exp(dr.tensor(2.0))).item()
    True
    """

    @functools.wraps(f)
    def checkpointed(*positional: Any, **named: Any) -> Any:
        if not recording.enabled:
            return f(*positional, **named)
        arguments = (*positional, *named.values())
        given = [each for each in arguments if isinstance(each, Tensor)]
        state = read_replayed()
        stand_ins = [Tensor(each._array, requires_grad=each.requires_grad) for each in given]
        called = _Call(f, arguments, tuple(named))
        result = called(stand_ins)
        outputs = list(result) if isinstance(result, (tuple, list)) else [result]
        captured = _captured(outputs, stand_ins)
        several = isinstance(result, (tuple, list))
        operation = _Checkpoint(called.without_tensors(), len(given), len(outputs), several, state)
        values = tuple(output._array for output in outputs)
        del result, outputs, stand_ins
        tensors = record(operation, (*given, *captured), {}, values[0] if len(values) == 1 else values)
        made = tensors if isinstance(tensors, tuple) else (tensors,)
        return made if several else made[0]

    return checkpointed


class _Call:
    """A function with its arguments, whose tensors are given anew for each run.

    names   of the last arguments, which are passed by keyword
    """

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any], names: tuple[str, ...]):
        self.function = function
        self.arguments = arguments
        self.is_tensor = [isinstance(each, Tensor) for each in arguments]
        self.names = names

    def without_tensors(self) -> _Call:
        """The same without holding on to its tensors: the node of the graph does that."""
        bare = _Call(self.function, [], self.names)
        bare.arguments = [
            None if tensor else each for tensor, each in zip(self.is_tensor, self.arguments, strict=True)
        ]
        bare.is_tensor = self.is_tensor
        return bare

    def __call__(self, tensors: Sequence[Tensor]) -> Any:
        remaining = iter(tensors)
        values = [
            next(remaining) if is_tensor else each
            for is_tensor, each in zip(self.is_tensor, self.arguments, strict=True)
        ]
        first_named = len(values) - len(self.names)
        return self.function(
            *values[:first_named], **dict(zip(self.names, values[first_named:], strict=True))
        )


def _captured(outputs: Sequence[Tensor], stand_ins: Sequence[Tensor]) -> list[Tensor]:
    """Leaves that need a gradient and that the function reached through its surroundings."""
    own = {id(each) for each in stand_ins}
    nodes = nodes_below([output for output in outputs if output.requires_grad])
    found: dict[Tensor, None] = {}
    for node in nodes:
        for tensor in node.inputs:
            if tensor.requires_grad and tensor.node is None and id(tensor) not in own:
                found[tensor] = None
    return list(found)


class _Checkpoint(Operation):
    """One checkpointed call. It is its own record: what it does is the function it was given."""

    name = "checkpoint"
    inputs = ("x",)
    variadic = True

    def __init__(self, called: _Call, given: int, outputs: int, several: bool, state: list[Any]):
        self.called = called
        self.given = given
        self.outputs = ("y",) if outputs == 1 else tuple(f"y{i}" for i in range(outputs))  # type: ignore[misc]
        self.several = several
        self.state = state

    def shape(self, *shapes: Shape, **parameters: Any) -> Any:
        return None

    def open(self, *inputs: Tensor) -> Any:
        """Runs the function again, from the same random state."""
        now = read_replayed()
        restore_replayed(self.state)
        try:
            return self.called(inputs[: self.given])
        finally:
            restore_replayed(now)

    def forward(self, *arrays: Any, **parameters: Any) -> Any:
        with no_grad():
            result = self.open(*(Tensor(array) for array in arrays))
        return tuple(each._array for each in result) if self.several else result._array

    def backward(self, node: Node, *upstream: Tensor) -> Sequence[Tensor | None]:
        create_graph = recording.enabled
        with enable_grad():
            given = node.inputs[: self.given]
            if create_graph:
                stand_ins = [identity(each) if each.requires_grad else each for each in given]
            else:
                stand_ins = [Tensor(each._array, requires_grad=each.requires_grad) for each in given]
            result = self.open(*stand_ins)
        outputs = list(result) if self.several else [result]
        wanted = [*stand_ins, *node.inputs[self.given :]]
        return gradients(outputs, wanted, list(upstream), create_graph=create_graph)

    def formula(self, call: Call) -> Formula:
        y = call.symbol(self.outputs[0])
        named = array_function(getattr(self.called.function, "__name__", "f"), call.symbol("x0"))
        return Formula(Form((Equation(y, named),), (Equation(y, named),)), {})
