"""A program as readable Python: one function of arrays, named after the user's layers, and how to run it.

The functions that the source calls are the operations' own kernels, on plain arrays, in the order of the
recording: what it computes is what eager mode computes, to the last bit.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.compiler.kernels import Drawing, Kernel, Located, Updating, put
from deltarule.compiler.program import Instruction, Program, Rule, Value

_CALLED_BY_LITERALS = ("dict", "float", "slice")
_TITLES = {
    "forward": "forward",
    "backward": "backward",
    "recompute": "checkpoint: forward again",
    "update": "update",
}


class _Names:
    """Identifiers, each given once."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def give(self, wanted: str) -> str:
        base = re.sub(r"\W+", "_", wanted).strip("_") or "value"
        if base[0].isdigit():
            base = f"layer_{base}"
        if keyword.iskeyword(base) or base in _CALLED_BY_LITERALS:
            base += "_"
        name, count = base, 1
        while name in self.taken:
            count += 1
            name = f"{base}_{count}"
        self.taken.add(name)
        return name


class Source:
    """The text of a program's function, and the names that it needs.

    text        what users read
    namespace   name -> what the text calls
    """

    def __init__(self, program: Program, names: dict[int, str], called: str = "step"):
        self.program = program
        self.namespace: dict[str, Any] = {}
        self._names = _Names()
        self._own_names: dict[Any, str] = {}
        self._called = self._names.give(called)
        self._last_use = _last_uses(program)
        for each in program.instructions:
            if each.kind in ("forward", "gradient", "scatter"):
                self._object(_kernel_key(each), each.name, lambda each=each: _kernel(each))
        self._name_values(names)
        self._lines, self._with_deletions = self._body()
        self.text = self._function(self._lines)

    def function(self) -> Callable[..., Any]:
        """What the text defines: arrays of inputs and states -> outputs, then gradients."""
        scope = dict(self.namespace)
        code = compile(self._function(self._with_deletions), f"<compiled {self._called}>", "exec")
        exec(code, scope)
        return scope[self._called]

    # ---- names

    def _object(self, key: Any, wanted: str, make: Callable[[], Any]) -> str:
        """The name of something that the text calls; made when first asked for."""
        found = self._own_names.get(key)
        if found is None:
            found = self._own_names[key] = self._names.give(wanted)
            self.namespace[found] = make()
        return found

    def _name_values(self, names: dict[int, str]) -> None:
        program = self.program
        for value in program.inputs:
            value.name = self._names.give(value.name or "x")
        for value in program.states:
            value.name = self._names.give(_name_of_state(value, names))
        for value in program.constants:
            if isinstance(value.array, np.ndarray):
                number = value.array.item() if value.array.ndim == 0 else None
                value.name = self._names.give("constant" if number is None else f"number_{number}")
                self.namespace[value.name] = value.array
        for each in program.instructions:
            if each.kind in ("write", "update"):
                output = each.outputs[0]
                if output is not None:
                    written = each.inputs[0]
                    output.name = (
                        written.name if written.place is not None else self._names.give(written.name)
                    )
                continue
            self._name_outputs(each)

    def _name_outputs(self, each: Instruction) -> None:
        prefix = each.scope or each.name
        if each.kind == "gradient":
            for value, output in zip(each.inputs, each.outputs, strict=True):
                if output is not None and not output.name:
                    output.name = self._names.give(f"grad_{value.name}")
            return
        if each.kind == "scatter":
            assert each.outputs[0] is not None
            each.outputs[0].name = self._names.give(f"grad_{each.values[0].name}")
            return
        labels = getattr(each.operation, "outputs", None) or ("y",)
        if isinstance(each.operation, Rule):
            labels = (each.name, *(f"{each.name}_{k}" for k in range(1, len(each.outputs))))
            prefix = each.scope
        added = each.name == "add" and not each.scope and any(v.name.startswith("grad_") for v in each.inputs)
        for label, output in zip(labels, each.outputs, strict=False):
            if output is not None:
                wanted = each.inputs[0].name if added else f"{prefix}.{label}" if prefix else label
                output.name = self._names.give(wanted)
        if each.saved is not None:
            each.saved.name = self._names.give(f"{prefix}.saved")

    # ---- text

    def _function(self, body: list[str]) -> str:
        arguments = [value.name for value in (*self.program.inputs, *self.program.states)]
        head = _wrapped(f"def {self._called}(", arguments, "):")
        constants = [
            f"    # {value.name}: {value.dtype} {value.shape}"
            for value in self.program.constants
            if isinstance(value.array, np.ndarray) and value.array.ndim
        ]
        results = [value.name for value in self.program.outputs]
        results += [value.name for _, value in self.program.gradients if value is not None]
        ending = ["    # ---- what is returned, then gradients that are kept"]
        ending += [
            f"    {line}" for line in _wrapped("return (", results, ",)" if len(results) == 1 else ")")
        ]
        return "\n".join([*head, *constants, *body, *ending]) + "\n"

    def _body(self) -> tuple[list[str], list[str]]:
        shown: list[str] = []
        executed: list[str] = []
        section, position = "", 0
        while position < len(self.program.instructions):
            together = self._together(position)
            each = together[0]
            now = "update" if each.kind == "update" else each.section
            if now != section:
                section = now
                shown.append(f"    # ---- {_TITLES[section]}")
            lines = self._update(together) if each.kind == "update" else [self._statement(each)]
            remark = each.name if each.kind == "update" else each.scope
            shown += [f"    {line}" for line in lines]
            shown[-1] += f"  # {remark}" if remark else ""
            executed += [f"    {line}" for line in lines]
            last_uses = [self._last_use.get(position + k, ()) for k in range(len(together))]
            dead = sorted({value.name for values in last_uses for value in values})
            if dead:
                executed.append(f"    del {', '.join(dead)}")
            position += len(together)
        return shown, executed

    def _together(self, position: int) -> list[Instruction]:
        """The instruction at a position; of an update, all that follow for the same group."""
        instructions = self.program.instructions
        first = instructions[position]
        found = [first]
        while first.kind == "update" and position + len(found) < len(instructions):
            other = instructions[position + len(found)]
            same_group = other.optimizer is first.optimizer and other.group == first.group
            twice = any(other.parameter is each.parameter for each in found)
            if other.kind != "update" or not same_group or twice:
                break
            found.append(other)
        return found

    def _update(self, together: list[Instruction]) -> list[str]:
        wanted = f"update_{together[0].name.lower()}"
        name = self._object(("update", together[0]), wanted, lambda: Updating(together))
        pairs = [f"({each.inputs[0].name}, {each.inputs[1].name})" for each in together]
        return _wrapped(f"{name}(", pairs, ")")

    def _statement(self, each: Instruction) -> str:
        if each.kind == "write":
            return self._write(each)
        inputs = [self._operand(value) for value in each.inputs]
        options = [f"{name}={self._literal(value)}" for name, value in each.parameters.items()]
        if each.kind == "check":
            rule = self._object(_kernel_key(each), each.name, lambda: _kernel(each))
            return f"{rule}({', '.join([*inputs, *options])})"
        if each.kind == "random":
            rule = self._object(("random", each.operation), each.name, lambda: Drawing(each.operation))
            return f"{self._targets(each)} = {rule}({', '.join(options)})"
        kernel = self._own_names[_kernel_key(each)]
        if each.kind == "forward":
            return f"{self._targets(each)} = {kernel}({', '.join([*inputs, *options])})"
        upstream = [value.name for value in each.upstream]
        if each.kind == "scatter":
            details = [*inputs, *upstream, f"like={each.values[0].name}", f"own={self._owns(each)}", *options]
            return f"{self._targets(each)} = {kernel}.scatter({', '.join(details)})"
        details = [
            *upstream,
            f"inputs={_tuple(inputs)}",
            f"values={_tuple([value.name for value in each.values])}",
            *([f"saved={each.saved.name}"] if each.saved is not None else []),
            f"needs={tuple(int(need) for need in each.needs)}",
        ]
        if options:
            details.append(f"parameters=dict({', '.join(options)})")
        return f"{self._targets(each)} = {kernel}.gradient({', '.join(details)})"

    def _targets(self, each: Instruction) -> str:
        names = ["_" if output is None else output.name for output in each.outputs]
        if each.kind == "forward" and getattr(each.operation, "saves", False):
            names.append("_" if each.saved is None else each.saved.name)
        return f"{names[0]}," if len(names) == 1 and each.kind == "gradient" else ", ".join(names)

    def _write(self, each: Instruction) -> str:
        key = each.parameters["key"]
        index = self._key(key)
        target, source = each.inputs
        if target.place is not None:
            return f"{target.name}[{index}] = {self._operand(source)}"
        name = self._object("put", "put", lambda: put)
        output = each.outputs[0]
        assert output is not None
        key_text = f"({index})" if isinstance(key, tuple) else index
        return f"{output.name} = {name}({target.name}, {key_text}, {self._operand(source)})"

    def _key(self, key: Any) -> str:
        parts = key if isinstance(key, tuple) else (key,)
        texts = [part.name if isinstance(part, Value) else self._literal(part) for part in parts]
        return ", ".join(texts) + ("," if isinstance(key, tuple) and len(texts) == 1 else "")

    def _operand(self, value: Value) -> str:
        if value.kind == "constant" and not isinstance(value.array, np.ndarray):
            return self._literal(value.array)
        return value.name

    def _owns(self, each: Instruction) -> bool:
        """Whether the sum so far belongs to this instruction alone, so that it may be written."""
        before = each.inputs[0]
        made_here = any(
            other.kind == "scatter" and before in other.outputs for other in self.program.instructions
        )
        readers = [other for other in self.program.instructions if before in set(other.reads())]
        kept = before in self.program.outputs or any(value is before for _, value in self.program.gradients)
        return made_here and readers == [each] and not kept

    def _literal(self, value: Any) -> str:
        """Text that gives exactly this object, or the name of it."""
        kind = type(value)
        if kind in (int, bool, str, type(None)) or value is Ellipsis:
            return "..." if value is Ellipsis else repr(value)
        if kind is float:
            return repr(value) if np.isfinite(value) else f'float("{value}")'
        if kind is tuple:
            return _tuple([self._literal(part) for part in value])
        if kind is list:
            return f"[{', '.join(self._literal(part) for part in value)}]"
        if kind is slice:
            return (
                f"slice({', '.join(self._literal(part) for part in (value.start, value.stop, value.step))})"
            )
        if isinstance(value, np.dtype):
            return self._object(("dtype", value), str(value), lambda: value)
        return self._object(("option", id(value)), "option", lambda: value)


