"""Labels of every value of a recorded graph: which rows belong to which sample, and where samples meet.

Starts at the leaves that hold the batch and follows the order of computation. Values that depend on none of
them (weights, and what is computed from weights alone) belong to no sample.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.autodiff.backward import nodes_below
from deltarule.autodiff.formula.formula import Call, Formula, Shape
from deltarule.autodiff.node import Node, recorded_so_far
from deltarule.autodiff.operation import Operation
from deltarule.autodiff.recording import enable_grad
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.explain.per_sample.evaluator import UnreadableError
from deltarule.explain.per_sample.labels import SEVERAL, LabelReader, Labels, compressed, no_labels
from deltarule.explain.per_sample.remembered import Remembered

# Their formulas are as deep as their inputs are many; moving numbers and moving labels is the same there.
_MOVING = frozenset(("stack", "concat"))
_WHO = "sample_gradients"
_READ = Remembered[tuple[list[Labels], bool]](1024)


class Labelling:
    """Labels of all values behind a loss.

    loss      a recorded tensor
    batch     the leaves that hold the samples
    axis      which of their axes counts samples
    samples   how many samples there are

    mixed_by     labels of the operations in which samples meet otherwise than as terms of a sum
    reductions   "mean" and "sum": how samples were added up
    opened       checkpoint -> (its outputs recorded anew, order of recording before)
    """

    def __init__(self, loss: Tensor, batch: Sequence[Tensor], axis: int, samples: int):
        self.samples = samples
        self.mixed_by: list[str] = []
        self.opened: dict[Node, tuple[list[Tensor], int]] = {}
        self._labels: dict[Any, Labels] = {}
        self._kinds: dict[Any, frozenset[str]] = {}
        for tensor in batch:
            shape = [1] * tensor.ndim
            shape[axis] = samples
            self._labels[tensor] = Labels(np.arange(samples).reshape(shape), tensor.requires_grad)
        for node in nodes_below([loss]):
            self._follow(node)
        self.reductions = self._kinds.get(key_of(loss), frozenset())

    def of(self, tensor: Tensor) -> Labels:
        """Labels of a tensor of the graph."""
        found = self._labels.get(key_of(tensor))
        return found if found is not None else no_labels(tensor.ndim, tensor.requires_grad)

    def outputs_of(self, node: Node) -> list[Labels]:
        """Labels of a node's outputs."""
        return [
            self._labels.get((node, index), no_labels(value.ndim, True))
            for index, value in enumerate(node.values)
        ]

    # ---- following the computation

    def _follow(self, node: Node) -> None:
        inputs = [self.of(tensor) for tensor in node.inputs]
        if all(each.shared for each in inputs):
            return
        operation = node.operation
        if operation.reopens:
            self._follow_opened(node)
            return
        try:
            outputs, mixes = (
                self._moved(node, inputs) if operation.name in _MOVING else self._read(node, inputs)
            )
        except (UnreadableError, NotImplementedError, RecursionError):
            outputs, mixes = (
                [Labels(np.full((1,) * value.ndim, SEVERAL), True) for value in node.values],
                True,
            )
        if mixes and node.label() not in self.mixed_by:
            self.mixed_by.append(node.label())
        for index, found in enumerate(outputs):
            self._labels[(node, index)] = found
        self._note_kind(node, inputs, outputs, mixes)

    def _read(self, node: Node, inputs: Sequence[Labels]) -> tuple[list[Labels], bool]:
        labels, formula = dict(zip(names_of(node), inputs, strict=True)), formula_of(node)

        def read() -> tuple[list[Labels], bool]:
            reader = label_reader(node, labels)
            reader.solve(formula.value.index)
            return [reader.labels[name] for name in node.operation.outputs], reader.mixes

        return _READ.get(signature_of(node, formula, labels), read)

    def _moved(self, node: Node, inputs: Sequence[Labels]) -> tuple[list[Labels], bool]:
        """Of an operation that puts arrays side by side."""
        place = node.parameters["axis"]
        joined = [
            np.broadcast_to(
                each.of, [*each.of.shape[:place], tensor.shape[place], *each.of.shape[place + 1 :]]
            )
            if node.operation.name == "concat"
            else each.of
            for each, tensor in zip(inputs, node.inputs, strict=True)
        ]
        extents = [max(each.shape[axis] for each in joined) for axis in range(joined[0].ndim)]
        whole = []
        for each in joined:
            shape = list(extents)
            if node.operation.name == "concat":
                shape[place] = each.shape[place]
            whole.append(np.broadcast_to(each, shape))
        of = node.operation.forward(*whole, **node.parameters)
        return [Labels(compressed(of), True)], False

    def _follow_opened(self, node: Node) -> None:
        """Of a checkpoint, which forgot what it did: recorded again, and followed step by step."""
        start = recorded_so_far()
        with enable_grad():
            outputs = list(node.operation.reopen(node, node.inputs))
        self.opened[node] = (outputs, start)
        for inner in nodes_below([each for each in outputs if each.requires_grad], start):
            self._follow(inner)
        for index, output in enumerate(outputs):
            self._labels[(node, index)] = self.of(output)
            self._kinds[(node, index)] = self._kinds.get(key_of(output), frozenset())

    # ---- mean or sum

    def _note_kind(
        self, node: Node, inputs: Sequence[Labels], outputs: Sequence[Labels], mixes: bool
    ) -> None:
        if all(each.by_sample for each in outputs):
            return
        reduction = str(node.parameters.get("reduction", node.operation.name))
        own = "mean" if reduction.endswith("mean") else "sum"
        kinds: set[str] = set()
        for tensor, labels in zip(node.inputs, inputs, strict=True):
            kinds |= self._kinds.get(key_of(tensor), frozenset())
            if labels.live and labels.by_sample and not labels.shared and not mixes:
                kinds.add(own)
        if not kinds and (own == "mean" or reduction == "sum"):
            # Samples met before; what adds up their terms comes now.
            kinds.add(own)
        if kinds == {"sum"} and self._divides_by_samples(node):
            kinds = {"mean"}
        for index in range(len(outputs)):
            self._kinds[(node, index)] = frozenset(kinds)

    def _divides_by_samples(self, node: Node) -> bool:
        """Whether a sum is divided by the number of samples or a multiple of it, the number of elements."""
        if node.operation.name not in ("divide", "multiply") or len(node.inputs) != 2:
            return False
        divides = node.operation.name == "divide"
        for tensor in node.inputs[1:] if divides else node.inputs:
            if tensor.size == 1 and not tensor.requires_grad and tensor.item():
                number = float(tensor.item())
                multiple = (number if divides else 1.0 / number) / self.samples
                if round(multiple) >= 1 and abs(multiple - round(multiple)) < 1e-5 * multiple:
                    return True
        return False


