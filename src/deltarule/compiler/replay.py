"""Running a program: one Python function, written for it, checks the arguments, fetches arrays from where
they live, runs the program, and puts results where they belong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Tensor
from deltarule.compiler.finishing import Recorded
from deltarule.compiler.guards import Guards
from deltarule.compiler.native.inline import lines_of
from deltarule.compiler.native.native_program import NativeProgram
from deltarule.compiler.program import Place
from deltarule.compiler.structure import Leaf

# Arrays of inputs and states -> arrays of outputs, then of gradients.
Execute = Callable[..., tuple[Any, ...]]

# What a replay answers where its recording does not hold.
MISS = object()


class Replay:
    """A program that is ready to run.

    text      the function, as Python
    __call__  (arguments, options) -> what the recorded function returns, or MISS
    """

    def __init__(self, recorded: Recorded, guards: Guards, execute: Execute):
        self._recorded = recorded
        self._guards = guards
        self._execute = execute
        self._expected = [(value.shape, value.dtype) for value in recorded.program.states]
        # Owners of the memory that the program writes: an argument must not lie there.
        self._owners: set[int] = set()
        scope = guards.scope
        scope["execute"] = execute
        scope["structure_holds"] = guards.structure_holds
        scope["states_hold"] = self._states_hold
        scope["written_owners"] = self._owners
        scope["MISS"] = MISS
        scope["copy"] = np.array
        self.text = "\n".join(self._lines()) + "\n"
        exec(compile(self.text, "<replay>", "exec"), scope)
        self._function = scope["replay"]

    def __call__(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return self._function(arguments, options)

    def _states_hold(self, bound: list[Any], arrays: tuple[Any, ...]) -> bool:
        """Whether arrays that took the place of others have the same shapes and types."""
        if isinstance(self._execute, NativeProgram):
            if not self._execute.rebind_all(arrays):
                return False
        else:
            for array, (shape, dtype) in zip(arrays, self._expected, strict=True):
                if array.shape != shape or array.dtype != dtype:
                    return False
        bound[:] = arrays
        self._owners.clear()
        for position in self._written_states():
            array = arrays[position]
            self._owners.add(id(array if array.base is None else array.base))
        return True

    def _written_states(self) -> list[int]:
        """Positions of the states that are tensors and are written."""
        program = self._recorded.program
        written = {id(tensor) for tensor in program.written}
        return [
            position
            for position, value in enumerate(program.states)
            if value.place is not None and value.place.kind == "tensor" and id(value.place.owner) in written
        ]

    def _lines(self) -> list[str]:
        program, guards = self._recorded.program, self._guards
        states = [f"s{number}" for number in range(len(program.states))]
        lines = [
            "def replay(arguments, options, version=[None], bound=[]):",
            "    try:",
            f"        if not ({guards.count}):",
            "            return MISS",
            f"        if not ({' and '.join(guards.tests)}):",
            "            return MISS",
            *(
                f"        {name} = {self._read(value.place)}"
                for name, value in zip(states, program.states, strict=True)
            ),
            "    except (KeyError, ValueError, AttributeError, TypeError, IndexError):",
            "        return MISS",
            "    if structure.version != version[0]:",
            "        if not structure_holds():",
            "            return MISS",
            "        version[0] = structure.version",
        ]
        if states:
            same = " and ".join(f"{name} is bound[{number}]" for number, name in enumerate(states))
            held = ", ".join(states)
            lines += [
                f"    if not (bound and {same}) and not states_hold(bound, ({held},)):",
                "        return MISS",
            ]
        given = [path if path in self._plain_arrays() else f"{path}._array" for path in guards.arrays]
        if given and self._written_states():
            lies = [f"id({each} if {each}.base is None else {each}.base) in written_owners" for each in given]
            lines += [f"    if {' or '.join(lies)}:", "        return MISS"]
        if isinstance(self._execute, NativeProgram) and self._execute.is_all_native:
            statements, self._answers = lines_of(self._execute, guards.name, given)
            lines += [f"    {statement}" for statement in statements]
        else:
            lines.append(f"    results = execute({', '.join([*given, *states])})")
            gradients = sum(value is not None for _, value in program.gradients)
            self._answers = [f"results[{i}]" for i in range(len(program.outputs) + gradients)]
        lines += self._gradients()
        lines += [f"    {guards.name(self._counter(each))}[0] += 1" for each in program.written]
        lines.append(f"    return {self._result(self._recorded.result)}")
        return lines

    def _plain_arrays(self) -> set[str]:
        """Arguments that are NumPy arrays."""
        return {path for path, value in self._guards.inputs if not isinstance(value, Tensor)}

    def _counter(self, tensor: Tensor) -> list[int]:
        return tensor._version

    def _read(self, place: Place | None) -> str:
        """The expression of a state's array."""
        assert place is not None
        if place.kind == "grad" and isinstance(place.owner, int):
            return f"{self._guards.arrays[place.owner]}._grad._array"
        owner = self._guards.name(place.owner)
        if place.kind == "slot":
            return f"{owner}.state[{self._guards.name(place.parameter)}][{place.slot!r}]"
        return {"tensor": f"{owner}._array", "grad": f"{owner}._grad._array", "array": owner}[place.kind]

    def _gradients(self) -> list[str]:
        """Statements that put gradients into `.grad`; each owns its memory."""
        program, lines = self._recorded.program, []
        position = len(program.outputs)
        met: set[Any] = set()
        for owner, value in program.gradients:
            target = self._guards.arrays[owner] if isinstance(owner, int) else self._guards.name(owner)
            if value is None:
                lines.append(f"    {target}._grad = None")
                continue
            found = self._answers[position]
            if value.kind != "computed" or value in met:
                lines.append(f"    {target}._grad = Tensor(copy({found}))")
            else:
                # A name stands for a whole array of its own; an element of a tuple may be a view.
                own = found if found.isidentifier() else f"{found} if {found}.base is None else copy({found})"
                lines.append(f"    {target}._grad = Tensor({own})")
            met.add(value)
            position += 1
        return lines

    def _result(self, part: Any) -> str:
        """The expression of what is returned."""
        if isinstance(part, Leaf):
            value = self._recorded.program.outputs[part.position]
            found = self._answers[part.position]
            if part.kind == "number":
                return f"{found}.item()"
            if value in self._recorded.program.inputs:
                path = self._guards.arrays[self._recorded.program.inputs.index(value)]
                return f"Tensor({path})" if path in self._plain_arrays() else path
            return f"Tensor({found})"
        if type(part) is list:
            return f"[{', '.join(self._result(each) for each in part)}]"
        if type(part) is dict:
            pairs = [f"{self._guards.name(key)}: {self._result(each)}" for key, each in part.items()]
            return "{" + ", ".join(pairs) + "}"
        if isinstance(part, tuple):
            inside = "".join(f"{self._result(each)}, " for each in part)
            if type(part) is tuple:
                return f"({inside})"
            kind = self._guards.name(type(part))
            return f"{kind}({inside})" if hasattr(part, "_fields") else f"{kind}(({inside}))"
        return self._guards.name(part)
