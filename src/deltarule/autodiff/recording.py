"""Whether operations are recorded at this moment, and under which layer's name.

One small record per thread. Nothing here knows tensors or operations.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class _Recording(threading.local):
    def __init__(self) -> None:
        self.enabled = True
        self.scope = ""
        self.transforms = 0
        # What `dr.compile` listens with while it records a call; everything that happens reports to it.
        self.tracer: Any = None


recording = _Recording()


class _Structure:
    """Counts the changes of what a recorded program assumes about models and flags.

    version   another number after every change of a module's attributes, its mode, a parameter's need of a
              gradient or the element type of its array: who sees the same number need not look again
    """

    __slots__ = ("_numbers", "version")

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.version = 0

    def changed(self) -> None:
        self.version = next(self._numbers)


structure = _Structure()


class _SetRecording:
    """Context manager and decorator that switches recording for the code inside it."""

    enabled: bool

    def __init__(self) -> None:
        self._outer: list[bool] = []

    def __enter__(self) -> _SetRecording:
        self._outer.append(recording.enabled)
        recording.enabled = self.enabled
        return self

    def __exit__(self, *exception: object) -> None:
        recording.enabled = self._outer.pop()

    def __call__(self, function: Function) -> Function:
        @functools.wraps(function)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            with type(self)():
                return function(*arguments, **options)

        return wrapped  # type: ignore[return-value]


class no_grad(_SetRecording):
    """Computes without recording: results need no gradient and keep no graph alive.

    Works as `with dr.no_grad():` and as a decorator.

    >>> import deltarule as dr
    >>> x = dr.tensor(2.0, requires_grad=True)
    >>> with dr.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    enabled = False


class enable_grad(_SetRecording):
    """Records again inside a `no_grad` block.

    >>> import deltarule as dr
    >>> x = dr.tensor(2.0, requires_grad=True)
    >>> with dr.no_grad():
    ...     with dr.enable_grad():
    ...         y = x * x
    >>> y.requires_grad
    True
    """

    enabled = True


def is_grad_enabled() -> bool:
    """True where operations on tensors that need a gradient are recorded.

    >>> import deltarule as dr
    >>> with dr.no_grad():
    ...     inside = dr.is_grad_enabled()
    >>> dr.is_grad_enabled(), inside
    (True, False)
    """
    return recording.enabled


class name_scope:
    """Names the layer whose operations are recorded inside: scopes nest as `encoder.layers.0`."""

    __slots__ = ("_name", "_outer")

    def __init__(self, name: str):
        self._name = name
        self._outer = ""

    def __enter__(self) -> name_scope:
        self._outer = recording.scope
        if self._name:
            recording.scope = f"{self._outer}.{self._name}" if self._outer else self._name
        return self

    def __exit__(self, *exception: object) -> None:
        recording.scope = self._outer
