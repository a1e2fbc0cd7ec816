"""Plain functions of tensors' elements that are no operations: what has no gradient, and what only checks.

Whatever computes with `tensor._array` outside of an operation goes through here, so that a recorded
program computes it anew from the next call's elements instead of keeping what it found at first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.autodiff.recording import recording
from deltarule.autodiff.tensor import Tensor


def derived(function: Callable[..., Any], *operands: Any, **parameters: Any) -> Tensor:
    """A constant: function(*arrays, **parameters), whose result is one array.

    function   of module level and without state; it may raise an error that depends on elements
    operands   tensors, which it gets as arrays; or what an operation saved, which it gets as it is

    >>> import deltarule as dr
    >>> derived(np.flip, dr.tensor([1, 2, 3])).tolist()
    [3, 2, 1]
    """
    arrays = [each._array if isinstance(each, Tensor) else each for each in operands]
    value = np.asarray(function(*arrays, **parameters))
    if recording.tracer is not None:
        # What it returns is recognised by its identity, and may be another array another time.
        value = value.view()
        recording.tracer.derived(function, operands, parameters, value)
    return Tensor(value)


def derived_several(function: Callable[..., Any], *operands: Any, **parameters: Any) -> tuple[Tensor, ...]:
    """The same of a function that returns several arrays."""
    arrays = [each._array if isinstance(each, Tensor) else each for each in operands]
    values = [np.asarray(value) for value in function(*arrays, **parameters)]
    if recording.tracer is not None:
        values = [value.view() for value in values]
        recording.tracer.derived(function, operands, parameters, *values)
    return tuple([Tensor(value) for value in values])


def number(tensor: Tensor) -> Any:
    """The only element as a Python number; in a recording, what stands for the number of each call."""
    if recording.tracer is not None:
        return recording.tracer.number(tensor)
    return tensor._array.item()


def checked(function: Callable[..., Any], *tensors: Tensor, **parameters: Any) -> None:
    """function(*arrays, **parameters), which raises an error if elements are not as they must be."""
    function(*[tensor._array for tensor in tensors], **parameters)
    if recording.tracer is not None:
        recording.tracer.checked(function, tensors, parameters)


def require_not_recorded(who: str, problem: str, fix: str) -> None:
    """Raises CompileError where `dr.compile` is recording: for what a program cannot repeat."""
    if recording.tracer is not None:
        recording.tracer.refuse(who, problem, fix)


def require_known(tensor: Tensor, who: str) -> None:
    """Raises CompileError where the shape of a result depends on elements that another call would change."""
    if recording.tracer is not None:
        recording.tracer.value_read(tensor, who)
