"""The native program of a function, and what its calls are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import deltarule as dr
from deltarule.compiler.native.native_program import NativeProgram
from deltarule.compiler.native.plan import Call


def compiled(function: Callable[..., Any], *arguments: Any) -> tuple[Any, NativeProgram]:
    """(the compiled function after three calls, the program that the last of them ran)."""
    made = dr.compile(function)
    for _ in range(4):
        made(*arguments)
    assert made.replays > 0, made._reason
    program = made._entries[0].execute
    assert isinstance(program, NativeProgram)
    return made, program


def labels(program: NativeProgram) -> list[str]:
    """What each call does, in order."""
    return [call.label for call in program.calls]


def kinds(program: NativeProgram) -> list[str]:
    """The routine of each call, in order."""
    return [type(call.routine).__name__ for call in program.calls]


def the_call(program: NativeProgram, *words: str) -> Call:
    """The only call whose label has all of these words."""
    (found,) = [call for call in program.calls if all(word in call.label for word in words)]
    return found
