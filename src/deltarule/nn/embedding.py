"""Embedding: a table with one vector for each token."""

from __future__ import annotations

from typing import Any

from deltarule.autodiff.tensor import Tensor
from deltarule.errors import OutOfBoundsError
from deltarule.nn import init
from deltarule.nn.module import Module
from deltarule.nn.sizes import new_parameter, whole_number
from deltarule.operations.embedding import embedding


class Embedding(Module):
    """Looks up the row of a table for each index.

    y[..., e] = weight[indices[...], e]

    num_embeddings, embedding_dim   rows and columns of the table
    padding_idx                     a row that starts at zero and gets no gradient, or None
    indices  integers from 0 to num_embeddings − 1, any shape
    weight   (num_embeddings, embedding_dim), from the normal distribution N(0, 1)
    returns  (*indices.shape, embedding_dim)

    Raises ArgumentError for sizes below 1, OutOfBoundsError for an index outside the table, DTypeError
    for indices that are no integers.
    Source: Bengio, Ducharme, Vincent & Jauvin 2003.

    >>> import deltarule as dr
    >>> dr.nn.Embedding(10, 4)(dr.tensor([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, dtype: Any = None
    ):
        self.num_embeddings = whole_number("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = whole_number("Embedding", "embedding_dim", embedding_dim)
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise OutOfBoundsError(
                    "Embedding",
                    f"padding_idx expected to be within {num_embeddings} rows, got {padding_idx}",
                    f"Rows go from 0 to {num_embeddings - 1}.",
                )
            padding_idx = int(padding_idx) % num_embeddings
        self.padding_idx = padding_idx
        self.weight = new_parameter(num_embeddings, embedding_dim, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws a new table; the padding row becomes zero."""
        init.normal_(self.weight, 0.0, 1.0)
        if self.padding_idx is not None:
            values = self.weight.numpy().copy()
            values[self.padding_idx] = 0.0
            self.weight.detach().assign(values)

    def forward(self, indices: Any) -> Tensor:
        return embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        shown = f"{self.num_embeddings}, {self.embedding_dim}"
        return shown if self.padding_idx is None else f"{shown}, padding_idx={self.padding_idx}"
