"""mlp: fully-connected layers on anything that can be flattened."""

from __future__ import annotations

import math
from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.nn.linear import Linear
from deltarule.nn.models.initialisation import initialise
from deltarule.nn.models.layers import hidden_layers
from deltarule.nn.models.model import Model
from deltarule.nn.sizes import probability, sizes
from deltarule.operations.shape import reshape


class MLP(Model):
    """Multi-layer perceptron: hidden layers with an activation each, then a linear output.

    a_0 = flatten(x),  a_l = f(W_l a_(l−1) + b_l),  y = W a_L + b

    input_shape   shape of one sample; it is flattened
    outputs       classes (logits) or numbers
    hidden        sizes of the hidden layers; () makes a linear model
    activation    relu, leaky_relu, elu, sigmoid, tanh, softplus, gelu or silu
    dropout       probability of dropping the output of each hidden layer
    batch_norm    batch normalisation before each activation
    initialiser   how the weights start; see `initialise`

    Raises ArgumentError for options out of range, ShapeError for inputs of another shape.
    Source: Rumelhart, Hinton & Williams 1986.

    >>> import deltarule as dr
    >>> model = dr.nn.models.build("mlp", input_shape=(1, 8, 8), outputs=10, hidden=(32,))
    >>> model(dr.zeros((5, 1, 8, 8))).shape
    (5, 10)
    """

    name = "mlp"

    def __init__(
        self,
        input_shape: Any,
        outputs: int,
        task: str = "classification",
        hidden: Any = (128, 64),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        initialiser: str = "default",
    ):
        hidden = sizes("mlp", "hidden", hidden)
        self._record(
            input_shape,
            outputs,
            task,
            hidden=hidden,
            activation=activation,
            dropout=probability("mlp", "dropout", dropout),
            batch_norm=bool(batch_norm),
            initialiser=initialiser,
        )
        features = math.prod(self.input_shape)
        self.hidden = hidden_layers(features, hidden, activation, dropout, batch_norm)
        self.output = Linear((features, *hidden)[-1], outputs)
        initialise(self, initialiser, activation)

    def forward(self, x: Any) -> Tensor:
        x = self._batch(x)
        if x.ndim != 2:
            x = reshape(x, (x.shape[0], math.prod(self.input_shape)))
        return self.output(self.hidden(x))
