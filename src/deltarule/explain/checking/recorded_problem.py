"""A recorded loss as what is differentiated; its leaves take other numbers, its constants stay."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from deltarule.autodiff.backward import nodes_below
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, GraphError
from deltarule.explain.checking.problem import WHO, Numbers, Problem, Trial, among, array_of, held
from deltarule.explain.checking.replay import replay


class RecordedProblem(Problem):
    """A recorded loss; its leaves take other numbers, its constants stay.

    names   name -> tensor of the record, for leaves, constants and values in between
    """

    def __init__(self, loss: Tensor, names: Mapping[str, Any]):
        if not loss.requires_grad:
            raise GraphError(
                WHO, "the loss needs no gradient: nothing it was computed from has requires_grad=True"
            )
        self.loss = loss
        self.is_loss = loss.ndim == 0
        titles = {tensor: name for name, tensor in names.items() if isinstance(tensor, Tensor)}
        self.start, self.varied = {}, []
        self._leaves: dict[str, Tensor] = {}
        self._between: dict[str, tuple[int, int]] = {}
        nodes = nodes_below([loss])
        for position, node in enumerate(nodes):
            for tensor in node.inputs:
                if tensor.node is None and not among(tensor, self._leaves.values()):
                    self._enter(tensor, titles.get(tensor) or tensor.name or _title_of(tensor, names))
            for index in range(len(node.values)):
                for tensor, name in titles.items():
                    if tensor.node is node and tensor.output_index == index:
                        self._between[name] = (position, index)
        self.free = list(self.varied)
        self._named = [name for name in self._leaves if name in names]
        reached = {*self._leaves, *self._between}
        for name, tensor in names.items():
            if isinstance(tensor, Tensor) and name not in reached:
                if tensor.node is not None or tensor.requires_grad:
                    raise ArgumentError(
                        WHO,
                        f"the loss does not depend on the tensor named {name!r}",
                        "Name one that it uses.",
                    )
                self.start[name] = np.asarray(tensor._array)
            elif not isinstance(tensor, Tensor) and name not in reached:
                self.start[name] = np.asarray(tensor)

    def _loose(self) -> list[str]:
        # Constants without a name of the user's belong to the computation itself.
        data = [name for name in self._named if self.start[name].ndim and self.start[name].dtype.kind == "f"]
        return [*self.varied, *(name for name in data if name not in self.varied)]

    def _enter(self, tensor: Tensor, name: str) -> None:
        array = array_of(tensor)
        assert array is not None
        nameless = not name
        name = name or f"value{len(self._leaves)}"
        while name in self._leaves:
            name += "'"
        self._leaves[name] = tensor
        self.start[name] = array
        if tensor.requires_grad:
            self.varied.append(name)
        elif nameless and not array.ndim:
            self.unnamed |= {name}

    def holding(self, trial: Trial) -> AbstractContextManager[None]:
        return held({self._leaves[name]: trial.numbers[name] for name in self.varied})

    def run(self, numbers: Numbers, seed: int = 0) -> Trial:
        leaves = {
            name: Tensor(numbers[name], requires_grad=name in self.varied, name=name) for name in self._leaves
        }
        replacing: dict[Tensor, Tensor] = {self._leaves[name]: leaf for name, leaf in leaves.items()}
        outputs = replay([self.loss], replacing)
        nodes = nodes_below(outputs)
        named = {name: (nodes[position], index) for name, (position, index) in self._between.items()}
        found = {name: node.values[index] for name, (node, index) in named.items()}
        varied = {name: leaves[name] for name in self.varied}
        return Trial({**numbers, **found}, varied, outputs, seed, named)


def _title_of(tensor: Tensor, names: Mapping[str, Any]) -> str:
    """The name of a constant that was handed to an operation as an array: that of the equal array."""
    for name, value in names.items():
        if not isinstance(value, Tensor) and np.shape(value) == tensor.shape and tensor.ndim:
            if np.array_equal(np.asarray(value), tensor._array):
                return name
    return ""
