"""Dropout: a random share of the values, or of whole channels, is set to zero while training."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.nn.module import Module
from deltarule.nn.sizes import probability
from deltarule.operations.dropout import dropout, dropout2d


class Dropout(Module):
    """Sets each element to zero with probability p in training mode; passes all in evaluation mode.

    y[i] = x[i] · m[i] / (1 − p) with m[i] = 0 with probability p, else 1

    p   probability of dropping an element, from 0 to 1
    x   any shape

    Random numbers come from dr.manual_seed's generator. Raises ArgumentError for p outside 0 to 1.
    Source: Srivastava et al. 2014; scaled while training ("inverted").

    >>> import deltarule as dr
    >>> dr.nn.Dropout(0.5).eval()(dr.tensor([1.0, 2.0]))
    tensor([1., 2.], dtype=float32)
    """

    def __init__(self, p: float = 0.5):
        self.p = probability(type(self).__name__, "p", p)

    def forward(self, x: Any) -> Tensor:
        return dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout2d(Dropout):
    """Sets each channel to zero with probability p in training mode; passes all in evaluation mode.

    y[n, c, i, j] = x[n, c, i, j] · m[n, c] / (1 − p) with m[n, c] = 0 with probability p, else 1

    p   probability of dropping a channel, from 0 to 1
    x   (batch, channels, ...): neighbouring pixels are alike, so that dropping single ones does little

    Random numbers come from dr.manual_seed's generator. Raises ArgumentError for p outside 0 to 1,
    ShapeError for fewer than 2 axes. Source: Tompson, Goroshin, Jain, LeCun & Bregler 2015.

    >>> import deltarule as dr
    >>> sums = dr.nn.Dropout2d(0.5)(dr.ones((8, 8, 2, 2))).sum(axis=(2, 3))
    >>> sorted(set(sums.numpy().ravel().tolist()))
    [0.0, 8.0]
    """

    def forward(self, x: Any) -> Tensor:
        return dropout2d(x, self.p, self.training)
