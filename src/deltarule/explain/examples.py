"""The derivations of the lectures: each is a small computation, and all else follows from its record.

dr.explain.example("lstm").html("lstm.html")        deltarule explain --example lstm
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import tensor
from deltarule.autodiff.recording import no_grad
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError
from deltarule.explain.explanation import Explanation, explain
from deltarule.nn.activation import Sigmoid, Tanh
from deltarule.nn.containers import Sequential
from deltarule.nn.convolution import Conv2d
from deltarule.nn.linear import Linear
from deltarule.nn.module import Module
from deltarule.nn.pooling import MaxPool2d
from deltarule.nn.recurrent import GRU, LSTM, RNN
from deltarule.nn.shape import Flatten
from deltarule.operations.activations import sigmoid
from deltarule.operations.arithmetic import maximum
from deltarule.operations.attention import scaled_dot_product_attention
from deltarule.operations.convolution import conv2d
from deltarule.operations.cross_entropy import cross_entropy
from deltarule.operations.functions import exp
from deltarule.operations.linear import linear
from deltarule.operations.losses import mse_loss
from deltarule.operations.pooling import max_pool2d


def example(name: str) -> Explanation:
    """One of the lectures' derivations, as EXAMPLES lists them.

    Raises ArgumentError for a name that there is not.

    >>> explanation = example("graph")
    >>> [value.gradient.item() for value in explanation.trace.values if value.label in "xyz" and value.label]
    [-4.0, -4.0, 3.0]
    """
    if not isinstance(name, str) or name not in EXAMPLES:
        close = difflib.get_close_matches(str(name), EXAMPLES, 1, 0.5)
        fix = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(EXAMPLES)}."
        raise ArgumentError("explain", f"there is no example {name!r}", fix)
    explanation = EXAMPLES[name]()
    explanation.example = name
    return explanation


def _numbers(**values: Any) -> dict[str, Tensor]:
    """Leaves that need a gradient, in float64."""
    return {name: tensor(np.asarray(value, np.float64), requires_grad=True) for name, value in values.items()}


def _random(generator: np.random.Generator, *shape: int, scale: float = 0.5) -> np.ndarray:
    """Numbers of two decimals, which can be followed by hand."""
    # Adding 0 makes -0 to 0.
    return np.round(generator.normal(0, scale, shape), 2) + 0.0


def _graph() -> Explanation:
    leaves = _numbers(x=-2.0, y=5.0, z=-4.0)
    q = leaves["x"] + leaves["y"]
    f = q * leaves["z"]
    return explain(f, names={**leaves, "q": q, "f": f})


def _neuron_leaves() -> tuple[dict[str, Tensor], Tensor]:
    leaves = _numbers(w0=2.0, x0=-1.0, w1=-3.0, x1=-2.0, w2=-3.0)
    return leaves, leaves["w0"] * leaves["x0"] + leaves["w1"] * leaves["x1"] + leaves["w2"]


def _sigmoid_neuron() -> Explanation:
    leaves, s = _neuron_leaves()
    f = sigmoid(s)
    return explain(f, names={**leaves, "s": s, "f": f})


def _sigmoid_gates() -> Explanation:
    leaves, s = _neuron_leaves()
    f = 1.0 / (1.0 + exp(-s))
    return explain(f, names={**leaves, "s": s, "f": f})


def _gates() -> Explanation:
    """2 · (x · y + max(z, w)): add distributes, max routes, multiply switches."""
    leaves = _numbers(x=3.0, y=-4.0, z=2.0, w=-1.0)
    product = leaves["x"] * leaves["y"]
    largest = maximum(leaves["z"], leaves["w"])
    s = product + largest
    f = s * 2.0
    return explain(f, names={**leaves, "p": product, "m": largest, "s": s, "f": f})


def _squared_norm() -> Explanation:
    leaves = _numbers(W=[[0.1, 0.5], [-0.3, 0.8]], x=[0.2, 0.4])
    q = leaves["W"] @ leaves["x"]
    f = (q**2).sum()
    return explain(f, names={**leaves, "q": q, "f": f})


def _linear() -> Explanation:
    generator = np.random.default_rng(2)
    leaves = _numbers(x=_random(generator, 3), W=_random(generator, 2, 3), b=_random(generator, 2))
    y = leaves["W"] @ leaves["x"] + leaves["b"]
    return explain(y, upstream=[1.0, -2.0], names={**leaves, "y": y})


def _softmax_cross_entropy() -> Explanation:
    leaves = _numbers(z=[[2.0, 1.0, -1.0]])
    target = tensor([0])
    loss = cross_entropy(leaves["z"], target)
    return explain(loss, names={**leaves, "t": target})


def _network(*layers: Module, seed: int) -> Sequential:
    model = Sequential(*layers).astype("float64")
    return _with_short_numbers(model, seed)


def _with_short_numbers(model: Any, seed: int) -> Any:
    generator = np.random.default_rng(seed)
    with no_grad():
        for parameter in model.parameters():
            parameter.assign(_random(generator, *parameter.shape, scale=0.6))
    return model


def _inputs(seed: int, *shape: int) -> Tensor:
    return tensor(_random(np.random.default_rng(seed), *shape, scale=1.0))


def _mlp_squared() -> Explanation:
    model = _network(Linear(3, 4), Sigmoid(), Linear(4, 2), Sigmoid(), seed=1)
    x, t = _inputs(2, 2, 3), tensor(np.array([[1.0, 0.0], [0.0, 1.0]]))
    difference = model(x) - t
    loss = 0.5 * (difference**2).sum()
    return explain(loss, names={"x": x, "t": t}, model=model)


def _mlp_cross_entropy() -> Explanation:
    model = _network(Linear(3, 4), Tanh(), Linear(4, 4), Tanh(), Linear(4, 3), seed=3)
    x, t = _inputs(4, 2, 3), tensor([0, 2])
    return explain(cross_entropy(model(x), t), names={"x": x, "t": t}, model=model)


def _convolution() -> Explanation:
    generator = np.random.default_rng(5)
    leaves = _numbers(
        x=_random(generator, 1, 1, 4, 4), W=_random(generator, 1, 1, 2, 2), b=_random(generator, 1)
    )
    y = conv2d(leaves["x"], leaves["W"], leaves["b"])
    loss = (y**2).sum()
    return explain(loss, names={**leaves, "y": y})


def _max_pooling() -> Explanation:
    leaves = _numbers(
        x=[[[[1.0, 3.0, 2.0, 0.0], [4.0, 2.0, 1.0, 5.0], [0.0, 1.0, 6.0, 2.0], [2.0, 3.0, 1.0, 4.0]]]]
    )
    y = max_pool2d(leaves["x"], 2)
    return explain(y, upstream=[[[[1.0, 2.0], [3.0, 4.0]]]], names={**leaves, "y": y})


def _convolutional_network() -> Explanation:
    model = _network(Conv2d(1, 2, 3, padding=1), Tanh(), MaxPool2d(2), Flatten(), Linear(8, 3), seed=6)
    x, t = _inputs(7, 2, 1, 4, 4), tensor([1, 2])
    return explain(cross_entropy(model(x), t), names={"x": x, "t": t}, model=model)


class _SequenceModel(Module):
    """A recurrent layer and a linear layer at each of its steps."""

    def __init__(self, layer: Module, hidden: int, outputs: int):
        self.recurrent = layer
        self.output = Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        sequence, _ = self.recurrent(x)
        return self.output(sequence)


def _through_time(layer: type[Module], seed: int) -> Explanation:
    model = _with_short_numbers(_SequenceModel(layer(2, 3), 3, 2).astype("float64"), seed)
    x, wanted = _inputs(seed + 1, 1, 4, 2), _inputs(seed + 2, 1, 4, 2)
    loss = 0.5 * ((model(x) - wanted) ** 2).sum()
    return explain(loss, names={"x": x, "d": wanted}, model=model)


def _rnn() -> Explanation:
    return _through_time(RNN, 10)


def _gru() -> Explanation:
    return _through_time(GRU, 20)


def _lstm() -> Explanation:
    return _through_time(LSTM, 30)


def _attention() -> Explanation:
    generator = np.random.default_rng(40)
    leaves = _numbers(
        Q=_random(generator, 1, 3, 2), K=_random(generator, 1, 3, 2), V=_random(generator, 1, 3, 2)
    )
    y = scaled_dot_product_attention(leaves["Q"], leaves["K"], leaves["V"])
    loss = (y**2).sum()
    return explain(loss, names={**leaves, "y": y})


def _linear_rows() -> Explanation:
    generator = np.random.default_rng(8)
    leaves = _numbers(X=_random(generator, 4, 3), W=_random(generator, 2, 3), b=_random(generator, 2))
    y = linear(leaves["X"], leaves["W"], leaves["b"])
    t = tensor(_random(generator, 4, 2))
    return explain(mse_loss(y, t), names={**leaves, "Y": y, "T": t})


EXAMPLES: dict[str, Callable[[], Explanation]] = {
    "graph": _graph,
    "sigmoid-neuron": _sigmoid_neuron,
    "sigmoid-gates": _sigmoid_gates,
    "gates": _gates,
    "squared-norm": _squared_norm,
    "linear": _linear,
    "linear-batch": _linear_rows,
    "softmax-cross-entropy": _softmax_cross_entropy,
    "mlp-squared": _mlp_squared,
    "mlp-cross-entropy": _mlp_cross_entropy,
    "convolution": _convolution,
    "max-pooling": _max_pooling,
    "cnn": _convolutional_network,
    "rnn": _rnn,
    "gru": _gru,
    "lstm": _lstm,
    "attention": _attention,
}
