"""Finds the first operation of a recorded graph that produced NaN or infinity.

Read-only: it walks the record and reports; who stops the run, and restores what, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.backward import backpropagate, seed_for
from deltarule.autodiff.derived import require_known
from deltarule.autodiff.node import Node
from deltarule.autodiff.recording import no_grad
from deltarule.autodiff.tensor import Array, Tensor

# Elements above which a dot product is quicker than looking at each of them.
_LARGE = 10_000


class NotFinite(Exception):
    """Ends a training step before anything is updated; whoever catches it looks for the place."""


@dataclass(frozen=True)
class NonFinite:
    """Where NaN or infinity first appeared.

    operation   name of the operation, or "" where a leaf (data or a parameter) holds it already
    scope       dotted name of the layer that called it; "" outside of layers
    what        "value" or "gradient"
    name        which array: the operation's output (y), the input that the gradient is for, or the leaf
    found       "NaN", "infinity" or "NaN and infinity"
    count       how many elements are not finite
    size        how many elements there are
    index       the first such element
    given       the finite arrays that it was computed from, in words: name, shape, smallest, largest
    """

    operation: str
    scope: str
    what: str
    name: str
    found: str
    count: int
    size: int
    index: tuple[int, ...]
    given: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Operation and layer: `log in head.softmax`."""
        if not self.operation:
            return self.name
        return f"{self.operation} in {self.scope}" if self.scope else self.operation

    def __str__(self) -> str:
        where = f", the first at {self.index}" if self.index else ""
        amount = (
            f"{self.found} in {self.count} of {self.size} elements{where}" if self.size > 1 else self.found
        )
        if not self.operation:
            return f"{self.name} already holds {amount}"
        subject = "its output" if self.what == "value" else f"the gradient of its input {self.name}"
        from_what = f", computed from {', '.join(self.given)}" if self.given else ""
        return f"{self.place} produced it first: {subject} has {amount}{from_what}"


def is_finite(array: Array) -> bool:
    """True if no element is NaN or infinite.

    A large array takes one pass of multiply-adds; only where that overflows are its elements looked at one
    by one.
    """
    if array.dtype.kind not in "fc":
        return True
    if array.size > _LARGE:
        flat = array.ravel()
        with np.errstate(all="ignore"):
            if np.isfinite(np.dot(flat, flat)):
                return True
    return bool(np.isfinite(array).all())


def require_finite(*arrays: Array) -> None:
    """Raises NotFinite if an element of any of them is NaN or infinite."""
    if not all(is_finite(array) for array in arrays):
        raise NotFinite


def locate_nonfinite(loss: Tensor) -> NonFinite | None:
    """The first operation whose inputs are finite and whose output is not, among those that spoil the loss.

    Only arrays that hand NaN or infinity on to the loss are followed, so that a mask of -infinity whose
    softmax is finite is not blamed. The graph must not have been freed.

    loss      the tensor that is not finite
    returns   the earliest such place in the order of recording; a leaf that holds NaN or infinity where no
              operation produced it; None where the loss is finite

    >>> import deltarule as dr
    >>> x = dr.tensor([4.0, 0.0], requires_grad=True)
    >>> with np.errstate(divide="ignore"):
    ...     found = locate_nonfinite(dr.log(x) * 2.0)
    >>> str(found).partition(", computed")[0]
    'log produced it first: its output has infinity in 1 of 2 elements, the first at (1,)'
    """
    require_known(loss, "locate_nonfinite")
    if is_finite(loss._array):
        return None
    if loss.node is None:
        return _describe_leaf(loss, "", "the loss")
    sources: list[Node] = []
    leaves: list[tuple[int, NonFinite]] = []
    seen = {loss.node}
    stack = [loss.node]
    while stack:
        node = stack.pop()
        if node.inputs is None:
            node.require_intact()
        finite_inputs = True
        for position, tensor in enumerate(node.inputs):
            if is_finite(tensor._array):
                continue
            finite_inputs = False
            if tensor.node is None:
                name = node.operation.input_names(len(node.inputs))[position]
                leaves.append((node.order, _describe_leaf(tensor, node.label(), name)))
            elif tensor.node not in seen:
                seen.add(tensor.node)
                stack.append(tensor.node)
        if finite_inputs:
            sources.append(node)
    if leaves:
        # Data or a weight that was spoiled before this graph began comes before anything computed in it.
        return min(leaves, key=lambda pair: pair[0])[1]
    return _describe_value(min(sources, key=lambda node: node.order))


