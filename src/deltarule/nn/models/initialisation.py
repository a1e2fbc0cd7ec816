"""Initialisers by name: how all weights of a model start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import ArgumentError
from deltarule.nn import init
from deltarule.nn.embedding import Embedding
from deltarule.nn.module import Module, Parameter
from deltarule.nn.recurrent import RNN
from deltarule.nn.recurrent_base import Recurrent
from deltarule.nn.sizes import choice

INITIALISERS = (
    "default",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
    "normal",
    "uniform",
    "constant",
    "identity",
)
# What "normal", "uniform" and "constant" mean where nothing else is said.
_SMALL = 0.01
_KAIMING = ("relu", "leaky_relu", "tanh", "sigmoid")


def initialise(model: Module, name: str, activation: str = "relu") -> None:
    """Draws all weights anew; biases become 0. Embeddings and normalisation layers keep theirs.

    default           each layer's own: U(−1/√fan_in, 1/√fan_in), biases too
    xavier_uniform, xavier_normal     Glorot & Bengio 2010
    kaiming_uniform, kaiming_normal   He et al. 2015, with the gain of the activation
    lecun_uniform, lecun_normal       LeCun et al. 1998
    orthogonal        Saxe, McClelland & Ganguli 2014
    normal, uniform   N(0, 0.01²) and U(−0.01, 0.01): small, as before 2010
    constant          0.01 everywhere: shows why symmetry must be broken
    identity          the recurrent weights of simple recurrent units; Le, Jaitly & Hinton 2015.
                      All other weights keep the default.

    The weights of a gate of a GRU or LSTM are drawn on their own, as its fan-in and fan-out are its own.

    Raises ArgumentError for another name, and for identity in a model without simple recurrent units.

    >>> import deltarule as dr
    >>> model = dr.nn.Sequential(dr.nn.Linear(2, 3), dr.nn.ReLU())
    >>> dr.nn.models.initialise(model, "orthogonal")
    >>> dr.allclose(model[0].weight.T @ model[0].weight, dr.eye(2), atol=1e-5), model[0].bias.tolist()
    (True, [0.0, 0.0, 0.0])
    """
    choice("initialise", "initialiser", name, INITIALISERS)
    if name == "default":
        return
    if name == "identity":
        _identity(model)
        return
    fill = _filler(name, activation)
    for module in model.modules():
        if isinstance(module, Embedding):
            continue
        gates = module.gates if isinstance(module, Recurrent) else 1
        for own_name, parameter in module._parameters.items():
            if parameter is None:
                continue
            if parameter.ndim >= 2:
                _fill_gates(parameter, gates, fill)
            elif "bias" in own_name:
                init.zeros_(parameter)


def _filler(name: str, activation: str) -> Callable[[Parameter], Any]:
    if name.startswith("kaiming"):
        # Activations without a gain of their own (gelu, silu, elu, softplus) resemble ReLU.
        nonlinearity = activation if activation in _KAIMING else "relu"
        function = getattr(init, f"{name}_")
        return lambda weight: function(weight, nonlinearity=nonlinearity)
    if name == "normal":
        return lambda weight: init.normal_(weight, 0.0, _SMALL)
    if name == "uniform":
        return lambda weight: init.uniform_(weight, -_SMALL, _SMALL)
    if name == "constant":
        return lambda weight: init.constant_(weight, _SMALL)
    return getattr(init, f"{name}_")


def _fill_gates(parameter: Parameter, gates: int, fill: Callable[[Parameter], Any]) -> None:
    if gates == 1:
        fill(parameter)
        return
    parts = []
    for rows in np.split(parameter.numpy(), gates):
        part = Parameter(rows.copy())
        fill(part)
        parts.append(part.numpy())
    parameter.detach().assign(np.concatenate(parts))


def _identity(model: Module) -> None:
    recurrent = [module for module in model.modules() if type(module) is RNN]
    if not recurrent:
        raise ArgumentError(
            "initialise",
            'identity expected a model of simple recurrent units ("rnn"), got none',
            'It is meant for the model "rnn" with activation "relu".',
        )
    for module in recurrent:
        for name, parameter in module._parameters.items():
            if parameter is None:
                continue
            if name.startswith("weight_hh"):
                init.identity_(parameter)
            elif name.startswith("bias"):
                init.zeros_(parameter)
