"""Instructions that have no native form, between native parts: the operations' own kernels on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.compiler.kernels import Drawing, Kernel, Located, Updating, put
from deltarule.compiler.program import Instruction, Value

Array = NDArray[Any]
Read = Callable[[Value], Any]


def run(instruction: Instruction, read: Read) -> list[tuple[Value, Any]]:
    """Does one instruction; answers what it made, but for places outside, which it writes itself."""
    kind, inputs = instruction.kind, [read(value) for value in instruction.inputs]
    outputs = instruction.outputs
    if kind == "forward":
        operation = instruction.operation
        if hasattr(operation, "function"):
            made = Located(operation, instruction.scope)(*inputs, **instruction.parameters)
            return _paired(outputs, made)
        made = Kernel(operation)(*inputs, **instruction.parameters)
        several = made if isinstance(made, tuple) else (made,)
        expected = (*outputs, instruction.saved) if operation.saves else outputs
        return [(value, each) for value, each in zip(expected, several, strict=True) if value is not None]
    if kind == "gradient":
        made = Kernel(instruction.operation).gradient(
            *[read(value) for value in instruction.upstream],
            inputs=tuple(inputs),
            values=tuple(read(value) for value in instruction.values),
            needs=tuple(int(each) for each in instruction.needs),
            saved=None if instruction.saved is None else read(instruction.saved),
            parameters=dict(instruction.parameters),
        )
        return [(value, each) for value, each in zip(outputs, made, strict=True) if value is not None]
    if kind == "scatter":
        made = Kernel(instruction.operation).scatter(
            inputs[0],
            read(instruction.upstream[0]),
            like=read(instruction.values[0]),
            own=False,
            **instruction.parameters,
        )
        return _paired(outputs, made)
    if kind == "random":
        return _paired(outputs, Drawing(instruction.operation)(**instruction.parameters))
    if kind == "check":
        Located(instruction.operation, instruction.scope)(*inputs, **instruction.parameters)
        return []
    if kind == "update":
        Updating([instruction])((inputs[0], inputs[1]))
        return []
    assert kind == "write", kind
    key = _key(instruction.parameters["key"], read)
    if instruction.inputs[0].place is None:
        return _paired(outputs, put(inputs[0], key, inputs[1]))
    inputs[0][key] = inputs[1]
    return []


def _paired(outputs: tuple[Value | None, ...], made: Any) -> list[tuple[Value, Any]]:
    several = made if isinstance(made, tuple) else (made,)
    return [
        (value, np.asarray(each)) for value, each in zip(outputs, several, strict=True) if value is not None
    ]


def _key(key: Any, read: Read) -> Any:
    if isinstance(key, tuple):
        return tuple(_key(part, read) for part in key)
    return read(key) if isinstance(key, Value) else key
