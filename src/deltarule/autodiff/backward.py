"""The backward pass: walks the record from the loss to the leaves and adds up contributions.

The order of recording is already a topological order (inputs come before their node), so the pass
visits nodes by falling `order`, in a plain loop: no recursion, whatever the depth of the graph.

On plain arrays it calls each operation's `backward_kernel`; with `create_graph` it calls `backward`
on tensors and records what that does, which is how gradients of gradients come about.

Memory falls as the pass goes: a node that was visited is released, the gradients that it used are
dropped with it, and contributions that meet at a tensor are added up in place. A checkpoint is opened
where its turn comes: what it records anew takes its place in the pass, so that every sum is formed in
the order of the pass without checkpoints, to the last bit.
Source: Griewank & Walther, Evaluating Derivatives, 2nd ed., ch. 3.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from deltarule.autodiff import operation as operation_module
from deltarule.autodiff import tensor as tensor_module
from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.dtypes import require_floating
from deltarule.autodiff.node import Node, recorded_so_far
from deltarule.autodiff.operation import (
    require_gradient_count,
    require_gradient_shape,
    require_gradient_tensors,
)
from deltarule.autodiff.recording import enable_grad, recording
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import GraphError, ShapeError

Observer = Callable[[Node, Sequence[Any], Sequence[Any]], None]

_by_order = operator.attrgetter("order")


def nodes_below(outputs: Iterable[Tensor], after: int = -1) -> list[Node]:
    """Every node that the outputs depend on and that was recorded after that order, inputs before users."""
    found: set[Node] = set()
    stack = [tensor.node for tensor in outputs if tensor.node is not None]
    while stack:
        node = stack.pop()
        if node in found or node.order <= after:
            continue
        if node.inputs is None:
            node.require_intact()
        found.add(node)
        for tensor in node.inputs:
            producer = tensor.node
            if producer is not None and producer not in found:
                stack.append(producer)
    return sorted(found, key=_by_order)


class _Towards:
    """Which nodes lie on a path to a wanted tensor."""

    def __init__(self, wanted: Sequence[Tensor]):
        self.leaves = {tensor for tensor in wanted if tensor.node is None}
        self.made = {(tensor.node, tensor.output_index) for tensor in wanted if tensor.node is not None}
        self.leading: set[Node | None] = set()

    def among(self, nodes: list[Node]) -> list[Node]:
        """Those of further nodes, which come with inputs before users."""
        found = []
        for node in nodes:
            for tensor in node.inputs:
                if (
                    tensor in self.leaves
                    or tensor.node in self.leading
                    or (tensor.node, tensor.output_index) in self.made
                ):
                    self.leading.add(node)
                    found.append(node)
                    break
        return found


class _Sums:
    """Gradients on their way: what has arrived so far at leaves, and at nodes not visited yet."""

    def __init__(self) -> None:
        # Leaf or node -> gradient of each of its outputs.
        self.arrived: dict[Any, list[Any]] = {}
        # Leaf or node -> outputs whose sum was formed here: nobody else holds it, so more is added in place.
        self._own: dict[Any, set[int]] = {}

    def _slots(self, tensor: Tensor) -> tuple[Any, list[Any]]:
        node = tensor.node
        holder = tensor if node is None else node
        slots = self.arrived.get(holder)
        if slots is None:
            slots = self.arrived[holder] = [None] if node is None else [None] * len(node.values)
        return holder, slots

    def add(self, tensor: Tensor, gradient: Any) -> None:
        """Adds a contribution to a tensor's gradient."""
        holder, slots = self._slots(tensor)
        index = tensor.output_index
        earlier = slots[index]
        if earlier is None:
            slots[index] = gradient
        elif recording.tracer is not None and not isinstance(earlier, Tensor):
            slots[index] = recording.tracer.added(earlier, gradient)
        elif type(earlier) is np.ndarray and index in self._own.get(holder, ()):
            np.add(earlier, gradient, out=earlier)
        else:
            slots[index] = earlier + gradient
            self._own.setdefault(holder, set()).add(index)

    def total(self, tensor: Tensor) -> Any:
        """The array of a tensor's gradient so far, which may be written into; zeros at first."""
        holder, slots = self._slots(tensor)
        index = tensor.output_index
        earlier = slots[index]
        if earlier is None:
            slots[index] = np.zeros(tensor._array.shape, tensor._array.dtype)
        elif type(earlier) is not np.ndarray or index not in self._own.get(holder, ()):
            slots[index] = np.array(earlier)
        self._own.setdefault(holder, set()).add(index)
        return slots[index]

    def scatter_traced(self, node: Node, upstream: Any) -> None:
        """What `operation.scatter` does to `total`, through the tracer."""
        _, slots = self._slots(node.inputs[0])
        index = node.inputs[0].output_index
        slots[index] = recording.tracer.scattered(node, upstream, slots[index])

    def take(self, node: Node) -> list[Any] | None:
        """What has arrived at a node, which is visited now; None if nothing has."""
        if self._own:
            self._own.pop(node, None)
        return self.arrived.pop(node, None)

    def remaining(self) -> Iterable[tuple[Any, list[Any]]]:
        """(leaf or node, gradients) where nothing was visited."""
        return self.arrived.items()


