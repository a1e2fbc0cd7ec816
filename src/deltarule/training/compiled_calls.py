"""CompiledCalls: a function of batches that is compiled, shape by shape, once a shape has come often enough.

Which calls run compiled depends on the calls before alone, never on the clock, and is kept in checkpoints: a
run that was resumed computes the same, to the last bit, as one that never stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.autodiff.finite import NotFinite
from deltarule.autodiff.recording import recording
from deltarule.autodiff.tensor import Array, Tensor
from deltarule.compiler.compiled import Compiled, Entry
from deltarule.compiler.finishing import Recorded, differences
from deltarule.compiler.replay import MISS
from deltarule.errors import CompileError
from deltarule.operations.random import get_random_state, set_random_state
from deltarule.training.snapshot import Snapshot

# What the calls of a shape have to come to before it is compiled, in elements of the arguments times
# parameters. Compiling takes about a second, which a short run would not get back.
WORTH_COMPILING = 4_000_000_000
# The smallest call counts as this much, so that 50 calls are enough.
_LEAST = WORTH_COMPILING // 50
# Shapes that are compiled, the first ones that are worth it; others are rare, and run as they are.
_MOST_SHAPES = 16
# Programs of a shape: it has several where frozen parameters, options, or what a loss reads change.
_MOST_PROGRAMS = 8
# Recordings one after another that agree with none before, until it is given up.
_MOST_FRUITLESS = 4


class CompiledCalls:
    """Calls a function, compiled where that pays.

    function    takes tensors, numbers, None and tuples of them by position; raises NotFinite before it
                updates anything
    snapshot    Snapshot(...) of all that it may change
    light       Snapshot(...) of what it may have changed where it raises NotFinite
    size        how many parameters there are

    seen        shapes that are not worth it yet, and what their calls came to
    chosen      shapes that are compiled, and how many programs each has had
    refusal     why the function cannot be compiled; empty if it can

    Where NotFinite is raised, everything is as before the call.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        snapshot: Callable[[], Snapshot],
        light: Callable[[], Snapshot],
        size: int,
    ):
        self._function, self._snapshot, self._light, self._size = function, snapshot, light, size
        self._compiled = Compiled(function)
        self.seen: dict[str, int] = {}
        self.chosen: dict[str, int] = {}
        self.refusal = ""
        self._programs: list[_Program] = []
        # Programs that ran once, on the call that they are a recording of; another recording has to agree.
        self._waiting: list[_Program] = []
        self._fruitless = 0

    @property
    def programs(self) -> int:
        """How many programs there are."""
        return len(self._programs)

    def __call__(self, *arguments: Any) -> Any:
        for position, program in enumerate(self._programs):
            try:
                result = program(arguments)
            except NotFinite:
                # What machine code finds too large may just have been finite.
                return self._plainly(arguments)
            if result is not MISS:
                if position:
                    self._programs.insert(0, self._programs.pop(position))
                return result
        if self.refusal or recording.tracer is not None:
            return self._plainly(arguments)
        shape = _described(arguments)
        if self._is_worth_it(shape, arguments):
            return self._record(shape, arguments)
        return self._plainly(arguments)

    def state_dict(self) -> dict[str, Any]:
        """What decides about calls to come, as plain values."""
        return {"seen": dict(self.seen), "chosen": dict(self.chosen), "refusal": self.refusal}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self.seen = dict(saved["seen"])
        # The latest program of each shape has to be made again.
        self.chosen = {shape: max(count - 1, 0) for shape, count in saved["chosen"].items()}
        self.refusal = saved["refusal"]
        self._programs.clear()
        self._waiting.clear()

    def _plainly(self, arguments: tuple[Any, ...]) -> Any:
        before = self._light()
        try:
            return self._function(*arguments)
        except NotFinite:
            before.restore()
            raise

    def _is_worth_it(self, shape: str, arguments: tuple[Any, ...]) -> bool:
        if shape in self.chosen:
            return self.chosen[shape] < _MOST_PROGRAMS
        if len(self.chosen) < _MOST_SHAPES:
            # The first call is never compiled: an optimiser makes its slots in it.
            total = self.seen.get(shape, 0) + max(_elements(arguments) * self._size, _LEAST)
            self.seen[shape] = total
            if total >= WORTH_COMPILING:
                del self.seen[shape]
                self.chosen[shape] = 0
        return False

    def _record(self, shape: str, arguments: tuple[Any, ...]) -> Any:
        """Runs a call recorded, undoes it, and runs it again as the program that was recorded.

        That program is right for this call, as it was made from it; for others once a second recording, of
        other data, has found the same.
        """
        before = self._snapshot()
        try:
            result, recorded, guards, source = self._compiled.recorded(arguments, {})
        except CompileError as error:
            before.restore()
            self._give_up(error.problem)
            return self._plainly(arguments)
        except NotFinite:
            before.restore()
            raise
        if recorded.refusals:
            self._give_up(recorded.refusals[0])
            return result
        program, reason = self._agreeing(recorded)
        self._fruitless = self._fruitless + 1 if program is None else 0
        if self._fruitless > _MOST_FRUITLESS:
            self._give_up(reason)
            return result
        drawn = get_random_state()
        before.restore()
        if program is None:
            program = _Program(Entry(recorded, guards, source, native=True))
            self._waiting.append(program)
        else:
            self._waiting.remove(program)
            self._programs.insert(0, program)
            self.chosen[shape] += 1
        try:
            result = program(arguments)
        except NotFinite:
            result = MISS
        if result is MISS:
            return self._plainly(arguments)
        # The same as the program left behind, but for numbers that were drawn behind its back.
        set_random_state(drawn)
        return result

    def _agreeing(self, recorded: Recorded) -> tuple[_Program | None, str]:
        """The waiting program that does the same as a recording; else why the last one does not."""
        reason = "its calls differ"
        for program in reversed(self._waiting):
            found = differences(program.recorded, recorded)
            if not found:
                return program, ""
            reason = found[0]
        return None, reason

    def _give_up(self, reason: str) -> None:
        self.refusal = reason
        self._programs.clear()
        self._waiting.clear()


class _Program:
    """A program that leaves everything as it was where it ends with NotFinite."""

    def __init__(self, entry: Entry):
        self.recorded = entry.recorded
        self._replay = entry.replay
        instructions = entry.recorded.program.instructions
        self._draws = any(each.kind == "random" for each in instructions)
        self._written: list[Tensor] = []
        for each in instructions:
            place = each.inputs[0].place if each.kind == "write" else None
            if place is not None and not any(place.owner is held for held in self._written):
                self._written.append(place.owner)
        self._changes = self._draws or bool(self._written)

    def __call__(self, arguments: tuple[Any, ...]) -> Any:
        if not self._changes:
            return self._replay(arguments, {})
        random = get_random_state() if self._draws else None
        saved: list[tuple[Tensor, Array]] = [(each, each._array.copy()) for each in self._written]
        try:
            return self._replay(arguments, {})
        except NotFinite:
            if random is not None:
                set_random_state(random)
            for tensor, elements in saved:
                np.copyto(tensor._array, elements)
                tensor._version[0] += 1
            raise


def _described(value: Any) -> str:
    """Types and shapes of arrays, and the values of everything else."""
    if isinstance(value, Tensor):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_described, value))})"
    return repr(value)


def _elements(value: Any) -> int:
    if isinstance(value, (tuple, list)):
        return sum(map(_elements, value))
    return value.size if isinstance(value, Tensor) else 0
