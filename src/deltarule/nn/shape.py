"""Layers that only rearrange: Flatten, Unflatten, Identity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.nn.module import Module
from deltarule.operations.shape import flatten, reshape


class Flatten(Module):
    """Joins the axes from start_dim to end_dim into one.

    start_dim, end_dim   first and last axis that are joined; negative ones count from the end
    x                    (batch, ...), with the defaults to (batch, features)

    Raises ShapeError if x has not that many axes.

    >>> import deltarule as dr
    >>> dr.nn.Flatten()(dr.zeros((2, 3, 4, 4))).shape
    (2, 48)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim = int(start_dim)
        self.end_dim = int(end_dim)

    def forward(self, x: Any) -> Tensor:
        return flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits one axis into several: undoes Flatten.

    dim               the axis that is split; a negative one counts from the end
    unflattened_size  its new sizes, one of which may be −1

    Raises ArgumentError for sizes that make no axes, ShapeError if they do not fit the axis.

    >>> import deltarule as dr
    >>> dr.nn.Unflatten(1, (3, 4, 4))(dr.zeros((2, 48))).shape
    (2, 3, 4, 4)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        self.dim = int(dim)
        self.unflattened_size = tuple(int(each) for each in unflattened_size)
        sizes = self.unflattened_size
        if not sizes or sizes.count(-1) > 1 or any(each < 1 for each in sizes if each != -1):
            raise ArgumentError(
                "Unflatten",
                f"unflattened_size expected sizes of at least 1, one of them perhaps -1, got {sizes}",
                "For example Unflatten(1, (3, -1)).",
            )

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x)
        if not -x.ndim <= self.dim < x.ndim:
            raise ShapeError(
                "Unflatten", f"dim {self.dim} expected to be an axis of x {x.shape}", "Check dim."
            )
        axis = self.dim % x.ndim
        known = math.prod(each for each in self.unflattened_size if each != -1)
        fits = x.shape[axis] % known == 0 if -1 in self.unflattened_size else x.shape[axis] == known
        if not fits:
            raise ShapeError(
                "Unflatten",
                f"axis {axis} expected a size that splits into {self.unflattened_size}, got {x.shape[axis]} "
                f"(x {x.shape})",
                "The product of the sizes must be the size of the axis.",
            )
        # The size that was left open is worked out here, as an empty batch would make a -1 ambiguous.
        sizes = tuple(x.shape[axis] // known if each == -1 else each for each in self.unflattened_size)
        return reshape(x, (*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """Gives back what it gets: the layer that stands where none is wanted. Takes any arguments, as PyTorch's.

    >>> import deltarule as dr
    >>> dr.nn.Identity()(dr.tensor([1.0]))
    tensor([1.], dtype=float32)
    """

    def __init__(self, *arguments: Any, **options: Any):
        pass

    def forward(self, x: Any) -> Tensor:
        return as_tensor(x)
