"""What recurrent operations have in common as groups: a sequence opens into its cells, step by step,
and both run on the same kernels, a cell being a sequence of one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Group, Operation, Shape, apply
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.operations.arithmetic import where
from deltarule.operations.indexing import getitem
from deltarule.operations.joining import stack
from deltarule.operations.recurrence.arguments import require_shapes
from deltarule.operations.recurrence.notation import SYMBOLS


class RecurrentGroup(Group):
    """A cell or a sequence.

    gates    blocks of rows in the weights
    states   names of the states it starts from
    kernel   module with `forward` and `backward` over a whole sequence
    """

    saves = True
    symbols = SYMBOLS
    looped: ClassVar[bool]
    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]]
    kernel: ClassVar[Any]

    def require(self, shapes: tuple[Shape, ...]) -> None:
        count = len(self.states)
        named = dict(zip(self.states, shapes[1 : 1 + count], strict=True))
        require_shapes(self.name, self.gates, self.looped, named, shapes[0], *shapes[1 + count :])

    def weights(self, node: Node) -> tuple[Array, Array]:
        """weight_ih and weight_hh of a recorded call."""
        first = 1 + len(self.states)
        return node.inputs[first]._array, node.inputs[first + 1]._array


class CellGroup(RecurrentGroup):
    """One step of a recurrent layer."""

    looped = False

    def shape(self, *shapes: Shape, **parameters: Any) -> Any:
        self.require(shapes)
        return shapes[1] if len(self.outputs) == 1 else shapes[1 : 1 + len(self.states)]

    def forward(self, x: Array, *rest: Array, **parameters: Any) -> Any:
        values, saved = self.kernel.forward(x[:, None], *rest, **parameters)
        return (values[1] if len(self.outputs) == 1 else values[1:]), saved

    def backward_kernel(self, node: Node, *upstream: Array) -> Sequence[Array | None]:
        batch, hidden = upstream[0].shape
        no_output = np.zeros((batch, 1, hidden), upstream[0].dtype)
        needs = tuple(tensor._requires_grad for tensor in node.inputs)
        grad_x, *others = self.kernel.backward(
            node.saved, *self.weights(node), no_output, *upstream, needs, **node.parameters
        )
        return (None if grad_x is None else grad_x[:, 0], *others)


class SequenceGroup(RecurrentGroup):
    """One layer over a whole sequence, in one direction."""

    looped = True
    cell: ClassVar[Operation]

    def __init__(self) -> None:
        # Not the last states, which are copies: someone may write into them before the way back.
        self.reads = (*self.inputs, self.outputs[0])  # type: ignore[misc]

    def shape(self, *shapes: Shape, **parameters: Any) -> Any:
        self.require(shapes)
        batch, steps, _ = shapes[0]
        hidden = shapes[1][1]
        return ((batch, steps, hidden), *((batch, hidden) for _ in self.states))

    def open(self, x: Tensor, *rest: Tensor, reverse: bool, **parameters: Any) -> tuple[Tensor, ...]:
        count = len(self.states)
        states, weights, masks = rest[:count], rest[count : count + 4], rest[count + 4 :]
        steps = range(x.shape[1])
        outputs: dict[int, Tensor] = {}
        for t in reversed(steps) if reverse else steps:
            features = getitem(x, (slice(None), t))
            present = getitem(masks[0], (slice(None), slice(t, t + 1))) if masks else None
            if present is not None:
                features = where(present, features, 0.0)
            new = apply(self.cell, features, *states, *weights, **parameters)
            new = new if isinstance(new, tuple) else (new,)
            if present is not None:
                new = tuple(where(present, each, before) for each, before in zip(new, states, strict=True))
            states = new
            outputs[t] = new[0] if present is None else where(present, new[0], 0.0)
        return (stack([outputs[t] for t in steps], axis=1), *states)

    def forward(self, *arrays: Array, **parameters: Any) -> Any:
        return self.kernel.forward(*arrays, **parameters)

    def backward_kernel(self, node: Node, *upstream: Array) -> Sequence[Array | None]:
        needs = tuple(tensor._requires_grad for tensor in node.inputs)
        answers = self.kernel.backward(node.saved, *self.weights(node), *upstream, needs, **node.parameters)
        return (*answers, None) if len(node.inputs) > len(answers) else answers