def backpropagate(
    outputs: Sequence[Tensor],
    upstream: Sequence[Tensor],
    wanted: Sequence[Tensor] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool = True,
    observer: Observer | None = None,
    after: int = -1,
) -> dict[Any, Any]:
    """Gradients that reach leaves, retained tensors and wanted tensors.

    Returns a dictionary from each such tensor to its gradient: an array, or a tensor if
    `create_graph`. The observer, if any, sees every node with its upstream and its input gradients.
    Nodes recorded up to the order `after` are not entered.
    """
    nodes = nodes_below(outputs, after)
    towards = None if wanted is None else _Towards(wanted)
    if towards is not None:
        nodes = towards.among(nodes)
    kept: dict[tuple[Node, int], list[Tensor]] = {}
    for tensor in outputs if wanted is None else wanted:
        if wanted is not None or tensor._retains_grad:
            _keep_too(kept, tensor)
    sums = _Sums()
    arrived_at = sums.arrived
    results: dict[Any, Any] = {}
    tracer = recording.tracer

    # What a visit holds is let go when it returns, before the next one needs memory.
    def visit(node: Node, arrived: list[Any]) -> None:
        node.require_intact()
        if kept:
            _keep(kept, node, arrived, results)
        operation, inputs = node.operation, node.inputs
        if observer is None:
            if operation.reopens:
                for tensor in inputs:
                    if tensor._retains_grad and wanted is None:
                        _keep_too(kept, tensor)
                opened = _open_in_place(node, arrived, sums)
                nodes.extend(opened if towards is None else towards.among(opened))
                return
            if operation.scatters and not create_graph:
                if not inputs[0]._requires_grad:
                    return
                if inputs[0]._retains_grad and wanted is None:
                    _keep_too(kept, inputs[0])
                if tracer is None:
                    operation.scatter(node, arrived[0], sums.total(inputs[0]))
                else:
                    sums.scatter_traced(node, arrived[0])
                return
        if len(arrived) > 1:
            _fill(node, arrived, create_graph)
        if create_graph:
            gradients = require_gradient_tensors(operation, operation.backward(node, *arrived))
        else:
            gradients = operation.backward_kernel(node, *arrived)
            if tracer is not None:
                gradients = tracer.gradient(node, arrived, gradients)
        if len(gradients) != len(inputs):
            require_gradient_count(node, len(gradients))
        for position, gradient in enumerate(gradients):
            tensor = inputs[position]
            if gradient is None or not tensor._requires_grad:
                continue
            array = tensor._array
            if gradient.shape != array.shape:
                require_gradient_shape(node, position, gradient.shape)
            if gradient.dtype != array.dtype:
                if tracer is None or create_graph:
                    gradient = gradient.astype(array.dtype)
                else:
                    gradient = tracer.converted(gradient, array.dtype)
            if tensor._retains_grad and wanted is None:
                _keep_too(kept, tensor)
            below = tensor.node
            holder = tensor if below is None else below
            if holder in arrived_at or (below is not None and len(below.values) > 1):
                sums.add(tensor, gradient)
            else:
                # The first contribution, as it is at most edges of the graph: in half the time of a call.
                arrived_at[holder] = [gradient]
        if observer is not None:
            observer(node, arrived, gradients)

    # What `with enable_grad():` or `with no_grad():` does, in less time.
    was_enabled, recording.enabled = recording.enabled, create_graph
    section = None if tracer is None else tracer.enter("backward")
    try:
        for tensor, seed in zip(outputs, upstream, strict=True):
            sums.add(tensor, seed if create_graph else seed._array)
        while nodes:
            node = nodes.pop()
            arrived = sums.take(node)
            if arrived is not None:
                visit(node, arrived)
                arrived = None
            if not retain_graph:
                node.release()
    finally:
        recording.enabled = was_enabled
        if tracer is not None:
            tracer.section = section
    leaves = {}
    for holder, gradients in sums.remaining():
        if isinstance(holder, Tensor):
            leaves[holder] = gradients[0]
        else:
            _keep(kept, holder, gradients, results)
    return results | leaves if results else leaves


