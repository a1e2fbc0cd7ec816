"""Linear: the fully-connected layer."""

from __future__ import annotations

import math
from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.nn import init
from deltarule.nn.module import Module, Parameter
from deltarule.nn.sizes import new_parameter, whole_number
from deltarule.operations.linear import linear


def fill_uniformly(weight: Parameter, bias: Parameter | None) -> None:
    """PyTorch's default for linear and convolution layers: U(−1/√fan_in, 1/√fan_in) for both.

    For the weight this is He's uniform initialiser with a = √5.
    """
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in = math.prod(weight.shape[1:])
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        init.uniform_(bias, -bound, bound)


class Linear(Module):
    """Fully-connected layer: an affine map of the last axis.

    y[n, o] = Σ_i x[n, i] · weight[o, i] + bias[o]

    in_features, out_features   sizes of the last axis of x and y
    bias                        False leaves the bias out
    x        (..., in_features)
    weight   (out_features, in_features), from U(−1/√in_features, 1/√in_features)
    bias     (out_features,), the same
    returns  (..., out_features)

    Raises ArgumentError for sizes below 1, ShapeError if the last axis of x is not in_features.
    Source: Rumelhart, Hinton & Williams 1986.

    >>> import deltarule as dr
    >>> layer = dr.nn.Linear(3, 2)
    >>> layer(dr.zeros((4, 3))).shape
    (4, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = None):
        self.in_features = whole_number("Linear", "in_features", in_features)
        self.out_features = whole_number("Linear", "out_features", out_features)
        self.weight = new_parameter(out_features, in_features, dtype=dtype)
        self.register_parameter("bias", new_parameter(out_features, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights and biases."""
        fill_uniformly(self.weight, self.bias)

    def forward(self, x: Any) -> Tensor:
        parameters = self._parameters
        return linear(x, parameters["weight"], parameters["bias"])

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )
