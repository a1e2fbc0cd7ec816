"""Node: one recorded operation, as plain data.

A node points to its input tensors and holds its output arrays, never its output tensors: the record
has no cycles, so Python frees it by reference counts alone, the moment the last result is dropped.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from deltarule.autodiff.recording import recording
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import GraphError, InPlaceError

if TYPE_CHECKING:
    from deltarule.autodiff.operation import Operation

_order = itertools.count()


def recorded_so_far() -> int:
    """An order above that of every node recorded until now, and below that of all later ones."""
    return next(_order)


class Node:
    """One recorded call of an operation.

    operation    the record that says what it does
    inputs       its input tensors
    parameters   its options (axes, strides, ...), plain Python values
    values       its output arrays
    saved        what its forward kernel left for its backward kernel, or None
    scope        dotted name of the layer that called it
    order        position in the order of recording: inputs always come before
    versions     how often each input had been written into by then; None where none ever was
    output_versions   (position, counter of writes, where it stood) of outputs that can be written into

    >>> import deltarule as dr
    >>> x = dr.tensor(3.0, requires_grad=True)
    >>> node = (x * 2.0).node
    >>> node.operation, node.inputs[0] is x, node.values
    (<operation multiply>, True, (array(6., dtype=float32),))
    >>> node.needs(0), node.needs(1)
    (True, False)
    """

    __slots__ = (
        "__weakref__",
        "inputs",
        "operation",
        "order",
        "output_versions",
        "parameters",
        "saved",
        "scope",
        "values",
        "versions",
    )

    def __init__(
        self,
        operation: Operation,
        inputs: tuple[Tensor, ...],
        parameters: dict[str, Any],
        values: tuple[Array, ...],
        saved: Any,
    ):
        self.operation = operation
        self.inputs: tuple[Tensor, ...] = inputs
        self.parameters = parameters
        self.values: tuple[Array, ...] = values
        self.saved: Any = saved
        self.scope = recording.scope
        self.order = next(_order)
        versions: list[int] | None = None
        position = 0
        for tensor in inputs:
            box = tensor._version_box
            if box is not None:
                if versions is None:
                    versions = [0] * len(inputs)
                versions[position] = box[0]
            position += 1
        self.versions = versions
        self.output_versions: tuple[tuple[int, list[int], int], ...] = ()

    def output(self, index: int = 0) -> Tensor:
        """An output as a tensor of this graph."""
        return linked(self.values[index], self, index)

    def needs(self, position: int) -> bool:
        """Whether the input at this position needs a gradient."""
        return self.inputs[position]._requires_grad

    @property
    def freed(self) -> bool:
        return self.inputs is None

    def release(self) -> None:
        """Drops inputs and values once the backward pass has used them."""
        self.inputs = None  # type: ignore[assignment]
        self.values = None  # type: ignore[assignment]
        self.saved = None
        self.output_versions = ()

    def require_intact(self) -> None:
        """Raises if the graph was freed, or an array the gradient needs was written into since."""
        if self.inputs is None:
            raise GraphError(
                "backward",
                f"the graph was freed by an earlier backward (at {self.label()})",
                "Call the first one with retain_graph=True, or compute the loss again.",
            )
        inputs, operation = self.inputs, self.operation
        count = len(inputs)
        read_inputs, read_outputs = operation._read_positions.get(count) or operation.read_positions(count)
        for position in read_inputs:
            box = inputs[position]._version_box
            if box is None:
                # Never written into.
                continue
            written = box[0] - (0 if self.versions is None else self.versions[position])
            if written:
                name = operation.input_names(count)[position]
                raise self._written_into(f"input {name}", written)
        for position, box, before in self.output_versions:
            if box[0] != before and position in read_outputs:
                raise self._written_into("the output", box[0] - before)

    def _written_into(self, what: str, times: int) -> InPlaceError:
        return InPlaceError(
            "backward",
            f"{what} of {self.label()} was written into {times} time(s) after it was recorded, and its old "
            "elements are needed for the gradient",
            "Write after backward, or compute with a copy.",
        )

    def label(self) -> str:
        """Operation with its layer, for messages: `linear in encoder.0`."""
        return f"{self.operation.name} in {self.scope}" if self.scope else self.operation.name

    def __repr__(self) -> str:
        if self.inputs is None:
            return f"<{self.label()}, freed>"
        shapes = ", ".join(str(tensor.shape) for tensor in self.inputs)
        outputs = ", ".join(str(value.shape) for value in self.values)
        return f"<{self.label()}: {shapes} -> {outputs}>"


def linked(array: Array, node: Node, index: int) -> Tensor:
    """A tensor that stands for one output of a node."""
    result = Tensor(array, requires_grad=array.dtype.kind == "f")
    if result._requires_grad:
        result.node = node
        result.output_index = index
    return result
