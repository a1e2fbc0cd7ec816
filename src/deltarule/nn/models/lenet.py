"""lenet: two convolutions with pooling, then fully-connected layers, after LeNet-5."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.nn.activation import activation as activation_named
from deltarule.nn.containers import Sequential
from deltarule.nn.convolution import Conv2d
from deltarule.nn.linear import Linear
from deltarule.nn.models.initialisation import initialise
from deltarule.nn.models.layers import hidden_layers
from deltarule.nn.models.model import Model
from deltarule.nn.pooling import AvgPool2d, MaxPool2d
from deltarule.nn.sizes import choice, probability, sizes, whole_number
from deltarule.operations.shape import flatten


class LeNet(Model):
    """Convolution, pooling, convolution, pooling, fully-connected layers.

    On 28x28 pixels with the defaults: 6 maps of 28x28, pooled to 14x14, 16 maps of 10x10, pooled to 5x5,
    then 120 and 84 features. The first convolution keeps the size of the image; the second does so where
    the pooled image has fewer than 12 pixels a side, such as the 4x4 that are left of 8x8, and is unpadded
    elsewhere.

    input_shape   (channels, height, width), at least 4 pixels a side
    outputs       classes (logits) or numbers
    channels      maps of the two convolutions
    kernel_size   of both convolutions, odd
    hidden        sizes of the fully-connected layers
    activation    relu, tanh as in 1998, or another
    pool          "max", or "avg" (the mean) as in 1998
    dropout       probability of dropping the output of each fully-connected layer
    initialiser   how the weights start; see `initialise`

    Raises ArgumentError for options out of range, ShapeError for inputs of another shape.
    Source: LeCun, Bottou, Bengio & Haffner 1998; each map of the second convolution sees all of the first.

    >>> import deltarule as dr
    >>> model = dr.nn.models.build("lenet", input_shape=(1, 28, 28), outputs=10)
    >>> model(dr.zeros((2, 1, 28, 28))).shape
    (2, 10)
    """

    name = "lenet"

    def __init__(
        self,
        input_shape: Any,
        outputs: int,
        task: str = "classification",
        channels: Any = (6, 16),
        kernel_size: int = 5,
        hidden: Any = (120, 84),
        activation: str = "relu",
        pool: str = "max",
        dropout: float = 0.0,
        initialiser: str = "default",
    ):
        channels, hidden = sizes("lenet", "channels", channels), sizes("lenet", "hidden", hidden)
        if len(channels) != 2:
            raise ArgumentError(
                "lenet",
                f"channels expected two numbers, got {len(channels)}",
                'The model "cnn" takes any number.',
            )
        if whole_number("lenet", "kernel_size", kernel_size) % 2 == 0:
            raise ArgumentError(
                "lenet", f"kernel_size expected an odd number, got {kernel_size}", "5 is usual."
            )
        choice("lenet", "pool", pool, ("max", "avg"))
        self._record(
            input_shape,
            outputs,
            task,
            channels=channels,
            kernel_size=kernel_size,
            hidden=hidden,
            activation=activation,
            pool=pool,
            dropout=probability("lenet", "dropout", dropout),
            initialiser=initialiser,
        )
        depth, height, width = self._require_image(least=4)
        half = kernel_size // 2
        pooled = (height // 2, width // 2)
        padding = 0 if min(pooled) >= max(12, kernel_size + 1) else half
        pooling = MaxPool2d if pool == "max" else AvgPool2d
        self.features = Sequential(
            {
                "conv1": Conv2d(depth, channels[0], kernel_size, padding=half),
                f"{activation}1": activation_named(activation),
                "pool1": pooling(2),
                "conv2": Conv2d(channels[0], channels[1], kernel_size, padding=padding),
                f"{activation}2": activation_named(activation),
                "pool2": pooling(2),
            }
        )
        left = [(extent + 2 * (padding - half)) // 2 for extent in pooled]
        features = channels[1] * left[0] * left[1]
        self.hidden = hidden_layers(features, hidden, activation, dropout)
        self.output = Linear((features, *hidden)[-1], outputs)
        initialise(self, initialiser, activation)

    def forward(self, x: Any) -> Tensor:
        return self.output(self.hidden(flatten(self.features(self._batch(x)), 1)))
