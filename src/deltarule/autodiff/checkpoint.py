"""Trading time for memory: forget what a function computed, and compute it again in backward."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from deltarule.autodiff.backward import gradients_after, nodes_below
from deltarule.autodiff.formula.expression import Equation, array_function
from deltarule.autodiff.formula.formula import Call, Form, Formula
from deltarule.autodiff.nesting import put_back, taken_out
from deltarule.autodiff.node import Node, recorded_so_far
from deltarule.autodiff.operation import Operation, Shape, identity, record
from deltarule.autodiff.recording import enable_grad, name_scope, no_grad, recording
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import GraphError

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
    """A function that computes f but keeps only its inputs and outputs; backward runs f again.

    f   function of anything; tensors may stand in nested tuples, lists and dictionaries, among its
        arguments as well as in what it returns

    Memory: the inputs and outputs of f instead of everything between. Time: one more forward of f.
    Values and gradients are the same to the last bit, random numbers (dropout) included. Tensors that
    f takes from its surroundings, such as a module's parameters, receive their gradients too. State
    that f changes (the running mean of a batch normalisation) is changed twice. For a loop over time
    steps: `dr.checkpoint_sequence`.

    Raises GraphError if f returns no tensor.
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
        given, arguments = taken_out((positional, named))
        state = read_replayed()
        start = recorded_so_far()
        stand_ins = [Tensor(each._array, requires_grad=each.requires_grad) for each in given]
        outputs, rest = taken_out(_called(f, arguments, stand_ins))
        if not outputs:
            raise GraphError(
                "checkpoint",
                "the function returned no tensor",
                "It returns what it computed: a tensor, or tuples, lists and dictionaries of tensors.",
            )
        captured = _captured(outputs, stand_ins, start)
        operation = _Checkpoint(f, arguments, len(given), len(outputs), state)
        values = tuple(output._array for output in outputs)
        # What f recorded is let go here, before anything else needs memory.
        del outputs, stand_ins
        tensors = record(operation, (*given, *captured), {}, values[0] if len(values) == 1 else values)
        return put_back(rest, tensors if isinstance(tensors, tuple) else (tensors,))

    return checkpointed


def _called(function: Callable[..., Any], arguments: Any, tensors: Sequence[Tensor]) -> Any:
    """The function's result for arguments whose tensors were taken out."""
    positional, named = put_back(arguments, tensors)
    return function(*positional, **named)


def _captured(outputs: Sequence[Tensor], stand_ins: Sequence[Tensor], start: int) -> list[Tensor]:
    """Tensors that need a gradient and that the function reached through its surroundings.

    start   order of recording at which the function began: what was recorded earlier is not its own
    """
    own = {id(each) for each in stand_ins}
    used = list(outputs)
    for node in nodes_below([output for output in outputs if output.requires_grad], start):
        used += node.inputs
    found: dict[Any, Tensor] = {}
    for tensor in used:
        outside = tensor.node is None or tensor.node.order < start
        if tensor.requires_grad and outside and id(tensor) not in own:
            found[tensor if tensor.node is None else (tensor.node, tensor.output_index)] = tensor
    return list(found.values())


class _Checkpoint(Operation):
    """One checkpointed call. It is its own record: what it does is the function it was given.

    A backward pass opens it in its midst (`reopen`); who looks at operations one by one gets its gradient
    as a whole (`backward`).
    """

    name = "checkpoint"
    inputs = ("x",)
    variadic = True
    reads = ("x",)
    reopens = True

    def __init__(
        self, function: Callable[..., Any], arguments: Any, given: int, outputs: int, state: list[Any]
    ):
        self.function = function
        self.arguments = arguments
        self.given = given
        self.outputs = ("y",) if outputs == 1 else tuple(f"y{i}" for i in range(outputs))  # type: ignore[misc]
        self.state = state

    def shape(self, *shapes: Shape, **parameters: Any) -> Any:
        return None

    def reopen(self, node: Node, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        with name_scope(node.scope):
            return self._run(inputs)

    def _run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Runs the function again, from the same random state."""
        now = read_replayed()
        restore_replayed(self.state)
        try:
            outputs, _ = taken_out(_called(self.function, self.arguments, inputs[: self.given]))
        finally:
            restore_replayed(now)
        return outputs

    def forward(self, *arrays: Any, **parameters: Any) -> Any:
        with no_grad():
            outputs = self._run([Tensor(array) for array in arrays])
        return outputs[0]._array if len(outputs) == 1 else tuple(each._array for each in outputs)

    def backward(self, node: Node, *upstream: Tensor) -> Sequence[Tensor | None]:
        create_graph = recording.enabled
        with enable_grad():
            given = node.inputs[: self.given]
            if create_graph:
                stand_ins = [identity(each) if each.requires_grad else each for each in given]
            else:
                stand_ins = [Tensor(each._array, requires_grad=each.requires_grad) for each in given]
            start = recorded_so_far()
            outputs = self.reopen(node, stand_ins)
        return gradients_after(
            start, outputs, [*stand_ins, *node.inputs[self.given :]], upstream, create_graph=create_graph
        )

    def formula(self, call: Call) -> Formula:
        y = call.symbol(self.outputs[0])
        named = array_function(getattr(self.function, "__name__", "f"), call.symbol("x0"))
        return Formula(Form((Equation(y, named),), (Equation(y, named),)), {})
