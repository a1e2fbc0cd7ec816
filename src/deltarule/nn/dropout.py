"""Dropout: a random share of the values is set to zero while training."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.nn.module import Module
from deltarule.nn.sizes import probability
from deltarule.operations.dropout import dropout


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
        self.p = probability("Dropout", "p", p)

    def forward(self, x: Any) -> Tensor:
        return dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
