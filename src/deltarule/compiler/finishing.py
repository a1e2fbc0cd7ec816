"""From what a recording heard to a program: where values come from, what is left behind, what was assumed."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.tensor import Tensor
from deltarule.compiler.program import Place, Program, Value, indices_of
from deltarule.compiler.recording import MISSING, Tracer
from deltarule.compiler.simplify import simplify
from deltarule.compiler.structure import Leaf, mapped
from deltarule.compiler.traced_number import TracedNumber
from deltarule.errors import CompileError

PLAIN = (bool, int, float, complex, str, bytes, type(None), np.dtype, np.generic, type)


@dataclass(eq=False, slots=True)
class Recorded:
    """A finished recording.

    program         as it was recorded
    result          what the function returned: a structure with a Leaf for each array
    versions        (tensor, how often it had been written): Python read its elements
    gradients       (tensor or input position, whether `.grad` was None at first)
    modules         that were called
    refusals        why it cannot be replayed; empty if it can
    """

    program: Program
    result: Any
    versions: list[tuple[Tensor, int]]
    gradients: list[tuple[Any, bool]]
    modules: list[Any]
    refusals: list[str]


def returned(tracer: Tracer, result: Any) -> tuple[list[Value], Any, Any]:
    """(values of what is returned, its structure with leaves, the same as an answer for `answered`)."""
    values: list[Value] = []

    def leaf(part: Any) -> Any:
        if isinstance(part, TracedNumber):
            values.append(part.value)
            return Leaf(len(values) - 1, "number")
        if isinstance(part, Tensor):
            values.append(tracer.of(part))
            return Leaf(len(values) - 1, "tensor")
        if not isinstance(part, PLAIN):
            raise CompileError(
                "compile",
                f"the function returns a {type(part).__name__}",
                "Return tensors, numbers and text, in tuples, lists and dictionaries.",
            )
        return part

    structure = mapped(result, leaf)
    return values, structure, mapped(result, lambda part: _answer(tracer, part))


def _claimed(part: _Unclaimed) -> Tensor:
    tensor = part.tensor()
    return part.copy if tensor is None else tensor


@dataclass(eq=False, slots=True)
class _Unclaimed:
    """A tensor from outside that is returned, held weakly until it is known whether the call made it."""

    tensor: weakref.ref[Tensor]
    copy: Tensor


def _answer(tracer: Tracer, part: Any) -> Any:
    if isinstance(part, TracedNumber):
        return part.array.item()
    if not isinstance(part, Tensor):
        return part
    if tracer.is_from_outside(part):
        return _Unclaimed(weakref.ref(part), Tensor(part._array.copy()))
    if part._array.base is not None:
        # A view would keep alive what it looks at, which could not be told from an array of the user's.
        return Tensor(part._array.copy())
    return Tensor(part._array) if part.node is not None else part


def answered(answer: Any) -> Any:
    """What the user gets from a recorded call, once it is known who holds what."""
    return mapped(answer, lambda part: _claimed(part) if isinstance(part, _Unclaimed) else part)


def finish(
    tracer: Tracer, inputs: list[Value], arguments: list[Tensor], outputs: list[Value], result: Any
) -> Recorded:
    """Makes the program; afterwards the tracer has let go of all arrays.

    arguments   the tensors that the inputs were
    """
    gradients, first = _gradients(tracer, arguments)
    refusals = [*tracer.refusals, *_changed_attributes(tracer)]
    tracer.forget_arrays()
    states, constants = [], []
    for value in tracer.outside:
        if value.place is None:
            value.place = _place_of(tracer, value)
        if value.place is not None and value.kind == "outside":
            value.kind, value.array = "state", None
            states.append(value)
        else:
            value.kind = "constant"
            value.array = tracer.snapshots.get(value, value.array)
            constants.append(value)
    _hand_on_places(tracer)
    _add_slots(tracer, states)
    written: dict[int, Tensor] = {}
    for each in tracer.instructions:
        if each.kind == "update" and each.inputs[0].place is None:
            refusals.append("it is given the memory of a parameter, which it updates, as an argument")
        if each.kind in ("write", "update") and each.inputs[0].place is not None:
            target = each.inputs[0].place.owner
            if isinstance(target, Tensor) and each.inputs[0].place.kind == "tensor":
                written[id(target)] = target
            else:
                refusals.append("it writes into memory of a tensor that it does not name")
    versions = _versions(tracer, written)
    program = Program(
        inputs, states, constants, tracer.instructions, outputs, gradients, list(written.values())
    )
    simplify(program)
    return Recorded(program, result, versions, first, list(tracer.modules.values()), refusals)


def _gradients(tracer: Tracer, arguments: list[Tensor]) -> tuple[list[Any], list[Any]]:
    """What `.grad` of tensors that outlive the call is afterwards, and whether it was None before."""
    positions = {id(tensor): position for position, tensor in enumerate(arguments)}
    after, before = [], []
    for key, (held, first) in tracer.first_gradients.items():
        tensor = held()
        if tensor is None:
            continue
        owner = positions.get(key, tensor)
        if first is not MISSING:
            before.append((owner, first is None))
        if key in tracer.set_gradients:
            now = tensor._grad
            value = None if now is None else tracer.of(now)
            if value is None or first is MISSING or now is not first:
                after.append((owner, value))
    for value in tracer.outside:
        if value.place is not None and id(value.place.owner) in positions:
            value.place = Place("grad", positions[id(value.place.owner)])
    return after, before


def _place_of(tracer: Tracer, value: Value) -> Place | None:
    """Who still holds this array, now that the call is over; None if nobody does: it was made inside."""
    for holder in tracer.holders.get(value, ()):
        tensor = holder()
        if tensor is not None and tensor.node is None:
            return Place("tensor", tensor)
    # Two: the value's own, and the argument of getrefcount.
    held = sys.getrefcount(value.array) > 2
    return Place("array", value.array) if held and isinstance(value.array, np.ndarray) else None


def _hand_on_places(tracer: Tracer) -> None:
    """What is written into a place is at that place afterwards."""
    for each in tracer.instructions:
        if each.kind in ("write", "update") and each.outputs[0] is not None:
            each.outputs[0].place = each.inputs[0].place


def _add_slots(tracer: Tracer, states: list[Value]) -> None:
    """The optimisers' arrays, as they are after the first step."""
    for each in tracer.instructions:
        if each.kind != "update":
            continue
        held = each.optimizer.state.get(each.parameter, {})
        for slot, array in held.items():
            if isinstance(array, np.ndarray):
                place = Place("slot", each.optimizer, each.parameter, slot)
                each.slots[slot] = tracer.new_value("state", array, place=place)
                states.append(each.slots[slot])


