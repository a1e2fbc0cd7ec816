"""Layers and parameters of a recorded pass: sizes of values, gradients, weights and updates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.node import Node
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.explain.training_health.recorded_pass import RecordedPass
from deltarule.explain.training_health.recurrences import is_recurrent
from deltarule.explain.training_health.step_trial import norm_of
from deltarule.nn.embedding import Embedding
from deltarule.nn.module import Module
from deltarule.nn.normalisation import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, RMSNorm
from deltarule.optim.optimizer import Optimizer

_NORMALISATIONS = (BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, RMSNorm)
# Gradients of units that stay equal differ by no more than rounding.
_EQUAL = 1e-4


@dataclass(frozen=True)
class ParameterVitals:
    """One parameter, its gradient on the probe batch, and its last real update.

    Gradients are those of the loss; what a penalty and weight decay add to them is told apart.

    name, layer     "0.weight", "0"
    kind            "weight" (two axes or more), "bias", "recurrent" (the weights on a hidden state),
                    "embedding", "scale" (of a normalisation)
    fan_in          number of inputs of a unit: product of all axes but the first; 1 for one axis
    requires_grad   False where it is frozen
    has_gradient    whether a gradient arrives: False where it is not connected with the loss
    gradient_norm, gradient_rms   of the probe batch; 0 where none arrives
    weight_norm, weight_rms
    update_norm     ‖Δw‖ of the optimiser's step at this state; None without an optimiser
    update_ratio    ‖Δw‖ / ‖w‖; None where w is zero
    decay_norm      weight decay's part: weight_decay · ‖w‖; 0 without
    penalty_norm    the penalty's part: norm of its gradient; 0 without
    learning_rate   of its parameter group; None without an optimiser or where it is in no group
    signal          squared norm of the mean gradient over samples, without bias; may be negative by chance
    variance        trace of the covariance of the gradient of one sample
    equal_units     share of its rows (units) that equal another row in value and in gradient: units that
                    will stay the same for ever; 0 for vectors
    zero            whether all of its elements are 0
    not_finite      share of elements, of value and gradient, that are NaN or infinite
    """

    name: str
    layer: str
    kind: str
    shape: tuple[int, ...]
    fan_in: int
    requires_grad: bool
    has_gradient: bool
    gradient_norm: float
    gradient_rms: float
    weight_norm: float
    weight_rms: float
    update_norm: float | None
    update_ratio: float | None
    decay_norm: float
    penalty_norm: float
    learning_rate: float | None
    signal: float | None
    variance: float | None
    equal_units: float
    zero: bool
    not_finite: float


@dataclass(frozen=True)
class LayerVitals:
    """One layer with parameters: its value and its gradient, to see both grow or decay over depth.

    layer       module
    kind        class of the module: "Linear", "Conv2d", "LSTM"
    depth       its place in the order of computation, from 0
    input_rms   root mean square of its input
    output_rms, output_mean   of its output
    output_std  mean over units of the standard deviation over samples: 0 where the answer is the same
                for all samples
    gradient    root mean square of ∂L/∂output, of the sum over the batch (not of its mean): comparable
                between batch sizes; None where no gradient arrives
    connected   whether the loss depends on it
    """

    layer: str
    kind: str
    depth: int
    input_rms: float
    output_rms: float
    output_mean: float
    output_std: float
    gradient: float | None
    connected: bool


def parameter_vitals(
    model: Module,
    seen: RecordedPass,
    optimizer: Optimizer | None,
    changes: Mapping[Tensor, Array],
    shares: Mapping[Any, tuple[float, float]],
    pulls: Mapping[Tensor, Array],
) -> tuple[ParameterVitals, ...]:
    """Every parameter of a model.

    changes   parameter -> Δw of a step
    shares    parameter -> (signal, variance) of its gradient
    pulls     parameter -> gradient of the penalty
    """
    owners = {id(each): module for module in model.modules() for each in module._parameters.values()}
    groups = {} if optimizer is None else _groups(optimizer)
    found = []
    for name, parameter in model.named_parameters():
        gradient = seen.leaves.get(parameter)
        array, change = parameter._array, changes.get(parameter)
        group = groups.get(parameter)
        weight_norm = norm_of([array])
        gradient_norm = 0.0 if gradient is None else norm_of([gradient])
        update_norm = None if change is None else norm_of([change])
        if change is None and group is not None:
            update_norm = 0.0
        root = math.sqrt(array.size) if array.size else 1.0
        signal, variance = shares.get(parameter, (None, None))
        bad = int(np.count_nonzero(~np.isfinite(array)))
        bad += 0 if gradient is None else int(np.count_nonzero(~np.isfinite(gradient)))
        found.append(
            ParameterVitals(
                name=name,
                layer=name.rpartition(".")[0],
                kind=_kind(name.rpartition(".")[2], parameter, owners[id(parameter)]),
                shape=parameter.shape,
                fan_in=math.prod(parameter.shape[1:]) if parameter.ndim > 1 else 1,
                requires_grad=parameter.requires_grad,
                has_gradient=gradient is not None,
                gradient_norm=gradient_norm,
                gradient_rms=gradient_norm / root,
                weight_norm=weight_norm,
                weight_rms=weight_norm / root,
                update_norm=update_norm,
                update_ratio=update_norm / weight_norm if update_norm is not None and weight_norm else None,
                decay_norm=0.0 if group is None else float(group.get("weight_decay", 0.0)) * weight_norm,
                penalty_norm=norm_of([pulls[parameter]]) if parameter in pulls else 0.0,
                learning_rate=None if group is None else float(group["lr"]),
                signal=signal,
                variance=variance,
                equal_units=_equal_units(array, gradient),
                zero=bool(array.size) and not array.any(),
                not_finite=bad / max(1, array.size * (1 if gradient is None else 2)),
            )
        )
    return tuple(found)


def layer_vitals(model: Module, seen: RecordedPass, rows: int) -> tuple[LayerVitals, ...]:
    """Every layer with parameters in the order of its first call; those that were never called come last."""
    found: dict[str, LayerVitals] = {}
    for call in seen.calls:
        if not call.module._parameters or call.layer in found or not call.outputs:
            continue
        output = call.outputs[0]
        gradient = _gradient(seen, call.outputs)
        inputs = call.inputs[0]._array if call.inputs else np.zeros(0)
        found[call.layer] = LayerVitals(
            call.layer,
            type(call.module).__name__,
            len(found),
            _rms(inputs) if inputs.dtype.kind == "f" else math.nan,
            _rms(output._array),
            float(output._array.mean()) if output.size else math.nan,
            float(output._array.std(axis=0).mean()) if output.size else math.nan,
            None if gradient is None else gradient * rows,
            gradient is not None,
        )
    for name, module in model.named_modules():
        if any(each is not None for each in module._parameters.values()) and name not in found:
            used = any(
                seen.leaves.get(each) is not None for each in module._parameters.values() if each is not None
            )
            nan = math.nan
            found[name] = LayerVitals(name, type(module).__name__, len(found), nan, nan, nan, nan, None, used)
    return tuple(found.values())


def bypassed(nodes: Sequence[Node]) -> bool:
    """Whether a sum joins a value with something that was computed from it: a skip connection."""
    for node in nodes:
        if node.operation.name != "add" or is_recurrent(node):
            continue
        branches = [each.node for each in node.inputs]
        if len(branches) != 2:
            continue
        for one, other in (branches, branches[::-1]):
            start = node.inputs[branches.index(one)] if one is None else None
            if other is None or (one is None and (start is None or start.size < 2)):
                continue
            target: Any = start if one is None else one
            if _reaches(other, target):
                return True
    return False


def _reaches(node: Node, target: Any) -> bool:
    """Whether a node was computed from another one, or from a leaf."""
    least = target.order if isinstance(target, Node) else -1
    waiting, seen = [node], {node}
    while waiting:
        current = waiting.pop()
        for tensor in current.inputs:
            below = tensor.node
            if below is target or tensor is target:
                return True
            if below is not None and below.order > least and below not in seen:
                seen.add(below)
                waiting.append(below)
    return False


def _gradient(seen: RecordedPass, outputs: Sequence[Tensor]) -> float | None:
    """Size of the gradient of the first output that has one: of a state that nothing uses it is 0."""
    sizes = [_rms(each) for each in map(seen.gradient_of, outputs) if each is not None]
    return next((size for size in sizes if size), sizes[0] if sizes else None)


def _rms(array: Array) -> float:
    return norm_of([array]) / math.sqrt(array.size) if array.size else math.nan


def _groups(optimizer: Optimizer) -> dict[Tensor, dict[str, Any]]:
    return {parameter: group for group in optimizer.param_groups for parameter in group["params"]}


def _kind(own_name: str, parameter: Tensor, module: Module) -> str:
    if isinstance(module, Embedding):
        return "embedding"
    if isinstance(module, _NORMALISATIONS):
        return "bias" if own_name.startswith("bias") else "scale"
    if own_name.startswith("weight_hh"):
        return "recurrent"
    return "bias" if parameter.ndim < 2 else "weight"


def _equal_units(array: Array, gradient: Array | None) -> float:
    """Share of rows that equal another one in value and, but for rounding, in gradient."""
    if array.ndim < 2 or len(array) < 2 or not array.size:
        return 0.0
    rows = np.ascontiguousarray(array.reshape(len(array), -1))
    # Rows that are equal have equal products with any vector: few need to be compared in full.
    keys = rows[:, : min(rows.shape[1], 64)].sum(axis=1) + rows[:, 0]
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    if counts.max() == 1:
        return 0.0
    moves = np.zeros((len(array), 1)) if gradient is None else gradient.reshape(len(array), -1)
    # Sorted by value and then by one product of the gradient, rows that are equal in both are neighbours.
    product = moves @ np.random.default_rng(0).standard_normal(moves.shape[1])
    order = np.lexsort((product, inverse))
    rows, moves = rows[order], moves[order]
    like_next = (rows[1:] == rows[:-1]).all(axis=1)
    like_next &= (np.abs(moves[1:] - moves[:-1]) <= _EQUAL * float(np.abs(moves).max())).all(axis=1)
    equal = np.count_nonzero(np.append(like_next, False) | np.append(False, like_next))
    return float(equal / len(array))