def locate_nonfinite_gradient(loss: Tensor) -> NonFinite | None:
    """The first step of the backward pass that turned a finite upstream gradient into NaN or infinity.

    Runs the backward pass again (no `.grad` is touched), so the graph must not have been freed.

    loss      a finite loss of one element
    returns   the operation and the input whose gradient is not finite; where every step is finite and only
              the sum of several contributions overflows, the operation that the sum arrives at; None where
              all gradients are finite

    >>> import deltarule as dr
    >>> x = dr.tensor([4.0, 0.0], requires_grad=True)
    >>> locate_nonfinite_gradient(dr.sum(dr.sqrt(x))).place
    'sqrt'
    """
    found: list[NonFinite] = []

    def observe(node: Node, arrived: Any, gradients: Any) -> None:
        if found:
            return
        names = node.operation.input_names(len(node.inputs))
        for index, upstream in enumerate(arrived):
            if not is_finite(upstream):
                found.append(_describe(node, "gradient", node.operation.outputs[index], upstream, ()))
                return
        for name, tensor, gradient in zip(names, node.inputs, gradients, strict=True):
            if gradient is not None and tensor._requires_grad and not is_finite(gradient):
                given = [_range("upstream gradient", upstream) for upstream in arrived]
                given += [_range(each, other._array) for each, other in zip(names, node.inputs, strict=True)]
                found.append(_describe(node, "gradient", name, gradient, given))
                return

    with no_grad(), np.errstate(all="ignore"):
        results = backpropagate([loss], [seed_for(loss, None, "locate_nonfinite_gradient")], observer=observe)
    if found:
        return found[0]
    for tensor, gradient in results.items():
        if not is_finite(gradient):
            name = f"the summed gradient of {tensor.name or 'a parameter'}"
            return _describe_leaf(Tensor(gradient), "", name)
    return None


def _describe_value(node: Node) -> NonFinite:
    names = node.operation.input_names(len(node.inputs))
    given = [_range(name, tensor._array) for name, tensor in zip(names, node.inputs, strict=True)]
    for name, value in zip(node.operation.outputs, node.values, strict=True):
        if not is_finite(value):
            return _describe(node, "value", name, value, given)
    raise AssertionError(f"{node.label()}: every output is finite")


def _describe_leaf(tensor: Tensor, user: str, name: str) -> NonFinite:
    called = tensor.name or (f"the input {name} of {user}" if user else name)
    kind, count, index = _count(tensor._array)
    return NonFinite("", "", "value", called, kind, count, tensor.size, index)


def _describe(node: Node, what: str, name: str, array: Array, given: Iterable[str]) -> NonFinite:
    kind, count, index = _count(array)
    return NonFinite(
        node.operation.name, node.scope, what, name, kind, count, array.size, index, tuple(given)
    )


def _count(array: Array) -> tuple[str, int, tuple[int, ...]]:
    bad = ~np.isfinite(array)
    has_nan = bool(np.isnan(array).any())
    has_infinity = bool(np.isinf(array).any())
    kind = " and ".join(word for word, there in (("NaN", has_nan), ("infinity", has_infinity)) if there)
    index = np.unravel_index(int(np.argmax(bad)), array.shape) if array.ndim else ()
    return kind, int(bad.sum()), tuple(int(i) for i in index)


def _range(name: str, array: Array) -> str:
    if not array.size:
        return f"{name} {array.shape}"
    if array.ndim == 0:
        return f"{name} = {array.item():.4g}"
    return f"{name} {array.shape} from {array.min():.4g} to {array.max():.4g}"
