"""The call of a native step as lines of Python, for a replay that is written for one recording."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.compiler.native.native_program import NativeProgram
from deltarule.kernels.native.team import threads

Array = NDArray[Any]

# Bytes from which the memory of a result is taken again once nobody holds it: new memory of this size comes
# from the system, page by page.
_WORTH_KEEPING = 1 << 15


def _references(held: list[Array]) -> int:
    """References to an array that only a list holds, as `Memory.take` counts them."""
    for array in held:
        return sys.getrefcount(array)
    return 0


# The list, the name in the loop, the argument; versions of Python count the last two differently.
_UNHELD = _references([np.empty(0)])


class Memory:
    """Arrays for one result, call after call: two that take turns, unless somebody still holds them."""

    def __init__(self, shape: tuple[int, ...], dtype: Any):
        self.shape, self.dtype = shape, dtype
        self.held: list[Array] = []

    def take(self) -> Array:
        """An array that nobody else holds; its elements are anything."""
        for array in self.held:
            if sys.getrefcount(array) == _UNHELD:
                return array
        array = np.empty(self.shape, self.dtype)
        self.held = [*self.held[-1:], array]
        return array


def lines_of(
    native: NativeProgram, name: Callable[[Any], str], given: list[str]
) -> tuple[list[str], list[str]]:
    """(statements that run an all-native program, expressions of its answers).

    name    gives an object a name that the statements may use
    given   expressions of the input arrays
    """
    lines = [f"{name(number)}[()] = {name(function)}()" for number, function in native.numbers]
    made = []
    for i, (shape, dtype) in enumerate(native.result_types):
        if np.dtype(dtype).itemsize * int(np.prod(shape)) >= _WORTH_KEEPING:
            lines.append(f"r{i} = {name(Memory(shape, dtype).take)}()")
        else:
            lines.append(f"r{i} = {name(np.empty)}({shape!r}, {name(dtype)})")
        made.append(f"r{i}")
    count = "1"
    if native.threads > 1:
        count = f"min({name(threads)}(), {native.threads})"
    inputs = [given[position] for position in native.input_positions]
    step, table = name(native.parts[0]), name(native.addresses)
    lines.append(f"if not {step}({', '.join([count, table, *inputs, *made])}):")
    # A copy, since elements may also lie at addresses that are no multiples of their size.
    copy = name(np.array)
    copies = [f"{copy}({each}, order='C')" for each in inputs]
    again = f"{step}({', '.join([count, table, *copies, *made])})"
    lines += [f"    if not {again}:", "        raise AssertionError('arrays that the recording did not see')"]
    for flag, fail in native.stops:
        lines += [f"if {name(flag)}[()] != 0.0:", f"    {name(fail)}()"]
    lines += [f"{name(count)}()" for count in native.lowering.after]
    return lines, [f"r{each}" for each in native.answers]
