"""Which value an array is, while a call is recorded: arrays are recognised by identity.

They are kept while recording, so that no identity is used twice. What was never seen before comes from
outside, or was made by Python or NumPy: which of these is found out once the call is over.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Array, Tensor
from deltarule.compiler.program import Value


class Identities:
    """Arrays and their values.

    outside     values that came from outside, in the order in which they were met
    holders     value from outside -> tensors that were seen holding it; weak, so that they may die
    refusals    reasons why the program cannot stand for the next call, though this one was computed
    """

    def __init__(self) -> None:
        self.outside: list[Value] = []
        self.refusals: list[str] = []
        self.holders: dict[Value, list[weakref.ref[Tensor]]] = {}
        self._values: dict[int, Value] = {}
        self._kept: list[Any] = []
        # Root of memory -> arrays that share it; identities of arrays whose memory was written since.
        self._sharing: dict[int, list[Array]] = {}
        self._stale: set[int] = set()
        self._outside_arrays: set[int] = set()
        self._count = 0

    def new_value(self, kind: str, like: Any, name: str = "", **options: Any) -> Value:
        """A value of the shape and type of an array; of neither for what only an operation understands."""
        shape, dtype = (like.shape, like.dtype) if isinstance(like, np.ndarray) else (None, None)
        value = Value(self._count, shape, dtype, name, kind, **options)
        self._count += 1
        return value

    def bind(self, array: Any, value: Value) -> Value:
        """From now on this array is that value."""
        self._values[id(array)] = value
        self._kept.append(array)
        if isinstance(array, np.ndarray):
            self._sharing.setdefault(id(_root(array)), []).append(array)
        return value

    def known(self, array: Any) -> Value | None:
        return self._values.get(id(array))

    def of(self, held: Any) -> Value:
        """The value of a tensor or array; one that was never seen comes from outside."""
        array = held._array if isinstance(held, Tensor) else held
        value = self._values.get(id(array))
        if value is None:
            kind = "outside" if isinstance(array, np.ndarray) else "constant"
            value = self.bind(array, self.new_value(kind, array, array=array))
            self.outside.append(value)
            self._outside_arrays.add(id(array))
        elif id(array) in self._stale:
            self.refusals.append("it reads a view of a tensor after writing into that tensor")
        if isinstance(held, Tensor) and value.kind == "outside":
            holders = self.holders.setdefault(value, [])
            if not any(each() is held for each in holders):
                holders.append(weakref.ref(held))
        return value

    def is_from_outside(self, tensor: Tensor) -> bool:
        """Whether no instruction made this tensor's memory, which one may have written since."""
        self.of(tensor)
        return id(tensor._array) in self._outside_arrays

    def input(self, tensor: Tensor, name: str) -> Value:
        """An argument."""
        known = self._values.get(id(tensor._array))
        return known or self.bind(tensor._array, self.new_value("input", tensor._array, name))

    def is_stale(self, array: Any) -> bool:
        """Whether it shares memory that was written through another tensor since it was bound."""
        return id(array) in self._stale

    def overwritten(self, target: Tensor) -> Value:
        """The value that a tensor has after its array is written, which is about to happen."""
        array, before = target._array, self.of(target)
        for other in self._sharing.get(id(_root(array)), ()):
            if other is not array and np.may_share_memory(other, array):
                self._stale.add(id(other))
        return self.bind(array, self.new_value("computed", array, version=before.version + 1))

    def forget_arrays(self) -> None:
        """Lets go of all arrays but those from outside, so that these can be told from each other."""
        self._kept.clear()
        self._sharing.clear()
        self._values.clear()


def _root(array: Array) -> Any:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
