"""Element types: which differentiate, what Python numbers become, and how types promote."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import DTypeError

_KIND_RANK = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
_default_float = np.dtype(np.float32)


def default_float() -> np.dtype[Any]:
    """The floating type that Python floats and integer results of e.g. `mean` take: float32.

    >>> import deltarule as dr
    >>> dr.default_float() == dr.tensor(0.5).dtype == dr.float32
    True
    """
    return _default_float


def set_default_dtype(dtype: Any) -> None:
    """Sets the floating type of Python floats; float32 (the default), float64 or float16.

    >>> import deltarule as dr
    >>> dr.set_default_dtype(dr.float64)
    >>> dr.tensor(0.1)
    tensor(0.1, dtype=float64)
    >>> dr.set_default_dtype(dr.float32)
    >>> dr.tensor(0.1)
    tensor(0.1, dtype=float32)
    """
    global _default_float
    chosen = np.dtype(dtype)
    if chosen.kind != "f":
        raise DTypeError(
            "set_default_dtype", f"expected a floating type, got {chosen}", "Use float32 or float64."
        )
    _default_float = chosen


def is_floating(dtype: np.dtype[Any]) -> bool:
    """True for the types that differentiate: float16, float32, float64 (and longdouble)."""
    return dtype.kind == "f"


def dtype_of_python(value: Any) -> np.dtype[Any]:
    """Type that a Python number, or a nested list of them, becomes."""
    dtype = np.asarray(value).dtype
    return default_float() if dtype.kind == "f" else dtype


def promoted_dtype(dtypes: list[np.dtype[Any]], scalars: list[Any]) -> np.dtype[Any]:
    """Common type of arrays and weak Python scalars.

    Within one kind this is the Array API's (and NumPy 2's) promotion. Where the standard leaves it
    open, floating with integer gives the floating type, as in PyTorch: float32 stays float32.
    """
    if dtypes:
        rank = max(_KIND_RANK.get(dtype.kind, 4) for dtype in dtypes)
        strongest = [dtype for dtype in dtypes if _KIND_RANK.get(dtype.kind, 4) == rank]
        common = np.result_type(*strongest)
    else:
        rank, common = -1, None
    for scalar in scalars:
        scalar_dtype = dtype_of_python(scalar)
        scalar_rank = _KIND_RANK.get(scalar_dtype.kind, 4)
        if common is None:
            common, rank = scalar_dtype, scalar_rank
        elif scalar_rank > rank:
            if scalar_dtype.kind == "c":
                single = common in (np.dtype(np.float32), np.dtype(np.float16))
                common = np.dtype(np.complex64 if single else np.complex128)
            else:
                common = scalar_dtype
            rank = scalar_rank
    assert common is not None
    return common


def require_floating(dtype: np.dtype[Any], who: str) -> None:
    """Raises DTypeError unless tensors of this type can be differentiated."""
    if not is_floating(dtype):
        raise DTypeError(
            who,
            f"only floating tensors have gradients, this one is {dtype}",
            "Convert it first: x.astype(dr.float32).",
        )
