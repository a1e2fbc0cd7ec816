"""Activation functions as layers, for use in containers; their formulas stand at the operations."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.nn.module import Module
from deltarule.nn.sizes import choice
from deltarule.operations import activations
from deltarule.operations.functions import tanh
from deltarule.operations.softmax import log_softmax, softmax


class ReLU(Module):
    """max(x, 0). See dr.relu.

    >>> import deltarule as dr
    >>> dr.nn.ReLU()(dr.tensor([-1.0, 2.0]))
    tensor([0., 2.], dtype=float32)
    """

    def forward(self, x: Any) -> Tensor:
        return activations.relu(x)


class LeakyReLU(Module):
    """x where positive, else negative_slope · x. See dr.leaky_relu.

    >>> import deltarule as dr
    >>> dr.nn.LeakyReLU(0.5)(dr.tensor([-1.0, 2.0]))
    tensor([-0.5,  2. ], dtype=float32)
    """

    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = float(negative_slope)

    def forward(self, x: Any) -> Tensor:
        return activations.leaky_relu(x, negative_slope=self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x where positive, else alpha · (e^x − 1). See dr.elu.

    >>> import deltarule as dr
    >>> dr.nn.ELU()(dr.tensor([0.0, 2.0]))
    tensor([0., 2.], dtype=float32)
    """

    def __init__(self, alpha: float = 1.0):
        self.alpha = float(alpha)

    def forward(self, x: Any) -> Tensor:
        return activations.elu(x, alpha=self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class Sigmoid(Module):
    """1 / (1 + e^−x), between 0 and 1. See dr.sigmoid.

    >>> import deltarule as dr
    >>> dr.nn.Sigmoid()(dr.tensor([0.0]))
    tensor([0.5], dtype=float32)
    """

    def forward(self, x: Any) -> Tensor:
        return activations.sigmoid(x)


class Tanh(Module):
    """Hyperbolic tangent, between −1 and 1. See dr.tanh.

    >>> import deltarule as dr
    >>> dr.nn.Tanh()(dr.tensor([0.0]))
    tensor([0.], dtype=float32)
    """

    def forward(self, x: Any) -> Tensor:
        return tanh(x)


class Softplus(Module):
    """ln(1 + e^(βx)) / β. See dr.softplus. Raises ArgumentError unless beta is positive.

    >>> import deltarule as dr
    >>> round(dr.nn.Softplus()(dr.tensor(0.0)).item(), 4)
    0.6931
    """

    def __init__(self, beta: float = 1.0):
        if not beta > 0:
            raise ArgumentError("Softplus", f"beta expected a positive number, got {beta!r}", "1.0 is usual.")
        self.beta = float(beta)

    def forward(self, x: Any) -> Tensor:
        return activations.softplus(x, beta=self.beta)

    def extra_repr(self) -> str:
        return f"beta={self.beta}"


class GELU(Module):
    """x · Φ(x) with the normal distribution Φ. See dr.gelu.

    approximate   "none", or "tanh" for the approximation that GPT-2 uses

    Raises ArgumentError for another word.

    >>> import deltarule as dr
    >>> dr.nn.GELU()(dr.tensor([0.0]))
    tensor([0.], dtype=float32)
    """

    def __init__(self, approximate: str = "none"):
        self.approximate = choice("GELU", "approximate", approximate, ("none", "tanh"))

    def forward(self, x: Any) -> Tensor:
        return activations.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x · σ(x), also called swish. See dr.silu.

    >>> import deltarule as dr
    >>> dr.nn.SiLU()(dr.tensor([0.0]))
    tensor([0.], dtype=float32)
    """

    def forward(self, x: Any) -> Tensor:
        return activations.silu(x)


class Softmax(Module):
    """e^x[i] / Σ_j e^x[j] along an axis: probabilities. See dr.softmax.

    dim   the axis, the last unless given (PyTorch guesses one instead)

    >>> import deltarule as dr
    >>> dr.nn.Softmax(dim=-1)(dr.tensor([0.0, 0.0]))
    tensor([0.5, 0.5], dtype=float32)
    """

    def __init__(self, dim: int = -1):
        self.dim = int(dim)

    def forward(self, x: Any) -> Tensor:
        return softmax(x, axis=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """x[i] − ln Σ_j e^x[j] along an axis: log-probabilities. See dr.log_softmax.

    dim   the axis, the last unless given (PyTorch guesses one instead)

    >>> import deltarule as dr
    >>> round(dr.nn.LogSoftmax(dim=-1)(dr.tensor([0.0, 0.0]))[0].item(), 4)
    -0.6931
    """

    def __init__(self, dim: int = -1):
        self.dim = int(dim)

    def forward(self, x: Any) -> Tensor:
        return log_softmax(x, axis=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


ACTIVATIONS: dict[str, type[Module]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softplus": Softplus,
    "gelu": GELU,
    "silu": SiLU,
}


def activation(name: str) -> Module:
    """A new activation layer by name: relu, leaky_relu, elu, sigmoid, tanh, softplus, gelu or silu.

    Raises ArgumentError for another name.

    >>> import deltarule as dr
    >>> dr.nn.activation.activation("relu")
    ReLU()
    """
    return ACTIVATIONS[choice("activation", "name", name, tuple(ACTIVATIONS))]()
