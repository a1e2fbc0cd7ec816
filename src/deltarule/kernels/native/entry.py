"""Python's way into native code: a routine becomes a built-in function of arrays and numbers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from deltarule.kernels.native.compilation import load
from deltarule.kernels.native.memory import keep_freed_memory
from deltarule.kernels.native.processor import processor
from deltarule.kernels.native.routine import Routine, Unit

_FASTCALL = 0x80
_kept: list[Any] = []


class _MethodDefinition(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def built_in(name: str, address: int) -> Callable[..., None]:
    """A function of Python from the address of one with CPython's fast calling convention."""
    definition = _MethodDefinition(name.encode(), address, _FASTCALL, None)
    _kept.append(definition)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.POINTER(_MethodDefinition), ctypes.c_void_p, ctypes.c_void_p)
    return make(ctypes.byref(definition), None, None)


@cache
def entry(routine: Routine, checked: bool = False, thorough: bool = False) -> Callable[..., Any]:
    """The routine as function(threads, *arguments): arrays (or None) for pointers, ints, floats.

    Without `checked`, arrays must be of the type that the routine names, and lie as it takes them. With it,
    the function answers False, having done nothing, unless all are contiguous arrays of these types; else
    True.
    """
    keep_freed_memory()
    name = type(routine).__name__

    def write() -> str:
        unit = Unit(processor())
        unit.entry(routine, "python_entry", checked)
        return unit.text()

    description = f"{routine!r} {'checked' if checked else ''}"
    return built_in(name, load(description, write, ["python_entry"], thorough)["python_entry"])
