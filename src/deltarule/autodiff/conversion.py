"""What becomes a tensor, and with which element type."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.autodiff.derived import derived, require_known
from deltarule.autodiff.dtypes import default_float, promoted_dtype, require_floating
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.errors import DTypeError, ShapeError


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of the given elements.

    data           number, nested list, NumPy array, Tensor, or anything NumPy can read
    dtype          element type; else Python floats give float32 (the default float) and arrays
                   keep their own type
    requires_grad  whether gradients flow to it; floating types only

    Raises DTypeError for objects, and for requires_grad with an integer type; ShapeError for
    ragged lists.

    >>> import deltarule as dr
    >>> dr.tensor([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    if isinstance(data, Tensor):
        array = derived(_copied, data, dtype=dtype)._array
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.array(data, dtype=dtype)
    else:
        array = _array_from_python(data, dtype)
    if array.dtype.kind not in "biufc":
        kind = "Python objects" if array.dtype.kind == "O" else f"elements of type {array.dtype}"
        raise DTypeError(
            "tensor", f"expected numbers, got {kind}", "Check the data for None, text or mixed types."
        )
    if requires_grad:
        require_floating(array.dtype, "tensor")
    return Tensor(array, requires_grad=requires_grad)


def _array_from_python(data: Any, dtype: Any) -> Array:
    if isinstance(data, (list, tuple)) and _contains_tensor(data):
        data = _unwrapped(data)
    try:
        array = np.array(data, dtype=dtype)
    except ValueError as error:
        raise ShapeError("tensor", f"{error}", "All rows must have the same length.") from None
    holds_python_floats = array.dtype == np.float64 and not hasattr(data, "dtype")
    if dtype is None and holds_python_floats and not _contains_float64(data):
        array = array.astype(default_float())
    return array


def _contains_tensor(data: Any) -> bool:
    if isinstance(data, (list, tuple)):
        return any(_contains_tensor(part) for part in data)
    return isinstance(data, Tensor)


def _contains_float64(data: Any) -> bool:
    """True where a list holds NumPy's own float64 values, whose precision is meant."""
    if isinstance(data, (list, tuple)):
        return any(_contains_float64(part) for part in data[:1])
    return isinstance(data, (np.ndarray, np.float64)) or (
        hasattr(data, "__array__") and not isinstance(data, (int, float))
    )


def _unwrapped(data: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return [_unwrapped(part) for part in data]
    if not isinstance(data, Tensor):
        return data
    require_known(data, "tensor of a list")
    return data._array


def _copied(array: Array, *, dtype: Any) -> Array:
    return np.array(array, dtype=dtype)


def as_tensor(value: Any, dtype: Any = None) -> Tensor:
    """The value itself if it is a tensor (of that dtype), else a new constant with a copy of it.

    >>> import deltarule as dr
    >>> x = dr.tensor([1.0, 2.0])
    >>> dr.as_tensor(x) is x
    True
    >>> dr.as_tensor([1, 2])
    tensor([1, 2])
    """
    if isinstance(value, Tensor) and (dtype is None or value.dtype == dtype):
        return value
    return tensor(value, dtype=dtype)


def common_dtype(operands: tuple[Any, ...]) -> np.dtype[Any]:
    """Promoted type of tensors, arrays and weak Python numbers."""
    strong = []
    weak = []
    for operand in operands:
        if isinstance(operand, (Tensor, np.ndarray, np.generic)):
            strong.append(operand.dtype)
        elif isinstance(operand, (bool, int, float, complex)):
            weak.append(operand)
        else:
            strong.append(as_tensor(operand).dtype)
    return promoted_dtype(strong, weak)