def key_of(tensor: Tensor) -> Any:
    """What tells a value of a graph from others, whichever tensor stands for it."""
    return tensor if tensor.node is None else (tensor.node, tensor.output_index)


def names_of(node: Node) -> tuple[str, ...]:
    """The names of a node's inputs in its formula."""
    return node.operation.input_names(len(node.inputs))


def formula_of(node: Node) -> Formula:
    """What a node's operation says of this call: the same record for calls of the same shapes and options."""
    call = node.operation.call(node)
    try:
        return _known_formula(node.operation, tuple(call.shapes.items()), tuple(call.parameters.items()))
    except TypeError:
        # An option that cannot be looked up, such as a list.
        return node.operation.formula(call)


@lru_cache(512)
def _known_formula(
    operation: Operation, shapes: tuple[tuple[str, Shape], ...], parameters: tuple[tuple[str, Any], ...]
) -> Formula:
    return operation.formula(Call(dict(shapes), dict(parameters)))


def signature_of(node: Node, formula: Formula, labels: Mapping[str, Labels]) -> Hashable:
    """What decides how labels go through a formula; None where integers of the data do, too."""
    if any(tensor.dtype.kind in "iu" for tensor in node.inputs):
        return None
    rows = ((name, each.live, each.of.shape, each.of.tobytes()) for name, each in labels.items())
    return (formula, *rows)


