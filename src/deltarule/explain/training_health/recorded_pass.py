"""One forward and backward pass of a model that may be taken apart: every layer's call, node and gradient.

The model given here is a copy that belongs to the measurement; see `probe`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import backpropagate, nodes_below, seed_for
from deltarule.autodiff.node import Node
from deltarule.autodiff.recording import enable_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ShapeError
from deltarule.nn.module import Module
from deltarule.training.evaluation import as_input, forward, model_dtype

# Operations that hand on the elements they get, or some of them.
MOVING = frozenset(
    ("reshape", "identity", "permute_dims", "matrix_transpose", "slice", "stack", "concat", "flip", "astype")
)


@dataclass(frozen=True)
class LayerCall:
    """One call of a module that has parameters of its own, or holds no other."""

    layer: str
    module: Module
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass
class RecordedPass:
    """What happened.

    output      what the model gave, without its state
    loss        of the batch
    calls       of layers, in the order of computation
    nodes       all that was recorded up to the output, layers that the loss does not reach included
    gradients   (node, output) -> ∂loss/∂value
    leaves      tensor -> ∂loss/∂tensor; empty, as gradients are, where the loss depends on none
    """

    output: Tensor
    loss: Tensor
    targets: Tensor
    calls: list[LayerCall]
    nodes: list[Node]
    gradients: dict[tuple[Node, int], Array]
    leaves: dict[Tensor, Array]

    def gradient_of(self, tensor: Tensor) -> Array | None:
        """∂loss/∂tensor; None where none arrived."""
        if tensor.node is None:
            return self.leaves.get(tensor)
        return self.gradients.get((tensor.node, tensor.output_index))


def losses(
    model: Module, loss: Callable[..., Tensor], penalty: Any, inputs: Array, targets: Array
) -> tuple[Tensor, Tensor, Tensor]:
    """(output, loss, loss with penalty) of a batch, as a training step computes them."""
    dtype = model_dtype(model)
    output, _ = forward(model, as_input(inputs, dtype))
    value = loss(output, as_input(targets, dtype))
    if value.size != 1:
        raise ShapeError(
            "vitals", f"expected a loss of one element, got shape {value.shape}", "Reduce it over the batch."
        )
    return output, value, value if penalty is None else value + penalty(model)


def recorded_pass(model: Module, loss: Callable[..., Tensor], inputs: Array, targets: Array) -> RecordedPass:
    """Run the model forward and back in the mode it is in, and keep everything."""
    dtype = model_dtype(model)
    batch, wanted = as_input(inputs, dtype), as_input(targets, dtype)
    # So that layers which are frozen are recorded as well.
    batch = Tensor(batch._array, requires_grad=batch.dtype.kind == "f")
    calls: list[LayerCall] = []
    with enable_grad():
        with _observed(model, calls):
            output, _ = forward(model, batch)
        value = loss(output, wanted)
        if value.size != 1:
            raise ShapeError(
                "vitals",
                f"expected a loss of one element, got shape {value.shape}",
                "Reduce it over the batch.",
            )
    ends = [each for call in calls for each in call.outputs if each.node is not None]
    nodes = nodes_below([output, *ends] if output.node is not None else ends)
    gradients: dict[tuple[Node, int], Array] = {}

    def observe(node: Node, incoming: Sequence[Any], outgoing: Sequence[Any]) -> None:
        for index, gradient in enumerate(incoming):
            if gradient is not None:
                gradients[node, index] = gradient

    arrived = {}
    if value.requires_grad:
        arrived = backpropagate([value], [seed_for(value, None, "vitals")], observer=observe)
    leaves = {tensor: np.asarray(each) for tensor, each in arrived.items() if tensor.node is None}
    return RecordedPass(output, value, wanted, calls, nodes, gradients, leaves)


def maker_of(tensor: Tensor) -> Node | None:
    """The node that computed a tensor's elements, through operations that only move them."""
    node = tensor.node
    while node is not None and node.operation.name in MOVING:
        node = next((each.node for each in node.inputs if each.node is not None), None)
    return node


@contextmanager
def _observed(model: Module, calls: list[LayerCall]) -> Iterator[None]:
    """Writes down each call of a layer. `forward` of a single object hides that of its class for a while."""
    layers = [(name, each) for name, each in model.named_modules() if each._parameters or not each._modules]
    for name, module in layers:
        object.__setattr__(module, "forward", _writing_down(name, module, module.forward, calls))
    try:
        yield
    finally:
        for _, module in layers:
            object.__delattr__(module, "forward")


def _writing_down(
    name: str, module: Module, run: Callable[..., Any], calls: list[LayerCall]
) -> Callable[..., Any]:
    def observed(*inputs: Any, **options: Any) -> Any:
        result = run(*inputs, **options)
        calls.append(LayerCall(name, module, tuple(_tensors(inputs)), tuple(_tensors(result))))
        return result

    return observed


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _tensors(each)
