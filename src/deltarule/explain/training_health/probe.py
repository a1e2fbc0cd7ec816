"""vitals: measures a model, its gradients and its optimiser's next step on a batch, and leaves no trace."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.autodiff.backward import backpropagate, nodes_below, seed_for
from deltarule.autodiff.node import Node
from deltarule.autodiff.recording import enable_grad, no_grad
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError
from deltarule.explain.training_health.arguments import require_function
from deltarule.explain.training_health.data_vitals import input_vitals, plain_array, target_vitals
from deltarule.explain.training_health.gradient_noise import gradient_noise, label_signal, shares_of
from deltarule.explain.training_health.layer_vitals import bypassed, layer_vitals, parameter_vitals
from deltarule.explain.training_health.output_vitals import output_vitals
from deltarule.explain.training_health.recorded_pass import RecordedPass, losses, maker_of, recorded_pass
from deltarule.explain.training_health.recurrences import Recurrence, recurrences
from deltarule.explain.training_health.recurrent_vitals import recurrent_vitals
from deltarule.explain.training_health.step_trial import moves, step_vitals
from deltarule.explain.training_health.unit_activity import nearest, unit_vitals
from deltarule.explain.training_health.vitals import Vitals
from deltarule.nn.dropout import Dropout
from deltarule.nn.module import Module
from deltarule.nn.recurrent_base import Recurrent
from deltarule.operations.random import get_random_state, manual_seed, set_random_state
from deltarule.operations.recurrence.groups import SequenceGroup
from deltarule.optim.optimizer import Optimizer

_NORMALISING = frozenset(("batch_norm", "layer_norm", "group_norm", "rms_norm"))


def vitals(
    model: Module,
    loss: Callable[..., Tensor],
    inputs: Any,
    targets: Any,
    optimizer: Optimizer | None = None,
    *,
    step: int = 0,
    batch_size: int | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    penalty: Callable[[Module], Tensor] | None = None,
    noise: bool = True,
    line: bool = True,
    training_loss: float | None = None,
    updates: Mapping[str, Array] | None = None,
    clipped: tuple[float, float] | None = None,
    facts: tuple[Array, Array] | None = None,
    known: Vitals | None = None,
) -> Vitals:
    """Measures a model on a batch: gradients, weights, activations, noise, and its optimiser's next step.

    model          in the state to be looked at; measured in training mode
    loss           loss(output, targets) -> mean over the batch
    inputs         (rows, ...); 32 to 256 rows tell most of it
    targets        as the loss takes them
    optimizer      of the model's parameters, or None: updates are then not measured
    step           updates that were done so far
    batch_size     rows of the batches in training; those of this one if left out
    clip_norm, clip_value, penalty   as in Trainer
    noise          whether parts of the batch are compared: up to 8 forward and backward passes more
    line           whether multiples of the next step are tried: 9 forward passes more
    training_loss, updates, clipped   what a training itself saw since the last measurement: mean loss;
                   name -> Δw of a real step; share of the steps that were clipped, mean factor
    facts          (inputs, targets) of more rows of the same data, for what is told from the data alone
    known          an earlier measurement of the same data, whose facts are taken over

    All of it happens on a copy of the model and its optimiser. Afterwards parameters, `.grad`, buffers,
    random state, slots of the optimiser and training mode are as before, to the last bit; a loss with
    parameters of its own keeps theirs too. It takes as much memory again as the model does in training.

    Of a model whose parameters are all frozen the layers are measured, and no parameter has a gradient.
    Neither has one where the recorded graph ends between parameters and loss: see `Vitals.cut`.

    Raises ArgumentError for what is no model or no loss, a model that cannot be copied, or a batch without
    rows; ShapeError as the model and the loss do.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> from deltarule.explain.training_health.probe import vitals
    >>> dr.manual_seed(0)
    >>> model = dr.nn.Sequential(dr.nn.Linear(2, 8), dr.nn.Tanh(), dr.nn.Linear(8, 2))
    >>> inputs = np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32)
    >>> found = vitals(model, dr.cross_entropy, inputs, (inputs[:, 0] > 0).astype(int))
    >>> [(each.name, each.has_gradient) for each in found.parameters[:2]], found.units[0].operation
    ([('0.weight', True), ('0.bias', True)], 'tanh')
    """
    begin = time.perf_counter()
    if not isinstance(model, Module):
        raise ArgumentError("vitals", f"expected a model, got {type(model).__name__}", "Pass a dr.nn.Module.")
    require_function("vitals", "loss", loss, "For example dr.cross_entropy.")
    batch, wanted = plain_array(inputs), plain_array(targets)
    if not batch.ndim or not len(batch):
        raise ArgumentError(
            "vitals", f"expected a batch of rows, got shape {batch.shape}", "Give it 32 rows."
        )
    facts = (batch, wanted) if facts is None else facts
    copied, stepping = _copies(model, optimizer)
    with _random_state_kept(), np.errstate(all="ignore"):
        drawn = get_random_state()

        def again() -> None:
            set_random_state(drawn)

        copied.eval()
        loss = _giving_tensors(loss)
        with no_grad():
            quiet = float(losses(copied, loss, None, batch, wanted)[1].item())
        copied.train()
        again()
        frozen = not any(each.requires_grad for each in copied.parameters())
        # The gradients of the layers are looked at all the same, those of the parameters are not.
        if frozen:
            copied.requires_grad_(True)
        seen = recorded_pass(copied, loss, batch, wanted)
        added, pulls = _pulled(copied, penalty)
        names = {id(each): name for name, each in copied.named_parameters()}
        last_weights = _last_weights(seen, names)
        cut = _cut(seen, last_weights)
        if frozen:
            copied.requires_grad_(False)
            seen, pulls = replace(seen, leaves={}), {}
        noise = noise and not frozen and not cut
        again()
        outputs = output_vitals(seen)
        rounds = recurrences(seen.nodes)
        told = label_signal(seen, loss, last_weights) if noise else None
        noisy = gradient_noise(copied, loss, batch, wanted, batch_size or len(batch), told) if noise else None
        again()
        changes: Mapping[Tensor, Array] = {}
        trial = None
        if stepping is not None:
            leaves = _sums(seen.leaves, pulls)
            changes = moves(stepping, leaves, clip_norm, clip_value)
            if line and changes:
                trial = step_vitals(
                    *(copied, loss, penalty, batch, wanted, stepping, leaves, changes),
                    *(float(seen.loss.item()) + added, clip_norm, clip_value, clipped, again),
                )
        done = changes if updates is None else _by_parameter(copied, updates)
        return Vitals(
            step=step,
            loss=float(seen.loss.item()),
            quiet_loss=quiet,
            training_loss=training_loss,
            dtype=str(seen.output.dtype),
            rows=len(batch),
            inputs=input_vitals(facts[0]) if known is None else known.inputs,
            targets=target_vitals(*facts, outputs.loss) if known is None else known.targets,
            outputs=outputs,
            parameters=parameter_vitals(copied, seen, stepping, done, shares_of(noisy), pulls),
            units=_units(copied, seen, rounds, names),
            layers=layer_vitals(copied, seen, len(batch)),
            recurrent=tuple(recurrent_vitals(each, _arriving(seen, each)) for each in rounds),
            noise=None if noisy is None else noisy[0],
            optimizer=trial,
            cut=cut,
            dropout=_dropout(copied),
            normalised=tuple(
                dict.fromkeys(node.scope for node in seen.nodes if node.operation.name in _NORMALISING)
            ),
            bypass=bypassed(seen.nodes),
            penalty=added,
            seconds=time.perf_counter() - begin,
        )


def _giving_tensors(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The loss; it raises ArgumentError where its value is no tensor."""

    def checked(output: Tensor, targets: Tensor) -> Tensor:
        value = loss(output, targets)
        if not isinstance(value, Tensor):
            raise ArgumentError(
                "vitals",
                f"the loss expects to give a tensor, got {type(value).__name__}",
                "Compute it with dr's functions, without float, item or numpy.",
            )
        return value

    return checked


