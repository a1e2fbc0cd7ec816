"""Makes a program smaller without changing any bit of what it computes.

Four passes: shapes that do not change are passed over, common parts are computed once, constants are
folded, and what nothing needs is removed.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from deltarule.autodiff.operation import Operation
from deltarule.compiler.program import Instruction, Program, Rule, Value

# Operations that give back their input where the shape stays.
_SHAPING = {"reshape", "broadcast_to", "identity"}
# Constants above this are not folded: they would be kept for as long as the program is.
_LARGEST_FOLDED = 1_000_000


def simplify(program: Program) -> Program:
    """The program, with instructions that need not run taken out; changed in place."""
    _pass_over_unchanged_shapes(program)
    _share_common_parts(program)
    _fold_constants(program)
    _remove_unneeded(program)
    return program


def replace(program: Program, replaced: dict[Value, Value]) -> None:
    """Whoever reads a value that was replaced now reads the other one."""
    if not replaced:
        return

    def now(value: Value) -> Value:
        while value in replaced:
            value = replaced[value]
        return value

    for each in program.instructions:
        each.inputs = tuple([now(value) for value in each.inputs])
        each.values = tuple([now(value) for value in each.values])
        each.upstream = tuple([now(value) for value in each.upstream])
        if each.saved is not None:
            each.saved = now(each.saved)
        if each.kind == "write":
            key = each.parameters["key"]
            parts = tuple(
                [now(p) if isinstance(p, Value) else p for p in (key if isinstance(key, tuple) else (key,))]
            )
            each.parameters = {"key": parts if isinstance(key, tuple) else parts[0]}
    program.outputs = [now(value) for value in program.outputs]
    program.gradients = [(owner, None if value is None else now(value)) for owner, value in program.gradients]


def _pass_over_unchanged_shapes(program: Program) -> None:
    replaced: dict[Value, Value] = {}
    for each in program.instructions:
        output = each.outputs[0] if each.outputs else None
        if each.kind == "forward" and each.name in _SHAPING and output is not None:
            source = each.inputs[0]
            # A view of a state shows what is written there later; its value is what was there before.
            lasting = source.kind in ("computed", "input") and source.place is None
            if output.shape == source.shape and lasting:
                replaced[output] = source
    replace(program, replaced)


def _share_common_parts(program: Program) -> None:
    replaced: dict[Value, Value] = {}
    seen: dict[Any, Instruction] = {}
    for each in program.instructions:
        if each.kind not in ("forward", "gradient", "check") or each.section == "recompute":
            continue
        key = (
            each.kind,
            each.operation if isinstance(each.operation, (Operation, Rule)) else id(each.operation),
            tuple([replaced.get(value, value).number for value in each.inputs]),
            tuple([replaced.get(value, value).number for value in each.values]),
            tuple([replaced.get(value, value).number for value in each.upstream]),
            each.needs,
            _frozen(each.parameters),
        )
        earlier = seen.setdefault(key, each)
        mine, theirs = (*each.outputs, each.saved), (*earlier.outputs, earlier.saved)
        if earlier is each or [one is None for one in mine] != [one is None for one in theirs]:
            continue
        if each.kind == "gradient":
            mine, theirs = each.outputs, earlier.outputs
        replaced.update({one: other for one, other in zip(mine, theirs, strict=True) if one and other})
    replace(program, replaced)
    if replaced:
        gone = set(replaced)
        program.instructions = [
            each
            for each in program.instructions
            if not (
                each.kind in ("forward", "gradient")
                and any(True for _ in each.makes())
                and set(each.makes()) <= gone
            )
        ]


def _frozen(value: Any) -> Any:
    """A key that is equal for equal options."""
    if isinstance(value, dict):
        return tuple([(name, _frozen(each)) for name, each in value.items()])
    if isinstance(value, (tuple, list)):
        return tuple([_frozen(each) for each in value])
    if isinstance(value, slice):
        return ("slice", _frozen(value.start), _frozen(value.stop), _frozen(value.step))
    if isinstance(value, (bool, int, float, str, type(None), np.dtype)):
        # -0.0 equals 0.0, and True equals 1, but they are not the same option.
        return (type(value).__name__, repr(value))
    return ("object", id(value))


def _fold_constants(program: Program) -> None:
    kept: list[Instruction] = []
    for each in program.instructions:
        if not all(value.kind == "constant" for value in each.inputs) or not _is_foldable(each):
            kept.append(each)
            continue
        if each.kind == "check":
            # It held when it was recorded.
            continue
        (output,) = each.outputs
        assert output is not None
        arrays = [value.array for value in each.inputs]
        output.array = np.asarray(each.operation.forward(*arrays, **each.parameters))
        output.kind = "constant"
        program.constants.append(output)
    program.instructions = kept


def _is_foldable(each: Instruction) -> bool:
    if each.kind == "check":
        return True
    if each.kind != "forward" or getattr(each.operation, "saves", False) or len(each.outputs) != 1:
        return False
    output = each.outputs[0]
    return output is not None and output.shape is not None and prod(output.shape) <= _LARGEST_FOLDED


def _remove_unneeded(program: Program) -> None:
    needed: set[Value] = {*program.outputs, *(value for _, value in program.gradients if value is not None)}
    kept: list[Instruction] = []
    for each in reversed(program.instructions):
        stays = (
            each.kind in ("update", "check", "random")
            or (each.kind == "write" and each.inputs[0].place is not None)
            or any(value in needed for value in each.makes())
        )
        if not stays:
            continue
        if each.kind in ("forward", "gradient"):
            each.outputs = tuple([output if output in needed else None for output in each.outputs])
        if each.kind == "gradient":
            each.needs = tuple([output is not None for output in each.outputs])
        needed.update(each.reads())
        kept.append(each)
    program.instructions = kept[::-1]
    read = {value for each in program.instructions for value in each.reads()} | needed
    program.constants = [value for value in program.constants if value in read]
    program.states = [value for value in program.states if value in read]
