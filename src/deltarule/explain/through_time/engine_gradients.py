"""Gradients of recurrent weights by the engine: what a sum of contributions is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.backward import backpropagate
from deltarule.autodiff.node import Node
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.explain.through_time.loss_steps import LossSteps
from deltarule.explain.through_time.recurrent_layers import WEIGHTS, RecurrentLayer


def engine_gradients(
    loss: Tensor, seed: Tensor, apart: LossSteps, layers: Sequence[RecurrentLayer]
) -> dict[RecurrentLayer, dict[str, Array | None]]:
    """∂L/∂W by the engine, through the uses of W in a layer alone: it may be used elsewhere, too."""
    record = apart.record
    users: dict[Any, list[tuple[Node, int]]] = {}
    for node in record.nodes:
        for position, tensor in enumerate(node.inputs):
            users.setdefault(record.key(tensor), []).append((node, position))
    handed: dict[tuple[Node, int], Array] = {}

    def observe(node: Node, incoming: Sequence[Any], outgoing: Sequence[Any]) -> None:
        for position, gradient in enumerate(outgoing):
            if (node, position) in wanted and gradient is not None:
                handed[node, position] = gradient

    own: dict[tuple[RecurrentLayer, str], list[tuple[Node, int]]] = {}
    for layer in layers:
        for name in WEIGHTS:
            position = layer.cell.inputs.index(name)
            own[layer, name] = [(call.node, position) for call in layer.calls]
    wanted = {each for uses in own.values() for each in uses}
    tensors = [layer.weight(name) for layer in layers for name in WEIGHTS]
    known = backpropagate([loss], [seed], observer=observe)
    inner = [each for each in tensors if each.node is not None and each.requires_grad]
    known.update(backpropagate([loss], [seed], wanted=inner) if inner else {})
    found: dict[RecurrentLayer, dict[str, Array | None]] = {layer: {} for layer in layers}
    for (layer, name), uses in own.items():
        tensor = layer.weight(name)
        gradient: Array | None = None
        if not tensor.requires_grad:
            pass
        elif len(users[record.key(tensor)]) == len(uses):
            gradient = known.get(tensor)
        elif all(each in handed for each in uses):
            gradient = np.sum([handed[each] for each in uses], axis=0)
        found[layer][name] = gradient
    return found