def _copies(model: Module, optimizer: Optimizer | None) -> tuple[Module, Optimizer | None]:
    """Copies of both that belong together."""
    # Gradients that wait for a step are left behind: to the copy they are None.
    waiting = {id(each._grad): None for each in model.parameters() if each._grad is not None}
    try:
        return copy.deepcopy((model, optimizer), waiting)
    except Exception as error:
        raise ArgumentError(
            "vitals",
            f"the model or its optimiser cannot be copied ({type(error).__name__}: {error})",
            "Keep files, generators and threads out of modules.",
        ) from error


@contextmanager
def _random_state_kept() -> Iterator[None]:
    before = get_random_state()
    try:
        manual_seed(0)
        yield
    finally:
        set_random_state(before)


def _pulled(model: Module, penalty: Any) -> tuple[float, dict[Tensor, Array]]:
    """A penalty, and tensor -> its gradient; 0 and nothing without one."""
    if penalty is None:
        return 0.0, {}
    with enable_grad():
        value = penalty(model)
    if not isinstance(value, Tensor):
        return float(value), {}
    arrived = backpropagate([value], [seed_for(value, None, "vitals")]) if value.requires_grad else {}
    return float(value.item()), {tensor: np.asarray(each) for tensor, each in arrived.items()}


def _sums(one: Mapping[Tensor, Array], other: Mapping[Tensor, Array]) -> Mapping[Tensor, Array]:
    """The gradients of two terms of a loss, added up."""
    found = dict(one)
    for tensor, gradient in other.items():
        found[tensor] = found[tensor] + gradient if tensor in found else gradient
    return found


