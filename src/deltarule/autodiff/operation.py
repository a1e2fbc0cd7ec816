"""Operation: one record that says everything about a step of a computation.

A *primitive* states its value, its shape rule, its local gradient and its formula. A *group* is a
function composed of smaller operations: `open` is that composition, and a kernel pair (`forward`,
`backward_kernel`) may stand in for it. Every reader of the recorded graph (backward pass, gradient
check, explainer, compiler) reads these records and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from deltarule.autodiff.formula.expression import Symbol
from deltarule.autodiff.formula.formula import Call, Formula, Shape
from deltarule.autodiff.node import Node, linked
from deltarule.autodiff.recording import enable_grad, no_grad, recording
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import GradientError


class Operation:
    """A primitive operation. Subclasses are stateless; `register` makes the one record of each.

    name        what users call it
    inputs      names of its tensor inputs; with `variadic` the last name repeats as x0, x1, ...
    outputs     names of its outputs
    reads       names of inputs and outputs whose elements the gradient needs: they are guarded
                against being written into; None means all of them
    saves       whether `forward` returns (value, saved), where `saved` is for `backward_kernel`
    view        whether the output may share its first input's memory
    scatters    whether its gradient touches a part of its only input's alone: `scatter` adds it there
    reopens     whether it forgot what it did: `reopen` records it again, in the middle of a pass
    symbols     name -> (scalar LaTeX, matrix LaTeX), where the default would not do

    >>> import deltarule as dr
    >>> multiply = (dr.tensor(3.0, requires_grad=True) * 2.0).node.operation
    >>> multiply.name, multiply.inputs, multiply.reads
    ('multiply', ('a', 'b'), ('a', 'b'))
    >>> multiply.shape((2, 1), (3,))
    (2, 3)
    """

    name: ClassVar[str] = ""
    inputs: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ("y",)
    variadic: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...] | None] = None
    saves: ClassVar[bool] = False
    view: ClassVar[bool] = False
    scatters: ClassVar[bool] = False
    reopens: ClassVar[bool] = False
    symbols: ClassVar[dict[str, tuple[str, str]]] = {}

    # Count of inputs -> what `read_positions` answered.
    _read_positions: dict[int, tuple[Sequence[int], Sequence[int]]]

    def __new__(cls, *arguments: Any, **options: Any):
        self = super().__new__(cls)
        self._read_positions = {}
        return self

    def shape(self, *shapes: Shape, **parameters: Any) -> Any:
        """Shape of the output (a tuple of shapes if there are several), or a clear ShapeError."""
        raise NotImplementedError(f"{self.name}: shape rule")

    def forward(self, *arrays: Array, **parameters: Any) -> Any:
        """Value from plain arrays, whose shapes the shape rule has accepted."""
        raise NotImplementedError(f"{self.name}: value")

    def backward(self, node: Node, *upstream: Tensor) -> Sequence[Tensor | None]:
        """Gradient of each input from the gradient of each output, written in operations.

        Being operations, gradients can be differentiated again. Inputs that need no gradient
        (`node.needs(i)` is False) may be answered with None.
        """
        raise NotImplementedError(f"{self.name}: gradient")

    def backward_kernel(self, node: Node, *upstream: Array) -> Sequence[Array | None]:
        """The same on plain arrays, where nothing is recorded; a fast kernel may replace it."""
        with no_grad():
            gradients = self.backward(node, *(Tensor(array) for array in upstream))
        require_gradient_tensors(self, gradients)
        return [None if gradient is None else gradient._array for gradient in gradients]

    def scatter(self, node: Node, upstream: Array, total: Array) -> None:
        """Adds the input's gradient to `total` in place: a loop over slices costs no more than its slices."""
        raise NotImplementedError(f"{self.name}: scattered gradient")

    def reopen(self, node: Node, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """The outputs, recorded anew from these inputs."""
        raise NotImplementedError(f"{self.name}: recording again")

    def formula(self, call: Call) -> Formula:
        """The formula for these shapes and options, as expression trees."""
        raise NotImplementedError(f"{self.name}: formula")

    # ---- derived

    def input_names(self, count: int) -> tuple[str, ...]:
        """Names of `count` inputs; optional trailing inputs may be absent."""
        if not self.variadic:
            return self.inputs[:count]
        fixed = self.inputs[:-1]
        return fixed + tuple(f"{self.inputs[-1]}{i}" for i in range(count - len(fixed)))

    def read_positions(self, count: int) -> tuple[Sequence[int], Sequence[int]]:
        """Which of so many inputs, and which outputs, the gradient reads."""
        found = self._read_positions.get(count)
        if found is None:
            found = self._read_positions[count] = self._found_read_positions(count)
        return found

    def _found_read_positions(self, count: int) -> tuple[Sequence[int], Sequence[int]]:
        if self.reads is None:
            return range(count), range(len(self.outputs))
        names = self.input_names(count)
        stems = [name.rstrip("0123456789") if self.variadic else name for name in names]
        positions = [i for i in range(count) if names[i] in self.reads or stems[i] in self.reads]
        return positions, [i for i, name in enumerate(self.outputs) if name in self.reads]

    def call(self, node: Node) -> Call:
        """The formula's view of a recorded node."""
        names = self.input_names(len(node.inputs))
        shapes = {name: tensor.shape for name, tensor in zip(names, node.inputs, strict=True)}
        shapes.update({name: value.shape for name, value in zip(self.outputs, node.values, strict=True)})
        return Call(shapes, node.parameters)

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


class Group(Operation):
    """An operation that is a composition of smaller ones.

    `open` is its definition: its finer graph, its reference in tests and its second derivative.
    Without kernels of its own a group computes and differentiates by `open`.

    >>> import deltarule as dr
    >>> x = dr.tensor(0.5, requires_grad=True)
    >>> sigmoid = dr.sigmoid(x).node.operation
    >>> print(dr.Graph(sigmoid.open(x)))
    v1 () = negative(v0)
    v2 () = exp(v1)
    v4 () = add(1, v2)
    v6 () = divide(1, v4)
    """

    def open(self, *inputs: Tensor, **parameters: Any) -> Any:
        """The same value composed of smaller operations (a tuple of tensors if several outputs)."""
        raise NotImplementedError(f"{self.name}: composition")

    def forward(self, *arrays: Array, **parameters: Any) -> Any:
        with no_grad():
            result = self.open(*(Tensor(array) for array in arrays), **parameters)
        return tuple(part._array for part in result) if len(self.outputs) > 1 else result._array

    def backward(self, node: Node, *upstream: Tensor) -> Sequence[Tensor | None]:
        create_graph = recording.enabled
        with enable_grad():
            if create_graph:
                inputs = [identity(tensor) for tensor in node.inputs]
            else:
                inputs = [
                    Tensor(tensor._array, requires_grad=tensor._requires_grad) for tensor in node.inputs
                ]
            opened = self.open(*inputs, **node.parameters)
            outputs = list(opened) if len(self.outputs) > 1 else [opened]
        return _gradients(
            outputs, inputs, list(upstream), create_graph=create_graph, retain_graph=create_graph
        )


def _gradients(
    outputs: list[Tensor],
    inputs: list[Tensor],
    upstream: list[Tensor],
    *,
    create_graph: bool,
    retain_graph: bool,
) -> list[Tensor | None]:
    """Bound to the engine by backward.py, which imports this file."""
    raise AssertionError("deltarule.autodiff.backward was not imported")


REGISTRY: dict[str, Operation] = {}


def register(operation_class: type[Operation]) -> Operation:
    """Makes the one record of an operation class and enters it in REGISTRY."""
    operation = operation_class()
    assert operation.name and operation.name not in REGISTRY, f"operation name {operation.name!r}"
    REGISTRY[operation.name] = operation
    return operation


_NO_PARAMETERS: dict[str, Any] = {}


def apply(operation: Operation, *inputs: Tensor, **parameters: Any) -> Any:
    """Computes an operation and, where an input needs a gradient, records it.

    Returns a tensor, or a tuple of tensors if the operation has several outputs.
    """
    arrays, shapes = [], []
    for tensor in inputs:
        array = tensor._array
        arrays.append(array)
        shapes.append(array.shape)
    if parameters:
        operation.shape(*shapes, **parameters)
        return record(operation, inputs, parameters, operation.forward(*arrays, **parameters))
    # Without options the calls take a third less time.
    operation.shape(*shapes)
    return record(operation, inputs, parameters, operation.forward(*arrays))


def record(operation: Operation, inputs: tuple[Tensor, ...], parameters: dict[str, Any], result: Any) -> Any:
    """Wraps what `forward` returned and records the node if it is needed."""
    saved = None
    if operation.saves:
        result, saved = result
    several = len(operation.outputs) > 1
    if several:
        values = tuple([np.asarray(value) for value in result])
    else:
        values = (result if type(result) is np.ndarray else np.asarray(result),)
    first = Tensor(values[0])
    node = None
    if recording.enabled:
        for tensor in inputs:
            if tensor._requires_grad:
                node = Node(operation, inputs, parameters, values, saved)
                if values[0].dtype.kind == "f":
                    first._requires_grad = True
                    first.node = node
                break
    if operation.view and np.may_share_memory(values[0], inputs[0]._array):
        first._version = inputs[0]._version
    tracer = recording.tracer
    if tracer is not None:
        tracer.operation(operation, inputs, parameters, values, saved)
    if not several:
        return first
    if node is None:
        return (first, *[Tensor(value) for value in values[1:]])
    return (first, *[linked(value, node, index) for index, value in enumerate(values) if index])


def require_gradient_shape(node: Node, position: int, shape: Shape) -> None:
    """Raises if an operation's gradient rule answered with a shape that is not its input's."""
    expected = node.inputs[position].shape
    if shape != expected:
        names = node.operation.input_names(len(node.inputs))
        raise GradientError(
            "backward",
            f"{node.label()} gave a gradient of shape {shape} for {names[position]}, "
            f"which has shape {expected}",
            "Its gradient rule is wrong: transposed, or a sum over broadcast axes is missing.",
        )


def require_gradient_count(node: Node, count: int) -> None:
    """Raises if an operation's gradient rule answered with too few or too many gradients."""
    expected = len(node.inputs)
    if count != expected:
        raise GradientError(
            "backward",
            f"{node.label()} gave {count} gradients, expected one for each of its {expected} inputs",
            "Answer None for an input that has no gradient.",
        )


def require_gradient_tensors(
    operation: Operation, gradients: Sequence[Tensor | None]
) -> Sequence[Tensor | None]:
    """The gradients, or an error if a rule written in operations answered with something else."""
    for gradient in gradients:
        if gradient is not None and not isinstance(gradient, Tensor):
            raise GradientError(
                "backward",
                f"{operation.name} gave a {type(gradient).__name__} as gradient, expected a Tensor or None",
                "Write `backward` in deltarule's operations; code on plain arrays is `backward_kernel`.",
            )
    return gradients


class _Identity(Operation):
    name = "identity"
    inputs = ("x",)
    reads = ()
    view = True

    def shape(self, x: Shape) -> Shape:
        return x

    def forward(self, x: Array) -> Array:
        return x

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (upstream,)

    def formula(self, call: Call) -> Formula:
        return Formula.elementwise(call, Symbol("x"), {"x": Symbol("grad_y")})


IDENTITY = register(_Identity)


def identity(x: Tensor) -> Tensor:
    """The same values as a new node of the graph."""
    return apply(IDENTITY, x)
