"""The table of rules, and what rules share: `@rule(kind, names)` enters one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from deltarule.compiler.native.lowering import Lowering, Rule
from deltarule.compiler.program import Instruction, Value

RULES: dict[tuple[str, str], Rule] = {}

FLOATS = ("float32", "float64")


def rule(kind: str, *names: str) -> Callable[[Rule], Rule]:
    """Enters a function as the rule of instructions of this kind and these operations.

    kind   that of the instruction, or "plain" for a function of arrays in the role of an operation
    """

    def enter(function: Rule) -> Rule:
        for name in names:
            assert (kind, name) not in RULES, (kind, name)
            RULES[kind, name] = function
        return function

    return enter


def all_of(values: Any, *dtypes: str) -> bool:
    """Whether all of these values are arrays of one of the types."""
    return all(value.dtype is not None and value.dtype.name in dtypes for value in values)


def one_type(*values: Value | None) -> bool:
    """Whether all values that are there are arrays of one float type."""
    known = [value for value in values if value is not None]
    return all_of(known, *FLOATS) and len({value.dtype for value in known}) == 1


def with_elements(*values: Value | None) -> bool:
    """The same, and none of them is empty."""
    known = [value for value in values if value is not None]
    return one_type(*known) and all(math.prod(value.shape or ()) > 0 for value in known)


def remember(lowering: Lowering, instruction: Instruction, note: Any) -> None:
    """Keeps what the gradient's rule will need of the forward one: views of what was saved."""
    lowering.notes[id(instruction)] = note


def remembered(lowering: Lowering, instruction: Instruction) -> Any:
    """What the forward rule kept; None if the forward instruction was not lowered."""
    forward = instruction.forward
    return None if forward is None else lowering.notes.get(id(forward))


def labelled(instruction: Instruction) -> str:
    """The layer and what it does, for reading."""
    what = instruction.name if instruction.kind == "forward" else f"{instruction.name} gradient"
    return f"{instruction.scope}: {what}" if instruction.scope else what
