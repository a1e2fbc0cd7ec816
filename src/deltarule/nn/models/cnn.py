"""cnn: blocks of convolution, batch normalisation and activation, each halved by pooling."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.nn.activation import activation as activation_named
from deltarule.nn.containers import Sequential
from deltarule.nn.convolution import Conv2d
from deltarule.nn.dropout import Dropout
from deltarule.nn.linear import Linear
from deltarule.nn.models.initialisation import initialise
from deltarule.nn.models.layers import hidden_layers
from deltarule.nn.models.model import Model
from deltarule.nn.module import Module
from deltarule.nn.normalisation import BatchNorm2d
from deltarule.nn.pooling import MaxPool2d
from deltarule.nn.sizes import probability, sizes, whole_number
from deltarule.operations.shape import flatten


class CNN(Model):
    """Convolutional network: blocks of 3x3 convolutions, then fully-connected layers.

    Each block is `convolutions` times (convolution, batch normalisation, activation), then a 2x2 maximum
    as long as at least 4 pixels a side are left to halve.

    input_shape   (channels, height, width)
    outputs       classes (logits) or numbers
    channels      maps of each block
    convolutions  convolutions in a block
    hidden        sizes of the fully-connected layers
    activation    relu, or another
    batch_norm    False leaves normalisation out and gives the convolutions a bias
    dropout       probability of dropping before each fully-connected layer
    initialiser   how the weights start; see `initialise`

    Raises ArgumentError for options out of range, ShapeError for inputs of another shape.
    Source: Simonyan & Zisserman 2015; Ioffe & Szegedy 2015.

    >>> import deltarule as dr
    >>> model = dr.nn.models.build("cnn", input_shape=(3, 16, 16), outputs=10, channels=(8, 16))
    >>> model(dr.zeros((2, 3, 16, 16))).shape
    (2, 10)
    """

    name = "cnn"

    def __init__(
        self,
        input_shape: Any,
        outputs: int,
        task: str = "classification",
        channels: Any = (32, 64),
        convolutions: int = 1,
        hidden: Any = (128,),
        activation: str = "relu",
        batch_norm: bool = True,
        dropout: float = 0.0,
        initialiser: str = "default",
    ):
        channels, hidden = sizes("cnn", "channels", channels), sizes("cnn", "hidden", hidden)
        self._record(
            input_shape,
            outputs,
            task,
            channels=channels,
            convolutions=whole_number("cnn", "convolutions", convolutions),
            hidden=hidden,
            activation=activation,
            batch_norm=bool(batch_norm),
            dropout=probability("cnn", "dropout", dropout),
            initialiser=initialiser,
        )
        depth, height, width = self._require_image(least=1)
        self.features = Sequential()
        for number, maps in enumerate(channels, start=1):
            pools = min(height, width) >= 4
            block = _block(depth, maps, convolutions, activation, batch_norm, pools)
            self.features.add_module(f"block{number}", block)
            depth = maps
            height, width = (height // 2, width // 2) if pools else (height, width)
        features = depth * height * width
        if dropout:
            self.dropout = Dropout(dropout)
        self.hidden = hidden_layers(features, hidden, activation, dropout)
        self.output = Linear((features, *hidden)[-1], outputs)
        initialise(self, initialiser, activation)

    def forward(self, x: Any) -> Tensor:
        x = flatten(self.features(self._batch(x)), 1)
        if self.options["dropout"]:
            x = self.dropout(x)
        return self.output(self.hidden(x))


def _block(
    in_channels: int, out_channels: int, convolutions: int, activation: str, batch_norm: bool, pools: bool
) -> Sequential:
    layers: dict[str, Module] = {}
    for number in range(1, convolutions + 1):
        # Normalisation subtracts the mean, so a bias before it would do nothing.
        layers[f"conv{number}"] = Conv2d(in_channels, out_channels, 3, padding=1, bias=not batch_norm)
        if batch_norm:
            layers[f"norm{number}"] = BatchNorm2d(out_channels)
        layers[f"{activation}{number}"] = activation_named(activation)
        in_channels = out_channels
    if pools:
        layers["pool"] = MaxPool2d(2)
    return Sequential(layers)