def _open_in_place(node: Node, arrived: list[Any], sums: _Sums) -> list[Node]:
    """Records again what a checkpoint did: its nodes, whose results hold the gradients that arrived."""
    start = recorded_so_far()
    tracer = recording.tracer
    section = None if tracer is None else tracer.enter("recompute")
    with enable_grad():
        outputs = node.operation.reopen(node, node.inputs)
    if tracer is not None:
        tracer.section = section
    for tensor, gradient in zip(outputs, arrived, strict=True):
        if gradient is not None and tensor._requires_grad:
            sums.add(tensor, gradient)
    return nodes_below([tensor for tensor in outputs if tensor._requires_grad], start)


def _fill(node: Node, arrived: list[Any], create_graph: bool) -> None:
    """Puts zeros where nothing arrived at one of several outputs."""
    for index, gradient in enumerate(arrived):
        if gradient is None:
            zeros = np.zeros_like(node.values[index])
            arrived[index] = Tensor(zeros) if create_graph else zeros


def _keep(
    kept: dict[tuple[Node, int], list[Tensor]], node: Node, arrived: list[Any], results: dict[Any, Any]
) -> None:
    for index, gradient in enumerate(arrived):
        for tensor in kept.get((node, index), ()):
            if gradient is not None:
                results[tensor] = gradient


def _keep_too(kept: dict[tuple[Node, int], list[Tensor]], tensor: Tensor) -> None:
    """Adds a tensor whose gradient is kept; those that retain theirs are met before their node is visited."""
    if tensor.node is not None:
        kept.setdefault((tensor.node, tensor.output_index), []).append(tensor)


def seed_for(tensor: Tensor, gradient: Any, who: str) -> Tensor:
    """The upstream gradient that a pass starts from; 1 for a single element."""
    if gradient is None:
        if tensor.size != 1:
            raise GraphError(
                who,
                f"expected a loss of one element, got shape {tensor.shape}",
                "Reduce it (e.g. .sum() or .mean()), or pass its upstream gradient.",
            )
        return Tensor(np.array(1, tensor._array.dtype, ndmin=tensor._array.ndim))
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
            "computed under no_grad or by a compiled function",
            "Make its inputs with requires_grad=True, or call the function itself.",
        )


def _backward(tensor: Tensor, gradient: Any, *, retain_graph: bool, create_graph: bool) -> None:
    require_graph(tensor, "backward")
    seed = seed_for(tensor, gradient, "backward")
    results = backpropagate(
        [tensor], [seed], create_graph=create_graph, retain_graph=retain_graph or create_graph
    )
    _add_to_grads(results, set() if gradient is None else {id(seed._array)})


def _add_to_grads(results: dict[Any, Any], stored: set[int]) -> None:
    """Adds each gradient to its tensor's `.grad`; `stored` names arrays that belong to somebody already."""
    tracer = recording.tracer
    for target, value in results.items():
        if isinstance(value, Tensor):
            target.grad = value if target.grad is None else target.grad + value
            continue
        if tracer is not None:
            target.grad = Tensor(np.asarray(tracer.collected(target, value)))
            continue
        array = value if type(value) is np.ndarray else np.asarray(value)
        if target._grad is not None:
            array = np.asarray(target._grad._array + array)
        elif array.base is not None or id(array) in stored:
            # Each .grad owns its memory: an upstream gradient may have gone to several leaves.
            array = array.copy()
        stored.add(id(array))
        target._grad = Tensor(array)


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
    return gradients_after(-1, roots, inputs, given, create_graph=create_graph, retain_graph=retain_graph)


def gradients_after(
    start: int,
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    upstream: Sequence[Any],
    *,
    create_graph: bool = False,
    retain_graph: bool = True,
) -> list[Tensor | None]:
    """`gradients` through the nodes alone that were recorded after the order `start`."""
    live = [
        (root, seed_for(root, seed, "gradients"))
        for root, seed in zip(outputs, upstream, strict=True)
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
        after=start,
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
