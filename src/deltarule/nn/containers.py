"""Containers: modules that hold other modules, in a row, in a list or by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from deltarule.errors import ArgumentError, DTypeError, OutOfBoundsError
from deltarule.nn.module import Module


def _require_module(who: str, key: Any, module: Any) -> Module:
    if isinstance(module, Module):
        return module
    hint = "Give an instance, not the class." if isinstance(module, type) else "Wrap a function in a Module."
    raise DTypeError(who, f"expected a Module at {key!r}, got {module!r}", hint)


def _require_key(who: str, key: Any) -> str:
    if not isinstance(key, str) or not key or "." in key:
        raise ArgumentError(
            who,
            f"a module's name expected a word without dots, got {key!r}",
            "Dots separate levels of names.",
        )
    return key


class _Ordered(Module):
    """Modules under the names "0", "1", ..., or under given names, found by position."""

    def _position(self, index: Any) -> int:
        position = operator.index(index)
        count = len(self._modules)
        if not -count <= position < count:
            raise OutOfBoundsError(
                type(self).__name__,
                f"position {position} expected to be within {count} modules",
                f"Positions go from 0 to {count - 1}." if count else "It is empty.",
            )
        return position % count

    def _at(self, index: Any) -> Module:
        return list(self._modules.values())[self._position(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        name = list(self._modules)[self._position(index)]
        _replace(self, name, _require_module(type(self).__name__, name, module))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __contains__(self, module: object) -> bool:
        return any(each is module for each in self._modules.values())

    def append(self, module: Module):
        """Adds a module at the end, under the next number, and returns the container."""
        name = str(len(self))
        self.add_module(name, _require_module(type(self).__name__, name, module))
        return self

    def extend(self, modules: Iterable[Module]):
        """Adds several modules at the end and returns the container."""
        for module in modules:
            self.append(module)
        return self


def _replace(container: Module, name: str, module: Module) -> None:
    """Puts a module under a name that is taken, keeping its place in the order."""
    order = list(container._modules)
    container.add_module(name, module)
    for each in order[order.index(name) + 1 :]:
        container._modules[each] = container._modules.pop(each)


class Sequential(_Ordered):
    """Modules applied one after the other.

    y = f_n(... f_2(f_1(x)))

    modules   modules, named "0", "1", ...; or one mapping from names to modules

    Indexing gives a module, a slice gives a Sequential of the same modules.
    Raises DTypeError for anything that is not a Module.

    >>> import deltarule as dr
    >>> model = dr.nn.Sequential(dr.nn.Linear(3, 4), dr.nn.ReLU(), dr.nn.Linear(4, 2))
    >>> model(dr.zeros((5, 3))).shape
    (5, 2)
    >>> [name for name, _ in model.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *modules: Any):
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = modules[0].items()
        else:
            named = ((str(position), module) for position, module in enumerate(modules))
        for name, module in named:
            name = _require_key("Sequential", name)
            self.add_module(name, _require_module("Sequential", name, module))

    def forward(self, x: Any) -> Any:
        for module in self._modules.values():
            x = module(x)
        return x

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            part = Sequential()
            # Not add_module: the layers stay part of this container, under the names they have here.
            part._modules.update(list(self._modules.items())[index])
            return part
        return self._at(index)


class _Holder(Module):
    """A container that is never called itself, so its modules carry its name in theirs (`layers.0`)."""

    @property
    def _name(self) -> str:
        return self.__dict__.get("_own_name", "")

    @_name.setter
    def _name(self, name: str) -> None:
        self.__dict__["_own_name"] = name
        for key, module in self._modules.items():
            self._tell_name(key, module)

    def _tell_name(self, key: str, module: Module) -> None:
        object.__setattr__(module, "_name", f"{self._name}.{key}" if self._name else key)

    def add_module(self, name: str, module: Module) -> None:
        super().add_module(name, module)
        self._tell_name(name, module)


class ModuleList(_Holder, _Ordered):
    """A list of modules, whose parameters are found under "0", "1", ...; it computes nothing itself.

    modules   any iterable of modules

    Raises DTypeError for anything that is not a Module, OutOfBoundsError for a wrong position.

    >>> import deltarule as dr
    >>> layers = dr.nn.ModuleList(dr.nn.Linear(4, 4) for _ in range(3))
    >>> len(layers), layers[-1]
    (3, Linear(in_features=4, out_features=4, bias=True))
    """

    def __init__(self, modules: Iterable[Module] = ()):
        self.extend(modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> list[Module]: ...
    def __getitem__(self, index: Any) -> Any:
        return list(self._modules.values())[index] if isinstance(index, slice) else self._at(index)


class ModuleDict(_Holder):
    """Modules by name; it computes nothing itself.

    modules   mapping from names to modules

    Raises DTypeError for anything that is not a Module, ArgumentError for a name with a dot in it.

    >>> import deltarule as dr
    >>> heads = dr.nn.ModuleDict({"digit": dr.nn.Linear(8, 10), "parity": dr.nn.Linear(8, 2)})
    >>> list(heads.keys())
    ['digit', 'parity']
    """

    def __init__(self, modules: Mapping[str, Module] | None = None):
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Adds or replaces modules by name."""
        for name, module in modules.items():
            self[name] = module

    def __getitem__(self, name: str) -> Module:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        name = _require_key("ModuleDict", name)
        self.add_module(name, _require_module("ModuleDict", name, module))

    def __delitem__(self, name: str) -> None:
        self._note_change(name)
        del self._modules[name]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """(name, module) pairs."""
        return self._modules.items()