def _kernel_key(each: Instruction) -> Any:
    """Rules name their layer in errors, so that each layer has its own."""
    return ("kernel", each.operation, each.scope if isinstance(each.operation, Rule) else "")


def _kernel(each: Instruction) -> Any:
    if isinstance(each.operation, Rule):
        return Located(each.operation, each.scope)
    return Kernel(each.operation)


def _name_of_state(value: Value, names: dict[int, str]) -> str:
    place = value.place
    assert place is not None
    if place.kind == "slot":
        return f"{names.get(id(place.parameter), 'parameter')}.{place.slot}"
    if place.kind == "array":
        return "array"
    owner = place.owner
    name = names.get(id(owner)) or getattr(owner, "name", "") or "tensor"
    return f"grad.{name}" if place.kind == "grad" else name


def _last_uses(program: Program) -> dict[int, list[Value]]:
    """Position of an instruction -> computed values that nothing reads after it."""
    last: dict[Value, int] = {}
    kept = {*program.outputs, *(value for _, value in program.gradients if value is not None)}
    for position, each in enumerate(program.instructions):
        for value in (*each.makes(), *each.reads()):
            last[value] = position
    found: dict[int, list[Value]] = {}
    for value, position in last.items():
        if value.kind == "computed" and value.place is None and value not in kept:
            found.setdefault(position, []).append(value)
    return found


def _tuple(parts: list[str]) -> str:
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def _wrapped(head: str, parts: list[str], tail: str) -> list[str]:
    """One line, or one part a line where that is too long."""
    line = head + ", ".join(parts) + tail
    if len(line) <= 106:
        return [line]
    return [head, *(f"    {part}," for part in parts), tail.lstrip(",")]
