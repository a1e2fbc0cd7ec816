"""The smallest modules that training can be tested with: one of each kind that the loop has to serve."""

import numpy as np

from deltarule.autodiff.tensor import Tensor
from deltarule.nn.module import Module, Parameter
from deltarule.operations.embedding import embedding
from deltarule.operations.functions import tanh
from deltarule.operations.joining import stack
from deltarule.operations.linear import linear
from deltarule.operations.random import generator


class Affine(Module):
    """A linear layer whose weights depend on a seed alone."""

    def __init__(self, inputs: int, outputs: int, seed: int = 0):
        random = np.random.default_rng(seed)
        self.weight = Parameter(random.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32))
        self.bias = Parameter(np.zeros(outputs, np.float32))

    def forward(self, x):
        return linear(x, self.weight, self.bias)


class Noise(Module):
    """Drops a third of its inputs while training: draws from the library's random state."""

    def forward(self, x):
        if not self.training:
            return x
        kept = generator().random(x.shape) >= 1 / 3
        return x * Tensor((kept / (2 / 3)).astype(np.float32))


class RunningMean(Module):
    """Subtracts the mean of the batch and keeps a running one, as batch normalisation does."""

    def __init__(self, size: int):
        self.register_buffer("mean", np.zeros(size, np.float32))
        self.register_buffer("batches", np.array(0))

    def forward(self, x):
        if not self.training:
            return x - self.mean
        mean = x._array.mean(axis=0)
        # One buffer is replaced, the other written in place: layers may do either.
        self.mean = Tensor(0.9 * self.mean._array + 0.1 * mean)
        self.batches.assign(self.batches._array + 1)
        return x - Tensor(mean)


class Classifier(Module):
    """Two layers with noise and a running mean between them."""

    def __init__(self, inputs: int, outputs: int, width: int = 8):
        self.first = Affine(inputs, width, seed=1)
        self.center = RunningMean(width)
        self.noise = Noise()
        self.second = Affine(width, outputs, seed=2)

    def forward(self, x):
        return self.second(self.noise(self.center(tanh(self.first(x)))))


class NextToken(Module):
    """A recurrent language model: tokens (batch, time) and a state in, logits and the new state out."""

    def __init__(self, tokens: int, width: int = 6):
        random = np.random.default_rng(4)
        self.table = Parameter(random.normal(0, 1, (tokens, width)).astype(np.float32))
        self.recurrent = Affine(width, width, seed=5)
        self.output = Affine(width, tokens, seed=6)
        self.seen_states: list = []

    def forward(self, tokens, state=None):
        self.seen_states.append(state)
        batch, steps = tokens.shape
        hidden = Tensor(np.zeros((batch, self.table.shape[1]), np.float32)) if state is None else state[0]
        embedded = embedding(tokens, self.table)
        states = []
        for step in range(steps):
            hidden = tanh(embedded[:, step] + self.recurrent(hidden))
            states.append(hidden)
        return self.output(stack(states, axis=1)), (hidden, None)
