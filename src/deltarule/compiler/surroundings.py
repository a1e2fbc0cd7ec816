"""What a function reads around it: variables that it closes over, globals, attributes of its object.

Only what its code names is looked at, so that a counter that it never reads does not count. Lists,
tuples and dictionaries are compared by what they hold, one level deep.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Tensor
from deltarule.compiler.finishing import MISSING, PLAIN

_DEPTH = 3


class Reading:
    """One thing that was read: where from, and what it was.

    name      what users call it
    holder    a cell of a closure, or a dictionary of globals or attributes
    key       its key in that dictionary; None for a cell
    """

    __slots__ = ("content", "holder", "key", "name", "value")

    def __init__(self, name: str, holder: Any, key: str | None):
        self.name = name
        self.holder = holder
        self.key = key
        self.value = self.read()
        self.content = _content(self.value)

    def read(self) -> Any:
        """What is there now; MISSING where nothing is."""
        if self.key is not None:
            return self.holder.get(self.key, MISSING)
        try:
            return self.holder.cell_contents
        except ValueError:
            # Assigned later, or never.
            return MISSING

    def holds(self) -> bool:
        """Whether it is still the same."""
        now = self.read()
        if now is self.value:
            return self.content is None or _same_content(self.content, _content(now))
        return self.content is None and type(now) is type(self.value) and _is_plain(now) and now == self.value

    @property
    def is_fixed(self) -> bool:
        """Whether identity says it all."""
        return self.content is None


def _is_plain(value: Any) -> bool:
    return isinstance(value, PLAIN)


def _content(value: Any) -> list[Any] | None:
    if type(value) is dict:
        return [*value.keys(), *value.values()]
    return list(value) if type(value) in (list, tuple, set) and len(value) < 1000 else None


def _same_content(before: list[Any], after: list[Any] | None) -> bool:
    if after is None or len(before) != len(after):
        return False
    return all(
        first is second or (_is_plain(first) and type(first) is type(second) and first == second)
        for first, second in zip(before, after, strict=True)
    )


def is_module(value: Any) -> bool:
    """Whether it is a layer or model, which the compiler knows by what it has alone."""
    return hasattr(value, "named_modules") and hasattr(value, "_parameters") and not isinstance(value, type)


def is_optimizer(value: Any) -> bool:
    """Whether it is an optimiser, likewise."""
    return hasattr(value, "param_groups") and hasattr(value, "step") and not isinstance(value, type)


def _is_of_a_library(value: Any) -> bool:
    """A function or operation of deltarule or NumPy, which is not rebound."""
    return (
        callable(value) and not is_module(value) and _comes_from_a_library(getattr(value, "__module__", ""))
    )


def _comes_from_a_library(module: Any) -> bool:
    return str(module).startswith(("deltarule.", "numpy"))


class Surroundings:
    """All readings of a function, with the models and optimisers among them."""

    def __init__(self, function: Callable[..., Any], arguments: Iterable[Any] = ()):
        self.readings: list[Reading] = []
        self.modules: list[Any] = []
        self.optimizers: list[Any] = []
        self.tensors: list[Tensor] = []
        self._seen: set[int] = set()
        self._follow(function, (), _DEPTH)
        names = _names_of(function)
        for each in arguments:
            # Arrays differ from call to call; other objects are the same in each.
            if not isinstance(each, (Tensor, np.ndarray, *PLAIN)):
                self._follow(each, names, _DEPTH - 1)

    def options(self) -> list[dict[str, Any]]:
        """Copies of the options of all groups of the optimisers."""
        return [dict(group) for each in self.optimizers for group in each.param_groups]

    def _follow(self, value: Any, names: tuple[str, ...], depth: int) -> None:
        """Looks at what a value leads to; `names` are the attributes that the code names."""
        if id(value) in self._seen or depth < 0:
            return
        self._seen.add(id(value))
        if isinstance(value, Tensor):
            self.tensors.append(value)
        elif is_module(value):
            self.modules.append(value)
            self._follow(type(value).forward, (), depth - 1)
        elif is_optimizer(value):
            self.optimizers.append(value)
        elif isinstance(value, functools.partial):
            self._follow(value.func, names, depth)
            for part in (*value.args, *value.keywords.values()):
                self._given(part, names, depth)
        elif isinstance(value, types.MethodType):
            self._follow(value.__func__, names, depth)
            self._follow(value.__self__, _names_of(value.__func__), depth)
        elif isinstance(value, types.FunctionType):
            self._follow_code(value, depth)
        elif hasattr(value, "__wrapped__"):
            self._follow(value.__wrapped__, names, depth)
        elif type(value) in (list, tuple):
            for part in value[:1000]:
                self._follow(part, names, depth - 1)
        elif type(value) is dict:
            for part in list(value.values())[:1000]:
                self._follow(part, names, depth - 1)
        elif hasattr(value, "__dict__") and not isinstance(value, (type, types.ModuleType)):
            for name in names:
                if name in value.__dict__:
                    self._read(Reading(name, value.__dict__, name), names, depth)

    def _follow_code(self, function: types.FunctionType, depth: int) -> None:
        code, closure = function.__code__, function.__closure__ or ()
        if _comes_from_a_library(function.__globals__.get("__name__", "")):
            # What a transform made of a function: only that function is the user's.
            for cell in closure:
                self._follow(Reading("", cell, None).value, (), depth)
            return
        names = _names_of(function)
        for name, cell in zip(code.co_freevars, closure, strict=True):
            self._read(Reading(name, cell, None), names, depth)
        for name in names:
            if name in function.__globals__:
                self._read(Reading(name, function.__globals__, name), names, depth)
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._given(value, names, depth - 1)

    def _given(self, value: Any, names: tuple[str, ...], depth: int) -> None:
        """A value that the function always gets: the same object, but a list or dictionary may change."""
        if _content(value) is not None:
            self.readings.append(Reading("an argument's default", {"value": value}, "value"))
        self._follow(value, names, depth)

    def _read(self, reading: Reading, names: tuple[str, ...], depth: int) -> None:
        value = reading.value
        if value is MISSING or isinstance(value, (types.ModuleType, type, types.BuiltinFunctionType)):
            return
        if not _is_of_a_library(value):
            self.readings.append(reading)
            self._follow(value, names, depth - 1)
        elif isinstance(value, types.FunctionType) and value.__closure__:
            self._follow(value, names, depth - 1)


def _names_of(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    return () if code is None else tuple(_names_in(code))


def _names_in(code: types.CodeType) -> Iterator[str]:
    """Globals and attributes that the code, and functions defined inside of it, name."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)
