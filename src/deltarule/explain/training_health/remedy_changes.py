"""What each remedy changes in a setup that is to be trained: the copy that it gets is changed in place.

Each takes (setup, arguments) and returns (setup, factor on its losses), so that losses stay comparable where
targets are scaled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array, Tensor
from deltarule.data import DataLoader
from deltarule.explain.training_health.data_vitals import input_vitals
from deltarule.explain.training_health.probe_batch import probe_batch
from deltarule.explain.training_health.setup import Setup, random_state_of
from deltarule.nn import init
from deltarule.nn.activation import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from deltarule.nn.dropout import Dropout
from deltarule.nn.models.initialisation import initialise
from deltarule.nn.module import Module
from deltarule.nn.recurrent import LSTM, RNN
from deltarule.nn.recurrent_base import Recurrent
from deltarule.nn.recurrent_cells import RecurrentCell
from deltarule.nn.shape import Identity
from deltarule.operations.softmax import log_softmax

Arguments = Mapping[str, Any]
Changed = tuple[Setup, float]

_ACTIVATIONS: dict[str, type[Module]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "gelu": GELU,
    "silu": SiLU,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "softplus": Softplus,
    "softmax": Softmax,
}
# Rows from which mean and deviation of the data are taken.
_ROWS = 2048


class NotPossible(Exception):
    """A remedy that cannot be tried on this network.

    key   "not_a_module": the activation is called inside forward; "no_such_layer"; "other_loader": the data
          comes from a loader of its own kind; "already": it is so already
    """

    def __init__(self, key: str):
        super().__init__(key)
        self.key = key


class _Mapped:
    """A loader whose batches are changed on their way."""

    def __init__(self, loader: Any, inputs: Callable[[Array], Array], targets: Callable[[Array], Array]):
        self._loader, self._inputs, self._targets = loader, inputs, targets
        self.batch_size = getattr(loader, "batch_size", None)
        self.carries_state = getattr(loader, "carries_state", False)

    def __len__(self) -> int:
        return len(self._loader)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Array, Array]]:
        for inputs, targets in self._loader.batches(epoch, start):
            yield self._inputs(np.asarray(inputs)), self._targets(np.asarray(targets))


def _same(array: Array) -> Array:
    return array


def _learning_rate(setup: Setup, arguments: Arguments) -> Changed:
    for group in setup.optimizer.param_groups:
        group["lr"] = float(group["lr"]) * float(arguments["factor"])
    return setup, 1.0


def _weight_decay(setup: Setup, arguments: Arguments) -> Changed:
    for group in setup.optimizer.param_groups:
        if "weight_decay" in group:
            group["weight_decay"] = float(arguments["value"])
    return setup, 1.0


def _penalty(setup: Setup, arguments: Arguments) -> Changed:
    penalty, factor = setup.penalty, float(arguments["factor"])
    if penalty is None:
        raise NotPossible("already")

    def weaker(model: Module) -> Tensor:
        return penalty(model) * factor

    return replace(setup, penalty=weaker), 1.0


def _clip_norm(setup: Setup, arguments: Arguments) -> Changed:
    return replace(setup, clip_norm=float(arguments["limit"]), clip_value=None), 1.0


def _batch_size(setup: Setup, arguments: Arguments) -> Changed:
    loader = setup.loader
    if type(loader) is not DataLoader:
        raise NotPossible("other_loader")
    rows = min(int(arguments["rows"]), loader.rows)
    if rows == loader.batch_size:
        raise NotPossible("already")
    other = DataLoader((loader.inputs, loader.targets), rows, loader.shuffle, loader.seed, loader.drop_last)
    return replace(setup, loader=other), 1.0


def _standardise_inputs(setup: Setup, arguments: Arguments) -> Changed:
    inputs, _ = probe_batch(setup.loader, _ROWS, "try_remedy")
    if inputs.dtype.kind != "f":
        raise NotPossible("already")
    facts = input_vitals(inputs)
    shape = (-1, 1, 1) if facts.kind == "image" else (-1,)
    mean = np.array(facts.means).reshape(shape)
    deviation = np.array(facts.stds).reshape(shape)
    deviation = np.where(deviation > 0, deviation, 1.0)

    def standardised(batch: Array) -> Array:
        return ((batch - mean) / deviation).astype(batch.dtype)

    loader = _Mapped(setup.loader, standardised, _same)
    return replace(setup, loader=loader, probe=(standardised(setup.probe[0]), setup.probe[1])), 1.0


def _standardise_targets(setup: Setup, arguments: Arguments) -> Changed:
    _, targets = probe_batch(setup.loader, _ROWS, "try_remedy")
    if targets.dtype.kind != "f":
        raise NotPossible("already")
    mean = targets.mean(axis=0, dtype=np.float64)
    deviation = targets.std(axis=0, dtype=np.float64)
    deviation = np.where(deviation > 0, deviation, 1.0)

    def standardised(batch: Array) -> Array:
        return ((batch - mean) / deviation).astype(batch.dtype)

    # Squared errors shrink by the variance of the targets; given back, both curves have the same unit.
    loader = _Mapped(setup.loader, _same, standardised)
    probe = (setup.probe[0], standardised(setup.probe[1]))
    return replace(setup, loader=loader, probe=probe), float(np.mean(deviation**2))


def _initialise(setup: Setup, arguments: Arguments) -> Changed:
    for module in _layers(setup, str(arguments.get("layer", ""))):
        with random_state_of(setup.seed):
            if arguments.get("initialiser"):
                initialise(module, str(arguments["initialiser"]), str(arguments.get("activation", "relu")))
            else:
                _scale(module, float(arguments["factor"]))
    return setup, 1.0


def _scale_last_layer(setup: Setup, arguments: Arguments) -> Changed:
    for module in _layers(setup, str(arguments["layer"])):
        _scale(module, float(arguments["factor"]))
    return setup, 1.0


def _orthogonal(setup: Setup, arguments: Arguments) -> Changed:
    found = _recurrent(setup, str(arguments["layer"]))
    with random_state_of(setup.seed):
        for module in found:
            for name, parameter in module._parameters.items():
                if parameter is not None and name.startswith("weight_hh"):
                    hidden = parameter.shape[1]
                    for block in range(parameter.shape[0] // hidden):
                        part = init.orthogonal_(type(parameter)(parameter._array[:hidden].copy()))
                        parameter._array[block * hidden : (block + 1) * hidden] = part._array
    return setup, 1.0


def _forget_bias(setup: Setup, arguments: Arguments) -> Changed:
    found = [each for each in _recurrent(setup, str(arguments["layer"])) if isinstance(each, LSTM)]
    if not found:
        raise NotPossible("no_such_layer")
    for module in found:
        init.forget_gate_bias_(module, float(arguments["value"]))
    return setup, 1.0


def _dropout(setup: Setup, arguments: Arguments) -> Changed:
    modules = dict(setup.model.named_modules())
    module = modules.get(str(arguments["layer"]))
    probability = float(arguments["probability"])
    if isinstance(module, Dropout):
        module.p = probability
    elif isinstance(module, Recurrent):
        module.dropout = probability
    else:
        raise NotPossible("no_such_layer")
    return setup, 1.0


def _replace_activation(setup: Setup, arguments: Arguments) -> Changed:
    old, new = str(arguments["old"]), str(arguments["new"])
    replaced = _replaced(setup.model, str(arguments.get("layer", "")), old, _ACTIVATIONS[new])
    for module in setup.model.modules():
        if isinstance(module, RNN) and getattr(module, "nonlinearity", "") == old and new in ("tanh", "relu"):
            module.nonlinearity = new
            replaced += 1
    if not replaced:
        raise NotPossible("not_a_module")
    return setup, 1.0


def _remove_activation(setup: Setup, arguments: Arguments) -> Changed:
    if not _replaced(setup.model, str(arguments.get("layer", "")), str(arguments["operation"]), Identity):
        raise NotPossible("not_a_module")
    return setup, 1.0


def _optimise(setup: Setup, arguments: Arguments) -> Changed:
    held = set(setup.optimizer.parameters())
    lacking = [each for each in setup.model.parameters() if each not in held or not each.requires_grad]
    if not lacking:
        raise NotPossible("already")
    for each in lacking:
        each.requires_grad = True
    new = [each for each in lacking if each not in held]
    if new:
        options = {name: value for name, value in setup.optimizer.param_groups[0].items() if name != "params"}
        setup.optimizer.add_param_group({**options, "params": new})
    return setup, 1.0


def _add_log_softmax(setup: Setup, arguments: Arguments) -> Changed:
    loss = setup.loss

    def of_logits(output: Tensor, targets: Tensor) -> Tensor:
        return loss(log_softmax(output, axis=1), targets)

    return replace(setup, loss=of_logits), 1.0


def _replaced(model: Module, layer: str, old: str, new: Callable[[], Module]) -> int:
    """How many activation modules were replaced: the one of that name, else all of its kind below it."""
    if old not in _ACTIVATIONS:
        return 0
    chosen = [
        (parent, name)
        for path, parent in list(model.named_modules())
        for name, module in parent.named_children()
        if type(module) is _ACTIVATIONS[old]
        and (not layer or layer == (f"{path}.{name}" if path else name) or layer == path)
    ]
    for parent, name in chosen:
        # Under the same key, so that a Sequential keeps its order.
        parent._modules[name] = module = new()
        object.__setattr__(module, "_name", name)
    return len(chosen)


def _layers(setup: Setup, layer: str) -> list[Module]:
    modules = dict(setup.model.named_modules())
    if layer not in modules:
        raise NotPossible("no_such_layer")
    return [modules[layer]]


def _recurrent(setup: Setup, layer: str) -> list[Module]:
    below: list[Module] = [
        each for module in _layers(setup, layer) for each in module.modules()
        if isinstance(each, (Recurrent, RecurrentCell))
    ]  # fmt: skip
    if not below:
        raise NotPossible("no_such_layer")
    return below


def _scale(module: Module, factor: float) -> None:
    for parameter in module.parameters():
        if parameter.ndim > 1:
            parameter._array *= parameter._array.dtype.type(factor)


CHANGES: dict[str, Callable[[Setup, Arguments], Changed]] = {
    "learning_rate": _learning_rate,
    "weight_decay": _weight_decay,
    "penalty": _penalty,
    "clip_norm": _clip_norm,
    "batch_size": _batch_size,
    "standardise_inputs": _standardise_inputs,
    "standardise_targets": _standardise_targets,
    "initialise": _initialise,
    "scale_last_layer": _scale_last_layer,
    "orthogonal": _orthogonal,
    "forget_bias": _forget_bias,
    "dropout": _dropout,
    "replace_activation": _replace_activation,
    "remove_activation": _remove_activation,
    "optimise": _optimise,
    "unfreeze": _optimise,
    "add_log_softmax": _add_log_softmax,
}
