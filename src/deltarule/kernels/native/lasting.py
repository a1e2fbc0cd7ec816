"""What native code may read until the process ends, and Python must therefore not free when it shuts down.

Workers run until the very end. Python clears its modules before, so memory and code that a module holds would
go under their feet.
"""

from __future__ import annotations

import ctypes
from typing import TypeVar

Thing = TypeVar("Thing")


def lasting(thing: Thing) -> Thing:
    """The same object, which from now on is never freed."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    return thing
