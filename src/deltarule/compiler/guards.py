"""What a recording took for granted, as tests that the function which replays it begins with.

Checked in every call: number, types, shapes and element types of the arguments, the rest of them by value;
whether gradients are recorded; what the function reads around it; the optimisers' options that choose
another formula (all others may change); whether `.grad` was there. Models and flags are looked at only after
`structure.version` says that some of them changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.autodiff.dtypes import default_float
from deltarule.autodiff.recording import recording, structure
from deltarule.autodiff.tensor import Tensor
from deltarule.compiler.finishing import PLAIN, Recorded
from deltarule.compiler.surroundings import Reading, Surroundings


@dataclass(frozen=True, slots=True)
class Structure:
    """A list, tuple or dictionary among the arguments: its type, and its length or keys."""

    kind: type
    keys: Any


def leaves_of(arguments: tuple[Any, ...], options: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """(expression that finds it in a call, name, value) of each argument, structures taken apart."""
    found: list[tuple[str, str, Any]] = []

    def visit(value: Any, path: str, name: str) -> None:
        if isinstance(value, (tuple, list)):
            found.append((path, name, Structure(type(value), len(value))))
            for position, part in enumerate(value):
                visit(part, f"{path}[{position}]", f"{name}_{position}")
        elif type(value) is dict:
            found.append((path, name, Structure(dict, tuple(value))))
            for key, part in value.items():
                visit(part, f"{path}[{key!r}]", f"{name}_{key}")
        else:
            found.append((path, name, value))

    for position, value in enumerate(arguments):
        visit(value, f"arguments[{position}]", f"argument_{position}")
    for key, value in options.items():
        visit(value, f"options[{key!r}]", key)
    return found


def is_input(value: Any, held: set[int]) -> bool:
    """Whether an argument may be any array; parameters, and what the function holds itself, may not."""
    return isinstance(value, np.ndarray) or (type(value) is Tensor and id(value) not in held)


class Guards:
    """The check of one recording, as expressions of Python about `arguments` and `options`.

    count    an expression that is true where the number of arguments is right; it comes first
    tests    expressions that are true where the recording holds
    arrays   expressions of the arguments that are arrays
    scope    what the expressions name
    """

    def __init__(
        self,
        recorded: Recorded,
        leaves: list[tuple[str, str, Any]],
        counts: tuple[int, tuple[str, ...]],
        surroundings: Surroundings,
    ):
        self._modules = [_Fingerprint(module) for module in _all_modules(recorded, surroundings)]
        self._flags = [
            (place.owner, place.owner._requires_grad, place.owner._array.dtype)
            for place in (value.place for value in recorded.program.states)
            if place is not None and place.kind == "tensor"
        ]
        self._optimizers = _optimizers(recorded, surroundings)
        self._options = [
            [_Options(optimizer, group) for group in optimizer.param_groups] for optimizer in self._optimizers
        ]
        self._held = {id(tensor) for tensor in surroundings.tensors}
        self._met: dict[int, tuple[str, Any]] = {}
        self.scope: dict[str, Any] = {
            "Tensor": Tensor,
            "ndarray": np.ndarray,
            "recording": recording,
            "structure": structure,
            "default_float": default_float,
        }
        self.count = f"len(arguments) == {counts[0]} and "
        self.count += f"tuple(options) == {counts[1]!r}" if counts[1] else "not options"
        self.tests: list[str] = []
        self.arrays: list[str] = []
        self.inputs: list[tuple[str, Any]] = []
        self._write_tests(recorded, leaves, surroundings)

    def structure_holds(self) -> bool:
        """Whether models and flags are as they were: for when something changed somewhere."""
        return all(
            tensor._requires_grad is flag and tensor.dtype == dtype for tensor, flag, dtype in self._flags
        ) and all(each.holds() for each in self._modules)

    def name(self, value: Any) -> str:
        """A name for an object in the expressions."""
        name = f"c{len(self.scope)}"
        self.scope[name] = value
        return name

    def _write_tests(self, recorded: Recorded, leaves: list[Any], surroundings: Surroundings) -> None:
        tests = self.tests
        tests += [
            f"recording.enabled is {recording.enabled}",
            f"(recording.transforms == 0) is {recording.transforms == 0}",
            f"default_float() is {self.name(default_float())}",
        ]
        tests += [self._reading(reading) for reading in surroundings.readings]
        for number, optimizer in enumerate(self._optimizers):
            held = self.name(optimizer)
            tests.append(f"len({held}.param_groups) == {len(optimizer.param_groups)}")
            for group, options in enumerate(self._options[number]):
                tests.append(f"{self.name(options)}.hold({held}.param_groups[{group}])")
        for tensor, version in recorded.versions:
            tests.append(f"{self.name(tensor)}._version[0] == {version}")
        for path, _, value in leaves:
            self._argument(path, value)
        for owner, absent in recorded.gradients:
            held = self.arrays[owner] if isinstance(owner, int) else self.name(owner)
            tests.append(f"({held}._grad is None) is {absent}")

    def _reading(self, reading: Reading) -> str:
        if not reading.is_fixed:
            return f"{self.name(reading)}.holds()"
        holder = self.name(reading.holder)
        now = f"{holder}.cell_contents" if reading.key is None else f"{holder}[{reading.key!r}]"
        return self._same(now, reading.value)

    def _same(self, expression: str, value: Any) -> str:
        """True where an expression gives this object, or an equal number or text of the same type."""
        if not isinstance(value, PLAIN) or isinstance(value, (bool, type, type(None))):
            return f"{expression} is {self.name(value)}"
        return f"type({expression}) is {self.name(type(value))} and {expression} == {self.name(value)}"

    def _argument(self, path: str, value: Any) -> None:
        tests = self.tests
        if is_input(value, self._held):
            self._input(path, value)
        elif isinstance(value, Structure):
            tests.append(f"type({path}) is {self.name(value.kind)}")
            keys = value.keys
            tests.append(f"len({path}) == {keys}" if isinstance(keys, int) else f"tuple({path}) == {keys!r}")
        else:
            tests.append(self._same(path, value))

    def _input(self, path: str, value: Any) -> None:
        tests = self.tests
        array = value._array if isinstance(value, Tensor) else value
        held = f"{path}._array" if isinstance(value, Tensor) else path
        tests.append(f"type({path}) is {'Tensor' if isinstance(value, Tensor) else 'ndarray'}")
        tests.append(f"{held}.shape == {array.shape!r} and {held}.dtype == {self.name(array.dtype)}")
        if isinstance(value, Tensor):
            tests.append(f"{path}._requires_grad is {value._requires_grad} and {path}.node is None")
        same = self._met.get(id(array))
        if same is not None:
            tests.append(f"{path} is {same[0]}" if same[1] is value else f"{held} is {same[0]}._array")
            return
        for other, known in self._met.values():
            if getattr(value, "_requires_grad", False) or getattr(known, "_requires_grad", False):
                tests.append(f"{path} is not {other}")
        self._met[id(array)] = (path, value)
        self.arrays.append(path)
        self.inputs.append((path, value))


class _Options:
    """The options of one group: which formula they choose, and the objects that they were last.

    Numbers may change freely, but not to or from 0, which leaves a term away.
    """

    def __init__(self, optimizer: Any, group: dict[str, Any]):
        self.optimizer = optimizer
        self.parameters = group["params"]
        self.count = len(self.parameters)
        self.formula = _formula(group)
        self.last = list(group.values())

    def hold(self, group: dict[str, Any]) -> bool:
        """Whether the formula is still the same; new numbers are checked as a step of the optimiser would."""
        now = list(group.values())
        if now == self.last and len(self.parameters) == self.count:
            return True
        if group["params"] is not self.parameters or len(self.parameters) != self.count:
            return False
        if _formula(group) != self.formula:
            return False
        self.optimizer.check(group)
        self.last = now
        return True


def _formula(group: dict[str, Any]) -> list[Any]:
    found = []
    for name, value in group.items():
        if name not in ("params", "lr", "initial_lr"):
            numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
            found.append((name, value != 0 if numeric else value if isinstance(value, PLAIN) else None))
    return found


class _Fingerprint:
    """A module as it was: its parameters, buffers, sub-modules and other attributes."""

    def __init__(self, module: Any):
        self.module = module
        self.tables = [dict(table) for table in _tables(module)]
        self.others = _others(module)

    def holds(self) -> bool:
        for before, now in zip(self.tables, _tables(self.module), strict=True):
            if before.keys() != now.keys() or any(before[name] is not now[name] for name in before):
                return False
        now = _others(self.module)
        return now.keys() == self.others.keys() and all(
            now[name] is before
            or (isinstance(before, PLAIN) and type(before) is type(now[name]) and before == now[name])
            for name, before in self.others.items()
        )


def _tables(module: Any) -> list[dict[str, Any]]:
    return [module._parameters, module._buffers, module._modules]


def _others(module: Any) -> dict[str, Any]:
    return {
        name: value
        for name, value in module.__dict__.items()
        if name not in ("_parameters", "_buffers", "_modules")
    }


def _all_modules(recorded: Recorded, surroundings: Surroundings) -> list[Any]:
    found = {id(module): module for module in recorded.modules}
    for root in surroundings.modules:
        found.update({id(module): module for _, module in root.named_modules()})
    return list(found.values())


def _optimizers(recorded: Recorded, surroundings: Surroundings) -> list[Any]:
    used = [each.optimizer for each in recorded.program.instructions if each.kind == "update"]
    return list({id(each): each for each in (*used, *surroundings.optimizers)}.values())
