"""deltarule: a deep-learning library whose back-propagation is a glass box.

Networks are graphs of recorded operations; gradients flow back through the record; every operation
carries the formula of its value and of its gradient.

    import deltarule as dr
    x = dr.tensor([0.2, 0.4], requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    x.grad

Functions of arrays have the names of the Python Array API standard; layers, losses and optimisers
those of PyTorch. `dr.nn`, `dr.optim`, `dr.data`, `dr.training` and `dr.explain` are loaded when
they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as _numpy

__version__ = "0.1.0"
__array_api_version__ = "2024.12"

from deltarule import autodiff, errors, operations
from deltarule.autodiff import (
    GradientCheck,
    Graph,
    Group,
    Node,
    Operation,
    Tensor,
    as_tensor,
    check_gradients,
    checkpoint,
    default_float,
    enable_grad,
    get_num_threads,
    grad,
    gradients,
    hessian,
    hvp,
    is_grad_enabled,
    jacobian,
    jvp,
    no_grad,
    set_default_dtype,
    set_num_threads,
    tensor,
    value_and_grad,
    vjp,
)
from deltarule.operations import exported as _exported
from deltarule.operations import operators as _operators
from deltarule.operations import random
from deltarule.operations.exported import *  # noqa: F403 - exported.py lists the names, __all__ repeats them

_operators.install()

if TYPE_CHECKING:
    from deltarule import data, explain, nn, optim, training
    from deltarule.compiler import compile
    from deltarule.training import Trainer, fit

# Element types under the Array API's names.
bool = _numpy.dtype(_numpy.bool_)
int8, int16, int32, int64 = map(_numpy.dtype, ("int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = map(_numpy.dtype, ("uint8", "uint16", "uint32", "uint64"))
float16, float32, float64 = map(_numpy.dtype, ("float16", "float32", "float64"))
complex64, complex128 = map(_numpy.dtype, ("complex64", "complex128"))
e, pi, inf, nan = _numpy.e, _numpy.pi, _numpy.inf, _numpy.nan
newaxis = None

# Loaded when first asked for: who only differentiates functions does not wait for layers and files.
_LATE = {
    "compile": "deltarule.compiler",
    "data": "deltarule.data",
    "explain": "deltarule.explain",
    "nn": "deltarule.nn",
    "optim": "deltarule.optim",
    "training": "deltarule.training",
    "Trainer": "deltarule.training",
    "fit": "deltarule.training",
}


def __getattr__(name: str) -> Any:
    """Loads layers, optimisers, data and training when they are first asked for."""
    if name not in _LATE:
        raise AttributeError(f"module 'deltarule' has no attribute {name!r}")
    module = importlib.import_module(_LATE[name])
    found = module if _LATE[name] == f"deltarule.{name}" else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})


__all__ = [
    "GradientCheck",
    "Graph",
    "Group",
    "Node",
    "Operation",
    "Tensor",
    "Trainer",
    "as_tensor",
    "autodiff",
    "bool",
    "check_gradients",
    "checkpoint",
    "compile",
    "complex128",
    "complex64",
    "data",
    "default_float",
    "e",
    "enable_grad",
    "errors",
    "explain",
    "fit",
    "float16",
    "float32",
    "float64",
    "get_num_threads",
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "inf",
    "int16",
    "int32",
    "int64",
    "int8",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "nan",
    "newaxis",
    "nn",
    "no_grad",
    "operations",
    "optim",
    "pi",
    "random",
    "set_default_dtype",
    "set_num_threads",
    "tensor",
    "training",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
    "value_and_grad",
    "vjp",
]
__all__ += _exported.__all__