def _by_parameter(model: Module, updates: Mapping[str, Array]) -> dict[Tensor, Array]:
    named = dict(model.named_parameters())
    return {named[name]: change for name, change in updates.items() if name in named}


def _last_weights(seen: RecordedPass, names: Mapping[int, str]) -> list[Tensor]:
    """The parameters that are used last on the way to the output."""
    if seen.output.node is None:
        return []
    for node in reversed(nodes_below([seen.output])):
        found = [each for each in node.inputs if id(each) in names and each.requires_grad]
        if found:
            return found[:1]
    return []


def _cut(seen: RecordedPass, last_weights: Sequence[Tensor]) -> str:
    """Where the recorded graph of the loss ends too early, as `Vitals.cut` says."""
    if not last_weights:
        return "output"
    return "loss" if seen.gradient_of(seen.output) is None else ""


def _units(model: Module, seen: RecordedPass, rounds: Any, names: Mapping[int, str]) -> Any:
    modules = dict(model.named_modules())

    def owner(tensor: object) -> str | None:
        name = names.get(id(tensor))
        return None if name is None else name.rpartition(".")[0]

    def channels_first(layer: str) -> bool:
        return layer in modules and "Conv" in type(modules[layer]).__name__

    def before(node: Node) -> str:
        return nearest(node, owner)

    return unit_vitals(seen.nodes, rounds, before, maker_of(seen.output), channels_first)


def _arriving(seen: RecordedPass, recurrence: Recurrence) -> Array | None:
    """The gradient of the outputs of a sequence that ran as one operation: none is from its own steps."""
    for node in seen.nodes:
        if node.order == recurrence.order and isinstance(node.operation, SequenceGroup):
            return seen.gradients.get((node, 0))
    return None


def _dropout(model: Module) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, module in model.named_modules():
        if isinstance(module, Dropout) or (isinstance(module, Recurrent) and module.num_layers > 1):
            p = module.p if isinstance(module, Dropout) else module.dropout
            if p and math.isfinite(p):
                found[name] = float(p)
    return found
