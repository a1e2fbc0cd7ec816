"""Contributions: what each use of a parameter adds to its gradient, sample by sample, from one backward pass.

The pass is the engine's own; an observer looks at every node on its way. Where a node reads something that
belongs to no sample (a weight), its gradient is split by the node's formula. Where no formula splits it, the
node's own kernel is asked once for each sample, with the gradients of all others set to 0: slow, and exact,
because a local gradient is linear in its upstream. What comes back after the samples have met belongs to
none, and is shared out evenly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.backward import backpropagate, seed_for
from deltarule.autodiff.node import Node
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.explain.per_sample.evaluator import UnreadableError
from deltarule.explain.per_sample.labelling import Labelling, key_of, names_of
from deltarule.explain.per_sample.labels import NONE, Labels, no_labels
from deltarule.explain.per_sample.node_arrays import NodeArrays
from deltarule.explain.per_sample.plan import Plan
from deltarule.explain.per_sample.remembered import Remembered
from deltarule.explain.per_sample.splitting import Split, by_rows

_PLANS = Remembered[Plan](1024)


class Contribution:
    """What one use adds to the gradient of a tensor.

    node, position   the use
    rows             labels of its elements, where each belongs to one sample at most; else None
    even             whether nothing says which sample it belongs to, so that all get the same
    way              "formula", "kernel", or "even" where something is given to all in equal shares
    """

    rows: Array | None = None
    even = False
    way = "formula"

    def __init__(self, node: Node, position: int):
        self.node, self.position = node, position

    def parts(self, start: int, stop: int) -> Array:
        """The parts of the samples from `start` until before `stop`."""
        raise NotImplementedError

    def outer(self, start: int, stop: int, most: int) -> tuple[Array, Array, list[int]] | None:
        """The parts as sums of outer products, see `Split.outer`."""
        return None


class _ByFormula(Contribution):
    def __init__(self, node: Node, position: int, split: Split):
        super().__init__(node, position)
        self.split = split
        self.rows = split.plan.rows
        if split.plan.partly_shared:
            self.way = "even"

    def parts(self, start: int, stop: int) -> Array:
        return self.split.parts(start, stop)

    def outer(self, start: int, stop: int, most: int) -> tuple[Array, Array, list[int]] | None:
        return self.split.outer(start, stop, most)


class _ByKernel(Contribution):
    """One call of the node's kernel for each sample, with what arrives from that sample alone."""

    way = "kernel"

    def __init__(self, node: Node, position: int, arriving: _Arriving):
        super().__init__(node, position)
        self.arriving = arriving

    def parts(self, start: int, stop: int) -> Array:
        upstream = self.arriving.parts(start, stop)
        found = np.zeros((stop - start, *self.node.inputs[self.position].shape), self.node.values[0].dtype)
        for number in range(stop - start):
            answers = self.node.operation.backward_kernel(self.node, *(each[number] for each in upstream))
            answer = answers[self.position]
            if answer is not None:
                found[number] = answer
        return found


class _ByRows(Contribution):
    """What says nothing by itself, to an array of which some elements belong to a sample and some to none."""

    way = "even"

    def __init__(self, node: Node, position: int, gradient: Array, rows: Array, samples: int):
        super().__init__(node, position)
        self.gradient, self.samples = gradient, samples
        self.rows = self.labels = rows

    def parts(self, start: int, stop: int) -> Array:
        return by_rows(self.gradient, self.labels, start, stop, self.samples)


class _Even(Contribution):
    """The same for all samples."""

    even = True
    way = "even"

    def __init__(self, node: Node, position: int, gradient: Array, samples: int):
        super().__init__(node, position)
        self.gradient, self.samples = gradient, samples

    def parts(self, start: int, stop: int) -> Array:
        return np.broadcast_to(self.gradient / self.samples, (stop - start, *self.gradient.shape))


class _Arriving:
    """The gradients of a node's outputs, by sample."""

    def __init__(
        self, upstream: Sequence[Array], labels: Sequence[Array | None], parts: Sequence[Any], samples: int
    ):
        self.upstream, self.labels, self._parts, self.samples = upstream, labels, parts, samples

    def parts(self, start: int, stop: int) -> list[Array]:
        found = []
        for array, labels, contributions in zip(self.upstream, self.labels, self._parts, strict=True):
            if labels is not None:
                found.append(by_rows(array, labels, start, stop, self.samples))
            else:
                found.append(sum(each.parts(start, stop) for each in contributions))
        return found


