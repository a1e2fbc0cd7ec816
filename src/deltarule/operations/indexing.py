"""Indexing as users write it: `x[key]` in all of NumPy's forms, and what goes with it.

A key is taken apart into a basic part (slices and new axes), which is a view, and index arrays, which
gather. The operations themselves are in `slicing.py` and `gathering.py`.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor
from deltarule.autodiff.derived import require_known
from deltarule.autodiff.operation import Shape, apply
from deltarule.autodiff.tensor import Tensor
from deltarule.errors import ArgumentError, DTypeError, OutOfBoundsError, ShapeError
from deltarule.operations.along_axis import scatter_add, take_along_axis
from deltarule.operations.broadcast import broadcast_shape
from deltarule.operations.gathering import GATHER, index_add, take
from deltarule.operations.index_arrays import index_tensor
from deltarule.operations.one_hot import one_hot
from deltarule.operations.slicing import full_slice, normalised_slice, slice_view

__all__ = ["getitem", "index_add", "nonzero", "one_hot", "scatter_add", "take", "take_along_axis"]


def getitem(x: Any, key: Any) -> Tensor:
    """x[key], with NumPy's rules. Integers, slices and None give views; arrays and lists gather.

    x[1:3, ..., None]     slices, an ellipsis, new axes: shares memory
    x[[0, 2, 2]]          integers: whole slices along the axis
    x[rows, columns]      integer arrays broadcast together: single elements
    x[mask]               booleans of x's leading axes: the elements where they are true

    The gradient of a view is zero outside of it; of gathered elements, the sum over every time an element
    was picked. Tensors of integers are inputs of the record, so it can be replayed with others.

    Raises OutOfBoundsError for an index beyond an axis (naming axis, index and size) or more indices than
    axes; ShapeError where index arrays do not broadcast together or a mask has another shape; DTypeError
    for keys of another type.

    >>> import deltarule as dr
    >>> x = dr.tensor([[1, 2, 3], [4, 5, 6]])
    >>> x[:, ::2]
    tensor([[1, 3],
            [4, 6]])
    >>> x[[1, 0, 1], [2, 2, 0]]
    tensor([6, 3, 4])
    """
    x = as_tensor(x)
    parts = key if isinstance(key, tuple) else (key,)
    return _Key(x.shape, parts).applied_to(x)


class _Key:
    """A user's key, taken apart.

    basic     the key of the basic part: one entry for each axis of x, and None for new axes
    arrays    axis of the result of the basic part -> its index array
    apart     whether something stands between the index arrays: their axes then come first
    """

    def __init__(self, shape: Shape, parts: tuple[Any, ...]):
        self.shape = shape
        self.basic: list[Any] = []
        self.arrays: dict[int, Any] = {}
        self.axis = 0
        self.last_array = -1
        self.apart = False
        parts = tuple(_plain(part) for part in parts)
        whole = self._check_count(parts)
        advanced = any(isinstance(part, Tensor) for part in parts)
        for number, part in enumerate(parts):
            if part is Ellipsis:
                for _ in range(whole):
                    self._keep()
            elif part is None:
                self.basic.append(None)
            elif isinstance(part, slice):
                self._slice(part)
            elif isinstance(part, int):
                self._integer(part, number, as_array=advanced)
            elif part.dtype.kind == "b":
                self._mask(part, number)
            else:
                self._array(index_tensor("getitem", part, self._extent(), self.axis), number)
        while self.axis < len(shape):
            self._keep()

    def _check_count(self, parts: tuple[Any, ...]) -> int:
        """The number of axes that an ellipsis stands for."""
        consumed = sum(_consumed(part) for part in parts)
        if consumed > len(self.shape):
            raise OutOfBoundsError(
                "getitem",
                f"{consumed} indices for {len(self.shape)} axes (x {self.shape})",
                "Give at most one index for each axis.",
            )
        if sum(part is Ellipsis for part in parts) > 1:
            raise ArgumentError("getitem", "one ellipsis at most expected, got several")
        return len(self.shape) - consumed

    def _extent(self) -> int:
        return self.shape[self.axis]

    def _keep(self) -> None:
        self.basic.append(full_slice(self._extent()))
        self.axis += 1

    def _slice(self, part: slice) -> None:
        try:
            positions = range(*part.indices(self._extent()))
        except ValueError:
            raise ArgumentError("getitem", "a slice's step cannot be 0") from None
        except TypeError:
            raise DTypeError("getitem", f"a slice expected integers or None, got {part!r}") from None
        self.basic.append(normalised_slice(positions))
        self.axis += 1

    def _integer(self, part: int, number: int, *, as_array: bool) -> None:
        size = self._extent()
        if not -size <= part < size:
            raise OutOfBoundsError(
                "getitem",
                f"index {part} is outside axis {self.axis} of size {size} (x {self.shape})",
                f"Indices run from {-size} to {size - 1}." if size else "The axis is empty.",
            )
        position = part + size if part < 0 else part
        if as_array:
            self._array(Tensor(np.array(position)), number)
        else:
            self.basic.append(position)
            self.axis += 1

    def _mask(self, mask: Tensor, number: int) -> None:
        expected = self.shape[self.axis : self.axis + mask.ndim]
        if mask.shape != expected:
            raise ShapeError(
                "getitem",
                f"mask expected shape {expected}, got {mask.shape} (x {self.shape})",
                "A mask has the sizes of the axes that it stands for.",
            )
        require_known(mask, "x[mask]")
        if not mask.ndim:
            # A single truth value is a new axis of which one element is kept, or none.
            self._place(Tensor(np.zeros(int(mask._array), dtype=np.int64)), number, None)
            return
        for positions in np.nonzero(mask._array):
            self._array(Tensor(positions), number)

    def _array(self, indices: Tensor, number: int) -> None:
        self._place(indices, number, full_slice(self._extent()))
        self.axis += 1

    def _place(self, indices: Tensor, number: int, entry: Any) -> None:
        self.apart = self.apart or (bool(self.arrays) and number > self.last_array + 1)
        self.last_array = number
        self.arrays[len(self.basic)] = indices
        self.basic.append(entry)

    def applied_to(self, x: Tensor) -> Tensor:
        if not self.arrays:
            return slice_view(x, tuple(self.basic))
        key = tuple(self.basic)
        if key != tuple(full_slice(extent) for extent in self.shape):
            x = slice_view(x, key)
        axes = tuple(self.arrays)
        broadcast_shape("getitem", *(indices.shape for indices in self.arrays.values()))
        return apply(GATHER, x, *self.arrays.values(), axes=axes, place=0 if self.apart else axes[0])


def _plain(part: Any) -> Any:
    """A part of a key as None, Ellipsis, a slice, an int, or a tensor of integers or booleans."""
    if part is None or part is Ellipsis or isinstance(part, slice) or type(part) is int:
        return part
    if isinstance(part, (bool, np.bool_)):
        return Tensor(np.array(part))
    if isinstance(part, (Tensor, np.ndarray, list, tuple)):
        indices = as_tensor(part)
        if indices.dtype.kind in "iub":
            return indices
        if not indices.size and not isinstance(part, Tensor):
            return Tensor(np.zeros(indices.shape, dtype=np.int64))
        found = indices.dtype
    else:
        try:
            return operator.index(part)
        except TypeError:
            found = type(part).__name__
    raise DTypeError(
        "getitem",
        f"an index expected integers, booleans, a slice, None or ..., got {found}",
        "Convert index arrays with .astype(dr.int64).",
    )


def _consumed(part: Any) -> int:
    """How many axes of x a part of a key stands for."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, Tensor) and part.dtype.kind == "b" else 1


def nonzero(x: Any, /) -> tuple[Tensor, ...]:
    """Where x is not zero (or true): one tensor of indices for each axis, in row-major order.

    x[nonzero(x)] are those elements. Nothing is recorded, since indices have no gradient.

    Raises ShapeError for a 0-dimensional x.

    >>> import deltarule as dr
    >>> dr.nonzero(dr.tensor([[0, 3], [5, 0]]))
    (tensor([0, 1]), tensor([1, 0]))
    """
    x = as_tensor(x)
    if not x.ndim:
        raise ShapeError("nonzero", "expected at least one axis, got a 0-dimensional array", "Use x != 0.")
    require_known(x, "nonzero")
    return tuple(Tensor(positions) for positions in np.nonzero(x._array))
