"""Arrays from nothing, in the Array API's names; and conversion between element types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.autodiff.conversion import as_tensor, tensor
from deltarule.autodiff.dtypes import default_float, dtype_of_python, require_floating
from deltarule.autodiff.formula.expression import Symbol
from deltarule.autodiff.formula.formula import Call, Formula
from deltarule.autodiff.node import Node
from deltarule.autodiff.operation import Operation, Shape, apply, register
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import ArgumentError, ShapeError
from deltarule.operations.axes import whole_number
from deltarule.operations.elementwise import tensor_functions


class _AsType(Operation):
    name = "astype"
    inputs = ("x",)
    reads = ()

    def shape(self, x: Shape, *, dtype: Any) -> Shape:
        return x

    def forward(self, x: Array, *, dtype: Any) -> Array:
        return x.astype(dtype)

    def backward(self, node: Node, upstream: Tensor) -> Sequence[Tensor | None]:
        return (astype(upstream, node.inputs[0].dtype),)

    def formula(self, call: Call) -> Formula:
        return Formula.elementwise(call, Symbol("x"), {"x": Symbol("grad_y")})


ASTYPE = register(_AsType)


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Tensor:
    """x with another element type. The gradient comes back in x's own type.

    copy  with False, x itself is returned if it has that type already

    >>> import deltarule as dr
    >>> dr.astype(dr.tensor([1.7, -1.7]), dr.int64)
    tensor([ 1, -1])
    >>> x = dr.tensor(3.0, requires_grad=True)
    >>> dr.astype(x, dr.float64).backward()
    >>> x.grad
    tensor(1., dtype=float32)
    """
    x = as_tensor(x)
    wanted = np.dtype(dtype)
    if x.dtype == wanted and not copy:
        return x
    return apply(ASTYPE, x, dtype=wanted)


tensor_functions.astype = astype


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor from anything array-like. An existing tensor of that type is returned as it is.

    copy  None copies unless obj is a tensor of that type; True always copies; False raises
          ArgumentError where a copy is needed, since a tensor never shares memory that others write

    >>> import deltarule as dr
    >>> x = dr.asarray([1, 2, 3])
    >>> dr.asarray(x) is x, dr.asarray(x, copy=True) is x
    (True, False)
    """
    if isinstance(obj, Tensor) and (dtype is None or obj.dtype == np.dtype(dtype)) and not copy:
        return obj
    if copy is False:
        raise ArgumentError("asarray", "copy=False, but this input needs a copy", "Leave copy out.")
    return astype(obj, dtype) if isinstance(obj, Tensor) and dtype is not None else tensor(obj, dtype=dtype)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor with a copy of the elements of any object that speaks DLPack.

    >>> import deltarule as dr
    >>> import numpy as np
    >>> dr.from_dlpack(np.array([1, 2, 3]))
    tensor([1, 2, 3])
    """
    return tensor(np.from_dlpack(x))


def _shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    extents = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    sizes = tuple(whole_number("shape", "size", extent) for extent in extents)
    if any(size < 0 for size in sizes):
        raise ShapeError("shape", f"expected sizes of 0 or more, got {sizes}")
    return sizes


def _filled(array: Array, requires_grad: bool) -> Tensor:
    if requires_grad:
        require_floating(array.dtype, "requires_grad")
    return Tensor(array, requires_grad=requires_grad)


def zeros(shape: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor of zeros; of the default float unless a dtype is given.

    >>> import deltarule as dr
    >>> dr.zeros((2, 3))
    tensor([[0., 0., 0.],
            [0., 0., 0.]], dtype=float32)
    """
    return _filled(np.zeros(_shape(shape), dtype=dtype or default_float()), requires_grad)


def ones(shape: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor of ones; of the default float unless a dtype is given.

    >>> import deltarule as dr
    >>> dr.ones(3, dtype=dr.int64)
    tensor([1, 1, 1])
    """
    return _filled(np.ones(_shape(shape), dtype=dtype or default_float()), requires_grad)


def empty(shape: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor whose elements are whatever the memory holds.

    >>> import deltarule as dr
    >>> dr.empty((2, 3)).shape
    (2, 3)
    """
    return _filled(np.empty(_shape(shape), dtype=dtype or default_float()), requires_grad)


def full(
    shape: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """A tensor of one repeated value.

    >>> import deltarule as dr
    >>> dr.full((2, 2), 7)
    tensor([[7, 7],
            [7, 7]])
    """
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    return _filled(np.full(_shape(shape), value, dtype=dtype or dtype_of_python(value)), requires_grad)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros of x's shape and type.

    >>> import deltarule as dr
    >>> dr.zeros_like(dr.tensor([[1, 2], [3, 4]]))
    tensor([[0, 0],
            [0, 0]])
    """
    return Tensor(np.zeros_like(as_tensor(x)._array, dtype=dtype))


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones of x's shape and type.

    >>> import deltarule as dr
    >>> dr.ones_like(dr.tensor([0.5, 2.0]))
    tensor([1., 1.], dtype=float32)
    """
    return Tensor(np.ones_like(as_tensor(x)._array, dtype=dtype))


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Unset elements in x's shape and type.

    >>> import deltarule as dr
    >>> like = dr.empty_like(dr.ones((2, 3), dtype=dr.float64))
    >>> like.shape, like.dtype == dr.float64
    ((2, 3), True)
    """
    return Tensor(np.empty_like(as_tensor(x)._array, dtype=dtype))


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """One repeated value in x's shape and type.

    >>> import deltarule as dr
    >>> dr.full_like(dr.tensor([0.5, 2.0]), 3)
    tensor([3., 3.], dtype=float32)
    """
    return Tensor(np.full_like(as_tensor(x)._array, fill_value, dtype=dtype))


def arange(
    start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """Evenly spaced numbers start, start + step, ... below stop; integers if all of these are.

    >>> import deltarule as dr
    >>> dr.arange(4)
    tensor([0, 1, 2, 3])
    >>> dr.arange(1, 2, 0.25)
    tensor([1.  , 1.25, 1.5 , 1.75], dtype=float32)
    """
    array = (
        np.arange(start)
        if stop is None and step == 1
        else np.arange(0 if stop is None else start, start if stop is None else stop, step)
    )
    wanted = dtype or (default_float() if array.dtype.kind == "f" else array.dtype)
    return Tensor(array.astype(wanted))


def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
) -> Tensor:
    """`num` evenly spaced numbers from start to stop.

    >>> import deltarule as dr
    >>> dr.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    >>> dr.linspace(0, 1, 4, endpoint=False)
    tensor([0.  , 0.25, 0.5 , 0.75], dtype=float32)
    """
    return Tensor(np.linspace(start, stop, num, endpoint=endpoint, dtype=dtype or default_float()))


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None
) -> Tensor:
    """Ones on the k-th diagonal, zeros elsewhere.

    >>> import deltarule as dr
    >>> dr.eye(2, 3, k=1)
    tensor([[0., 1., 0.],
            [0., 0., 1.]], dtype=float32)
    """
    return Tensor(np.eye(n_rows, n_cols, k=k, dtype=dtype or default_float()))