class Contributions:
    """All contributions to the gradients of some tensors.

    of          tensor -> what its uses add to its gradient
    gradients   tensor -> its gradient, as the engine computed it in the same pass, without the factor

    scale       factor on everything: the number of samples makes a sample's gradient of its part of a mean

    The loss has one element; its graph stays as it is.
    """

    def __init__(self, loss: Tensor, wanted: Sequence[Tensor], labelling: Labelling, scale: float = 1.0):
        self.labelling = labelling
        self.samples = labelling.samples
        self._wanted = list(wanted)
        self._found: dict[Any, list[Contribution]] = {}
        seed = seed_for(loss, None, "sample_gradients")
        arrived = self._run_back([loss], [Tensor(seed._array * seed.dtype.type(scale))], -1)
        self.gradients: dict[Tensor, Array] = {
            tensor: np.asarray(array) / array.dtype.type(scale) for tensor, array in arrived.items()
        }
        self.of = {tensor: self._found.get(key_of(tensor), []) for tensor in wanted}

    def _run_back(self, outputs: Sequence[Tensor], seeds: Sequence[Tensor], after: int) -> dict[Any, Array]:
        return backpropagate(outputs, seeds, self._wanted, observer=self._observe, after=after)

    def _observe(self, node: Node, incoming: Sequence[Any], outgoing: Sequence[Any]) -> None:
        if node in self.labelling.opened:
            outputs, start = self.labelling.opened[node]
            seeds = [
                (output, Tensor(array))
                for output, array in zip(outputs, incoming, strict=True)
                if output.requires_grad
            ]
            # The observer of this pass adds what comes out below the outputs.
            self._run_back([each for each, _ in seeds], [seed for _, seed in seeds], start)
            return
        positions = [
            position
            for position, tensor in enumerate(node.inputs)
            if tensor.requires_grad and outgoing[position] is not None and self._looks_for(tensor)
        ]
        if positions:
            _Use(self, node, incoming, outgoing).add(positions)

    def _looks_for(self, tensor: Tensor) -> bool:
        """Whether the formula has to say which sample an element of this gradient belongs to."""
        return bool((self.labelling.of(tensor).of == NONE).any())

    def plan(self, arrays: NodeArrays, name: str) -> Plan:
        """How this gradient is split. Raises UnreadableError where its formula does not say."""

        def made() -> Plan:
            return Plan(arrays.gradient_line(name), arrays.reader(name), self.samples)

        signature = arrays.signature(name)
        return _PLANS.get(None if signature is None else (self.samples, signature), made)

    def arrived(self, node: Node, index: int) -> list[Contribution]:
        """What has arrived at an output."""
        return self._found.get((node, index), [])

    def add(self, tensor: Tensor, contribution: Contribution) -> None:
        self._found.setdefault(key_of(tensor), []).append(contribution)


class _Use:
    """One node that is visited."""

    def __init__(self, owner: Contributions, node: Node, incoming: Sequence[Any], outgoing: Sequence[Any]):
        self.owner, self.node, self.outgoing = owner, node, outgoing
        self.incoming = [
            np.zeros_like(value) if array is None else np.asarray(array)
            for array, value in zip(incoming, node.values, strict=True)
        ]

    def add(self, positions: Sequence[int]) -> None:
        """Adds what this node hands on to the inputs at these positions."""
        owner, node = self.owner, self.node
        forward = owner.labelling.outputs_of(node)
        dense = [owner.arrived(node, index) for index in range(len(forward))]
        rows = [self._row_labels(labels, found) for labels, found in zip(forward, dense, strict=True)]
        arrays = None
        if all(labels is not None for labels in rows):
            # The gradients of the outputs say which sample an element belongs to.
            labels = {
                f"grad_{name}": Labels(of, True)  # type: ignore[arg-type]
                for name, of in zip(node.operation.outputs, rows, strict=True)
            }
            arrays = self._arrays(labels, by_upstream=True)
        elif not all(labels.by_sample for labels in forward) and not any(each.shared for each in forward):
            # Samples meet here: those of the inputs do.
            names = names_of(node)
            found = {n: owner.labelling.of(each) for n, each in zip(names, node.inputs, strict=True)}
            for name, value in zip(node.operation.outputs, node.values, strict=True):
                found[f"grad_{name}"] = no_labels(value.ndim, True)
            arrays = self._arrays(found, by_upstream=False)
        arriving = _Arriving(self.incoming, rows, dense, owner.samples)
        splittable = all(of is not None or found for of, found in zip(rows, dense, strict=True))
        if all(found and all(each.even for each in found) for found in dense):
            arrays, splittable = None, False
        for position in positions:
            owner.add(node.inputs[position], self._contribution(position, arrays, arriving, splittable))

    def _row_labels(self, forward: Labels, found: Sequence[Contribution]) -> Array | None:
        """Which sample each element of an output's gradient belongs to; None where nothing says so."""
        if not forward.by_sample:
            return None
        labels = forward.of
        if not (labels == NONE).any() or not found:
            return labels
        arrived = [each.rows for each in found if each.rows is not None and not each.even]
        if len(arrived) < len(found) or any((arrived[0] != each).any() for each in arrived):
            return None
        return np.where(labels >= 0, labels, arrived[0])

    def _arrays(self, labels: dict[str, Labels], *, by_upstream: bool) -> NodeArrays | None:
        try:
            return NodeArrays(self.node, self.incoming, labels, by_upstream=by_upstream)
        except NotImplementedError:
            return None

    def _contribution(
        self, position: int, arrays: NodeArrays | None, arriving: _Arriving, splittable: bool
    ) -> Contribution:
        node = self.node
        if arrays is not None:
            try:
                name = names_of(node)[position]
                plan = self.owner.plan(arrays, name)
                if not plan.shared:
                    return _ByFormula(node, position, Split(arrays, name, plan))
                splittable = False
            except (UnreadableError, NotImplementedError, RecursionError):
                splittable = splittable and arrays.by_upstream
        if splittable:
            return _ByKernel(node, position, arriving)
        gradient, samples = np.asarray(self.outgoing[position]), self.owner.samples
        labels = self.owner.labelling.of(node.inputs[position])
        if labels.by_sample and not labels.shared:
            return _ByRows(node, position, gradient, labels.of, samples)
        return _Even(node, position, gradient, samples)