def label_reader(node: Node, labels: dict[str, Labels]) -> LabelReader:
    """A reader of this node's formula: integers of its inputs may stand inside of indices."""
    arrays = {name: tensor._array for name, tensor in zip(names_of(node), node.inputs, strict=True)}
    return LabelReader(labels, arrays)


# ---- finding the batch


def found_batch(
    loss: Tensor, batch: int | Tensor | Sequence[Tensor] | None, axis: int
) -> tuple[list[Tensor], int]:
    """(the leaves that hold the samples, how many samples there are).

    batch   those leaves; or the number of samples: then all constant leaves with that extent; or None: then
            that of the constant leaf which is read first

    Raises ArgumentError where there are none, or they differ in extent.
    """
    leaves = _leaves(loss)
    if batch is not None and not isinstance(batch, int | np.integer):
        if not isinstance(batch, Tensor | Sequence):
            raise ArgumentError(
                _WHO,
                f"batch expected tensors or a number of samples, got {type(batch).__name__}",
                "Pass the input itself: batch=x.",
            )
        given = [batch] if isinstance(batch, Tensor) else list(batch)
        return given, _extent_of(given, leaves, axis)
    candidates = [
        each for each in leaves if not each.requires_grad and each.ndim > axis and not _counts(each)
    ]
    if batch is None:
        if not candidates:
            raise ArgumentError(
                _WHO,
                "found no batch: the loss was computed from parameters alone",
                "Pass batch=x, its input.",
            )
        batch = candidates[0].shape[axis]
    chosen = [each for each in candidates if each.shape[axis] == batch]
    if not chosen:
        raise ArgumentError(
            _WHO,
            f"batch expected the number of samples, but no input of the graph has {batch} along axis {axis}",
            "Pass the input itself: batch=x.",
        )
    return chosen, int(batch)


def _leaves(loss: Tensor) -> list[Tensor]:
    """Leaves in the order in which they are read; running statistics of normalisations are left out."""
    found: dict[Tensor, None] = {}
    for node in nodes_below([loss]):
        for name, tensor in zip(names_of(node), node.inputs, strict=True):
            if tensor.node is None and not name.startswith("running_"):
                found[tensor] = None
    return list(found)


def _counts(tensor: Tensor) -> bool:
    """Whether it is 0, 1, 2, ...: positions in a sequence, rather than samples."""
    array = tensor._array
    return array.ndim == 1 and array.dtype.kind in "iu" and np.array_equal(array, np.arange(len(array)))


def _extent_of(given: Sequence[Tensor], leaves: Sequence[Tensor], axis: int) -> int:
    known = {id(each) for each in leaves}
    extents = set()
    for tensor in given:
        if not isinstance(tensor, Tensor) or id(tensor) not in known:
            raise ArgumentError(
                _WHO,
                "batch expected tensors that the loss was computed from, got another one",
                "Make the input a tensor before the model is called: x = dr.tensor(x). If it is turned or "
                "cut before a parameter comes in, requires_grad=True has that recorded.",
            )
        if tensor.ndim <= axis:
            raise ArgumentError(_WHO, f"batch expected tensors with an axis {axis}, got shape {tensor.shape}")
        extents.add(tensor.shape[axis])
    if len(extents) != 1:
        raise ArgumentError(
            _WHO,
            f"batch expected tensors of one number of samples, got {sorted(extents)} along axis {axis}",
            "Give those whose rows are the samples.",
        )
    return extents.pop()