def _changed_attributes(tracer: Tracer) -> list[str]:
    found = []
    for held, name, before in tracer.attributes.values():
        owner = held()
        if owner is None:
            continue
        now = getattr(owner, name, MISSING)
        if now is not before and not (type(now) is type(before) and isinstance(now, PLAIN) and now == before):
            found.append(f"it changes {name!r} of a {type(owner).__name__}")
    return found


def _versions(tracer: Tracer, written: dict[int, Tensor]) -> list[tuple[Tensor, int]]:
    versions = []
    for value, holder, version in tracer.reads_of_values:
        tensor = holder()
        if tensor is None or value.kind == "constant":
            continue
        if id(tensor) in written:
            raise CompileError(
                "compile",
                f"Python reads the elements of {tensor.name or 'a tensor'} {tensor.shape}, which every call "
                "writes",
                "Return the tensor and read it outside of the compiled function.",
            )
        versions.append((tensor, version))
    return versions


def differences(earlier: Recorded, later: Recorded) -> list[str]:
    """In what two recordings of one function differ: what Python or NumPy computed outside of operations."""
    before, after = earlier.program, later.program
    shapes = [[(value.shape, value.dtype) for value in program.inputs] for program in (before, after)]
    if shapes[0] != shapes[1]:
        return ["its arguments have other shapes in every call"]
    if repr(earlier.result) != repr(later.result):
        return ["it returns other Python values in every call"]
    if len(before.instructions) != len(after.instructions):
        return ["it does not do the same in every call"]
    paired: dict[Value, Value] = {}
    found: list[str] = []

    def same(first: Value | None, second: Value | None) -> bool:
        if first is None or second is None:
            return first is second
        if first in paired:
            return paired[first] is second
        paired[first] = second
        if first.kind != second.kind or first.shape != second.shape or first.dtype != second.dtype:
            return False
        if first.kind == "constant":
            return _equal(first.array, second.array)
        if first.place is not None and second.place is not None:
            return first.place.same(second.place)
        return first.place is None and second.place is None

    for first, second in zip(before.inputs, after.inputs, strict=True):
        paired[first] = second
    for one, other in zip(before.instructions, after.instructions, strict=True):
        alike = (
            one.kind == other.kind
            and one.operation == other.operation
            and one.needs == other.needs
            and one.optimizer is other.optimizer
            and one.group == other.group
            and len(one.outputs) == len(other.outputs)
            and _equal_options(one.parameters, other.parameters)
        )
        if not alike:
            return [f"{one.name} is called otherwise in every call"]
        reads = list(one.inputs) + list(one.values) + list(one.upstream)
        others = list(other.inputs) + list(other.values) + list(other.upstream)
        if len(reads) != len(others):
            return [f"{one.name} is called otherwise in every call"]
        for first, second in zip(reads, others, strict=True):
            if not same(first, second):
                where = f" in layer {one.scope}" if one.scope else ""
                found.append(
                    f"{one.name}{where} reads an array that Python or NumPy makes anew in every call"
                    if first.kind == "constant"
                    else f"{one.name}{where} reads another tensor in every call"
                )
        for first, second in zip(one.outputs, other.outputs, strict=True):
            if first is not None and second is not None:
                paired[first] = second
    pairs = list(zip(before.outputs, after.outputs, strict=False))
    if len(before.outputs) != len(after.outputs) or not all(same(first, second) for first, second in pairs):
        found.append("it does not return the same in every call")
    return found


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return bool(np.array_equal(first, second, equal_nan=first.dtype.kind in "fc"))
    return type(first) is type(second) and bool(first == second)


def _equal_options(first: dict[str, Any], second: dict[str, Any]) -> bool:
    if first.keys() != second.keys():
        return False
    for name, value in first.items():
        other = second[name]
        if name == "key" and (list(indices_of(value)) or list(indices_of(other))):
            continue
        if not _equal(value, other):
            return False
    return True
