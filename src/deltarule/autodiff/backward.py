"""The backward pass: walks the record from the loss to the leaves and adds up contributions.

The order of recording is already a topological order (inputs come before their node), so the pass
visits nodes by falling `order`, in a plain loop: no recursion, whatever the depth of the graph.

On plain arrays it calls each operation's `backward_kernel`; with `create_graph` it calls `backward`
on tensors and records what that does, which is how gradients of gradients come about.
Source: Griewank & Walther, Evaluating Derivatives, 2nd ed., ch. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff import operation as operation_module
from deltarule.autodiff import tensor as tensor_module
from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.dtypes import require_floating
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import (
    require_gradient_count,
    require_gradient_shape,
    require_gradient_tensors,
)
from deltarule.autodiff.recording import enable_grad, no_grad
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import GraphError, ShapeError

Observer = Callable[[Node, Sequence[Any], Sequence[Any]], None]


def nodes_below(outputs: Iterable[Tensor]) -> list[Node]:
    """Every recorded node that the outputs depend on, inputs before users."""
    found: set[Node] = set()
    stack = [tensor.node for tensor in outputs if tensor.node is not None]
    while stack:
        node = stack.pop()
        if node in found:
            continue
        if node.inputs is None:
            node.require_intact()
        found.add(node)
        for tensor in node.inputs:
            producer = tensor.node
            if producer is not None and producer not in found:
                stack.append(producer)
    return sorted(found, key=_by_order)


def _by_order(node: Node) -> int:
    return node.order


def _nodes_towards(nodes: list[Node], wanted: Sequence[Tensor]) -> list[Node]:
    """The nodes among these on a path to a wanted tensor (which are not looked behind)."""
    leaves = {tensor for tensor in wanted if tensor.node is None}
    made = {(tensor.node, tensor.output_index) for tensor in wanted if tensor.node is not None}
    leading: set[Node] = set()
    for node in nodes:
        for tensor in node.inputs:
            if tensor in leaves or tensor.node in leading or (tensor.node, tensor.output_index) in made:
                leading.add(node)
                break
    return [node for node in nodes if node in leading]


def backpropagate(
    outputs: Sequence[Tensor],
    upstream: Sequence[Tensor],
    wanted: Sequence[Tensor] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool = True,
    observer: Observer | None = None,
) -> dict[Any, Any]:
    """Gradients that reach leaves, retained tensors and wanted tensors.

    Returns a dictionary from each such tensor to its gradient: an array, or a tensor if
    `create_graph`. The observer, if any, sees every node with its upstream and its input gradients.
    """
    nodes = nodes_below(outputs)
    if wanted is not None:
        nodes = _nodes_towards(nodes, wanted)
    kept: dict[tuple[Node, int], list[Tensor]] = {}
    for tensor in wanted if wanted is not None else _retained(nodes, outputs):
        if tensor.node is not None:
            kept.setdefault((tensor.node, tensor.output_index), []).append(tensor)
    pending: dict[Node, list[Any]] = {}
    collected: dict[Tensor, Any] = {}
    results: dict[Any, Any] = {}

    def deposit(tensor: Tensor, gradient: Any) -> None:
        node = tensor.node
        if node is None:
            earlier = collected.get(tensor)
            collected[tensor] = gradient if earlier is None else earlier + gradient
            return
        waiting = pending.get(node)
        if waiting is None:
            waiting = pending[node] = [None] * len(node.values)
        earlier = waiting[tensor.output_index]
        waiting[tensor.output_index] = gradient if earlier is None else earlier + gradient

    with enable_grad() if create_graph else no_grad():
        for tensor, seed in zip(outputs, upstream, strict=True):
            deposit(tensor, seed if create_graph else seed._array)
        for node in reversed(nodes):
            arrived = pending.pop(node, None)
            if arrived is not None:
                node.require_intact()
                _keep(kept, node, arrived, results)
                gradients = _through(node, arrived, create_graph)
                if len(gradients) != len(node.inputs):
                    require_gradient_count(node, len(gradients))
                for position, (tensor, gradient) in enumerate(zip(node.inputs, gradients, strict=True)):
                    if gradient is None or not tensor._requires_grad:
                        continue
                    if gradient.shape != tensor._array.shape:
                        require_gradient_shape(node, position, gradient.shape)
                    if gradient.dtype != tensor._array.dtype:
                        gradient = gradient.astype(tensor._array.dtype)
                    deposit(tensor, gradient)
                if observer is not None:
                    observer(node, arrived, gradients)
            if not retain_graph:
                node.release()
        for node, arrived in pending.items():
            _keep(kept, node, arrived, results)
    results.update(collected)
    return results


def _through(node: Node, arrived: list[Any], create_graph: bool) -> Sequence[Any]:
    for index, gradient in enumerate(arrived):
        if gradient is None:
            zeros = np.zeros_like(node.values[index])
            arrived[index] = Tensor(zeros) if create_graph else zeros
    if create_graph:
        return require_gradient_tensors(node.operation, node.operation.backward(node, *arrived))
    return node.operation.backward_kernel(node, *arrived)


def _keep(
    kept: dict[tuple[Node, int], list[Tensor]], node: Node, arrived: list[Any], results: dict[Any, Any]
) -> None:
    if kept:
        for index, gradient in enumerate(arrived):
            for tensor in kept.get((node, index), ()):
                if gradient is not None:
                    results[tensor] = gradient


def _retained(nodes: list[Node], outputs: Sequence[Tensor]) -> list[Tensor]:
    retained = {tensor: None for tensor in outputs if tensor._retains_grad}
    for node in nodes:
        for tensor in node.inputs:
            if tensor._retains_grad:
                retained[tensor] = None
    return list(retained)


def seed_for(tensor: Tensor, gradient: Any, who: str) -> Tensor:
    """The upstream gradient that a pass starts from; 1 for a single element."""
    if gradient is None:
        if tensor.size != 1:
            raise GraphError(
                who,
                f"expected a loss of one element, got shape {tensor.shape}",
                "Reduce it (e.g. .sum() or .mean()), or pass its upstream gradient.",
            )
        return Tensor(np.ones_like(tensor._array))
    seed = as_tensor(gradient)
    if seed.shape != tensor.shape:
        raise ShapeError(
            who,
            f"the given gradient has shape {seed.shape}, the tensor {tensor.shape}",
            "They must be the same.",
        )
    return seed if seed.dtype == tensor.dtype else seed.astype(tensor.dtype)


def require_graph(tensor: Tensor, who: str) -> None:
    """Raises a clear error where no gradient can come out of this tensor."""
    require_floating(tensor.dtype, who)
    if not tensor._requires_grad:
        raise GraphError(
            who,
            "this tensor needs no gradient: nothing it was computed from has requires_grad=True, or it was "
            "computed under no_grad",
            "Make its inputs with requires_grad=True.",
        )


def _backward(tensor: Tensor, gradient: Any, *, retain_graph: bool, create_graph: bool) -> None:
    require_graph(tensor, "backward")
    seed = seed_for(tensor, gradient, "backward")
    results = backpropagate(
        [tensor], [seed], create_graph=create_graph, retain_graph=retain_graph or create_graph
    )
    stored: set[int] = set() if gradient is None else {id(seed._array)}
    for target, value in results.items():
        _add_to_grad(target, value, stored)


def _add_to_grad(target: Tensor, value: Any, stored: set[int]) -> None:
    if isinstance(value, Tensor):
        target.grad = value if target.grad is None else target.grad + value
        return
    array = np.asarray(value)
    if target.grad is not None:
        array = target.grad._array + array
    elif array.base is not None or id(array) in stored:
        # Each .grad owns its memory: an upstream gradient may have gone to several leaves.
        array = array.copy()
    stored.add(id(array))
    target.grad = Tensor(np.asarray(array))


def gradients(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    upstream: Sequence[Any] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool = True,
) -> list[Tensor | None]:
    """∂outputs/∂inputs, without touching any `.grad`.

    outputs       one tensor or several; with several, their contributions add up
    inputs        leaves or intermediate tensors
    upstream      ∂L/∂output for each output; may be left out for single elements
    create_graph  record the pass, so that the results can be differentiated again
    returns       for each input its gradient, or None where the outputs do not depend on it

    >>> import deltarule as dr
    >>> x = dr.tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> loss = 5.0 * y
    >>> dr.gradients(loss, [x, y, dr.tensor(1.0)])
    [tensor(30., dtype=float32), tensor(5., dtype=float32), None]
    >>> x.grad is None
    True
    """
    roots = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    given = [None] * len(roots) if upstream is None else list(upstream)
    live = [
        (root, seed_for(root, seed, "gradients"))
        for root, seed in zip(roots, given, strict=True)
        if root._requires_grad
    ]
    if not live:
        return [None] * len(inputs)
    results = backpropagate(
        [root for root, _ in live],
        [seed for _, seed in live],
        wanted=inputs,
        create_graph=create_graph,
        retain_graph=retain_graph,
    )
    found = []
    for tensor in inputs:
        value = results.get(tensor)
        if value is None or isinstance(value, Tensor):
            found.append(value)
        else:
            found.append(Tensor(np.asarray(value)))
    return found


# tensor.py and operation.py come before this file in the order of imports, and call it.
tensor_module._backward = _backward
operation_module._gradients = gradients
