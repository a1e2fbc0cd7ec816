"""Counts the paths from a loss to the weights of recurrent layers, sequences opened into their steps."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.explain.through_time.loss_steps import LossSteps
from deltarule.explain.through_time.recurrent_layers import WEIGHTS, RecurrentCall, RecurrentLayer


def paths_through_time(apart: LossSteps, loss: Tensor) -> dict[RecurrentLayer, dict[str, int]]:
    """Layer -> weight -> number of paths from the loss to it.

    A cell counts as one operation: from each of its outputs leads one edge to each of its inputs. So in a
    simple recurrent layer of T steps whose every output enters the loss there are T (T + 1) / 2, and in
    an LSTM, whose two states lead to two states, about 2 to the power of T.
    """
    record = apart.record
    counts: dict[Any, int] = {record.key(loss): 1}
    found: dict[RecurrentLayer, dict[str, int]] = {}
    for layer in apart.layers:
        found[layer] = dict.fromkeys(WEIGHTS, 0)
    owner = {call.node: (layer, call) for layer in apart.layers for call in layer.calls}
    for node in reversed(record.nodes):
        arrived = [counts.pop((node, index), 0) for index in range(len(node.values))]
        if not any(arrived):
            continue
        if node not in owner:
            for key in {record.key(tensor) for tensor in node.inputs if tensor.requires_grad}:
                counts[key] = counts.get(key, 0) + sum(arrived)
            continue
        layer, call = owner[node]
        to_step, to_start = _through(call, arrived)
        for weight in WEIGHTS:
            if layer.weight(weight).requires_grad:
                found[layer][weight] += to_step
        for name, paths in (("x", to_step), *((name, to_start) for name in call.cell.states)):
            if call.input(name).requires_grad:
                key = record.key(call.input(name))
                counts[key] = counts.get(key, 0) + paths
    return found


def _through(call: RecurrentCall, arrived: list[int]) -> tuple[int, int]:
    """(paths that arrive at a step, over all steps; paths that arrive at each initial state)."""
    if not call.is_sequence:
        return sum(arrived), sum(arrived)
    output, states = arrived[0], arrived[1:]
    total = 0
    for _ in range(call.steps):
        at_step = output + sum(states)
        total += at_step
        states = [at_step] * len(states)
    return total, states[0]
